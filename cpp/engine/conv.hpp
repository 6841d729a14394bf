// Layers of nets from arrays to answers: the method, the prepared weights, the run.
#pragma once

#include <optional>

#include "core/conv_layer.hpp"
#include "core/executor.hpp"

namespace faltung {

/// Arrays as their callers hold them: sample, channel, spatial axes; any strides.
struct ConvArrays {
    ArrayView x, w, out;
    const ArrayView* bias = nullptr;  // contiguous, of the arithmetic
    bool relu = false;
};

/// out from x and w.
void run_conv(const ConvLayer& layer, const ConvArrays& arrays, const Context& context);

/// x from out and w: the transposed convolution.
void run_conv_adjoint(const ConvLayer& layer, const ConvArrays& arrays, const Context& context);

/// What a gradient that is not wanted leaves empty.
struct ConvGradients {
    std::optional<ArrayView> x, w, bias;
};

/// Gradients of a sum over outputs weighted by `grad`.
void run_conv_gradients(const ConvLayer& layer, const ArrayView& grad, const ArrayView& x,
                        const ArrayView& w, const ConvGradients& gradients, const Context& context);

}  // namespace faltung
