// What a method for a layer does, counted: so many vectors multiplied, so many read. Times what
// each costs (constants.hpp) this is its time.
#pragma once

#include <array>
#include <string_view>

#include "core/conv_layer.hpp"
#include "microkernels/table.hpp"
#include "policy/choose_conv.hpp"

namespace faltung {

/// What is counted, always in full vectors of channels.
enum class LayerWork : std::uint8_t {
    product,       // multiply-adds in blocks of places × output channels
    tap,           // multiply-adds of a depthwise layer
    gradient_tap,  // of the gradient of its weights
    pack,          // weights, as they are packed for blocks
    place,         // gradients of weights, as they are put into place
    read,          // samples, as they are packed
    write,         // outputs, as they are stored
    tile,          // points of a tile of Winograd's filter, on their way in or out
    kernel,        // points of its weights
    complex,       // complex multiply-adds in blocks
    butterfly,     // points of a transform, per doubling
    element,       // points of a transform, element by element
    spread,        // points of a transform that goes to matrices, one per frequency, or comes back
    stream,        // numbers of transformed weights, to the shared cache and back
    nested,        // points of a tile of nested minimal filtering, on their way out
    phase,         // points of its samples, one number each, on their way in
};
inline constexpr int layer_works = 16;
std::string_view name_of(LayerWork work);

struct LayerCounts {
    std::array<double, layer_works> work{};
    double tasks = 1;  // that workers share, of about the same length
};

/// `tile` is looked at for transforms only. The method serves the layer.
LayerCounts count_forward(const ConvLayer& layer, const microkernels::Table& level,
                          ConvMethod method, const std::array<Index, 3>& tile, ConvUse use);
/// The same of the gradient of the weights.
LayerCounts count_gradient(const ConvLayer& layer, const microkernels::Table& level,
                           ConvMethod method, const std::array<Index, 3>& tile);

}  // namespace faltung
