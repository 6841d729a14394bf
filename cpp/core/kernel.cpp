#include "core/kernel.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/half.hpp"

namespace faltung {

namespace {

template <class S>
S read_as(const std::byte* at) {
    S value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

/// One tap: real and imaginary part in the arithmetic type. Integers pass through 64 bits, never
/// through a float.
template <class T>
struct Tap {
    T real, imag;
};

/// What the arithmetic's numbers are in memory.
template <class T>
constexpr DType plain_dtype = std::is_same_v<T, float>    ? DType::float32
                              : std::is_same_v<T, double> ? DType::float64
                                                          : DType::int64;

template <class T>
Tap<T> read_tap(DType dtype, const std::byte* at) {
    switch (dtype) {
        case DType::boolean: return {static_cast<T>(read_as<std::uint8_t>(at) != 0), T{}};
        case DType::int8: return {static_cast<T>(read_as<std::int8_t>(at)), T{}};
        case DType::int16: return {static_cast<T>(read_as<std::int16_t>(at)), T{}};
        case DType::int32: return {static_cast<T>(read_as<std::int32_t>(at)), T{}};
        case DType::int64: return {static_cast<T>(read_as<std::int64_t>(at)), T{}};
        case DType::uint8: return {static_cast<T>(read_as<std::uint8_t>(at)), T{}};
        case DType::uint16: return {static_cast<T>(read_as<std::uint16_t>(at)), T{}};
        case DType::uint32: return {static_cast<T>(read_as<std::uint32_t>(at)), T{}};
        case DType::uint64: return {static_cast<T>(read_as<std::uint64_t>(at)), T{}};
        case DType::float16:
            return {static_cast<T>(half_to_float(read_as<std::uint16_t>(at))), T{}};
        case DType::float32: return {static_cast<T>(read_as<float>(at)), T{}};
        case DType::float64: return {static_cast<T>(read_as<double>(at)), T{}};
        case DType::complex64:
            return {static_cast<T>(read_as<float>(at)),
                    static_cast<T>(read_as<float>(at + sizeof(float)))};
        case DType::complex128:
            return {static_cast<T>(read_as<double>(at)),
                    static_cast<T>(read_as<double>(at + sizeof(double)))};
    }
    return {};
}

/// Rows that stand in memory as the arithmetic wants them, forwards or backwards. False, and
/// nothing done, where they do not.
template <class T>
bool copy_rows(const ArrayView& view, T* to) {
    constexpr auto size = static_cast<Index>(sizeof(T));
    const int last = view.rank() - 1;
    if (view.dtype != plain_dtype<T> || last < 0 || std::abs(view.strides[last]) != size)
        return false;
    const Index count = view.shape[last];
    const bool backwards = view.strides[last] < 0;
    ArrayView rows = view;
    rows.shape[last] = 1;
    for_each_element(rows, [&](const std::byte* address) {
        const auto bytes = static_cast<std::size_t>(count * size);
        if (backwards) {
            const std::byte* first = address - (count - 1) * size;
            for (Index i = 0; i < count; ++i)
                std::memcpy(to + count - 1 - i, first + i * size, sizeof(T));
        } else {
            std::memcpy(to, address, bytes);
        }
        to += count;
    });
    return true;
}

/// The sum of squares, in parts that a compiler puts side by side.
template <class T>
double squares_of(const Taps<T>& taps) {
    constexpr std::size_t lanes = 8;
    double sums[lanes] = {};
    const T* at = taps.data();
    std::size_t left = taps.size();
    for (; left >= lanes; left -= lanes, at += lanes)
        for (std::size_t l = 0; l < lanes; ++l) {
            const double value = static_cast<double>(at[l]);
            sums[l] += value * value;
        }
    for (std::size_t l = 0; l < left; ++l)
        sums[l] += static_cast<double>(at[l]) * static_cast<double>(at[l]);
    return std::accumulate(sums, sums + lanes, 0.0);
}

template <class T>
Index count_not_zero(const KernelPlanes<T>& planes) {
    const T *re = planes.real.data(), *im = planes.imag.data();
    const auto count = static_cast<Index>(planes.real.size());
    Index found = 0;
    if (!im)
        for (Index i = 0; i < count; ++i) found += re[i] != 0 ? 1 : 0;
    else
        for (Index i = 0; i < count; ++i) found += (re[i] != 0) | (im[i] != 0) ? 1 : 0;
    return found;
}

template <class T>
bool all_the_same(const Taps<T>& taps) {
    return std::all_of(taps.begin(), taps.end(), [&](T tap) { return tap == taps[0]; });
}

/// Whether all taps are finite, and their l2 norm: relative to the largest, so that no square
/// overflows or vanishes.
template <class T>
std::pair<bool, double> careful_norm(const KernelPlanes<T>& planes) {
    bool finite = true;
    double largest = 0, squares = 0;
    for (const Taps<T>* plane : {&planes.real, &planes.imag})
        for (const T tap : *plane) {
            finite = finite && std::isfinite(static_cast<double>(tap));
            largest = std::max(largest, std::abs(static_cast<double>(tap)));
        }
    if (largest == 0) return {finite, 0};
    for (const Taps<T>* plane : {&planes.real, &planes.imag})
        for (const T tap : *plane) {
            const double part = static_cast<double>(tap) / largest;
            squares += part * part;
        }
    return {finite, largest * std::sqrt(squares)};
}

}  // namespace

Kernel::Kernel(const Problem& problem, const ArrayView& view, bool flip, bool conjugate)
    : shape_(view.shape), complex_(problem.complex_kernel) {
    with_arithmetic(problem.arithmetic, [&]<class T>(T) {
        const Index count = product(shape_);
        KernelPlanes<T> planes;
        planes.real = Taps<T>(count);
        if (complex_) planes.imag = Taps<T>(count);

        ArrayView walk = view;
        for (int a = 0; flip && a < view.rank(); ++a) {
            walk.data += (shape_[a] - 1) * view.strides[a];
            walk.strides[a] = -view.strides[a];
        }
        if (complex_ || !copy_rows(walk, planes.real.data())) {
            std::size_t i = 0;
            for_each_element(walk, [&](const std::byte* address) {
                const Tap<T> tap = read_tap<T>(view.dtype, address);
                planes.real[i] = tap.real;
                if (complex_) planes.imag[i] = conjugate ? -tap.imag : tap.imag;
                ++i;
            });
        }
        not_zero_ = count_not_zero(planes);
        constant_ = all_the_same(planes.real) && all_the_same(planes.imag);
        constexpr double least = 1e-200, most = 1e200;  // sums of squares that lost nothing
        const double squares = squares_of(planes.real) + squares_of(planes.imag);
        if (squares >= least && squares <= most)
            norm_ = std::sqrt(squares);
        else
            std::tie(finite_, norm_) = careful_norm(planes);
        planes_ = std::move(planes);
    });
}

}  // namespace faltung
