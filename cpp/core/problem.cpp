#include "core/problem.hpp"

#include <bit>
#include <cstdlib>
#include <string>

#include "core/array_view.hpp"
#include "core/error.hpp"

namespace faltung {

namespace {

void mix(std::size_t& seed, std::uint64_t value) {
    // the finaliser of SplitMix64, folded into what came before
    value += 0x9e3779b97f4a7c15u + seed;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    seed = static_cast<std::size_t>(value ^ (value >> 31));
}

Index checked_multiply(Index a, Index b, const char* what) {
    Index result = 0;
    if (__builtin_mul_overflow(a, b, &result))
        throw TooLarge(std::string(what) + " has more than 2^63 elements");
    return result;
}

/// Sizes stay below 2^62, so that sums of two of them fit.
constexpr Index largest_extent = Index{1} << 62;

}  // namespace

Index Problem::outputs() const {
    Index total = inner;
    for (const Axis& axis : axes) total = checked_multiply(total, axis.out, "the result");
    return total;
}

Index Problem::taps() const {
    Index total = 1;
    for (const Axis& axis : axes) total = checked_multiply(total, axis.k, "k");
    return total;
}

std::size_t Problem::hash() const {
    std::size_t seed = static_cast<std::size_t>(axes.size());
    mix(seed, static_cast<std::uint64_t>(x_dtype) | static_cast<std::uint64_t>(out_dtype) << 8 |
                  static_cast<std::uint64_t>(arithmetic) << 16 |
                  static_cast<std::uint64_t>(boundary) << 24 |
                  static_cast<std::uint64_t>(complex_samples) << 32 |
                  static_cast<std::uint64_t>(complex_kernel) << 33 |
                  static_cast<std::uint64_t>(unsigned_result) << 34 |
                  static_cast<std::uint64_t>(c_casts) << 35);
    mix(seed, static_cast<std::uint64_t>(inner));
    mix(seed, static_cast<std::uint64_t>(cval.integer) ^ std::bit_cast<std::uint64_t>(cval.real));
    for (const Axis& axis : axes)
        for (Index field : {axis.x, axis.k, axis.first, axis.out, axis.step, axis.dilation})
            mix(seed, static_cast<std::uint64_t>(field));
    return seed;
}

Axis make_axis(Index x, Index k, Mode mode, int name, Index step, Index dilation) {
    const auto on_axis = [name] { return " along axis " + std::to_string(name); };
    if (x < 1) throw ValueError("x is empty" + on_axis() + ": there is nothing to convolve over");
    if (k < 1) throw ValueError("k is empty" + on_axis() + ": a kernel needs at least one tap");
    if (x > largest_extent || k > largest_extent || dilation > largest_extent / k)
        throw TooLarge("x or k is too long" + on_axis());
    Axis axis{.x = x, .k = k, .step = step, .dilation = dilation};
    const Index reach = axis.reach();
    Index positions = 0;
    switch (mode) {
        case Mode::full:
            axis.first = 1 - reach;
            positions = x + reach - 1;
            break;
        case Mode::same:
            axis.first = (reach - 1) / 2 - (reach - 1);
            positions = x;
            break;
        case Mode::valid:
            if (x < reach)
                throw ValueError("mode 'valid' needs x at least as long as k" + on_axis() +
                                 ": x has " + std::to_string(x) + " samples, k spans " +
                                 std::to_string(reach));
            positions = x - reach + 1;
            break;
    }
    axis.out = (positions - 1) / step + 1;
    return axis;
}

namespace {

/// Whether axis `a` must come after axis `b` in memory order.
bool faster(const ArrayView& x, int a, int b) {
    if (x.shape[a] == 1 || x.shape[b] == 1 || x.strides[a] == 0 || x.strides[b] == 0) return false;
    return std::abs(x.strides[a]) < std::abs(x.strides[b]);
}

void swap_axes(Problem& problem, ArrayView& x, ArrayView& kernel, ArrayView& out, int a, int b) {
    std::swap(problem.axes[a], problem.axes[b]);
    for (ArrayView* view : {&x, &kernel, &out}) {
        std::swap(view->shape[a], view->shape[b]);
        std::swap(view->strides[a], view->strides[b]);
    }
}

void drop_axis(Problem& problem, ArrayView& x, ArrayView& kernel, ArrayView& out, int a) {
    problem.axes.erase(a);
    for (ArrayView* view : {&x, &kernel, &out}) {
        view->shape.erase(a);
        view->strides.erase(a);
    }
}

/// Whether axes a and a+1 of a view step through memory like one.
bool contiguous_pair(const ArrayView& view, int a) {
    return view.strides[a] == view.shape[a + 1] * view.strides[a + 1];
}

/// Trailing channels up to this many ride along in the last axis; more make good lines of their
/// own, unless rows of a two-dimensional kernel profit from length.
constexpr Index most_inner_1d = 16, most_inner = 64;

}  // namespace

void canonicalise(Problem& problem, ArrayView& x, ArrayView& kernel, ArrayView& out) {
    PerAxis<Axis>& axes = problem.axes;

    // 1. slowest axis first, by insertion, so that what has an order keeps it
    for (int i = 1; i < axes.size(); ++i)
        for (int j = i; j > 0 && faster(x, j - 1, j); --j)
            swap_axes(problem, x, kernel, out, j - 1, j);

    // 2. batch axes of length one vanish, neighbouring batch axes merge where memory allows
    for (int a = axes.size() - 1; a >= 0 && axes.size() > 1; --a)
        if (axes[a].batch() && axes[a].x == 1) drop_axis(problem, x, kernel, out, a);
    for (int a = axes.size() - 2; a >= 0; --a) {
        if (!axes[a].batch() || !axes[a + 1].batch()) continue;
        if (!contiguous_pair(x, a) || !contiguous_pair(out, a)) continue;
        const Index both = axes[a].x * axes[a + 1].x;
        axes[a + 1].x = axes[a + 1].out = both;
        x.shape[a + 1] = out.shape[a + 1] = both;
        drop_axis(problem, x, kernel, out, a);
    }

    // 3. a short last batch axis becomes `inner`
    const int last = axes.size() - 1;
    int convolved = 0;
    for (const Axis& axis : axes) convolved += axis.k > 1;
    if (last > 0 && axes[last].batch() &&
        axes[last].x <= (convolved > 1 ? most_inner : most_inner_1d) &&
        x.strides[last] == static_cast<Index>(size_of(x.dtype)) &&
        out.strides[last] == static_cast<Index>(size_of(out.dtype)) &&
        x.strides[last - 1] == x.strides[last] * x.shape[last] &&
        out.strides[last - 1] == out.strides[last] * out.shape[last]) {
        problem.inner = axes[last].x;
        drop_axis(problem, x, kernel, out, last);
    }
}

ArrayView with_channels(const Problem& problem, const ArrayView& x) {
    ArrayView every = x;
    if (problem.inner == 1) return every;
    every.shape.back() *= problem.inner;  // positions follow each other without gaps
    every.strides.back() = static_cast<Index>(size_of(x.dtype));
    return every;
}

}  // namespace faltung
