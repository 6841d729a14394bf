#include "engine/conv.hpp"

#include "layers/conv_adjoint.hpp"
#include "layers/conv_weight_gradient.hpp"
#include "policy/machine.hpp"

namespace faltung {

namespace {

/// Layers compute in float32 or float64.
template <class Body>
void with_float(Arithmetic arithmetic, Body&& body) {
    if (arithmetic == Arithmetic::f32)
        body(float{});
    else
        body(double{});
}

layers::Ending ending_of(const ConvArrays& arrays) {
    return {.bias = arrays.bias ? arrays.bias->data : nullptr, .relu = arrays.relu};
}

}  // namespace

void run_conv(const ConvLayer& layer, const ConvArrays& arrays, const Context& context) {
    if (layer.batch == 0) return;
    const microkernels::Table& table = current_level();
    with_float(layer.arithmetic, [&](auto zero) {
        using T = decltype(zero);
        const layers::Weights<T> weights(layer, spatial_view(arrays.w, layer), table);
        layers::make_direct<T>(layer, weights.view(), table)
            ->run(spatial_view(arrays.x, layer), spatial_view(arrays.out, layer), ending_of(arrays),
                  context);
    });
}

void run_conv_adjoint(const ConvLayer& layer, const ConvArrays& arrays, const Context& context) {
    if (layer.batch == 0) return;
    const microkernels::Table& table = current_level();
    with_float(layer.arithmetic, [&](auto zero) {
        using T = decltype(zero);
        const layers::Weights<T> weights(layer, spatial_view(arrays.w, layer), table);
        layers::Adjoint<T>(layer, weights.view(), table, &layers::make_direct<T>)
            .run(spatial_view(arrays.out, layer), spatial_view(arrays.x, layer), ending_of(arrays),
                 context);
    });
}

void run_conv_gradients(const ConvLayer& layer, const ArrayView& grad, const ArrayView& x,
                        const ArrayView& w, const ConvGradients& gradients,
                        const Context& context) {
    if (gradients.x) run_conv_adjoint(layer, {.x = *gradients.x, .w = w, .out = grad}, context);
    const microkernels::Table& table = current_level();
    const ArrayView wide_grad = spatial_view(grad, layer);
    with_float(layer.arithmetic, [&](auto zero) {
        using T = decltype(zero);
        if (gradients.w)
            layers::weight_gradient<T>(layer, wide_grad, spatial_view(x, layer),
                                       spatial_view(*gradients.w, layer), table, context);
        if (gradients.bias)
            layers::bias_gradient<T>(layer, wide_grad, *gradients.bias, table, context);
    });
}

}  // namespace faltung
