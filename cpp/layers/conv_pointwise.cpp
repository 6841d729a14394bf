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
constexpr Index block_steps = 256, least_inputs = 4;
constexpr Index ahead_blocks = 2;  // what is read is fetched so many blocks of places before
constexpr double least_work = 2e6, most_work = 4e8;  // multiply-adds of a task
/// Weights of a task, and sums of its blocks that are not whole: they stay in the second-level
/// cache.
constexpr Index cached_bytes = 256 << 10;
/// Fewer output channels, or blocks of places, are not worth copying samples, or weights, for.
constexpr Index least_channels = 96, least_blocks = 4, many_blocks = 16;
constexpr Index most_line = 64;  // taps of a window along a line, as channels

/// Whether every tap of a layer has samples of its own, side by side.
bool tiles(const ConvLayer& layer) {
    for (const Axis& axis : layer.axes)
        if (axis.k != axis.step || axis.dilation != 1) return false;
    return layer.axes[2].k <= most_line;
}

/// Whether the taps of a kernel follow one another.
template <class T>
bool taps_in_line(const ConvLayer& layer, const WeightView<T>& weights) {
    Index expected = 1;
    for (std::size_t a = layer_axes; a-- > 0;) {
        if (layer.axes[a].k != 1 && weights.tap[a] != expected) return false;
        expected *= layer.axes[a].k;
    }
    return true;
}

}  // namespace

bool tiled_adjoint(const ConvLayer& layer) {
    return layer.taps() > 1 && layer.outputs >= least_inputs && layer.inside() && tiles(layer);
}

ConvLayer flat_adjoint(const ConvLayer& layer) {
    ConvLayer flat = layer;
    flat.inputs = layer.outputs;
    flat.outputs = layer.steps();
    for (Axis& axis : flat.axes) axis = Axis{.x = axis.out, .out = axis.out};
    return flat;
}

/// The arrays of a call.
template <class T>
struct Pointwise<T>::Arrays {
    PlacedArray<const T> x;
    const T* x_end;  // no number of x stands here or beyond
    PlacedArray<T> out;
    const T* bias;  // of each output channel
    bool relu, stream;
};

/// Neighbouring places, where they stand in x and in out.
template <class T>
struct Pointwise<T>::Block {
    PlaceRun<const T> x[most_place_runs];
    PlaceRun<T> out[most_place_runs];
    Index x_runs = 0, out_runs = 0, places = 0;
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
    return layer.taps() == 1 && layer.inside() && layer.inputs >= least_inputs;
}

template <class T>
Pointwise<T>::Pointwise(const ConvLayer& layer, const WeightView<T>& weights, Lifetime lifetime,
                        const microkernels::Table& table, const WindowTaps& taps)
    : layer_(layer),
      taps_(taps),
      loops_(&layer_loops<T>(table)),
      weights_(layer, weights, lifetime) {}

template <class T>
std::unique_ptr<Pointwise<T>> Pointwise<T>::of_adjoint(const ConvLayer& layer,
                                                       const WeightView<T>& weights,
                                                       const microkernels::Table& table) {
    if (!tiled_adjoint(layer) || weights.input != layer.taps() || !taps_in_line(layer, weights))
        return {};
    WeightView<T> view = weights;
    view.input = weights.output;
    view.output = 1;
    return std::make_unique<Pointwise>(
        flat_adjoint(layer), view, Lifetime::call, table,
        WindowTaps{{layer.axes[0].k, layer.axes[1].k, layer.axes[2].k}});
}

template <class T>
bool Pointwise<T>::serves(const ArrayView& x, const ArrayView& out) const {
    const auto bytes = static_cast<Index>(sizeof(T));
    if (x.dtype != dtype_of<T> || out.dtype != dtype_of<T>) return false;
    for (int a = 0; a < 5; ++a)
        if (x.strides[a] < 0 || out.strides[a] < 0) return false;
    const Axis& along = layer_.axes[2];
    // channels side by side are better read as they are
    const bool apart =
        (x.shape[1] == 1 || x.strides[1] > bytes) && (out.shape[1] == 1 || out.strides[1] > bytes);
    const bool neighbours = x.strides[4] * along.step == bytes || along.out == 1;
    // results are put apart one by one, which many of them do not pay for
    const bool stores = out.strides[4] == bytes || (along.out == 1 && taps_.along[2] == 1) ||
                        (layer_.outputs <= loops_->pointwise_channels && taps_.along[2] == 1);
    return apart && neighbours && stores && all_places() >= loops_->lanes &&
           width() <= along.out * (most_place_runs - 2);
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
    // whole banks, or whole lines of windows
    const Index line = taps_.along[2], some = line > 1 ? line : loops_->pointwise_channels;
    channels = even_piece(layer_.outputs, channels);
    return {even_piece(blocks, count),
            std::min(layer_.outputs, (channels + some - 1) / some * some)};
}

template <class T>
auto Pointwise<T>::block_at(const Arrays& arrays, Index first, Index last) const -> Block {
    Block block;
    block.places = last - first;
    arrays.x.for_each_run(first, last, [&](const auto& run) { block.x[block.x_runs++] = run; });
    arrays.out.for_each_run(first, last,
                            [&](const auto& run) { block.out[block.out_runs++] = run; });
    return block;
}

template <class T>
auto Pointwise<T>::arrays_of(const ArrayView& x, const ArrayView& out, const Ending& ending) const
    -> Arrays {
    const auto& axes = layer_.axes;
    const Index first[] = {axes[0].first, axes[1].first, axes[2].first}, start[] = {0, 0, 0};
    const Index step[] = {axes[0].step, axes[1].step, axes[2].step};
    const std::byte* last = x.data;
    for (int a = 0; a < 5; ++a) last += (x.shape[a] - 1) * x.strides[a];
    const auto bytes = static_cast<std::size_t>(product(out.shape)) * sizeof(T);
    return {.x = {x, layer_, {}, first, step},
            .x_end = reinterpret_cast<const T*>(last) + 1,
            .out = {out, layer_, taps_, start, taps_.along},
            .bias = static_cast<const T*>(ending.bias),
            .relu = ending.relu,
            .stream = taps_.all() > 1 && bytes >= ending.stream_from};
}

template <class T>
void Pointwise<T>::run(const ArrayView& x, const ArrayView& out, const Ending& ending,
                       const Context& context) const {
    Arrays arrays = arrays_of(x, out, ending);
    const Index taps = taps_.all(), outputs = layer_.groups * layer_.outputs;
    const Workspace biases(taps > 1 && ending.bias ? static_cast<std::size_t>(outputs) * sizeof(T)
                                                   : 0);
    if (taps > 1 && ending.bias) {  // each tap of a channel has its own
        for (Index o = 0; o < outputs; ++o) biases.as<T>()[o] = arrays.bias[o / taps];
        arrays.bias = biases.as<T>();
    }
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
        if (arrays.stream) loops_->fence();
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

/// The places of a block side by side, for `steps` channels. Runs are copied in whole chunks where
/// the next run overwrites what was too much.
template <class T>
void Pointwise<T>::gather(const Arrays& arrays, const Block& block, Index channel, Index steps,
                          T* to) const {
    constexpr Index chunk = 32 / static_cast<Index>(sizeof(T));
    for (Index k = 0; k < steps; ++k, to += width()) {
        const Index plane = arrays.x.channel(channel + k);
        T* at = to;
        for (Index i = 0; i < block.x_runs; ++i) {
            const Index count = block.x[i].count;
            const T* from = block.x[i].at + plane;
            const Index chunks = (count + chunk - 1) / chunk * chunk;
            if (arrays.x.place() != 1)
                for (Index c = 0; c < count; ++c) at[c] = from[c * arrays.x.place()];
            else if (chunks > std::min<Index>(arrays.x_end - from, to + width() - at))
                copy_few(from, count, at);
            else
                for (Index c = 0; c < chunks; c += chunk) std::memcpy(at + c, from + c, 32);
            at += count;
        }
        std::fill(at, to + width(), T{0});
    }
}

template <class T>
void Pointwise<T>::run_block(const Arrays& arrays, const Block& block, const Channels& channels,
                             const Steps& steps, T* copied, T* staged) const {
    const bool whole = block.places == width();
    const bool reads = whole && block.x_runs == 1 && arrays.x.place() == 1;
    const bool writes = whole && block.out_runs == 1 && arrays.out.place() == 1 && taps_.all() == 1;
    const Index vectors = block.places > loops_->lanes ? 2 : 1;
    const Index first_output = channels.group * layer_.outputs + channels.first;
    T* const to = writes ? block.out[0].at + arrays.out.channel(first_output) : staged;
    const Index pitch = writes ? arrays.out.plane() : width();
    const T* from = copied;
    Index from_pitch = width();
    if (reads) {
        from = block.x[0].at + arrays.x.channel(channels.group * layer_.inputs + steps.first);
        from_pitch = arrays.x.plane();
    } else {
        gather(arrays, block, channels.group * layer_.inputs + steps.first, steps.count, copied);
    }
    const bool last = steps.first + steps.count == layer_.inputs, packed = steps.a_channel == 0;
    // The first bank reads the samples where they stand, copies them for those that follow, and
    // fetches those of the next block but one. Where a block is one cache line wide, it would wait
    // for memory, which rests while the others compute: they all fetch some.
    const Index banks = (channels.count - 1) / loops_->pointwise_channels + 1;
    const bool spreads = reads && banks > 1 && width() * static_cast<Index>(sizeof(T)) <= 64;
    const T* const ahead = from + ahead_blocks * width();
    const Index ahead_pitch = from_pitch;
    Bank bank{};
    for (Index b = 0; !bank.last; ++b) {
        bank = bank_of(channels, b);
        const bool copies = reads && b == 0 && !bank.last;
        if (spreads)
            for (Index k = steps.count * b / banks; k < steps.count * (b + 1) / banks; ++k)
                __builtin_prefetch(ahead + k * ahead_pitch, 0, 2);
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
             .ahead = spreads ? from : ahead});
        if (copies) {
            from = copied;
            from_pitch = width();
        }
    }
    if (!writes && last) put(arrays, block, channels, staged);
}

/// Sums that could not be stored where they belong.
template <class T>
void Pointwise<T>::put(const Arrays& arrays, const Block& block, const Channels& channels,
                       const T* staged) const {
    const Index line = taps_.along[2], step = arrays.out.place();
    for (Index o = 0; o < channels.count; o += line, staged += line * width()) {
        const Index channel =
            arrays.out.channel(channels.group * layer_.outputs + channels.first + o);
        const T* sums = staged;
        for (Index i = 0; i < block.out_runs; ++i) {
            const Index count = block.out[i].count;
            T* const at = block.out[i].at + channel;
            if (line > 1)
                loops_->interleave(sums, width(), line, count, at, arrays.stream);
            else if (step == 1)
                copy_few(sums, count, at);
            else
                for (Index c = 0; c < count; ++c) at[c * step] = sums[c];
            sums += count;
        }
    }
}

template class Pointwise<float>;
template class Pointwise<double>;

}  // namespace faltung::layers
