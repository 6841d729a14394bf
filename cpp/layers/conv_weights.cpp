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
void pack_weights(const ConvLayer& layer, const WeightView<T>& view, SumOrder order, Index group,
                  Index first, Index count, Index width, const microkernels::LayerTable<T>& loops,
                  T* scratch, T* to) {
    const Index steps = layer.steps(), taps = layer.taps();
    const bool channels = order == SumOrder::channels_inside;
    const Index tap_step = channels ? layer.inputs : 1, channel_step = channels ? 1 : taps;
    for (Index o = 0; o < count; ++o) {
        const T* bank = view.data + group * view.group + (first + o) * view.output;
        T* row = scratch + o * steps;
        Index tap = 0;
        for (Index d = 0; d < layer.axes[0].k; ++d)
            for (Index h = 0; h < layer.axes[1].k; ++h)
                for (Index x = 0; x < layer.axes[2].k; ++x, ++tap) {
                    const T* from = bank + d * view.tap[0] + h * view.tap[1] + x * view.tap[2];
                    T* at = row + tap * tap_step;
                    for (Index i = 0; i < layer.inputs; ++i)
                        at[i * channel_step] = from[i * view.input];
                }
    }
    std::fill(scratch + count * steps, scratch + width * steps, T{0});
    loops.transpose(scratch, steps, width, steps, to, width);
}

template class Weights<float>;
template class Weights<double>;
template void pack_weights(const ConvLayer&, const WeightView<float>&, SumOrder, Index, Index,
                           Index, Index, const microkernels::LayerTable<float>&, float*, float*);
template void pack_weights(const ConvLayer&, const WeightView<double>&, SumOrder, Index, Index,
                           Index, Index, const microkernels::LayerTable<double>&, double*, double*);

}  // namespace faltung::layers
