#include "engine/conv.hpp"

#include "layers/channel_lines.hpp"
#include "layers/conv_adjoint.hpp"
#include "layers/conv_planar.hpp"
#include "layers/conv_weight_gradient.hpp"
#include "parallel/parallel_for.hpp"
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

ConvChoice choose_layer(const ConvLayer& layer, const microkernels::Table& table, ConvUse use,
                        std::optional<ConvMethod> asked) {
    return choose_conv(layer, table, use, available_workers(), asked);
}

/// One call with such arrays.
template <class T>
ConvUse use_of(const ArrayView& x, const ArrayView& out) {
    return {.apart = layers::Planar<T>::serves(x, out)};
}

layers::TileLengths tile_of(const ConvChoice& choice) {
    const auto& tile = choice.taken().tile;
    return {.depth = tile[0], .height = tile[1], .width = tile[2]};
}

template <class T>
std::unique_ptr<layers::Conv> make(const ConvLayer& layer, const layers::WeightView<T>& weights,
                                   layers::Lifetime lifetime, const microkernels::Table& table,
                                   const ConvChoice& choice, const Context& context) {
    switch (choice.method) {
        case ConvMethod::winograd4:
            return layers::make_winograd(layer, weights, 4, lifetime, table, context);
        case ConvMethod::winograd2:
            return layers::make_winograd(layer, weights, 2, lifetime, table, context);
        case ConvMethod::nested:
            return layers::make_nested(layer, weights, lifetime, table, context);
        case ConvMethod::fft:
            return layers::make_spectral(layer, weights, tile_of(choice), lifetime, table, context);
        default:
            return layer.depthwise(layers::layer_loops<T>(table).lanes)
                       ? layers::make_depthwise(layer, weights, table)
                       : layers::make_direct(layer, weights, lifetime, table, context);
    }
}

/// False where a number on the way is not finite, which only direct sums keep apart.
template <class T>
bool gradient_by_transforms(const ConvLayer& layer, const ConvChoice& choice, const ArrayView& grad,
                            const ArrayView& x, const ArrayView& dw,
                            const microkernels::Table& table, const Context& context) {
    switch (choice.method) {
        case ConvMethod::winograd4:
            return layers::winograd_weight_gradient<T>(layer, 4, grad, x, dw, table, context);
        case ConvMethod::winograd2:
            return layers::winograd_weight_gradient<T>(layer, 2, grad, x, dw, table, context);
        case ConvMethod::fft:
            return layers::spectral_weight_gradient<T>(layer, tile_of(choice), grad, x, dw, table,
                                                       context);
        default: return false;
    }
}

layers::Ending ending_of(const ConvArrays& arrays) {
    return {.bias = arrays.bias ? arrays.bias->data : nullptr,
            .relu = arrays.relu,
            .stream_from = streamed_results()};
}

}  // namespace

void run_conv(const ConvLayer& layer, const ConvArrays& arrays, std::optional<ConvMethod> asked,
              const Context& context) {
    const microkernels::Table& table = current_level();
    const ArrayView x = spatial_view(arrays.x, layer), out = spatial_view(arrays.out, layer);
    with_float(layer.arithmetic, [&](auto zero) {
        using T = decltype(zero);
        const ConvChoice choice = choose_layer(layer, table, use_of<T>(x, out), asked);
        if (layer.batch == 0) return;
        const layers::Weights<T> weights(layer, spatial_view(arrays.w, layer), table);
        make<T>(layer, weights.view(), layers::Lifetime::call, table, choice, context)
            ->run(x, out, ending_of(arrays), context);
    });
}

ConvPlan::ConvPlan(const ConvLayer& layer, const ArrayView& w, std::optional<ConvMethod> asked,
                   bool apart, const Context& context)
    : layer_(layer),
      level_(&current_level()),
      choice_(choose_layer(layer, *level_, {.prepared = true, .apart = apart}, asked)) {
    with_float(layer.arithmetic, [&](auto zero) {
        using T = decltype(zero);
        const layers::Weights<T> weights(layer, spatial_view(w, layer), *level_);
        conv_ = make<T>(layer, weights.view(), layers::Lifetime::plan, *level_, choice_, context);
    });
}

void ConvPlan::run(const ConvArrays& arrays, const Context& context) const {
    if (layer_.batch == 0) return;
    conv_->run(spatial_view(arrays.x, layer_), spatial_view(arrays.out, layer_), ending_of(arrays),
               context);
}

void run_conv_adjoint(const ConvLayer& layer, const ConvArrays& arrays,
                      std::optional<ConvMethod> asked, const Context& context) {
    if (layer.batch == 0) return;
    const microkernels::Table& table = current_level();
    with_float(layer.arithmetic, [&](auto zero) {
        using T = decltype(zero);
        const layers::Weights<T> weights(layer, spatial_view(arrays.w, layer), table);
        const ArrayView x = spatial_view(arrays.x, layer), out = spatial_view(arrays.out, layer);
        const ConvUse use = use_of<T>(out, x);
        const auto make_part = [&](const ConvLayer& part, const layers::WeightView<T>& view) {
            return make<T>(part, view, layers::Lifetime::call, table,
                           choose_layer(part, table, use, asked), context);
        };
        const bool at_once = !asked || *asked == ConvMethod::direct;
        layers::Adjoint<T>(layer, weights.view(), table, make_part, at_once)
            .run(out, x, ending_of(arrays), context);
    });
}

void run_conv_gradients(const ConvLayer& layer, const ArrayView& grad, const ArrayView& x,
                        const ArrayView& w, const ConvGradients& gradients,
                        std::optional<ConvMethod> asked, const Context& context) {
    const microkernels::Table& table = current_level();
    // a method that serves gradients of x only may be asked for where that of w is not wanted
    const ConvChoice choice = gradients.w
                                  ? choose_weight_gradient(layer, table, available_workers(), asked)
                                  : ConvChoice{};
    const ArrayView wide_grad = spatial_view(grad, layer), wide_x = spatial_view(x, layer);
    bool both = layer.batch > 0 && gradients.x && gradients.w && choice.method == ConvMethod::fft &&
                layers::shares_spectra(layer, tile_of(choice), table) &&
                choose_layer(layers::adjoint_layers(layer).front(), table, {}, asked).method ==
                    ConvMethod::fft;
    if (both)
        with_float(layer.arithmetic, [&](auto zero) {
            using T = decltype(zero);
            const layers::Weights<T> weights(layer, spatial_view(w, layer), table);
            both = layers::depthwise_spectral_gradients<T>(
                layer, tile_of(choice), wide_grad, wide_x, weights.view(),
                spatial_view(*gradients.x, layer), spatial_view(*gradients.w, layer), table,
                context);
        });
    if (gradients.x && !both)
        run_conv_adjoint(layer, {.x = *gradients.x, .w = w, .out = grad}, asked, context);
    with_float(layer.arithmetic, [&](auto zero) {
        using T = decltype(zero);
        if (gradients.w && !both) {
            const ArrayView dw = spatial_view(*gradients.w, layer);
            if (layer.batch == 0 ||
                !gradient_by_transforms<T>(layer, choice, wide_grad, wide_x, dw, table, context))
                layers::weight_gradient<T>(layer, wide_grad, wide_x, dw, table, context);
        }
        if (gradients.bias)
            layers::bias_gradient<T>(layer, wide_grad, *gradients.bias, table, context);
    });
}

std::string explain_conv_gradients(const ConvLayer& layer, bool apart,
                                   std::optional<ConvMethod> asked) {
    const microkernels::Table& table = current_level();
    std::string text = "gradient of w\n";
    text += choose_weight_gradient(layer, table, available_workers(), asked).explain();
    const std::vector<ConvLayer> parts = layers::adjoint_layers(layer);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        text += "gradient of x";
        if (parts.size() > 1) {
            text += ", part ";
            text += std::to_string(i + 1);
            text += " of ";
            text += std::to_string(parts.size());
        }
        text += "\n";
        text += choose_layer(parts[i], table, {.apart = apart}, asked).explain();
    }
    return text;
}

}  // namespace faltung
