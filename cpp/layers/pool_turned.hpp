// Planes of a few rows, channel by channel, are pooled with many channels side by side: their
// positions are turned into vectors of channels, pooled, and turned back.
#pragma once

#include <algorithm>

#include "layers/channel_lines.hpp"
#include "layers/pool.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

/// Samples of a task: with their results they stay in the second-level cache.
inline constexpr Index turned_bytes = Index{256} << 10;
inline constexpr Index most_turned = 64;  // channels: a position has a few lines of the caches

/// Whether every plane of one channel is one run of numbers of T.
template <class T>
bool plane_is_run(const ArrayView& view) {
    Index expected = sizeof(T);
    for (int a = view.rank() - 1; a >= 2; --a) {
        if (view.shape[a] != 1 && view.strides[a] != expected) return false;
        expected *= view.shape[a];
    }
    return view.dtype == dtype_of<T>;
}

inline Index plane_numbers(const ArrayView& view) {
    Index numbers = 1;
    for (int a = 2; a < view.rank(); ++a) numbers *= view.shape[a];
    return numbers;
}

/// Whether x and another array of its kind have planes that can be turned.
template <class T>
bool can_turn(const ArrayView& x, const ArrayView& other, const microkernels::Table& table) {
    return x.rank() > 3 && plane_numbers(x) > 1 && x.shape[1] >= layer_loops<T>(table).lanes &&
           plane_is_run<T>(x) && plane_is_run<T>(other);
}

/// How many channels are turned together, if planes have so many numbers.
template <class T>
Index turned_channels(Index channels, Index plane, const microkernels::Table& table) {
    const Index lanes = layer_loops<T>(table).lanes;
    const Index fitting = turned_bytes / (plane * static_cast<Index>(sizeof(T))) / lanes * lanes;
    return std::min(
        {std::max(lanes, fitting), most_turned / lanes * lanes, channels / lanes * lanes});
}

/// Some outputs along the first spatial axis as a pooling of their own, with the samples of x that
/// belong to them.
struct PoolPiece {
    PoolSpec spec;
    Index x_begin, out_begin;

    /// Outputs [begin, end). `all`: x is shared out among pieces, which must not meet.
    PoolPiece(const PoolSpec& whole, Index begin, Index end, bool all)
        : spec(whole), x_begin(0), out_begin(begin) {
        Axis& axis = spec.axes[0];
        const Index first = axis.first + begin * axis.step;
        Index last = axis.first + (end - 1) * axis.step + axis.reach();
        if (all) last = end == axis.out ? axis.x : axis.first + end * axis.step;
        x_begin = std::max<Index>(0, first);
        axis.x = std::min(axis.x, last) - x_begin;
        axis.first = first - x_begin;
        axis.out = end - begin;
    }

    ArrayView of_x(const ArrayView& x) const { return part(x, x_begin, spec.axes[0].x); }
    ArrayView of_result(const ArrayView& out) const {
        return part(out, out_begin, spec.axes[0].out);
    }

private:
    static ArrayView part(ArrayView view, Index begin, Index count) {
        view.data += begin * view.strides[2];
        view.shape[2] = count;
        return view;
    }
};

/// Outputs of a piece whose samples, for one vector of channels, fit; 0 where none do.
template <class T>
Index turned_outputs(const PoolSpec& spec, const ArrayView& x, const microkernels::Table& table) {
    const Axis& axis = spec.axes[0];
    const Index row = plane_numbers(x) / x.shape[2] * layer_loops<T>(table).lanes;
    const Index rows = turned_bytes / (row * static_cast<Index>(sizeof(T)));
    if (rows >= axis.x) return axis.out;
    // every window of a piece holds a sample, and few of them are read twice
    const bool cuts = -axis.first < axis.reach() &&
                      axis.first + (axis.out - 1) * axis.step < axis.x && rows >= 4 * axis.reach();
    return cuts ? std::min(axis.out, (rows - axis.reach()) / axis.step + 1) : 0;
}

/// Calls body(piece, channels turned together) for pieces of so many outputs.
template <class T, class Body>
void for_each_piece(const PoolSpec& spec, const ArrayView& x, Index outputs, bool all,
                    const microkernels::Table& table, Body&& body) {
    for (Index o = 0; o < spec.axes[0].out; o += outputs) {
        const PoolPiece piece(spec, o, std::min(spec.axes[0].out, o + outputs), all);
        body(piece, turned_channels<T>(x.shape[1], plane_numbers(piece.of_x(x)), table));
    }
}

/// A few channels of one sample, those side by side.
inline ArrayView turned_view(const ArrayView& view, Index channels, std::byte* data) {
    ArrayView turned = view;
    turned.data = data;
    turned.shape[0] = 1;
    turned.shape[1] = channels;
    Index stride = static_cast<Index>(size_of(view.dtype));
    turned.strides[1] = stride;
    stride *= channels;
    for (int a = view.rank() - 1; a >= 2; --a) {
        turned.strides[a] = stride;
        stride *= view.shape[a];
    }
    turned.strides[0] = stride;
    return turned;
}

/// Calls body(turned x, turned result) for `together` channels at a time, and turns `from` before
/// and `to` after it.
template <class T, class Body>
void for_each_turned(const ArrayView& from, const ArrayView& to, Index together,
                     const microkernels::Table& table, const Context& context, Body&& body) {
    const microkernels::LayerTable<T>& loops = layer_loops<T>(table);
    const Index lanes = loops.lanes, channels = from.shape[1];
    const Index parts = (channels - 1) / together + 1;
    const Index in = plane_numbers(from), out = plane_numbers(to);
    constexpr auto bytes = static_cast<Index>(sizeof(T));
    parallel_for(from.shape[0] * parts, context, [&](Index task, int) {
        const Index sample = task / parts, first = task % parts * together;
        const Index count = std::min(together, channels - first);
        const Index line = 64 / bytes;  // both start at a line of the caches
        const Index numbers = (in * count + line - 1) / line * line;
        const Workspace space(static_cast<std::size_t>((numbers + out * count) * bytes));
        T* const turned = space.as<T>();
        const auto start = [&](const ArrayView& view) {
            return reinterpret_cast<T*>(view.data + sample * view.strides[0] +
                                        first * view.strides[1]);
        };
        for (Index c = 0; c < count; c += lanes)
            loops.transpose(start(from) + c * (from.strides[1] / bytes), from.strides[1] / bytes,
                            std::min(lanes, count - c), in, turned + c, count);
        T* const results = turned + numbers;
        body(turned_view(from, count, space.data()),
             turned_view(to, count, reinterpret_cast<std::byte*>(results)));
        for (Index c = 0; c < count; c += lanes)
            loops.transpose(results + c, count, out, std::min(lanes, count - c),
                            start(to) + c * (to.strides[1] / bytes), to.strides[1] / bytes);
    });
}

}  // namespace faltung::layers
