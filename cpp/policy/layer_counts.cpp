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
/// Sums of a piece of tiles beside them.
constexpr double sums_bytes = 1 << 20;
/// Transformed samples of a block of tiles (layers/conv_spectral_dense.cpp).
constexpr double block_bytes = 1280 << 10;
/// Tasks that methods cut their work into, unless that makes them short: multiply-adds of one.
constexpr double wanted_tasks = 16, least_task = 4e6, most_task = 4e8;

/// What storing a vector as it is takes of storing one that is turned.
constexpr double unturned = 0.4;

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
    double& at(LayerWork work) { return counts_.work[static_cast<std::size_t>(work)]; }

    void share(double tasks) { counts_.tasks = tasks; }

    bool depthwise() const { return layer_.depthwise(lanes_); }

    /// `products` is what a multiply-add of a depthwise layer counts as.
    void direct(LayerWork products, bool pack) {
        const auto places = static_cast<double>(layer_.batch * layer_.places());
        if (depthwise()) {
            share(wanted_tasks);
            at(products) += places * vectors(layer_.groups) *
                            static_cast<double>(layer_.outputs * layer_.taps());
            return;
        }
        at(LayerWork::product) += places * weights();
        cut(layer_.products());
        if (pack) at(LayerWork::pack) += weights();
    }

    /// Lanes over places, results that need not be turned.
    void planar() {
        const Axis& width = layer_.axes[2];
        const auto lines = static_cast<double>(layer_.batch * layer_.axes[0].out *
                                               layer_.axes[1].out * layer_.groups);
        const double results = lines * vectors(width.out) * static_cast<double>(layer_.outputs);
        at(LayerWork::product) += results * static_cast<double>(layer_.steps());
        at(LayerWork::write) = unturned * results;
        cut(layer_.products());
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
        const double each = points * planes * channels_;
        at(LayerWork::product) += tiles * each * outputs_;
        if (heavy(outputs))  // a bank of two vectors of output channels
            share(std::ceil(outputs_ / 2) *
                  std::ceil(tiles / groups_ * points * 2 * vector_bytes() / sums_bytes));
        else
            cut(tiles * each * static_cast<double>(layer_.outputs));
        at(LayerWork::tile) += tiles * points * (planes * inputs_ + outputs_);
    }
    void winograd_kernels(Index outputs, bool always) {
        if (always || heavy(outputs)) at(LayerWork::kernel) += groups_ * kernel_points(outputs);
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
        const double rows = groups_ * number(layer_.batch * layer_.axes[0].out *
                                             ((height.out - 1) / down.outputs + 1));
        share(std::min(rows, wanted_tasks));
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
        if (alone()) {
            share(pairs * vectors(layer_.groups));
            return transforms(2 * pairs * vectors(layer_.groups), LayerWork::element);
        }
        transforms(groups_ * pairs * (inputs_ + outputs_), LayerWork::spread);
        const double matrices = groups_ * (points_ / 2 + 2) * channels_ * outputs_;
        at(LayerWork::complex) += matrices * 2 * pairs;
        const double pair_bytes = (points_ + 4) * inputs_ * 2 * vector_bytes();
        const double together = block_bytes / pair_bytes;
        const double held =
            std::clamp(std::floor(together), 1.0, std::max(1.0, std::ceil(pairs / 8)));
        share(groups_ * std::ceil(pairs / held));
    }
    /// Two kernels share a transform.
    void fft_kernels() {
        if (alone()) return transforms(vectors(layer_.groups), LayerWork::element);
        transforms(groups_ * std::ceil(channels_ / 2) * outputs_, LayerWork::spread);
        at(LayerWork::stream) += groups_ * (points_ / 2 + 2) * channels_ * outputs_ * 2;
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

    /// Results that the caches do not hold and that are not stored past them: the lines that they
    /// overwrite are read first (1 to 64 channels of 256 x 256: 0.4 of 0.8 ms more).
    void write_through() {
        const double bytes = static_cast<double>(layer_.batch * layer_.places()) * groups_ *
                             outputs_ * vector_bytes();
        if (bytes >= static_cast<double>(streamed_results())) at(LayerWork::write) *= 1.5;
    }

private:
    double vector_bytes() const {
        return static_cast<double>(lanes_ * (layer_.arithmetic == Arithmetic::f32 ? 4 : 8));
    }
    double vectors(Index channels) const {
        return std::ceil(static_cast<double>(channels) / static_cast<double>(lanes_));
    }
    /// Points of the weights of a group.
    double kernel_points(Index outputs) const {
        return static_cast<double>(layer_.axes[0].k) * channels_ * outputs_ *
               static_cast<double>((outputs + 2) * (outputs + 2));
    }
    bool heavy(Index outputs) const {
        return kernel_points(outputs) * vector_bytes() > heavy_bytes;
    }
    /// Into parts that have enough to do, none of them beyond a sample, a depth or a group.
    void cut(double products) {
        const auto least = static_cast<double>(layer_.batch * layer_.axes[0].out);
        share(std::max(groups_ * least, std::ceil(products / std::clamp(products / wanted_tasks,
                                                                        least_task, most_task))));
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
                          ConvMethod method, const std::array<Index, 3>& tile, ConvUse use) {
    Counter counter(layer, level);
    counter.move(LayerWork::write);
    const Index outputs = method == ConvMethod::winograd4 ? 4 : 2;
    switch (method) {
        case ConvMethod::direct:
            if (use.apart && layer.few_channels() && !counter.depthwise())
                counter.planar();
            else
                counter.direct(LayerWork::tap, !use.prepared);
            break;
        case ConvMethod::nested: counter.nested(!use.prepared); break;
        case ConvMethod::fft:
            counter.fft(tile);
            counter.write_through();
            if (!use.prepared) counter.fft_kernels();
            break;
        default:
            counter.winograd(outputs);
            counter.write_through();
            counter.winograd_kernels(outputs, !use.prepared);
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
            counter.fft_kernels();
            break;
        default: counter.winograd(outputs); counter.winograd_kernels(outputs, true);
    }
    counter.share(wanted_tasks);  // slices of the places
    return counter.counts();
}

}  // namespace faltung
