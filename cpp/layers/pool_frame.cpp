#include "layers/pool_frame.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "core/error.hpp"

namespace faltung::layers {

namespace {

Index floor_div(Index a, Index b) {
    if (b == 1) return a;  // as nearly always: a division would take longer than what it is for
    return a / b - (a % b < 0 ? 1 : 0);
}
Index ceil_div(Index a, Index b) { return -floor_div(-a, b); }

/// Sizes, strides and paddings stay below this, so that sums of a few of them fit.
constexpr Index largest = Index{1} << 60;
/// Windows that are looked at one by one at most.
constexpr Index most_checked = Index{1} << 26;

bool holds_a_sample(const Axis& axis, Index output) {
    const TapCount inside{axis, 0, 0};
    return inside.at(output) > 0;
}

std::string told(const PoolAxis& asked, int name) {
    return "axis " + std::to_string(name) + " of x has " + std::to_string(asked.x) +
           " samples and is padded by " + std::to_string(asked.before) + " and " +
           std::to_string(asked.after);
}

}  // namespace

Axis make_axis(const PoolAxis& asked, int name) {
    const std::string axis = " along axis " + std::to_string(name);
    const auto positive = [&](Index value, const char* argument, Index least) {
        if (value < least || value > largest)
            throw ValueError(std::string(argument) + " is " + std::to_string(value) + axis +
                             "; allowed are integers from " + std::to_string(least));
    };
    positive(asked.size, "size", 1);
    positive(asked.stride, "stride", 1);
    positive(asked.dilation, "dilation", 1);
    positive(asked.before, "padding", 0);
    positive(asked.after, "padding", 0);
    if (asked.x == 0) throw ValueError("x is empty along axis " + std::to_string(name));

    Index reach;
    if (__builtin_mul_overflow(asked.size - 1, asked.dilation, &reach) || reach >= largest)
        throw TooLarge("size " + std::to_string(asked.size) + " with dilation " +
                       std::to_string(asked.dilation) + axis + " spans more than 2^60 samples");
    ++reach;
    const Index room = asked.x + asked.before + asked.after - reach;
    const std::string window = "a window of size " + std::to_string(asked.size) +
                               " with dilation " + std::to_string(asked.dilation) + " spans " +
                               std::to_string(reach) + " samples, but ";
    if (room < 0) throw ValueError(window + told(asked, name));
    if (!asked.empty && std::max(asked.before, asked.after) >= reach)
        throw ValueError("padding must be smaller than the window, or one would lie in it alone: " +
                         window + told(asked, name));
    Index out = room / asked.stride + 1;
    // a last window that is only partly filled starts on a sample or on the padding before
    if (asked.ceil && room % asked.stride != 0 && out * asked.stride < asked.x + asked.before)
        ++out;

    const Axis made{.x = asked.x,
                    .k = asked.size,
                    .first = -asked.before,
                    .out = out,
                    .step = asked.stride,
                    .dilation = asked.dilation};
    // neighbouring taps cannot step over x
    if (asked.empty || asked.dilation <= asked.x) return made;
    // only the windows that begin before x or end behind it can be without a sample
    const auto check = [&](Index output) {
        if (!holds_a_sample(made, output))
            throw ValueError("window " + std::to_string(output) + axis +
                             " holds no sample: its taps are " + std::to_string(asked.dilation) +
                             " apart, and " + told(asked, name));
    };
    if (out > most_checked)
        throw TooLarge("more than " + std::to_string(most_checked) + " windows" + axis +
                       " whose taps may step over x: " + told(asked, name));
    for (Index o = 0; o < out && o * asked.stride < asked.before; ++o) check(o);
    for (Index o = out - 1; o >= 0 && made.first + o * asked.stride + reach > asked.x; --o)
        check(o);
    return made;
}

Extents PoolSpec::out_shape(const Extents& x) const {
    Extents shape{x[0], x[1]};
    for (const Axis& axis : axes) shape.push_back(axis.out);
    return shape;
}

Index TapCount::at(Index output) const {
    const Index start = axis.first + output * axis.step;
    const Index low = start < -before ? ceil_div(-before - start, axis.dilation) : 0;
    const Index high = std::min(axis.k - 1, floor_div(axis.x + after - 1 - start, axis.dilation));
    return std::max<Index>(0, high - low + 1);
}

Index TapCount::full_begin() const {
    return std::clamp<Index>(ceil_div(-before - axis.first, axis.step), 0, axis.out);
}

Index TapCount::full_end() const {
    const Index last = floor_div(axis.x + after - axis.reach() - axis.first, axis.step);
    return std::clamp<Index>(last + 1, 0, axis.out);
}

namespace {

bool side_by_side(const ArrayView& x) {
    if (x.shape[1] < 2 || x.strides[1] != static_cast<Index>(size_of(x.dtype))) return false;
    // where a spatial axis is as dense, lanes along it are the better ones
    for (int a = 2; a < x.rank(); ++a)
        if (x.shape[a] > 1 && std::abs(x.strides[a]) <= x.strides[1]) return false;
    return true;
}

/// x's spatial axes, slowest first.
PerAxis<int> spatial_order(const ArrayView& x, bool places) {
    PerAxis<int> order;
    for (int a = 2; a < x.rank(); ++a) order.push_back(a);
    if (!places)
        std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
            return std::abs(x.strides[a]) > std::abs(x.strides[b]);
        });
    return order;
}

/// The largest number of lanes, at most `most`, that divides the channels.
Index lanes_of(Index channels, Index most) {
    for (Index lanes = std::min(channels, most); lanes > 1; --lanes)
        if (channels % lanes == 0) return lanes;
    return 1;
}

}  // namespace

PerAxis<int> memory_order(const ArrayView& x, bool places) {
    const bool lanes = side_by_side(x);
    PerAxis<int> order{0};
    if (!lanes) order.push_back(1);
    for (int a : spatial_order(x, places)) order.push_back(a);
    if (lanes) order.push_back(1);
    return order;
}

PoolFrame::PoolFrame(const PoolSpec& spec, const ArrayView& x, bool places, Index most_lanes)
    : samples(x.shape[0]) {
    lanes = side_by_side(x) ? lanes_of(x.shape[1], most_lanes) : 1;
    groups = x.shape[1] / lanes;

    const PerAxis<int> order = spatial_order(x, places);
    Axis* const axes[3] = {&depth, &height, &width};
    for (int i = 0; i < 3; ++i) {
        const int from = i - (3 - order.size());
        axis_of_[i] = from < 0 ? -1 : order[from];
        place_step[i] = 0;
        if (from < 0) continue;
        const int spatial = order[from] - 2;
        *axes[i] = counts[i].axis = spec.axes[spatial];
        if (spec.divisor == Divisor::padded) {
            counts[i].before = -axes[i]->first;
            counts[i].after = spec.after[spatial];
        }
        plane *= axes[i]->x;
        place_step[i] = 1;
        for (int a = order[from] + 1; a < x.rank(); ++a) place_step[i] *= x.shape[a];
    }
    merge(x, places);
    full_begin = counts[2].full_begin();
    full_end = counts[2].full_end();
}

/// One window over everything is one along a single axis, where the samples stand in a row.
void PoolFrame::merge(const ArrayView& x, bool places) {
    const auto whole = [](const Axis& axis) {
        return axis.out == 1 && axis.dilation == 1 && axis.first <= 0 && axis.last() >= axis.x;
    };
    Axis* const axes[3] = {&depth, &height, &width};
    for (int i = 1; i >= 0; --i) {
        if (axis_of_[i] < 0 || !whole(*axes[i]) || !whole(width)) return;
        const Index stride = x.strides[axis_of_[2]];
        if (x.strides[axis_of_[i]] != stride * width.x) return;
        if (places && place_step[i] != place_step[2] * width.x) return;
        merged_count *= counts[i].at(0);
        counts[i].axis = Axis{};
        counts[i].before = counts[i].after = 0;
        width.x *= axes[i]->x;
        width.k = width.x;
        width.first = 0;
        *axes[i] = Axis{};
    }
}

ArrayView PoolFrame::planes(const ArrayView& array, Index Axis::* extent) const {
    ArrayView view{.data = array.data, .dtype = array.dtype, .shape = {}, .strides = {}};
    const auto push = [&](Index length, Index stride) {
        view.shape.push_back(length);
        view.strides.push_back(stride);
    };
    push(samples, array.strides[0]);
    push(groups, array.strides[1] * lanes);
    const Axis* const axes[3] = {&depth, &height, &width};
    for (int i = 0; i < 3; ++i)
        push(axes[i]->*extent, axis_of_[i] < 0 ? 0 : array.strides[axis_of_[i]]);
    return view;
}

Problem PoolFrame::lines(const ArrayView& planes, Arithmetic arithmetic,
                         const Constant& outside) const {
    Problem problem{.x_dtype = planes.dtype,
                    .out_dtype = planes.dtype,
                    .arithmetic = arithmetic,
                    .boundary = Boundary::constant,
                    .unsigned_result = planes.dtype == DType::uint64,
                    .cval = outside,
                    .inner = lanes};
    for (int a = 0; a < planes.rank(); ++a) problem.axes.push_back(Axis{.x = planes.shape[a]});
    return problem;
}

Index PoolFrame::divisor(const PoolSpec& spec, Index d, Index h, Index w) const {
    switch (spec.divisor) {
        case Divisor::one: return 1;
        case Divisor::fixed: return spec.fixed_divisor;
        default: return merged_count * counts[0].at(d) * counts[1].at(h) * counts[2].at(w);
    }
}

}  // namespace faltung::layers
