// Finds the short kernels behind an outer product, or behind a sum of a few.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "direct/low_rank.hpp"
#include "direct/separable.hpp"
#include "direct/tensor.hpp"

namespace faltung {

using direct::at_product;
using direct::for_each;
using direct::slowest_long_axis;
using direct::Tensor;
using direct::Vectors;

namespace {

using Complex = std::complex<double>;

/// A number every integer below which is a double.
constexpr double exact_limit = 9007199254740992.0;  // 2^53

/// Over the integers: fibres divided by the greatest common divisor of their numbers are the
/// factors, but for one scale, which is an integer too (Gauss's lemma). It goes to the axis that is
/// computed last.
std::optional<Factors> factorise_exactly(const Tensor<std::int64_t>& kernel) {
    const auto size = [](std::int64_t v) {
        return v < 0 ? ~static_cast<std::uint64_t>(v) + 1 : static_cast<std::uint64_t>(v);
    };
    Factors found;
    const auto pivot_at =
        std::max_element(kernel.values.begin(), kernel.values.end(),
                         [&](std::int64_t a, std::int64_t b) { return size(a) < size(b); });
    const std::int64_t pivot_value = *pivot_at;
    if (pivot_value == 0) {
        for (Index extent : kernel.shape)
            found.per_axis.emplace_back(static_cast<std::size_t>(extent));
        return found;
    }
    if (size(pivot_value) > static_cast<std::uint64_t>(exact_limit)) return std::nullopt;

    const Index pivot = pivot_at - kernel.values.begin();
    Vectors<std::int64_t> factors;
    std::int64_t primitive = 1;  // what the primitive factors make of the pivot
    for (int a = 0; a < kernel.rank(); ++a) {
        std::vector<std::int64_t> fibre = kernel.fibre(a, pivot);
        std::int64_t divisor = 0;
        for (std::int64_t number : fibre) divisor = std::gcd(divisor, number);
        if (pivot_value < 0) divisor = -divisor;
        for (std::int64_t& number : fibre) number /= divisor;
        if (__builtin_mul_overflow(primitive, pivot_value / divisor, &primitive))
            return std::nullopt;
        factors.push_back(std::move(fibre));
    }
    if (pivot_value % primitive != 0) return std::nullopt;
    const std::int64_t scale = pivot_value / primitive;
    for (std::int64_t& number : factors[static_cast<std::size_t>(slowest_long_axis(kernel.shape))])
        if (__builtin_mul_overflow(number, scale, &number)) return std::nullopt;

    const bool same = for_each(kernel.shape, [&](std::size_t i, const Extents& at) {
        std::int64_t value = 1;
        for (int a = 0; a < at.size(); ++a) {
            const std::int64_t factor =
                factors[static_cast<std::size_t>(a)][static_cast<std::size_t>(at[a])];
            if (factor == 0) return kernel.values[i] == 0;
            if (__builtin_mul_overflow(value, factor, &value)) return false;
        }
        return value == kernel.values[i];
    });
    if (!same) return std::nullopt;
    for (const auto& factor : factors) {
        std::vector<Complex> numbers;
        for (std::int64_t number : factor) numbers.emplace_back(static_cast<double>(number));
        found.per_axis.push_back(std::move(numbers));
    }
    return found;
}

template <class F>
bool within(const Tensor<F>& kernel, const Vectors<F>& factors, double bound) {
    return for_each(kernel.shape, [&](std::size_t i, const Extents& at) {
        return std::abs(kernel.values[i] - at_product(factors, at)) <= bound;
    });
}

double conjugated(double value) { return value; }
Complex conjugated(const Complex& value) { return std::conj(value); }

/// One sweep of alternating least squares: each factor in turn is the best one for the others.
template <class F>
void improve(const Tensor<F>& kernel, Vectors<F>& factors) {
    for (int axis = 0; axis < kernel.rank(); ++axis) {
        double weight = 1;
        for (int a = 0; a < kernel.rank(); ++a) {
            if (a == axis) continue;
            double square = 0;
            for (const F& number : factors[static_cast<std::size_t>(a)])
                square += std::norm(number);
            weight *= square;
        }
        std::vector<F> sums(static_cast<std::size_t>(kernel.shape[axis]));
        for_each(kernel.shape, [&](std::size_t i, const Extents& at) {
            sums[static_cast<std::size_t>(at[axis])] +=
                kernel.values[i] * conjugated(at_product(factors, at, axis));
            return true;
        });
        for (F& number : sums) number /= weight;
        factors[static_cast<std::size_t>(axis)] = std::move(sums);
    }
}

/// Scales by powers of two, so that no pass but the last amplifies: what is finite stays finite on
/// the way.
template <class F>
void balance(const Extents& shape, Vectors<F>& factors) {
    const auto last_pass = static_cast<std::size_t>(slowest_long_axis(shape));
    int exponent = 0;
    const auto scale = [](std::vector<F>& factor, int by) {
        for (F& number : factor) number *= std::ldexp(1.0, by);
    };
    for (std::size_t a = 0; a < factors.size(); ++a) {
        if (a == last_pass || factors[a].size() == 1) continue;
        double gain = 0;
        for (const F& number : factors[a]) gain += std::abs(number);
        int power = 0;
        if (std::frexp(gain, &power) == 0.5) --power;  // a power of two itself
        scale(factors[a], -power);
        exponent += power;
    }
    scale(factors[last_pass], exponent);
}

/// Over the reals or complex numbers: the fibres through the largest element, improved by least
/// squares.
template <class F>
std::optional<Vectors<F>> factorise_closely(const Tensor<F>& kernel, double bound) {
    const auto largest =
        std::max_element(kernel.values.begin(), kernel.values.end(),
                         [](const F& a, const F& b) { return std::abs(a) < std::abs(b); });
    const Index pivot = largest - kernel.values.begin();
    Vectors<F> factors;
    const auto last_pass = slowest_long_axis(kernel.shape);
    for (int a = 0; a < kernel.rank(); ++a) {
        factors.push_back(kernel.fibre(a, pivot));
        if (a == last_pass) continue;
        for (F& number : factors.back()) number /= *largest;
    }
    // Fibres through the largest element miss by no more than this where some outer product is
    // within the bound.
    const double count = static_cast<double>(kernel.values.size());
    if (!within(kernel, factors, 2 * kernel.rank() * std::sqrt(count) * bound)) return std::nullopt;
    if (!within(kernel, factors, 0.0)) {
        Vectors<F> better = factors;
        for (int sweep = 0; sweep < 2; ++sweep) improve(kernel, better);
        if (within(kernel, better, bound))
            factors = std::move(better);
        else if (!within(kernel, factors, bound))
            return std::nullopt;
    }
    return factors;
}

/// One outer product, or else a sum of them.
template <class F>
Terms terms_of(const Tensor<F>& kernel, double tolerance, double norm, int most) {
    std::vector<Vectors<F>> found;
    const bool squares_fit = norm > 1e-140 && norm < 1e140;
    if (auto one = factorise_closely(kernel, tolerance * norm))
        found.push_back(std::move(*one));
    else if (most > 1 && squares_fit)
        found = direct::outer_products(kernel, direct::rank_tolerance * tolerance * norm, most);
    Terms terms;
    for (Vectors<F>& factors : found) {
        balance(kernel.shape, factors);
        Factors& term = terms.emplace_back();
        for (const auto& factor : factors) term.per_axis.emplace_back(factor.begin(), factor.end());
    }
    return terms;
}

/// The kernel's numbers as integers, if that is what they all are.
template <class T>
std::optional<std::vector<std::int64_t>> as_integers(const Taps<T>& values) {
    std::vector<std::int64_t> integers;
    integers.reserve(values.size());
    for (T value : values) {
        const double number = static_cast<double>(value);
        if (!(std::abs(number) <= exact_limit) || number != std::trunc(number)) return std::nullopt;
        integers.push_back(static_cast<std::int64_t>(value));
    }
    return integers;
}

/// Some taps of a large kernel, evenly spread over every axis, or all of a small one. What a kernel
/// is a sum of, its samples are a sum of too: where these are none, looking at all taps is in vain.
template <class N, class Tap>
bool samples_have_terms(const Extents& shape, Tap&& tap, double tolerance, double norm, int most) {
    // Per axis twice the terms that a kernel may have; more where another axis is so short that the
    // passes along twelve would not be worth as many terms as those along all.
    const bool narrow = std::any_of(shape.begin(), shape.end(),
                                    [](Index extent) { return 1 < extent && extent < 12; });
    Extents few = shape;
    for (Index& extent : few) extent = std::min<Index>(extent, narrow ? 48 : 12);
    if (product(shape) < 8 * product(few)) return true;
    std::vector<N> values;
    for_each(few, [&](std::size_t, const Extents& at) {
        Index place = 0;
        for (int a = 0; a < shape.size(); ++a)  // the middle of each of `few` equal parts
            place = place * shape[a] + (2 * at[a] + 1) * shape[a] / (2 * few[a]);
        values.push_back(tap(static_cast<std::size_t>(place)));
        return true;
    });
    return !terms_of<N>({few, values}, 2 * tolerance, norm, most).empty();
}

Terms one_term(std::optional<Factors> factors) {
    return factors ? Terms{std::move(*factors)} : Terms{};
}

template <class T>
Terms factorise_planes(const Kernel& kernel, double tolerance, int most) {
    const KernelPlanes<T>& planes = kernel.planes<T>();
    const Extents& shape = kernel.shape();
    if constexpr (std::is_same_v<T, std::int64_t>) {
        const std::vector<T> values(planes.real.begin(), planes.real.end());
        return one_term(factorise_exactly({shape, values}));
    } else {
        if (!kernel.finite()) return {};
        if (kernel.is_complex()) {
            const auto tap = [&](std::size_t i) { return Complex(planes.real[i], planes.imag[i]); };
            if (!samples_have_terms<Complex>(shape, tap, tolerance, kernel.norm(), most)) return {};
            std::vector<Complex> values;
            for (std::size_t i = 0; i < planes.real.size(); ++i) values.push_back(tap(i));
            return terms_of<Complex>({shape, values}, tolerance, kernel.norm(), most);
        }
        // Integer problems come in float arithmetic too, and must stay exact.
        const auto integers = as_integers(planes.real);
        if (integers) {
            Terms exact = one_term(factorise_exactly({shape, *integers}));
            if (!exact.empty() || most == 1) return exact;
        }
        const auto tap = [&](std::size_t i) { return static_cast<double>(planes.real[i]); };
        if (!samples_have_terms<double>(shape, tap, tolerance, kernel.norm(), most)) return {};
        const std::vector<double> values(planes.real.begin(), planes.real.end());
        return terms_of<double>({shape, values}, tolerance, kernel.norm(), most);
    }
}

}  // namespace

Terms factorise(const Kernel& kernel, Arithmetic arithmetic, double tolerance, int most) {
    return with_arithmetic(
        arithmetic, [&]<class T>(T) { return factorise_planes<T>(kernel, tolerance, most); });
}

}  // namespace faltung
