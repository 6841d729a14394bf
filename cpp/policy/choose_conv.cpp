#include "policy/choose_conv.hpp"

#include <cmath>
#include <cstdio>
#include <vector>

#include "core/error.hpp"
#include "core/nested_cut.hpp"
#include "policy/constants.hpp"
#include "policy/layer_counts.hpp"

namespace faltung {

namespace {

constexpr std::string_view names[conv_method_count] = {"direct", "winograd4", "winograd2", "nested",
                                                       "fft"};

constexpr Index few_channels = 8;
constexpr Index most_points = 512 * 512;  // of a tile: a vector of channels has 128 bytes per point
constexpr double most_weights = 1e9;      // bytes of transformed weights

ConvPrediction declined(const char* reason) { return {.possible = false, .reason = reason}; }

/// Why Winograd's filter cannot serve, or nullptr.
const char* winograd_declines(const ConvLayer& layer) {
    const Axis &height = layer.axes[1], &width = layer.axes[2];
    if (height.k != 3 || width.k != 3) return "serves kernels of 3 x 3 only";
    if (height.step != 1 || width.step != 1) return "serves stride 1 only";
    if (height.dilation != 1 || width.dilation != 1) return "serves dilation 1 only";
    return nullptr;
}

/// Tiles that leave room for outputs. With many channels the weights of small ones are read from
/// nearer memory.
std::vector<Index> lengths(const ConvLayer& layer, const Axis& axis,
                           const microkernels::Table& level) {
    if (axis.k == 1) return {1};
    const Index most = layer.inputs >= few_channels && axis.reach() <= 16 ? 32 : 512;
    std::vector<Index> fitting;
    const auto& table = level.transform_f32;
    for (int i = 0; i < table.length_count; ++i) {
        const Index n = table.lengths[i].n;
        if (n < axis.reach() + axis.reach() / 4 + 1 || n > most) continue;
        fitting.push_back(n);
        if (n >= axis.out + axis.reach() - 1) break;  // one tile holds all
    }
    return fitting;
}

/// Why nested minimal filtering cannot serve, or nullptr.
const char* nested_declines(const ConvLayer& layer) {
    const Axis &height = layer.axes[1], &width = layer.axes[2];
    if (height.dilation != 1 || width.dilation != 1) return "serves dilation 1 only";
    const Index phases = std::min(height.step, height.k) * std::min(width.step, width.k);
    if (layer.axes[0].k * layer.inputs > nested_most_channels / phases)
        return "serves few input channels only";
    return nullptr;
}

/// count(method, tile) counts what a method does, declines(method) says why one without tiles of a
/// length to choose cannot serve.
template <class Count, class Declines>
ConvChoice choose(const ConvLayer& layer, const microkernels::Table& level, int workers,
                  std::optional<ConvMethod> asked, Count&& count, Declines&& declines) {
    const LayerCosts& costs = layer_costs(level, layer.arithmetic);
    const auto predicted = [&](ConvMethod method, const std::array<Index, 3>& tile) {
        const LayerCounts counts = count(method, tile);
        double nanoseconds = 0;
        for (std::size_t i = 0; i < counts.work.size(); ++i)
            nanoseconds += counts.work[i] * costs.work[i];
        // as long as the worker with most tasks takes
        const double tasks = std::max(1.0, counts.tasks);
        nanoseconds *= std::ceil(tasks / workers) / tasks;
        return ConvPrediction{.possible = true, .seconds = nanoseconds * 1e-9, .tile = tile};
    };
    const auto tiled = [&]() {
        for (const Axis& axis : layer.axes)
            if (axis.k > 1 && axis.step != 1) return declined("serves stride 1 only");
        if (layer.taps() == 1) return declined("serves kernels of more than one tap only");
        ConvPrediction best = declined("has no tile for kernels that reach so far");
        for (const Index deep : lengths(layer, layer.axes[0], level))
            for (const Index high : lengths(layer, layer.axes[1], level))
                for (const Index wide : lengths(layer, layer.axes[2], level)) {
                    const Index points = deep * high * wide;
                    const double weights = 8.0 * static_cast<double>(points * layer.groups) *
                                           static_cast<double>(layer.inputs) *
                                           static_cast<double>(layer.outputs);
                    if (points > most_points || weights > most_weights) continue;
                    ConvPrediction one = predicted(ConvMethod::fft, {deep, high, wide});
                    if (!best.possible || one.seconds < best.seconds) best = std::move(one);
                }
        return best;
    };

    ConvChoice choice;
    choice.workers = workers;
    for (std::size_t m = 0; m < conv_method_count; ++m) {
        const auto method = static_cast<ConvMethod>(m);
        if (method == ConvMethod::fft)
            choice.predictions[m] = tiled();
        else if (const char* const reason = declines(method))
            choice.predictions[m] = declined(reason);
        else
            choice.predictions[m] = predicted(method, {1, 1, 1});
    }
    if (asked) {
        choice.method = *asked;
        choice.forced = true;
        if (!choice.taken().possible)
            throw ValueError("method '" + std::string(name_of(*asked)) +
                             "' cannot serve this layer: it " + choice.taken().reason);
        return choice;
    }
    for (std::size_t m = 1; m < conv_method_count; ++m)
        if (choice.predictions[m].possible &&
            choice.predictions[m].seconds < choice.taken().seconds)
            choice.method = static_cast<ConvMethod>(m);
    return choice;
}

}  // namespace

std::string_view name_of(ConvMethod method) { return names[static_cast<std::size_t>(method)]; }

std::string ConvChoice::explain() const {
    std::string text;
    for (std::size_t m = 0; m < conv_method_count; ++m) {
        const ConvPrediction& prediction = predictions[m];
        const bool chosen = static_cast<std::size_t>(method) == m;
        char line[160];
        std::snprintf(line, sizeof line, "%-10s", std::string(names[m]).c_str());
        text += line;
        if (prediction.possible) {
            std::snprintf(line, sizeof line, " %10.3g ms predicted on %d core%s",
                          prediction.seconds * 1e3, workers, workers == 1 ? "" : "s");
            text += line;
        }
        if (prediction.possible && static_cast<ConvMethod>(m) == ConvMethod::fft) {
            text += " by tiles of ";
            for (std::size_t a = prediction.tile[0] == 1 ? 1 : 0; a < prediction.tile.size(); ++a) {
                text += std::to_string(prediction.tile[a]);
                if (a + 1 < prediction.tile.size()) text += " x ";
            }
        }
        if (!prediction.reason.empty()) text += " " + prediction.reason;
        if (chosen) text += forced ? "  <- asked for" : "  <- taken";
        text += "\n";
    }
    return text;
}

ConvChoice choose_conv(const ConvLayer& layer, const microkernels::Table& level, ConvUse use,
                       int workers, std::optional<ConvMethod> asked) {
    const auto count = [&](ConvMethod method, const std::array<Index, 3>& tile) {
        return count_forward(layer, level, method, tile, use);
    };
    return choose(layer, level, workers, asked, count, [&](ConvMethod method) -> const char* {
        if (method == ConvMethod::direct) return nullptr;
        return method == ConvMethod::nested ? nested_declines(layer) : winograd_declines(layer);
    });
}

ConvChoice choose_weight_gradient(const ConvLayer& layer, const microkernels::Table& level,
                                  int workers, std::optional<ConvMethod> asked) {
    const auto count = [&](ConvMethod method, const std::array<Index, 3>& tile) {
        return count_gradient(layer, level, method, tile);
    };
    return choose(layer, level, workers, asked, count, [&](ConvMethod method) -> const char* {
        if (method == ConvMethod::direct) return nullptr;
        return method == ConvMethod::nested ? "does not serve gradients of weights"
                                            : winograd_declines(layer);
    });
}

}  // namespace faltung
