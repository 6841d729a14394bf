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
