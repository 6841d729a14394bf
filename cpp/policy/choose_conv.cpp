#include "policy/choose_conv.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "core/error.hpp"

namespace faltung {

namespace {

constexpr std::string_view names[conv_method_count] = {"direct", "winograd4", "winograd2", "fft"};

/// Nanoseconds on one core for a full vector: of multiply-adds, and of samples that are packed,
/// transformed or stored. Measured with benchmarks/benchmarks/nets.py on the machine of
/// docs/performance.md; the plateau is wide, because the methods differ in the number of products
/// by factors.
struct Costs {
    double product = 0.16, pack = 6, finish = 8, tile = 1.6, weight = 3;
    // of a transform: per point and doubling; per point, as it comes and goes; the same where
    // products of matrices stand between, and spread over many frequencies
    double butterfly = 0.8, element = 5, spread = 20;
    double stream = 2.5;  // transformed weights from the shared cache
};

constexpr Index few_channels = 8;
/// Transformed samples of a block of tiles (layers/conv_spectral.cpp).
constexpr double block_bytes = 1280 << 10;

class ConvModel {
public:
    ConvModel(const ConvLayer& layer, const microkernels::Table& level, bool prepared)
        : layer_(layer),
          level_(level),
          prepared_(prepared),
          lanes_(layer.arithmetic == Arithmetic::f32 ? level.layer_f32.lanes
                                                     : level.layer_f64.lanes) {}

    ConvPrediction direct() const {
        const double vector_sums =
            layer_.depthwise(lanes_) ? vectors(layer_.groups) * static_cast<double>(layer_.outputs)
                                     : static_cast<double>(layer_.groups) * vectors(layer_.outputs);
        const double products = static_cast<double>(layer_.batch * layer_.places()) * vector_sums *
                                static_cast<double>(layer_.steps());
        return served(products * costs_.product + moving());
    }

    ConvPrediction winograd(Index outputs) const {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        if (height.k != 3 || width.k != 3) return declined("serves kernels of 3 x 3 only");
        if (height.step != 1 || width.step != 1) return declined("serves stride 1 only");
        if (height.dilation != 1 || width.dilation != 1) return declined("serves dilation 1 only");
        const double points = static_cast<double>((outputs + 2) * (outputs + 2));
        const double tiles = count(layer_.axes[0].out * ((height.out - 1) / outputs + 1) *
                                   ((width.out - 1) / outputs + 1));
        const double planes = static_cast<double>(layer_.axes[0].k);
        const double inputs = planes * vectors(layer_.inputs), banks = vectors(layer_.outputs);
        double all =
            tiles * points * planes * static_cast<double>(layer_.inputs) * banks * costs_.product;
        all += tiles * points * (inputs + banks) * costs_.tile + moving();
        if (!prepared_)
            all += static_cast<double>(layer_.groups * layer_.inputs) * planes * banks * points *
                   costs_.weight;
        return served(all);
    }

    ConvPrediction fft() const {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        if (layer_.axes[0].k != 1) return declined("serves one plane of taps only");
        if (height.step != 1 || width.step != 1) return declined("serves stride 1 only");
        ConvPrediction best = declined("has no tile for kernels that reach so far");
        for (const Index high : lengths(height))
            for (const Index wide : lengths(width)) {
                ConvPrediction one = served(tiled(high, wide));
                one.tile = {high, wide};
                if (!best.possible || one.seconds < best.seconds) best = one;
            }
        return best;
    }

private:
    static ConvPrediction served(double nanoseconds) {
        return {.possible = true, .seconds = nanoseconds * 1e-9};
    }
    static ConvPrediction declined(const char* reason) {
        return {.possible = false, .reason = reason};
    }

    /// Tiles that leave room for outputs. With many channels the weights of small ones are read
    /// from nearer memory.
    std::vector<Index> lengths(const Axis& axis) const {
        if (axis.k == 1) return {1};
        const Index most = layer_.inputs >= few_channels && axis.reach() <= 16 ? 32 : 512;
        std::vector<Index> fitting;
        const auto& table = level_.transform_f32;
        for (int i = 0; i < table.length_count; ++i) {
            const Index n = table.lengths[i].n;
            if (n < axis.reach() + axis.reach() / 4 + 1 || n > most) continue;
            fitting.push_back(n);
            if (n >= axis.out + axis.reach() - 1) break;  // one tile holds all
        }
        return fitting;
    }

    double tiled(Index high, Index wide) const {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        const double points = static_cast<double>(high * wide);
        const double steps = std::log2(points);
        const Index down = (height.out - 1) / (high - height.reach() + 1) + 1;
        const Index across = (width.out - 1) / (wide - width.reach() + 1) + 1;
        const double pairs =
            std::ceil(static_cast<double>(layer_.batch * layer_.axes[0].out * down * across) / 2);
        const bool alone = layer_.depthwise(lanes_) && layer_.outputs == 1;
        const double transform =
            points * (steps * costs_.butterfly + (alone ? costs_.element : costs_.spread));
        if (alone) {
            const double blocks = vectors(layer_.groups);
            return blocks * (2 * pairs + (prepared_ ? 0 : 1)) * transform + moving();
        }
        const double groups = static_cast<double>(layer_.groups);
        const double inputs = vectors(layer_.inputs), outputs = vectors(layer_.outputs);
        const double channels = static_cast<double>(layer_.inputs);
        double all =
            groups * pairs * (inputs + outputs) * transform +
            groups * (points / 2 + 2) * 2 * pairs * channels * outputs * 4 * costs_.product;
        const double pair_bytes = (points + 4) * inputs * 2 * 64;
        const double blocks = std::ceil(pairs / std::max(3.0, block_bytes / pair_bytes));
        all += blocks * groups * (points / 2 + 2) * channels * outputs * 2 * costs_.stream;
        if (!prepared_) all += groups * channels * outputs * transform;
        return all + moving();
    }

    double count(Index places) const {
        return static_cast<double>(layer_.batch * layer_.groups) * static_cast<double>(places);
    }
    double vectors(Index channels) const {
        return std::ceil(static_cast<double>(channels) / static_cast<double>(lanes_));
    }
    /// Samples that are packed, and outputs that are stored.
    double moving() const {
        const auto vectors_of = [&](Index channels) {
            return layer_.depthwise(lanes_)
                       ? vectors(layer_.groups) * static_cast<double>(channels)
                       : static_cast<double>(layer_.groups) * vectors(channels);
        };
        const auto batch = static_cast<double>(layer_.batch);
        return batch *
               (static_cast<double>(layer_.samples()) * vectors_of(layer_.inputs) * costs_.pack +
                static_cast<double>(layer_.places()) * vectors_of(layer_.outputs) * costs_.finish);
    }

    const ConvLayer& layer_;
    const microkernels::Table& level_;
    bool prepared_;
    Index lanes_;
    Costs costs_;
};

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
            std::snprintf(line, sizeof line, " %10.3g ms predicted on one core",
                          prediction.seconds * 1e3);
            text += line;
        }
        if (prediction.possible && static_cast<ConvMethod>(m) == ConvMethod::fft) {
            std::snprintf(line, sizeof line, " by tiles of %lld x %lld",
                          static_cast<long long>(prediction.tile[0]),
                          static_cast<long long>(prediction.tile[1]));
            text += line;
        }
        if (!prediction.reason.empty()) text += " " + prediction.reason;
        if (chosen) text += forced ? "  <- asked for" : "  <- taken";
        text += "\n";
    }
    return text;
}

ConvChoice choose_conv(const ConvLayer& layer, const microkernels::Table& level, bool prepared,
                       std::optional<ConvMethod> asked) {
    const ConvModel model(layer, level, prepared);
    ConvChoice choice;
    choice.predictions = {model.direct(), model.winograd(4), model.winograd(2), model.fft()};
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

}  // namespace faltung
