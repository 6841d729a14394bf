// Which method for a layer, and for the gradient of its weights: predicted seconds for every one,
// the least taken.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "core/conv_layer.hpp"
#include "policy/machine.hpp"

namespace faltung {

enum class ConvMethod : std::uint8_t { direct, winograd4, winograd2, nested, fft };
inline constexpr int conv_method_count = 5;
std::string_view name_of(ConvMethod method);

/// What one method would take, or why it cannot serve or is not taken by itself.
struct ConvPrediction {
    bool possible = false;
    double seconds = 0;
    std::array<Index, 3> tile{1, 1, 1};  // fft: points along each axis
    std::string reason;                  // named, where not possible
};

struct ConvChoice {
    ConvMethod method = ConvMethod::direct;
    bool forced = false;
    int workers = 1;  // that the predictions are for
    std::array<ConvPrediction, conv_method_count> predictions;

    const ConvPrediction& taken() const { return predictions[static_cast<std::size_t>(method)]; }
    /// One line per method: taken or not, predicted time, reason.
    std::string explain() const;
};

/// What decides how quick a method is, beside the layer.
struct ConvUse {
    bool prepared = false;  // the weights serve many calls: their transform does not count
    bool apart = true;      // the channels of samples and results lie in planes of their own
};

/// `workers` are those of the machine, not of the call: the choice, and with it every bit of the
/// answer, must not depend on how many a call is given. `asked` forces a method; one that cannot
/// serve is a ValueError that gives the reason.
ConvChoice choose_conv(const ConvLayer& layer, const microkernels::Table& level, ConvUse use,
                       int workers, std::optional<ConvMethod> asked);

/// The same for the gradient of the weights.
ConvChoice choose_weight_gradient(const ConvLayer& layer, const microkernels::Table& level,
                                  int workers, std::optional<ConvMethod> asked);

}  // namespace faltung
