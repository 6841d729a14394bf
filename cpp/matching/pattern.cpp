#include "matching/pattern.hpp"

#include <cmath>

#include "core/error.hpp"

namespace faltung::matching {

namespace {

Problem in_float64() { return {.arithmetic = Arithmetic::f64}; }

std::vector<double> numbers_of(const ArrayView& view) {
    const Kernel taken(in_float64(), view, false, false);
    const Taps<double>& taps = taken.planes<double>().real;
    return {taps.begin(), taps.end()};
}

}  // namespace

Pattern make_pattern(const ArrayView& view, const ArrayView* mask) {
    Pattern pattern{.shape = view.shape, .taps = numbers_of(view)};
    if (mask)
        for (const double kept : numbers_of(*mask)) pattern.keep.push_back(kept != 0);
    const auto counts = [&](std::size_t i) { return !mask || pattern.keep[i]; };

    double peak = 0;
    const double* first = nullptr;
    for (std::size_t i = 0; i < pattern.taps.size(); ++i) {
        if (!counts(i)) continue;
        const double tap = pattern.taps[i];
        if (!std::isfinite(tap)) throw ValueError("template holds NaN or infinity");
        if (!first) first = &pattern.taps[i];
        pattern.flat = pattern.flat && tap == *first;
        peak = std::max(peak, std::abs(tap));
        ++pattern.count;
    }
    if (pattern.count == 0) throw ValueError("mask leaves no sample of the template");
    if (pattern.flat) return pattern;

    // Scaled by a power of two first, so that no square overflows or vanishes.
    const int exponent = std::ilogb(peak);
    std::vector<long double> exact(pattern.taps.size());
    long double mean = 0, square = 0;
    for (std::size_t i = 0; i < exact.size(); ++i)
        if (counts(i))
            mean += exact[i] = std::ldexp(static_cast<long double>(pattern.taps[i]), -exponent);
    mean /= static_cast<long double>(pattern.count);
    for (std::size_t i = 0; i < exact.size(); ++i)
        if (counts(i)) square += (exact[i] - mean) * (exact[i] - mean);
    const long double length = std::sqrt(square);
    for (const long double tap : exact) pattern.plain.push_back(static_cast<double>(tap));
    for (std::size_t i = 0; i < exact.size(); ++i)
        pattern.taps[i] = counts(i) ? static_cast<double>((exact[i] - mean) / length) : 0.0;
    return pattern;
}

Kernel as_kernel(const Pattern& pattern, const std::vector<double>& taps) {
    ArrayView view{.data = reinterpret_cast<std::byte*>(const_cast<double*>(taps.data())),
                   .dtype = DType::float64,
                   .shape = pattern.shape,
                   .strides = Extents(pattern.shape.size(), 0)};
    Index stride = sizeof(double);
    for (int a = view.rank() - 1; a >= 0; --a) {
        view.strides[a] = stride;
        stride *= view.shape[a];
    }
    return {in_float64(), view, false, false};
}

}  // namespace faltung::matching
