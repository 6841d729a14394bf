// Depthwise layers of small kernels without padded copies: columns outside are known to the loops.
#pragma once

#include "layers/conv.hpp"

namespace faltung::layers {

/// Which of the loops for rows serves the layer: taps are neighbours, few enough to stay in
/// registers, and every window meets x, with zeros outside. Otherwise -1.
Index depthwise_rows_kernel(const ConvLayer& layer);

template <class T>
std::unique_ptr<Conv> make_depthwise_rows(const ConvLayer& layer, const WeightView<T>& weights,
                                          const microkernels::Table& table);

}  // namespace faltung::layers
