// Gradients with respect to weights and bias.
#pragma once

#include "layers/conv.hpp"

namespace faltung::layers {

/// dw[g, o, i, t] = sum over samples and places of grad[n, g, o, j] * x~[n, g, i, first + j*step +
/// t*dilation]. Five-dimensional arrays of any dtype and strides.
template <class T>
void weight_gradient(const ConvLayer& layer, const ArrayView& grad, const ArrayView& x,
                     const ArrayView& dw, const microkernels::Table& table, const Context& context);

/// The same by the adjoint of Winograd's filter for `outputs` × `outputs` results; serves what
/// make_winograd serves. False where a number on the way is not finite: then dw holds nothing.
template <class T>
bool winograd_weight_gradient(const ConvLayer& layer, int outputs, const ArrayView& grad,
                              const ArrayView& x, const ArrayView& dw,
                              const microkernels::Table& table, const Context& context);

/// The same by transforms of tiles; serves what make_spectral serves. False as above.
template <class T>
bool spectral_weight_gradient(const ConvLayer& layer, const TileLengths& lengths,
                              const ArrayView& grad, const ArrayView& x, const ArrayView& dw,
                              const microkernels::Table& table, const Context& context);

/// That for any number of channels in a group.
template <class T>
bool dense_spectral_gradient(const ConvLayer& layer, const TileLengths& lengths,
                             const ArrayView& grad, const ArrayView& x, const ArrayView& dw,
                             const microkernels::Table& table, const Context& context);

/// Whether the gradients of x and of the weights of a depthwise layer have transforms in common:
/// one tile holds all outputs and all of x.
bool shares_spectra(const ConvLayer& layer, const TileLengths& lengths,
                    const microkernels::Table& table);

/// Both of them. False where a number on the way is not finite: then dx and dw hold nothing.
template <class T>
bool depthwise_spectral_gradients(const ConvLayer& layer, const TileLengths& lengths,
                                  const ArrayView& grad, const ArrayView& x,
                                  const WeightView<T>& weights, const ArrayView& dx,
                                  const ArrayView& dw, const microkernels::Table& table,
                                  const Context& context);

/// The direct sum for layers with one input channel per group, with a channel per lane.
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
