#include "policy/layer_counts.hpp"

#include <algorithm>
#include <cmath>

#include "core/nested_cut.hpp"

namespace faltung {

namespace {

constexpr std::string_view names[layer_works] = {
    "product", "tap",     "gradient_tap", "pack",    "place",  "read",   "write",  "tile",
    "kernel",  "complex", "butterfly",    "element", "spread", "stream", "nested", "phase"};

/// Weights that every call transforms anew (layers/conv_winograd.cpp).
constexpr double heavy_bytes = 4 << 20;
/// Transformed samples of a block of tiles (layers/conv_spectral_dense.cpp).
constexpr double block_bytes = 1280 << 10;

class Counter {
public:
    Counter(const ConvLayer& layer, const microkernels::Table& level)
        : layer_(layer),
          lanes_(layer.arithmetic == Arithmetic::f32 ? level.layer_f32.lanes
                                                     : level.layer_f64.lanes),
          groups_(static_cast<double>(layer.groups)),
          channels_(static_cast<double>(layer.inputs)),
          inputs_(vectors(layer.inputs)),
          outputs_(vectors(layer.outputs)) {}

    const LayerCounts& counts() const { return counts_; }
    double& at(LayerWork work) { return counts_[static_cast<std::size_t>(work)]; }

    bool depthwise() const { return layer_.depthwise(lanes_); }

    /// `products` is what a multiply-add of a depthwise layer counts as.
    void direct(LayerWork products, bool pack) {
        const auto places = static_cast<double>(layer_.batch * layer_.places());
        if (depthwise()) {
            at(products) += places * vectors(layer_.groups) *
                            static_cast<double>(layer_.outputs * layer_.taps());
            return;
        }
        at(LayerWork::product) += places * weights();
        if (pack) at(LayerWork::pack) += weights();
    }

    /// In vectors of output channels.
    double weights() const { return groups_ * outputs_ * static_cast<double>(layer_.steps()); }

    /// Products and transforms of `outputs` × `outputs` results.
    void winograd(Index outputs) {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        const auto points = static_cast<double>((outputs + 2) * (outputs + 2));
        const double tiles = groups_ * static_cast<double>(layer_.batch * layer_.axes[0].out *
                                                           ((height.out - 1) / outputs + 1) *
                                                           ((width.out - 1) / outputs + 1));
        const auto planes = static_cast<double>(layer_.axes[0].k);
        at(LayerWork::product) += tiles * points * planes * channels_ * outputs_;
        at(LayerWork::tile) += tiles * points * (planes * inputs_ + outputs_);
    }
    void winograd_kernels(Index outputs, bool always) {
        const double one = static_cast<double>(layer_.axes[0].k) * channels_ * outputs_ *
                           static_cast<double>((outputs + 2) * (outputs + 2));
        if (always || one * vector_bytes() > heavy_bytes) at(LayerWork::kernel) += groups_ * one;
    }

    void nested(bool kernels) {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        const NestedCut down(height, height.k > 1), across(width, true);
        const auto number = [](Index count) { return static_cast<double>(count); };
        const double points = number(down.points * across.points);
        const double channels = number(layer_.axes[0].k) * channels_;
        const double tiles = groups_ * number(layer_.batch * layer_.axes[0].out *
                                              ((height.out - 1) / down.outputs + 1) *
                                              ((width.out - 1) / across.outputs + 1));
        at(LayerWork::product) +=
            tiles * outputs_ * channels * number(down.products() * across.products());
        at(LayerWork::nested) += tiles * outputs_ * points;
        at(LayerWork::phase) +=
            tiles * points * channels * number(down.phases() * across.phases() * down.blocks);
        if (kernels)
            at(LayerWork::kernel) += groups_ * channels * outputs_ * points *
                                     number(static_cast<Index>(down.pieces.size()) *
                                            static_cast<Index>(across.pieces.size()));
    }

    void fft(const std::array<Index, 3>& tile) {
        double tiles = static_cast<double>(layer_.batch);
        for (std::size_t a = 0; a < tile.size(); ++a) {
            const Axis& axis = layer_.axes[a];
            points_ *= static_cast<double>(tile[a]);
            const Index valid = tile[a] == 1 ? 1 : tile[a] - axis.reach() + 1;
            tiles *= static_cast<double>((axis.out - 1) / valid + 1);
        }
        const double pairs = std::ceil(tiles / 2);
        if (alone()) return transforms(2 * pairs * vectors(layer_.groups), LayerWork::element);
        transforms(groups_ * pairs * (inputs_ + outputs_), LayerWork::spread);
        const double matrices = groups_ * (points_ / 2 + 2) * channels_ * outputs_;
        at(LayerWork::complex) += matrices * 2 * pairs;
        const double pair_bytes = (points_ + 4) * inputs_ * 2 * 64;
        at(LayerWork::stream) +=
            matrices * 2 * std::ceil(pairs / std::max(3.0, block_bytes / pair_bytes));
    }
    /// Two kernels share a transform.
    void fft_kernels() {
        if (alone())
            transforms(vectors(layer_.groups), LayerWork::element);
        else
            transforms(groups_ * std::ceil(channels_ / 2) * outputs_, LayerWork::spread);
    }

    /// Samples that are packed, and outputs that are stored or, for gradients, packed too.
    void move(LayerWork outputs) {
        const auto vectors_of = [&](Index channels) {
            return depthwise() ? vectors(layer_.groups) * static_cast<double>(channels)
                               : groups_ * vectors(channels);
        };
        const auto batch = static_cast<double>(layer_.batch);
        at(LayerWork::read) +=
            batch * static_cast<double>(layer_.samples()) * vectors_of(layer_.inputs);
        at(outputs) += batch * static_cast<double>(layer_.places()) * vectors_of(layer_.outputs);
    }

private:
    double vector_bytes() const {
        return static_cast<double>(lanes_ * (layer_.arithmetic == Arithmetic::f32 ? 4 : 8));
    }
    double vectors(Index channels) const {
        return std::ceil(static_cast<double>(channels) / static_cast<double>(lanes_));
    }
    bool alone() const { return depthwise() && layer_.outputs == 1; }
    void transforms(double number, LayerWork element) {
        at(LayerWork::butterfly) += number * points_ * std::log2(points_);
        at(element) += number * points_;
    }

    const ConvLayer& layer_;
    Index lanes_;
    double groups_, channels_, inputs_, outputs_;  // the latter two in vectors
    double points_ = 1;
    LayerCounts counts_{};
};

}  // namespace

std::string_view name_of(LayerWork work) { return names[static_cast<std::size_t>(work)]; }

LayerCounts count_forward(const ConvLayer& layer, const microkernels::Table& level,
                          ConvMethod method, const std::array<Index, 3>& tile, bool prepared) {
    Counter counter(layer, level);
    counter.move(LayerWork::write);
    const Index outputs = method == ConvMethod::winograd4 ? 4 : 2;
    switch (method) {
        case ConvMethod::direct: counter.direct(LayerWork::tap, !prepared); break;
        case ConvMethod::nested: counter.nested(!prepared); break;
        case ConvMethod::fft:
            counter.fft(tile);
            if (!prepared) counter.fft_kernels();
            break;
        default: counter.winograd(outputs); counter.winograd_kernels(outputs, !prepared);
    }
    return counter.counts();
}

LayerCounts count_gradient(const ConvLayer& layer, const microkernels::Table& level,
                           ConvMethod method, const std::array<Index, 3>& tile) {
    Counter counter(layer, level);
    counter.move(LayerWork::read);
    if (!counter.depthwise()) counter.at(LayerWork::place) = counter.weights();
    const Index outputs = method == ConvMethod::winograd4 ? 4 : 2;
    switch (method) {
        case ConvMethod::direct: counter.direct(LayerWork::gradient_tap, false); break;
        case ConvMethod::fft:
            counter.fft(tile);
            counter.at(LayerWork::stream) = 0;
            counter.fft_kernels();
            break;
        default: counter.winograd(outputs); counter.winograd_kernels(outputs, true);
    }
    return counter.counts();
}

}  // namespace faltung
