// What all depthwise layers share: a channel per lane, results of each output of a group apart.
#pragma once

#include <algorithm>
#include <vector>

#include "layers/channel_lines.hpp"
#include "layers/conv.hpp"

namespace faltung::layers {

/// One per output of a group, each of which counts groups as its channels.
template <class T>
std::vector<ChannelWriter<T>> depthwise_writers(const ConvLayer& layer, const ArrayView& out,
                                                const Ending& ending,
                                                const microkernels::Table& table) {
    std::vector<ChannelWriter<T>> writers;
    for (Index o = 0; o < layer.outputs; ++o) {
        ArrayView channels = out;
        channels.data += o * out.strides[1];
        channels.shape[1] = layer.groups;
        channels.strides[1] *= layer.outputs;
        writers.emplace_back(channels, table,
                             ending.stream_from / static_cast<std::size_t>(layer.outputs));
    }
    return writers;
}

/// Bias by output of the group, then by group, as the writers count channels; empty without one.
template <class T>
std::vector<T> sorted_bias(const ConvLayer& layer, const Ending& ending) {
    std::vector<T> sorted;
    if (const T* const bias = static_cast<const T*>(ending.bias))
        for (Index o = 0; o < layer.outputs; ++o)
            for (Index g = 0; g < layer.groups; ++g) sorted.push_back(bias[g * layer.outputs + o]);
    return sorted;
}

/// Coefficients as [block][output][tap][lane], zeros beyond the last channel.
template <class T>
void pack_depthwise(const ConvLayer& layer, const WeightView<T>& w,
                    const microkernels::LayerTable<T>& loops, T* to) {
    const Index taps = layer.taps(), lanes = loops.lanes;
    const Index deep = layer.axes[0].k, high = layer.axes[1].k, wide = layer.axes[2].k;
    // a kernel is one run of numbers, forward or, where a gradient turns it around, backward
    const Index pace = w.tap[2];
    const bool dense =
        (pace == 1 || pace == -1) && deep == 1 && (high == 1 || w.tap[1] == pace * wide);
    for (Index first = 0; first < layer.groups; first += lanes) {
        const Index channels = std::min(lanes, layer.groups - first);
        for (Index o = 0; o < layer.outputs; ++o, to += taps * lanes) {
            const T* from = w.data + first * w.group + o * w.output;
            if (channels < lanes) std::fill_n(to, taps * lanes, T{0});
            if (dense) {
                const Index last = pace == 1 ? 0 : taps - 1;
                loops.transpose(from - last, w.group, channels, taps, to + last * lanes,
                                pace * lanes);
                continue;
            }
            T* tap = to;
            for (Index d = 0; d < deep; ++d)
                for (Index y = 0; y < high; ++y)
                    for (Index x = 0; x < wide; ++x, tap += lanes)
                        for (Index l = 0; l < channels; ++l)
                            tap[l] = from[l * w.group + d * w.tap[0] + y * w.tap[1] + x * w.tap[2]];
        }
    }
}

}  // namespace faltung::layers
