#include "layers/unfold.hpp"

#include <algorithm>
#include <cstring>

#include "lines/conversion.hpp"
#include "lines/strided.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// The windows as three axes, slowest first.
struct Windows {
    Axis axes[3];
    Index taps = 1, outputs = 1;

    explicit Windows(const PoolSpec& spec) {
        const int missing = 3 - spec.axes.size();
        for (int i = missing; i < 3; ++i) axes[i] = spec.axes[i - missing];
        for (const Axis& axis : axes) {
            taps *= axis.k;
            outputs *= axis.out;
        }
    }

    /// Where tap t of output o lies.
    static Index at(const Axis& axis, Index o, Index t) {
        return axis.first + o * axis.step + t * axis.dilation;
    }

    /// Outputs [begin, end) whose tap t lies on samples.
    static std::pair<Index, Index> inside(const Axis& axis, Index t) {
        const Index start = at(axis, 0, t), step = axis.step;
        const Index begin = start >= 0 ? 0 : (-start + step - 1) / step;
        const Index end = start >= axis.x ? 0 : (axis.x - 1 - start) / step + 1;
        const Index from = std::min(begin, axis.out);
        return {from, std::clamp(end, from, axis.out)};
    }

    /// Calls body(tap, z, y, w) for every tap: its number, and its coordinates in the window.
    template <class Body>
    void each_tap(Body&& body) const {
        Index tap = 0;
        for (Index z = 0; z < axes[0].k; ++z)
            for (Index y = 0; y < axes[1].k; ++y)
                for (Index w = 0; w < axes[2].k; ++w) body(tap++, z, y, w);
    }
};

/// Strides of depth, height and width; 0 where there is no such axis.
void spatial_strides(const ArrayView& x, Index* strides) {
    const int missing = 5 - x.rank();
    for (int i = 0; i < 3; ++i) strides[i] = i < missing ? 0 : x.strides[2 + i - missing];
}

PositionLayout layout_of(DType dtype) {
    return {numbers_in(dtype), static_cast<Index>(size_of(real_dtype(dtype)))};
}

void unfold_plane(const Windows& windows, const std::byte* plane, const Index* strides,
                  const PositionLayout& layout, std::byte* to) {
    const Axis &d = windows.axes[0], &h = windows.axes[1], &w = windows.axes[2];
    const Index size = layout.size(), row = w.out * size;
    windows.each_tap([&](Index, Index tz, Index ty, Index tw) {
        const auto [begin, end] = Windows::inside(w, tw);
        for (Index oz = 0; oz < d.out; ++oz)
            for (Index oy = 0; oy < h.out; ++oy, to += row) {
                const Index z = Windows::at(d, oz, tz), y = Windows::at(h, oy, ty);
                if (z < 0 || z >= d.x || y < 0 || y >= h.x || begin == end) {
                    std::memset(to, 0, static_cast<std::size_t>(row));
                    continue;
                }
                std::memset(to, 0, static_cast<std::size_t>(begin * size));
                const std::byte* from = plane + z * strides[0] + y * strides[1] +
                                        Windows::at(w, begin, tw) * strides[2];
                gather(from, w.step * strides[2], layout, end - begin, to + begin * size);
                std::memset(to + end * size, 0, static_cast<std::size_t>(row - end * size));
            }
    });
}

/// The windows of one row of outputs; the taps of a window, with their channels, stand together.
void unfold_row(const Windows& windows, const std::byte* sample, const Index* strides,
                Index channel_stride, Index channels, const PositionLayout& layout, Index oz,
                Index oy, std::byte* to) {
    const Axis &d = windows.axes[0], &h = windows.axes[1], &w = windows.axes[2];
    const Index size = channels * layout.size();
    for (Index ow = 0; ow < w.out; ++ow)
        windows.each_tap([&](Index, Index tz, Index ty, Index tw) {
            const Index z = Windows::at(d, oz, tz), y = Windows::at(h, oy, ty),
                        x = Windows::at(w, ow, tw);
            if (z < 0 || z >= d.x || y < 0 || y >= h.x || x < 0 || x >= w.x)
                std::memset(to, 0, static_cast<std::size_t>(size));
            else
                gather(sample + z * strides[0] + y * strides[1] + x * strides[2], channel_stride,
                       layout, channels, to);
            to += size;
        });
}

template <class T>
void fold_plane(const Windows& windows, const T* from, T* plane) {
    const Axis &d = windows.axes[0], &h = windows.axes[1], &w = windows.axes[2];
    std::fill_n(plane, d.x * h.x * w.x, T{0});
    windows.each_tap([&](Index, Index tz, Index ty, Index tw) {
        const auto [begin, end] = Windows::inside(w, tw);
        for (Index oz = 0; oz < d.out; ++oz)
            for (Index oy = 0; oy < h.out; ++oy, from += w.out) {
                const Index z = Windows::at(d, oz, tz), y = Windows::at(h, oy, ty);
                if (z < 0 || z >= d.x || y < 0 || y >= h.x) continue;
                T* const to = plane + (z * h.x + y) * w.x + Windows::at(w, 0, tw);
                for (Index ow = begin; ow < end; ++ow) to[ow * w.step] += from[ow];
            }
    });
}

/// Channels [begin, end) of a sample whose channels are last.
template <class T>
void fold_lanes(const Windows& windows, const T* from, T* sample, Index channels, Index begin,
                Index end) {
    const Axis &d = windows.axes[0], &h = windows.axes[1], &w = windows.axes[2];
    for (Index i = 0; i < d.x * h.x * w.x; ++i)
        std::fill(sample + i * channels + begin, sample + i * channels + end, T{0});
    for (Index oz = 0; oz < d.out; ++oz)
        for (Index oy = 0; oy < h.out; ++oy)
            for (Index ow = 0; ow < w.out; ++ow)
                windows.each_tap([&](Index, Index tz, Index ty, Index tw) {
                    const Index z = Windows::at(d, oz, tz), y = Windows::at(h, oy, ty),
                                x = Windows::at(w, ow, tw);
                    if (z >= 0 && z < d.x && y >= 0 && y < h.x && x >= 0 && x < w.x) {
                        T* const to = sample + ((z * h.x + y) * w.x + x) * channels;
                        for (Index c = begin; c < end; ++c) to[c] += from[c];
                    }
                    from += channels;
                });
}

template <class T>
void fold_as(const PoolSpec& spec, const ArrayView& columns, const ArrayView& x, bool last,
             const Context& context) {
    const Windows windows(spec);
    const Index samples = x.shape[0], channels = x.shape[1];
    const T* const from = reinterpret_cast<const T*>(columns.data);
    T* const to = reinterpret_cast<T*>(x.data);
    const Index plane = windows.axes[0].x * windows.axes[1].x * windows.axes[2].x;
    const Index column = windows.taps * windows.outputs;
    if (!last) {
        parallel_for(samples * channels, context, [&](Index task, int) {
            fold_plane(windows, from + task * column, to + task * plane);
        });
        return;
    }
    constexpr Index together = 32;  // channels of one task
    const Index parts = (channels + together - 1) / together;
    parallel_for(samples * parts, context, [&](Index task, int) {
        const Index sample = task / parts, begin = task % parts * together;
        fold_lanes(windows, from + sample * column * channels, to + sample * plane * channels,
                   channels, begin, std::min(channels, begin + together));
    });
}

}  // namespace

void unfold(const PoolSpec& spec, const ArrayView& x, const ArrayView& columns, bool last,
            const Context& context) {
    const Windows windows(spec);
    const PositionLayout layout = layout_of(x.dtype);
    Index strides[3];
    spatial_strides(x, strides);
    const Index samples = x.shape[0], channels = x.shape[1];
    if (!last) {
        const Index plane = windows.taps * windows.outputs * layout.size();
        parallel_for(samples * channels, context, [&](Index task, int) {
            const std::byte* from =
                x.data + task / channels * x.strides[0] + task % channels * x.strides[1];
            unfold_plane(windows, from, strides, layout, columns.data + task * plane);
        });
        return;
    }
    const Axis &d = windows.axes[0], &h = windows.axes[1], &w = windows.axes[2];
    const Index row = w.out * windows.taps * channels * layout.size(), rows = d.out * h.out;
    parallel_for(samples * rows, context, [&](Index task, int) {
        const Index sample = task / rows, o = task % rows;
        unfold_row(windows, x.data + sample * x.strides[0], strides, x.strides[1], channels, layout,
                   o / h.out, o % h.out, columns.data + task * row);
    });
}

void fold(const PoolSpec& spec, const ArrayView& columns, const ArrayView& x, bool last,
          const Context& context) {
    if (x.dtype == DType::float32)
        fold_as<float>(spec, columns, x, last, context);
    else
        fold_as<double>(spec, columns, x, last, context);
}

}  // namespace faltung::layers
