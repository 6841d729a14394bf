// Convolution layers on the device.
#pragma once

#include <cuda_runtime_api.h>

#include <optional>

#include "core/conv_layer.hpp"
#include "cuda/engine.hpp"

namespace faltung::cuda {

/// Arrays with axes N, C, spatial.
struct LayerArrays {
    TypedView x, w, out;
    std::optional<TypedView> bias;
    bool relu = false;
};

/// One call, enqueued on `stream`. Depthwise layers are correlations with a kernel per channel and
/// take the methods of those; all others are an implicit matrix product, "direct".
void run_layer(const ConvLayer& layer, const LayerArrays& arrays, std::optional<Method> method,
               int device, cudaStream_t stream);

/// A layer's way back: what it was given, the gradient of its output, and where those of w, and of
/// x and the bias if they are wanted, go.
struct LayerGradients {
    TypedView grad, x, w, dw;
    std::optional<TypedView> dx, db;
};

/// One call, enqueued on `stream`.
void run_gradients(const ConvLayer& layer, const LayerGradients& arrays, int device,
                   cudaStream_t stream);

/// An array with two axes of channels, or batch and channels, and the spatial ones.
struct LayerOperand {
    std::byte* data = nullptr;
    Storage type = Storage::float32;
    Index stride[2 + layer_axes] = {};  // in bytes
};

struct GradientArguments {
    LayerOperand grad, x, w, dw, dx, db;
    DeviceAxis axis[layer_axes];
    Boundary boundary = Boundary::zero;
    Index batch = 1, groups = 1, inputs = 1, outputs = 1;  // channels per group
    Index places = 1, taps = 1;
};

void sum_gradients(const GradientArguments& arguments, Arithmetic arithmetic, cudaStream_t stream);

/// What the matrix product needs to know.
struct ProductArguments {
    Geometry g;
    DeviceAxis axis[layer_axes];
    Index batch_x = 0, batch_out = 0, channel_x = 0, channel_out = 0;  // strides in bytes
    int batch = 1, groups = 1, inputs = 1, outputs = 1;                // channels per group
    int places = 1, taps = 1;
};

/// `weights` are numbers of the arithmetic in C order.
void run_product(const ProductArguments& arguments, Arithmetic arithmetic, const void* weights,
                 cudaStream_t stream);

}  // namespace faltung::cuda
