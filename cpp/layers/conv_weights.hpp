// The weights of a layer as numbers of the arithmetic, in any order of memory.
#pragma once

#include <optional>

#include "core/array_view.hpp"
#include "core/conv_layer.hpp"
#include "core/workspace.hpp"
#include "microkernels/table.hpp"

namespace faltung::layers {

/// Borrowed: group, output channel, input channel, depth, height, width. Strides in numbers, of any
/// sign.
template <class T>
struct WeightView {
    const T* data = nullptr;
    Index group = 0, output = 0, input = 0;
    Index tap[layer_axes] = {0, 0, 0};
};

/// Weights converted to T where the array holds something else, otherwise the array itself.
template <class T>
class Weights {
public:
    /// `w` has the shape w_shape(layer), widened to five axes.
    Weights(const ConvLayer& layer, const ArrayView& w, const microkernels::Table& table);

    const WeightView<T>& view() const { return view_; }

private:
    Workspace converted_;
    WeightView<T> view_;
};

/// Whether what is prepared from weights serves the call that gave them, or outlives them.
enum class Lifetime : std::uint8_t { call, plan };

/// The weights themselves, or for a plan a copy as [bank][depth][input][height][width].
template <class T>
class KeptWeights {
public:
    KeptWeights(const ConvLayer& layer, const WeightView<T>& weights, Lifetime lifetime);

    const WeightView<T>& view() const { return view_; }

private:
    std::optional<Workspace> copy_;
    WeightView<T> view_;
};

/// Whether taps or channels follow one another fastest along the sum.
enum class SumOrder : std::uint8_t { channels_inside, taps_inside };

/// The coefficients of output channels [first, first + count) of a group for a block of `width`
/// lanes: to[k*width + o], zeros beyond `count`. k counts taps (depth, height, width) and channels.
/// `scratch` holds width * layer.steps() numbers.
template <class T>
void pack_weights(const ConvLayer& layer, const WeightView<T>& view, SumOrder order, Index group,
                  Index first, Index count, Index width, const microkernels::LayerTable<T>& loops,
                  T* scratch, T* to);

/// Input channels [input, input + inputs) of output channels [first, first + count) of a group, one
/// plane of taps.
struct KernelPart {
    Index group, first, count, depth, input, inputs;
};

/// Their kernels side by side: to[(i*plane + t)*width + o], zeros beyond `count`; t counts the taps
/// of the plane.
template <class T>
void pack_kernels(const ConvLayer& layer, const WeightView<T>& view, const KernelPart& part,
                  Index width, const microkernels::LayerTable<T>& loops, T* to);

extern template class Weights<float>;
extern template class Weights<double>;
extern template class KeptWeights<float>;
extern template class KeptWeights<double>;

}  // namespace faltung::layers
