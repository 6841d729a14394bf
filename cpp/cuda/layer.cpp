#include "cuda/layer.hpp"

#include <limits>

#include "core/error.hpp"

namespace faltung::cuda {

namespace {

DeviceAxis device_axis(const Axis& axis, Index x_stride, Index out_stride) {
    return {.x = axis.x,
            .k = axis.k,
            .first = axis.first,
            .out = axis.out,
            .step = axis.step,
            .dilation = axis.dilation,
            .x_stride = x_stride,
            .out_stride = out_stride};
}

/// `count` taps of a view as contiguous numbers of the arithmetic.
StreamBuffer numbers_of(const TapSource& source, Arithmetic arithmetic, Index count,
                        cudaStream_t stream) {
    StreamBuffer numbers(static_cast<std::size_t>(count) * size_of(arithmetic), stream);
    prepare_taps(source, arithmetic, false, count, numbers.get(), stream);
    return numbers;
}

TapSource walk(const ArrayView& view, Storage type) {
    TapSource source;
    source.data = view.data;
    source.type = type;
    source.rank = view.rank();
    for (int a = 0; a < view.rank(); ++a) {
        source.extent[a] = view.shape[a];
        source.stride[a] = view.strides[a];
    }
    return source;
}

/// Every group has one input channel: for each of its outputs, a correlation with a bank of
/// kernels.
void run_depthwise(const ConvLayer& layer, const LayerArrays& arrays, const Geometry& geometry,
                   const ArrayView& x, const ArrayView& w, const ArrayView& out,
                   std::optional<Method> method, int device, cudaStream_t stream) {
    for (Index o = 0; o < layer.outputs; ++o) {
        General g;
        static_cast<Geometry&>(g) = geometry;
        g.out = out.data + o * out.strides[1];
        g.axis[g.rank++] = {.x = layer.batch,
                            .out = layer.batch,
                            .x_stride = x.strides[0],
                            .out_stride = out.strides[0]};
        g.axis[g.rank++] = {.x = layer.groups,
                            .out = layer.groups,
                            .x_stride = x.strides[1],
                            .out_stride = layer.outputs * out.strides[1],
                            .kernel_step = 1};
        for (int a = 0; a < layer_axes; ++a)
            g.axis[g.rank++] = device_axis(layer.axes[static_cast<std::size_t>(a)],
                                           x.strides[2 + a], out.strides[2 + a]);
        g.taps = layer.taps();
        g.outputs = layer.batch * layer.groups * layer.places();

        TapSource kernels = walk(w, arrays.w.type);
        kernels.data += o * w.strides[0];
        kernels.extent[0] = layer.groups;
        kernels.stride[0] = layer.outputs * w.strides[0];
        StreamBuffer bias;
        if (arrays.bias) {
            TapSource source = walk(arrays.bias->view, arrays.bias->type);
            source.data += o * source.stride[0];
            source.extent[0] = layer.groups;
            source.stride[0] *= layer.outputs;
            bias = numbers_of(source, layer.arithmetic, layer.groups, stream);
            g.bias = bias.get<const std::byte>();
        }
        KernelTraits traits;
        traits.on_host = false;
        Plan plan(g, layer.arithmetic, traits, method, device);
        plan.prepare(numbers_of(kernels, layer.arithmetic, layer.groups * g.taps, stream),
                     layer.groups, stream);
        plan.run(g, stream);
    }
}

}  // namespace

void run_layer(const ConvLayer& layer, const LayerArrays& arrays, std::optional<Method> method,
               int device, cudaStream_t stream) {
    if (layer.batch * layer.groups * layer.outputs * layer.places() == 0) return;
    const DeviceGuard guard(device);
    const ArrayView x = spatial_view(arrays.x.view, layer), w = spatial_view(arrays.w.view, layer),
                    out = spatial_view(arrays.out.view, layer);
    Geometry geometry;
    geometry.x = x.data;
    geometry.out = out.data;
    geometry.x_type = arrays.x.type;
    geometry.out_type = arrays.out.type;
    geometry.boundary = layer.boundary;
    geometry.relu = arrays.relu;
    if (layer.inputs == 1)
        return run_depthwise(layer, arrays, geometry, x, w, out, method, device, stream);

    if (method && *method != Method::direct)
        throw ValueError("method '" + std::string(name_of(*method)) +
                         "' cannot serve this problem: on the device, layers with several input "
                         "channels per group are a matrix product");
    constexpr Index most = std::numeric_limits<std::int32_t>::max();
    if (layer.places() > most || layer.steps() > most || layer.batch > 65535 ||
        layer.groups * layer.outputs > most)
        throw TooLarge("a layer of this size is not served on the device");
    ProductArguments a;
    a.g = geometry;
    for (int d = 0; d < layer_axes; ++d)
        a.axis[d] = device_axis(layer.axes[static_cast<std::size_t>(d)], x.strides[2 + d],
                                out.strides[2 + d]);
    a.batch_x = x.strides[0];
    a.channel_x = x.strides[1];
    a.batch_out = out.strides[0];
    a.channel_out = out.strides[1];
    a.batch = static_cast<int>(layer.batch);
    a.groups = static_cast<int>(layer.groups);
    a.inputs = static_cast<int>(layer.inputs);
    a.outputs = static_cast<int>(layer.outputs);
    a.places = static_cast<int>(layer.places());
    a.taps = static_cast<int>(layer.taps());
    StreamBuffer bias;
    if (arrays.bias) {
        bias = numbers_of(walk(arrays.bias->view, arrays.bias->type), layer.arithmetic,
                          layer.groups * layer.outputs, stream);
        a.g.bias = bias.get<const std::byte>();
    }
    const StreamBuffer weights = numbers_of(walk(w, arrays.w.type), layer.arithmetic,
                                            layer.groups * layer.outputs * layer.steps(), stream);
    run_product(a, layer.arithmetic, weights.get(), stream);
}

void run_gradients(const ConvLayer& layer, const LayerGradients& arrays, int device,
                   cudaStream_t stream) {
    const DeviceGuard guard(device);
    if (layer.groups * layer.outputs * layer.steps() > std::numeric_limits<std::int32_t>::max())
        throw TooLarge("a layer of this size is not served on the device");
    const auto operand = [&](const TypedView& array) {
        const ArrayView view = spatial_view(array.view, layer);
        LayerOperand found{.data = view.data, .type = array.type};
        for (int a = 0; a < view.rank(); ++a) found.stride[a] = view.strides[a];
        return found;
    };
    GradientArguments g;
    g.grad = operand(arrays.grad);
    g.x = operand(arrays.x);
    g.w = operand(arrays.w);
    g.dw = operand(arrays.dw);
    if (arrays.dx) g.dx = operand(*arrays.dx);
    if (arrays.db)
        g.db = {.data = arrays.db->view.data,
                .type = arrays.db->type,
                .stride = {arrays.db->view.strides[0]}};
    for (int d = 0; d < layer_axes; ++d)
        g.axis[d] = device_axis(layer.axes[static_cast<std::size_t>(d)], 0, 0);
    g.boundary = layer.boundary;
    g.batch = layer.batch;
    g.groups = layer.groups;
    g.inputs = layer.inputs;
    g.outputs = layer.outputs;
    g.places = layer.places();
    g.taps = layer.taps();
    sum_gradients(g, layer.arithmetic, stream);
}

}  // namespace faltung::cuda
