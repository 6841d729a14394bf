#include "layers/conv_pointwise.hpp"

#include <algorithm>
#include <cstring>

#include "layers/box_grid.hpp"
#include "layers/channel_lines.hpp"
#include "layers/copy_few.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Channels that are summed in one go: their samples stay in the first-level cache.
constexpr Index block_steps = 256;
constexpr Index ahead_blocks = 2;  // what is read is fetched so many blocks of places before
constexpr double least_work = 2e6, most_work = 4e8;  // multiply-adds of a task
/// Weights of a task, and sums of its blocks that are not whole: they stay in the second-level
/// cache.
constexpr Index cached_bytes = 256 << 10;
/// Fewer output channels, or blocks of places, are not worth copying samples, or weights, for.
constexpr Index least_channels = 96, least_blocks = 4, many_blocks = 16;
constexpr Index most_pieces = 16;  // of a block of places, by samples

/// Whether the planes of an array, of which every step[a]-th position counts, are single lines.
bool plane_is_line(const ArrayView& view, const Index* step, const Index* extent) {
    const Index place = view.strides[4] * step[2];
    Index expected = place;
    for (int a = 4; a >= 2; --a) {
        if (extent[a - 2] != 1 && view.strides[a] * step[a - 2] != expected) return false;
        expected *= extent[a - 2];
    }
    return true;
}

}  // namespace

/// The arrays of a call, distances in numbers.
template <class T>
struct Pointwise<T>::Arrays {
    const T* x;
    Index x_sample, x_plane, x_depth, x_row, x_place;
    const T* x_end;  // no number of x stands here or beyond
    T* out;
    Index out_sample, out_plane, out_depth, out_row, out_place;
    Index row;  // places of a line, and lines of a plane at each depth
    Index height;
    const T* bias;
    bool relu;
};

/// Neighbouring places, in pieces of one line each.
template <class T>
struct Pointwise<T>::Block {
    /// Where the first place stands, of channel 0.
    struct Piece {
        const T* x;
        T* out;
        Index count;
    };
    Piece piece[most_pieces];
    Index pieces = 0, places = 0;
};

/// Output channels of a task.
template <class T>
struct Pointwise<T>::Channels {
    Index group, first, count;
};

/// Those of them that are summed together.
template <class T>
struct Pointwise<T>::Bank {
    Index first, count;
    bool last;
};

/// Input channels that are summed in one go, and the weights of the task's output channels.
template <class T>
struct Pointwise<T>::Steps {
    Index first, count;
    const T* a;
    Index a_channel, a_step;  // numbers between neighbours; a_channel is 0 where banks are packed
};

template <class T>
bool Pointwise<T>::suits(const ConvLayer& layer) {
    return layer.taps() == 1 && layer.inside() && layer.inputs >= 4;
}

template <class T>
Pointwise<T>::Pointwise(const ConvLayer& layer, const WeightView<T>& weights, Lifetime lifetime,
                        const microkernels::Table& table)
    : layer_(layer), loops_(&layer_loops<T>(table)), weights_(layer, weights, lifetime) {}

template <class T>
bool Pointwise<T>::serves(const ArrayView& x, const ArrayView& out) const {
    const auto bytes = static_cast<Index>(sizeof(T));
    if (x.dtype != dtype_of<T> || out.dtype != dtype_of<T>) return false;
    for (int a = 0; a < 5; ++a)
        if (x.strides[a] < 0) return false;
    // channels side by side are better read as they are
    const bool apart = (layer_.inputs == 1 || x.strides[1] > bytes) &&
                       (layer_.outputs == 1 || out.strides[1] > bytes);
    const bool neighbours = x.strides[4] * layer_.axes[2].step == bytes || layer_.axes[2].out == 1;
    // results are put apart one by one, which many of them do not pay for
    const bool stores = out.strides[4] == bytes || layer_.axes[2].out == 1 ||
                        layer_.outputs <= loops_->pointwise_channels;
    return apart && neighbours && stores && all_places() >= loops_->lanes &&
           width() <= layer_.axes[2].out * (most_pieces - 2);
}

template <class T>
std::size_t Pointwise<T>::workspace_bytes() const {
    const Cut piece = cut();
    const Index steps = std::min(block_steps, layer_.inputs);
    return static_cast<std::size_t>(steps * (width() + piece.channels) +
                                    piece.blocks * piece.channels * width()) *
           sizeof(T);
}

template <class T>
auto Pointwise<T>::cut() const -> Cut {
    const Index blocks = (all_places() - 1) / width() + 1;
    const Index steps = std::min(block_steps, layer_.inputs);
    const auto bytes = static_cast<Index>(sizeof(T));
    Index channels = std::clamp<Index>(cached_bytes / (steps * bytes), 1, layer_.outputs);
    Index count = std::clamp<Index>(cached_bytes / (channels * width() * bytes), 1, blocks);
    const double wanted = std::clamp(layer_.products() / 32, least_work, most_work);
    const auto work = [&] {
        return static_cast<double>(layer_.inputs) * static_cast<double>(count * width()) *
               static_cast<double>(channels);
    };
    // weights that lie apart both ways are put together number by number
    const bool apart = weights().input != 1 && weights().output != 1;
    const Index least = apart ? many_blocks : least_blocks;
    while (work() > wanted && (count > least || channels > least_channels))
        if (count > least)
            count = (count + 1) / 2;
        else
            channels = (channels + 1) / 2;
    while (!apart && work() > wanted && count > 1) count = (count + 1) / 2;
    const Index some = loops_->pointwise_channels;
    channels = even_piece(layer_.outputs, channels);
    return {even_piece(blocks, count),
            std::min(layer_.outputs, (channels + some - 1) / some * some)};
}

template <class T>
auto Pointwise<T>::block_at(const Arrays& arrays, Index first, Index last) const -> Block {
    Block block;
    block.places = last - first;
    const Index planes = layer_.places() / arrays.row;
    while (first < last) {
        const Index place = first % arrays.row, line = first / arrays.row;
        const Index row = line % planes % arrays.height, depth = line % planes / arrays.height;
        const Index sample = line / planes, count = std::min(last - first, arrays.row - place);
        block.piece[block.pieces++] = {
            arrays.x + sample * arrays.x_sample + depth * arrays.x_depth + row * arrays.x_row +
                place * arrays.x_place,
            arrays.out + sample * arrays.out_sample + depth * arrays.out_depth +
                row * arrays.out_row + place * arrays.out_place,
            count};
        first += count;
    }
    return block;
}

template <class T>
auto Pointwise<T>::arrays_of(const ArrayView& x, const ArrayView& out, const Ending& ending) const
    -> Arrays {
    const auto bytes = static_cast<Index>(sizeof(T));
    const auto& axes = layer_.axes;
    const Index steps[] = {axes[0].step, axes[1].step, axes[2].step}, ones[] = {1, 1, 1};
    const Index extents[] = {axes[0].out, axes[1].out, axes[2].out};
    const bool line = plane_is_line(x, steps, extents) && plane_is_line(out, ones, extents);
    const std::byte *first = x.data, *last = x.data;
    for (int a = 0; a < 5; ++a) last += (x.shape[a] - 1) * x.strides[a];
    for (int a = 0; a < 3; ++a) first += axes[static_cast<std::size_t>(a)].first * x.strides[a + 2];
    return {.x = reinterpret_cast<const T*>(first),
            .x_sample = x.strides[0] / bytes,
            .x_plane = x.strides[1] / bytes,
            .x_depth = x.strides[2] / bytes * steps[0],
            .x_row = x.strides[3] / bytes * steps[1],
            .x_place = x.strides[4] / bytes * steps[2],
            .x_end = reinterpret_cast<const T*>(last) + 1,
            .out = reinterpret_cast<T*>(out.data),
            .out_sample = out.strides[0] / bytes,
            .out_plane = out.strides[1] / bytes,
            .out_depth = out.strides[2] / bytes,
            .out_row = out.strides[3] / bytes,
            .out_place = out.strides[4] / bytes,
            .row = line ? layer_.places() : axes[2].out,
            .height = line ? 1 : axes[1].out,
            .bias = static_cast<const T*>(ending.bias),
            .relu = ending.relu};
}

template <class T>
void Pointwise<T>::run(const ArrayView& x, const ArrayView& out, const Ending& ending,
                       const Context& context) const {
    const Arrays arrays = arrays_of(x, out, ending);
    const Cut piece = cut();
    const Index places = piece.blocks * width();
    const Index pieces = (all_places() - 1) / places + 1;
    const Index parts = (layer_.outputs - 1) / piece.channels + 1;
    parallel_for(layer_.groups * pieces * parts, context, [&](Index task, int) {
        const Index first = task / parts % pieces * places;
        const Channels channels{
            .group = task / parts / pieces,
            .first = task % parts * piece.channels,
            .count = std::min(piece.channels, layer_.outputs - task % parts * piece.channels)};
        run_piece(arrays, channels, first, std::min(all_places(), first + places));
    });
}

/// Some channels are summed for all blocks before the next ones, so that their weights stay near.
template <class T>
void Pointwise<T>::run_piece(const Arrays& arrays, const Channels& channels, Index first,
                             Index last) const {
    const Workspace workspace(workspace_bytes());
    const Index most = std::min(block_steps, layer_.inputs);
    T* const copied = workspace.as<T>();               // [channel][place]
    T* const packed = copied + most * width();         // [bank][channel][output channel]
    T* const staged = packed + most * channels.count;  // [block][output channel][place]
    const WeightView<T>& w = weights();
    // weights that lie apart from step to step are put together, if more than one block wants them
    const bool packs = w.input != 1 && last - first > width();
    for (Index k = 0; k < layer_.inputs; k += block_steps) {
        Steps steps{
            .first = k,
            .count = std::min(block_steps, layer_.inputs - k),
            .a = w.data + channels.group * w.group + channels.first * w.output + k * w.input,
            .a_channel = w.output,
            .a_step = w.input};
        if (packs) pack(channels, steps, packed);
        T* sums = staged;
        for (Index p = first; p < last; p += width(), sums += channels.count * width())
            run_block(arrays, block_at(arrays, p, std::min(last, p + width())), channels, steps,
                      copied, sums);
    }
}

template <class T>
auto Pointwise<T>::bank_of(const Channels& channels, Index bank) const -> Bank {
    const Index banks = (channels.count - 1) / loops_->pointwise_channels + 1;
    const Index first = channels.count * bank / banks;
    return {first, channels.count * (bank + 1) / banks - first, bank + 1 == banks};
}

template <class T>
void Pointwise<T>::pack(const Channels& channels, Steps& steps, T* to) const {
    T* start = to;
    for (Index b = 0, last = 0; !last; ++b) {
        const Bank bank = bank_of(channels, b);
        const T* from = steps.a + bank.first * steps.a_channel;
        for (Index k = 0; k < steps.count; ++k, from += steps.a_step, to += bank.count)
            if (steps.a_channel == 1)
                copy_few(from, bank.count, to);
            else
                for (Index m = 0; m < bank.count; ++m) to[m] = from[m * steps.a_channel];
        last = bank.last;
    }
    steps.a = start;
    steps.a_channel = 0;  // as packed: by banks
}

/// The places of a block side by side, for `steps` channels. Pieces are copied in whole chunks
/// where the next piece overwrites what was too much.
template <class T>
void Pointwise<T>::gather(const Arrays& arrays, const Block& block, Index channel, Index steps,
                          T* to) const {
    constexpr Index chunk = 32 / static_cast<Index>(sizeof(T));
    for (Index k = 0; k < steps; ++k, to += width()) {
        const Index plane = (channel + k) * arrays.x_plane;
        T* at = to;
        for (Index i = 0; i < block.pieces; ++i) {
            const auto& piece = block.piece[i];
            const T* from = piece.x + plane;
            const Index chunks = (piece.count + chunk - 1) / chunk * chunk;
            if (arrays.x_place != 1)
                for (Index c = 0; c < piece.count; ++c) at[c] = from[c * arrays.x_place];
            else if (chunks > std::min<Index>(arrays.x_end - from, to + width() - at))
                copy_few(from, piece.count, at);
            else
                for (Index c = 0; c < chunks; c += chunk) std::memcpy(at + c, from + c, 32);
            at += piece.count;
        }
        std::fill(at, to + width(), T{0});
    }
}

template <class T>
void Pointwise<T>::run_block(const Arrays& arrays, const Block& block, const Channels& channels,
                             const Steps& steps, T* copied, T* staged) const {
    const bool whole = block.pieces == 1 && block.places == width();
    const bool reads = whole && arrays.x_place == 1, writes = whole && arrays.out_place == 1;
    const Index vectors = block.places > loops_->lanes ? 2 : 1;
    const auto& piece = block.piece[0];
    const Index first_output = channels.group * layer_.outputs + channels.first;
    T* const to = writes ? piece.out + first_output * arrays.out_plane : staged;
    const Index pitch = writes ? arrays.out_plane : width();
    const Index input = channels.group * layer_.inputs + steps.first;
    const T* from = piece.x + input * arrays.x_plane;
    Index from_pitch = arrays.x_plane;
    if (!reads) {
        gather(arrays, block, input, steps.count, copied);
        from = copied;
        from_pitch = width();
    }
    const bool last = steps.first + steps.count == layer_.inputs, packed = steps.a_channel == 0;
    // The first bank reads the samples where they stand, copies them for those that follow, and
    // fetches those of the next block but one.
    Bank bank{};
    for (Index b = 0; !bank.last; ++b) {
        bank = bank_of(channels, b);
        const bool copies = reads && b == 0 && !bank.last;
        loops_->pointwise[vectors - 1][bank.count - 1](
            {.a = steps.a + bank.first * (packed ? steps.count : steps.a_channel),
             .a_channel = packed ? 1 : steps.a_channel,
             .a_step = packed ? bank.count : steps.a_step,
             .b = from,
             .offset = nullptr,
             .b_pitch = from_pitch,
             .steps = steps.count,
             .copy = copies ? copied : nullptr,
             .c = to + bank.first * pitch,
             .c_pitch = pitch,
             .bias = last && arrays.bias ? arrays.bias + first_output + bank.first : nullptr,
             .relu = last && arrays.relu,
             .accumulate = steps.first > 0,
             .ahead = from + ahead_blocks * width()});
        if (copies) {
            from = copied;
            from_pitch = width();
        }
    }
    if (writes || !last) return;
    for (Index o = 0; o < channels.count; ++o, staged += width()) {
        const T* sums = staged;
        for (Index i = 0; i < block.pieces; ++i) {
            const auto& target = block.piece[i];
            T* const at = target.out + (first_output + o) * arrays.out_plane;
            if (arrays.out_place == 1)
                copy_few(sums, target.count, at);
            else
                for (Index c = 0; c < target.count; ++c) at[c * arrays.out_place] = sums[c];
            sums += target.count;
        }
    }
}

template class Pointwise<float>;
template class Pointwise<double>;

}  // namespace faltung::layers
