#include "layers/conv_pointwise_inside.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "layers/box_grid.hpp"
#include "layers/channel_lines.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Channels that are summed in one go: their coefficients stay in the first-level cache.
constexpr Index block_steps = 128;
constexpr Index padding = 16;  // neighbours must not share cache sets
constexpr Index padded_steps = block_steps + padding;
/// Samples of a block of channels, and sums, of a task: they stay in the second-level cache.
constexpr Index cached_bytes = 256 << 10;
/// Channels of a position, of which a tile has six, that leave room in the first-level cache.
constexpr Index near_bytes = 2 << 10;
/// Coefficients of a task that sums all banks of a tile in turn.
constexpr Index packed_bytes = 256 << 10;
constexpr Index least_tiles = 8;                     // they share packed coefficients
constexpr double least_work = 2e6, most_work = 4e8;  // multiply-adds of a task

/// Numbers from one position to the next where all are equidistant and their channels side by side,
/// otherwise 0.
Index position_pitch(const ArrayView& view) {
    const auto bytes = static_cast<Index>(size_of(view.dtype));
    if (view.shape[1] > 1 && view.strides[1] != bytes) return 0;
    Index pitch = 0, span = 1;
    for (const int axis : {4, 3, 2, 0}) {
        if (view.shape[axis] == 1) continue;
        if (pitch == 0) pitch = view.strides[axis];
        if (view.strides[axis] != span * pitch) return 0;
        span *= view.shape[axis];
    }
    if (pitch == 0) return view.shape[1];
    return pitch > 0 ? pitch / bytes : 0;
}

/// Whether neighbours so many numbers apart share sets of the caches.
template <class T>
bool share_sets(Index pitch) {
    return pitch * static_cast<Index>(sizeof(T)) % 4096 == 0;
}

/// Fetches `steps` channels of positions `first` to `last`.
template <class T>
void fetch(const T* samples, Index pitch, Index first, Index last, Index steps) {
    constexpr Index line = 64 / static_cast<Index>(sizeof(T));
    for (Index p = first; p < last; ++p)
        for (Index i = 0; i < steps; i += line) __builtin_prefetch(samples + p * pitch + i);
}

}  // namespace

/// The arrays of a call, distances in numbers.
template <class T>
struct PointwiseInside<T>::Arrays {
    const T* x;
    Index x_pitch;
    T* out;
    Index out_pitch;
    std::optional<PlacedArray<T>> tiled;  // out, if it is made of windows
    const T* bias;
    bool relu, stream;
};

template <class T>
struct PointwiseInside<T>::Piece {
    Index group, first, last, first_bank, last_bank;
};

template <class T>
PointwiseInside<T>::PointwiseInside(const ConvLayer& layer, const microkernels::Table& table,
                                    const WindowTaps& taps)
    : layer_(layer), taps_(taps), loops_(&layer_loops<T>(table)) {}

template <class T>
bool PointwiseInside<T>::serves(const ArrayView& x, const ArrayView& out) {
    return x.dtype == dtype_of<T> && out.dtype == dtype_of<T> && position_pitch(x) > 0 &&
           position_pitch(out) > 0;
}

template <class T>
bool PointwiseInside<T>::serves_tiles(const ArrayView& x, const ArrayView& out) {
    const auto bytes = static_cast<Index>(sizeof(T));
    const bool inside = out.shape[1] == 1 || out.strides[1] == bytes;
    return x.dtype == dtype_of<T> && out.dtype == dtype_of<T> && position_pitch(x) > 0 && inside &&
           out.strides[4] == out.shape[1] * bytes;
}

template <class T>
std::size_t PointwiseInside<T>::workspace_bytes() const {
    const Cut piece = cut();
    const Index numbers =
        bank_by_bank()
            ? block_steps * width() + piece.positions * (piece.banks * width() + padded_steps)
            : layer_.inputs * piece.banks * width() +
                  loops_->places * (width() + layer_.inputs + padding);
    return static_cast<std::size_t>(numbers) * sizeof(T);
}

/// Whether all tiles of a piece are summed for one bank before the next. Otherwise all banks of a
/// tile are: its samples and sums stay in the first-level cache and its results are written in long
/// runs. Not measured where a vector is a line of the caches.
template <class T>
bool PointwiseInside<T>::bank_by_bank() const {
    constexpr auto bytes = static_cast<Index>(sizeof(T));
    return layer_.inputs * bytes > near_bytes || loops_->lanes * bytes >= 64;
}

template <class T>
auto PointwiseInside<T>::cut() const -> Cut {
    const auto bytes = static_cast<Index>(sizeof(T));
    const Index tile = loops_->places, steps = std::min(layer_.inputs, block_steps);
    const auto tiles_of = [&](Index count) { return (count - 1) / tile + 1; };
    Index tiles = tiles_of(positions()), fitting = packed_bytes / (layer_.inputs * width() * bytes);
    if (bank_by_bank()) {
        tiles =
            std::clamp<Index>(cached_bytes / (std::max(steps, width()) * bytes * tile), 1, tiles);
        fitting = cached_bytes / (tiles * tile * width() * bytes);
    }
    Index some = std::clamp<Index>(fitting, 1, banks());
    const double wanted =
        std::clamp(layer_.products() * static_cast<double>(rows()) / 32, least_work, most_work);
    const auto work = [&] {
        return static_cast<double>(layer_.inputs) * static_cast<double>(tiles * tile) *
               static_cast<double>(some * width());
    };
    while (work() > wanted && tiles > least_tiles) tiles = (tiles + 1) / 2;
    while (work() > wanted && some > 1) some = (some + 1) / 2;
    while (work() > wanted && tiles > 1) tiles = (tiles + 1) / 2;
    return {even_piece(tiles_of(positions()), tiles) * tile, even_piece(banks(), some)};
}

template <class T>
void PointwiseInside<T>::run(const ArrayView& x, const ArrayView& out, const WeightView<T>& weights,
                             const Ending& ending, const Context& context) const {
    Arrays arrays{
        .x = reinterpret_cast<const T*>(x.data),
        .x_pitch = position_pitch(x),
        .out = reinterpret_cast<T*>(out.data),
        .out_pitch = position_pitch(out),
        .tiled = {},
        .bias = static_cast<const T*>(ending.bias),
        .relu = ending.relu,
        .stream = static_cast<std::size_t>(product(out.shape)) * sizeof(T) >= ending.stream_from};
    if (taps_.all() > 1) {
        const WindowTaps down{{taps_.along[0], taps_.along[1], 1}};
        const Index start[] = {0, 0, 0};
        arrays.tiled = PlacedArray<T>(out, layer_, down, start, taps_.along);
    }
    const Cut piece = cut();
    const Index pieces = (positions() - 1) / piece.positions + 1;
    const Index parts = (banks() - 1) / piece.banks + 1;
    parallel_for(layer_.groups * pieces * parts, context, [&](Index task, int) {
        const Index bank = task % parts * piece.banks;
        const Index first = task / parts % pieces * piece.positions;
        const Piece part = {.group = task / parts / pieces,
                            .first = first,
                            .last = std::min(positions(), first + piece.positions),
                            .first_bank = bank,
                            .last_bank = std::min(banks(), bank + piece.banks)};
        if (bank_by_bank())
            run_banks(arrays, weights, part);
        else
            run_tiles(arrays, weights, part);
        if (arrays.stream) loops_->fence();
    });
}

template <class T>
void PointwiseInside<T>::run_banks(const Arrays& arrays, const WeightView<T>& weights,
                                   const Piece& piece) const {
    const Workspace workspace(workspace_bytes());
    const Index count = piece.last - piece.first;
    T* const coefficients = workspace.as<T>();
    T* const all_sums = coefficients + block_steps * width();
    T* const copied = all_sums + count * (piece.last_bank - piece.first_bank) * width();
    const bool copies = share_sets<T>(arrays.x_pitch);
    const Index tiles = (count - 1) / loops_->places + 1;
    for (Index k = 0; k < layer_.inputs; k += block_steps) {
        const Index steps = std::min(block_steps, layer_.inputs - k);
        const T* samples =
            arrays.x + piece.first * arrays.x_pitch + piece.group * layer_.inputs + k;
        Index place = arrays.x_pitch;
        if (copies) {
            for (Index p = 0; p < count; ++p)
                std::copy_n(samples + p * place, steps, copied + p * padded_steps);
            samples = copied;
            place = padded_steps;
        }
        T* sums = all_sums;
        for (Index b = piece.first_bank; b < piece.last_bank; ++b, sums += count * width()) {
            pack(weights, piece.group, b, k, steps, coefficients);
            for (Index t = 0; t < tiles; ++t) {
                const Index first = count * t / tiles, last = count * (t + 1) / tiles;
                if (b == piece.first_bank && !copies && t + 1 < tiles)  // the next tile
                    fetch(samples, place, last, count * (t + 2) / tiles, steps);
                T* const c = sums + first * width();
                sum_tile(coefficients, samples + first * place, place, last - first, steps, c,
                         k > 0);
                if (k + steps == layer_.inputs) finish(arrays, piece, b, c, first, last);
            }
        }
    }
}

template <class T>
void PointwiseInside<T>::run_tiles(const Arrays& arrays, const WeightView<T>& weights,
                                   const Piece& piece) const {
    const Workspace workspace(workspace_bytes());
    const Index count = piece.last - piece.first, steps = layer_.inputs;
    T* const coefficients = workspace.as<T>();
    T* const sums = coefficients + steps * (piece.last_bank - piece.first_bank) * width();
    T* const copied = sums + loops_->places * width();
    const T* samples = arrays.x + piece.first * arrays.x_pitch + piece.group * steps;
    const Index pitch = arrays.x_pitch;
    const bool copies = share_sets<T>(pitch);
    const Index place = copies ? steps + padding : pitch;
    for (Index b = piece.first_bank; b < piece.last_bank; ++b)
        pack(weights, piece.group, b, 0, steps,
             coefficients + (b - piece.first_bank) * steps * width());
    const Index tiles = (count - 1) / loops_->places + 1;
    for (Index t = 0; t < tiles; ++t) {
        const Index first = count * t / tiles, last = count * (t + 1) / tiles;
        if (t + 1 < tiles) fetch(samples, pitch, last, count * (t + 2) / tiles, steps);
        if (copies)
            for (Index p = first; p < last; ++p)
                std::copy_n(samples + p * pitch, steps, copied + (p - first) * place);
        const T* const tile = copies ? copied : samples + first * pitch;
        const T* a = coefficients;
        for (Index b = piece.first_bank; b < piece.last_bank; ++b, a += steps * width()) {
            sum_tile(a, tile, place, last - first, steps, sums, false);
            finish(arrays, piece, b, sums, first, last);
        }
    }
}

/// A bank at some positions, `place` numbers apart, over `steps` of their channels.
template <class T>
void PointwiseInside<T>::sum_tile(const T* coefficients, const T* samples, Index place,
                                  Index positions, Index steps, T* sums, bool accumulate) const {
    const std::int64_t start = 0;
    loops_->product[width() / loops_->lanes - 1][positions - 1]({.a = coefficients,
                                                                 .b = samples,
                                                                 .offset = &start,
                                                                 .runs = 1,
                                                                 .run = steps,
                                                                 .step = 1,
                                                                 .place = place,
                                                                 .c = sums,
                                                                 .accumulate = accumulate});
}

/// Coefficients of a bank side by side, for every channel of a block.
template <class T>
void PointwiseInside<T>::pack(const WeightView<T>& weights, Index group, Index bank, Index first,
                              Index steps, T* to) const {
    const Index output = bank % banks_of_row() * width();
    const Index count = std::min(width(), layer_.outputs - output);
    const T* from = weights.data + bank / banks_of_row() * weights.tap[1] + group * weights.group +
                    output * weights.output + first * weights.input;
    if (count < width()) std::fill_n(to, steps * width(), T{0});
    if (weights.input == 1)
        return loops_->transpose(from, weights.output, count, steps, to, width());
    for (Index k = 0; k < steps; ++k, from += weights.input, to += width())
        if (weights.output == 1)
            std::copy_n(from, count, to);
        else
            for (Index o = 0; o < count; ++o) to[o] = from[o * weights.output];
}

template <class T>
void PointwiseInside<T>::finish(const Arrays& arrays, const Piece& piece, Index bank, const T* sums,
                                Index first, Index last) const {
    const Index output = bank % banks_of_row() * width();
    const Index channel = piece.group * layer_.outputs + output;
    const auto put = [&](const T* from, Index places, T* to, Index to_place) {
        loops_->finish({.from = from,
                        .pitch = width(),
                        .places = places,
                        .channels = std::min(width(), layer_.outputs - output),
                        .bias = arrays.bias ? arrays.bias + channel : nullptr,
                        .relu = arrays.relu,
                        .stream = arrays.stream,
                        .to = to,
                        .to_place = to_place,
                        .to_channel = 1});
    };
    if (!arrays.tiled)
        return put(sums, last - first,
                   arrays.out + (piece.first + first) * arrays.out_pitch + channel,
                   arrays.out_pitch);
    const Index row = bank / banks_of_row();
    arrays.tiled->for_each_run(piece.first + first, piece.first + last, [&](const auto& run) {
        put(sums, run.count, run.at + arrays.tiled->channel(channel * rows() + row),
            arrays.tiled->place());
        sums += run.count * width();
    });
}

template class PointwiseInside<float>;
template class PointwiseInside<double>;

}  // namespace faltung::layers
