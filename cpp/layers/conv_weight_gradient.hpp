// Gradients with respect to weights and bias.
#pragma once

#include "core/conv_layer.hpp"
#include "core/executor.hpp"
#include "microkernels/table.hpp"

namespace faltung::layers {

/// dw[g, o, i, t] = sum over samples and places of grad[n, g, o, j] * x~[n, g, i, first + j*step +
/// t*dilation]. Five-dimensional arrays of any dtype and strides.
template <class T>
void weight_gradient(const ConvLayer& layer, const ArrayView& grad, const ArrayView& x,
                     const ArrayView& dw, const microkernels::Table& table, const Context& context);

/// The same for layers with one input channel per group, with a channel per lane.
template <class T>
void depthwise_weight_gradient(const ConvLayer& layer, const ArrayView& grad, const ArrayView& x,
                               const ArrayView& dw, const microkernels::Table& table,
                               const Context& context);

/// db[o] = the sum of grad over samples and places, in float64.
template <class T>
void bias_gradient(const ConvLayer& layer, const ArrayView& grad, const ArrayView& db,
                   const microkernels::Table& table, const Context& context);

extern template void weight_gradient<float>(const ConvLayer&, const ArrayView&, const ArrayView&,
                                            const ArrayView&, const microkernels::Table&,
                                            const Context&);
extern template void weight_gradient<double>(const ConvLayer&, const ArrayView&, const ArrayView&,
                                             const ArrayView&, const microkernels::Table&,
                                             const Context&);
extern template void bias_gradient<float>(const ConvLayer&, const ArrayView&, const ArrayView&,
                                          const microkernels::Table&, const Context&);
extern template void bias_gradient<double>(const ConvLayer&, const ArrayView&, const ArrayView&,
                                           const microkernels::Table&, const Context&);

}  // namespace faltung::layers
