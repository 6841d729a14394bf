#include "engine/conv.hpp"

#include "layers/channel_lines.hpp"
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

template <class T>
std::unique_ptr<layers::Conv> make(const ConvLayer& layer, const layers::WeightView<T>& weights,
                                   const microkernels::Table& table, const ConvChoice& choice,
                                   const Context& context) {
    switch (choice.method) {
        case ConvMethod::winograd4: return layers::make_winograd(layer, weights, 4, table, context);
        case ConvMethod::winograd2: return layers::make_winograd(layer, weights, 2, table, context);
        case ConvMethod::fft:
            return layers::make_spectral(
                layer, weights, {choice.taken().tile[0], choice.taken().tile[1]}, table, context);
        default:
            return layer.depthwise(layers::layer_loops<T>(table).lanes)
                       ? layers::make_depthwise(layer, weights, table)
                       : layers::make_direct(layer, weights, table, context);
    }
}

/// For weights that serve one call.
template <class T>
std::unique_ptr<layers::Conv> make_best(const ConvLayer& layer,
                                        const layers::WeightView<T>& weights,
                                        const microkernels::Table& table, const Context& context) {
    return make<T>(layer, weights, table, choose_conv(layer, table, false, {}), context);
}

layers::Ending ending_of(const ConvArrays& arrays) {
    return {.bias = arrays.bias ? arrays.bias->data : nullptr, .relu = arrays.relu};
}

}  // namespace

ConvPlan::ConvPlan(const ConvLayer& layer, const ArrayView& w, std::optional<ConvMethod> asked,
                   bool reused, const Context& context)
    : layer_(layer), level_(&current_level()), choice_(choose_conv(layer, *level_, reused, asked)) {
    with_float(layer.arithmetic, [&](auto zero) {
        using T = decltype(zero);
        const layers::Weights<T> weights(layer, spatial_view(w, layer), *level_);
        conv_ = make<T>(layer, weights.view(), *level_, choice_, context);
    });
}

void ConvPlan::run(const ConvArrays& arrays, const Context& context) const {
    if (layer_.batch == 0) return;
    conv_->run(spatial_view(arrays.x, layer_), spatial_view(arrays.out, layer_), ending_of(arrays),
               context);
}

void run_conv_adjoint(const ConvLayer& layer, const ConvArrays& arrays, const Context& context) {
    if (layer.batch == 0) return;
    const microkernels::Table& table = current_level();
    with_float(layer.arithmetic, [&](auto zero) {
        using T = decltype(zero);
        const layers::Weights<T> weights(layer, spatial_view(arrays.w, layer), table);
        layers::Adjoint<T>(layer, weights.view(), table, &make_best<T>, context)
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
