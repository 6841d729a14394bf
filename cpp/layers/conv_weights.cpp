#include "layers/conv_weights.hpp"

#include <algorithm>

#include "lines/conversion.hpp"

namespace faltung::layers {

template <class T>
Weights<T>::Weights(const ConvLayer& layer, const ArrayView& w, const microkernels::Table& table)
    : converted_(w.dtype == dtype_of<T> ? 0
                                        : static_cast<std::size_t>(product(w.shape)) * sizeof(T)) {
    Index strides[5];
    const Index bytes = static_cast<Index>(size_of(w.dtype));
    if (w.dtype == dtype_of<T>) {
        view_.data = reinterpret_cast<const T*>(w.data);
        for (int a = 0; a < 5; ++a) strides[a] = w.strides[a] / bytes;
    } else {
        const auto load = conversions<T>(table).load[static_cast<int>(w.dtype)];
        Index dense = 1;
        bool contiguous = true;
        for (int a = 4; a >= 0; --a) {
            contiguous = contiguous && (w.shape[a] == 1 || w.strides[a] == dense * bytes);
            strides[a] = dense;
            dense *= w.shape[a];
        }
        T* to = converted_.as<T>();
        view_.data = to;
        if (contiguous)
            load(w.data, to, dense);
        else
            for_each_element(w, [&](const std::byte* from) { load(from, to++, 1); });
    }
    view_.group = layer.outputs * strides[0];
    view_.output = strides[0];
    view_.input = strides[1];
    std::copy(strides + 2, strides + 5, view_.tap);
}

template <class T>
KeptWeights<T>::KeptWeights(const ConvLayer& layer, const WeightView<T>& weights, Lifetime lifetime)
    : view_(weights) {
    if (lifetime == Lifetime::call) return;
    copy_.emplace(static_cast<std::size_t>(layer.groups * layer.outputs * layer.steps()) *
                  sizeof(T));
    const Axis* axes = layer.axes.data();
    const Index plane = axes[1].k * axes[2].k;
    view_ = {.data = copy_->template as<T>(),
             .group = layer.outputs * layer.steps(),
             .output = layer.steps(),
             .input = plane,
             .tap = {layer.inputs * plane, axes[2].k, 1}};
    T* to = copy_->template as<T>();
    const bool together = axes[0].k == 1 && weights.input == plane && weights.tap[1] == axes[2].k &&
                          weights.tap[2] == 1;
    for (Index b = 0; b < layer.groups * layer.outputs; ++b) {
        const T* bank =
            weights.data + b / layer.outputs * weights.group + b % layer.outputs * weights.output;
        if (together) {
            to = std::copy_n(bank, layer.steps(), to);
            continue;
        }
        for (Index d = 0; d < axes[0].k; ++d)
            for (Index c = 0; c < layer.inputs; ++c)
                for (Index y = 0; y < axes[1].k; ++y)
                    for (Index x = 0; x < axes[2].k; ++x)
                        *to++ = bank[c * weights.input + d * weights.tap[0] + y * weights.tap[1] +
                                     x * weights.tap[2]];
    }
}

template <class T>
void pack_weights(const ConvLayer& layer, const WeightView<T>& view, SumOrder order, Index group,
                  Index first, Index count, Index width, const microkernels::LayerTable<T>& loops,
                  T* scratch, T* to) {
    const Index steps = layer.steps(), taps = layer.taps();
    const bool channels = order == SumOrder::channels_inside && taps > 1 && layer.inputs > 1;
    const T* banks = view.data + group * view.group + first * view.output;
    const bool together = view.input == taps && view.tap[2] == 1 &&
                          view.tap[1] == layer.axes[2].k &&
                          view.tap[0] == layer.axes[1].k * layer.axes[2].k;
    T* const turned = channels ? scratch : to;  // channel by channel, tap by tap
    if (count < width) std::fill_n(turned, steps * width, T{0});
    if (together) {
        loops.transpose(banks, view.output, count, steps, turned, width);
    } else {
        T* at = turned;
        for (Index i = 0; i < layer.inputs; ++i)
            for (Index d = 0; d < layer.axes[0].k; ++d)
                for (Index h = 0; h < layer.axes[1].k; ++h)
                    for (Index x = 0; x < layer.axes[2].k; ++x, at += width) {
                        const T* from = banks + i * view.input + d * view.tap[0] + h * view.tap[1] +
                                        x * view.tap[2];
                        if (view.output == 1)
                            std::copy_n(from, count, at);
                        else
                            for (Index o = 0; o < count; ++o) at[o] = from[o * view.output];
                    }
    }
    if (!channels) return;
    for (Index i = 0; i < layer.inputs; ++i)
        for (Index t = 0; t < taps; ++t)
            std::copy_n(turned + (i * taps + t) * width, width,
                        to + (t * layer.inputs + i) * width);
}

template <class T>
void pack_kernels(const ConvLayer& layer, const WeightView<T>& view, const KernelPart& part,
                  Index width, const microkernels::LayerTable<T>& loops, T* to) {
    const Index high = layer.axes[1].k, wide = layer.axes[2].k, plane = high * wide;
    const T* from = view.data + part.group * view.group + part.first * view.output +
                    part.input * view.input + part.depth * view.tap[0];
    if (part.count < width) std::fill_n(to, part.inputs * plane * width, T{0});
    // a tap is one number, forward or, where a gradient turns kernels around, backward
    const Index pace = wide > 1 ? view.tap[2] : high > 1 ? view.tap[1] : 1;
    const bool dense = (pace == 1 || pace == -1) && (high == 1 || view.tap[1] == pace * wide);
    if (dense && pace == 1 && (view.input == plane || part.inputs == 1))
        return loops.transpose(from, view.output, part.count, part.inputs * plane, to, width);
    for (Index i = 0; i < part.inputs; ++i, from += view.input, to += plane * width) {
        if (dense) {
            const Index last = pace == 1 ? 0 : plane - 1;
            loops.transpose(from - last, view.output, part.count, plane, to + last * width,
                            pace * width);
            continue;
        }
        T* at = to;
        for (Index y = 0; y < high; ++y)
            for (Index x = 0; x < wide; ++x, at += width)
                for (Index o = 0; o < part.count; ++o)
                    at[o] = from[y * view.tap[1] + x * view.tap[2] + o * view.output];
    }
}

template class Weights<float>;
template class Weights<double>;
template class KeptWeights<float>;
template class KeptWeights<double>;
template void pack_weights(const ConvLayer&, const WeightView<float>&, SumOrder, Index, Index,
                           Index, Index, const microkernels::LayerTable<float>&, float*, float*);
template void pack_weights(const ConvLayer&, const WeightView<double>&, SumOrder, Index, Index,
                           Index, Index, const microkernels::LayerTable<double>&, double*, double*);

template void pack_kernels(const ConvLayer&, const WeightView<float>&, const KernelPart&, Index,
                           const microkernels::LayerTable<float>&, float*);
template void pack_kernels(const ConvLayer&, const WeightView<double>&, const KernelPart&, Index,
                           const microkernels::LayerTable<double>&, double*);

}  // namespace faltung::layers
