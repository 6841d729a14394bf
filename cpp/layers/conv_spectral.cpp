// Layers by transforms of tiles: what becomes of the results, and layers whose channels do not see
// each other.
#include <optional>

#include "layers/spectral_frame.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

template <class T>
void SpectralConv<T>::store_pair(const ChannelWriter<T>& writer, Index first_tile, Index channel,
                                 Index channels, const Ending& ending, T* tile, T* line,
                                 const ArrayView& x, const ArrayView& out) const {
    const auto& tiles = this->tile_;
    const Index lanes = this->loops_->lanes, outputs = this->layer_.outputs;
    tiles.inverse(tile, tiles.axis(0).valid, tiles.axis(1).valid);
    const bool finite =
        this->finite(tile, std::min(tiles.axis(2).valid, this->axis(2).out), channels);
    for (Index i = 0; i < 2 && first_tile + i < this->tiles_; ++i) {
        const auto place = this->place_of(first_tile + i);
        for (Index c = 0; !finite && c < channels;) {
            OutputPart part{.sample = place.sample,
                            .group = (channel + c) / outputs,
                            .output = (channel + c) % outputs};
            part.outputs = std::min(channels - c, outputs - part.output);
            std::copy_n(place.start, layer_axes, part.start);
            std::copy_n(place.count, layer_axes, part.count);
            run_direct_part(this->layer_, kept_.view(), *this->table_, x, out, ending, part);
            c += part.outputs;
        }
        if (!finite) continue;
        for (Index d = 0; d < place.count[0]; ++d)
            for (Index r = 0; r < place.count[1]; ++r)
                writer.write(
                    {.from = tile + d * tiles.plane() + r * tiles.row() + i * lanes,
                     .pitch = tiles.element(),
                     .places = place.count[2],
                     .channels = channels,
                     .bias = ending.bias ? static_cast<const T*>(ending.bias) + channel : nullptr,
                     .relu = ending.relu},
                    place.sample, channel, place.start[0] + d, place.start[1] + r, place.start[2],
                    line);
    }
}

template <class T>
void depthwise_spectrum(const ConvLayer& layer, const WeightView<T>& weights, const Tile<T>& tiles,
                        Index first, Index channels, T* tile) {
    const T scale = T{1} / static_cast<T>(tiles.points());
    const Axis *depth = &layer.axes[0], *height = &layer.axes[1], *width = &layer.axes[2];
    std::fill_n(tile, tiles.numbers(), T{0});
    for (Index d = 0; d < depth->k; ++d)
        for (Index y = 0; y < height->k; ++y)
            for (Index x = 0; x < width->k; ++x) {
                const T* from = weights.data + first * weights.group + d * weights.tap[0] +
                                y * weights.tap[1] + x * weights.tap[2];
                T* to = tile + d * depth->dilation * tiles.plane() +
                        y * height->dilation * tiles.row() + x * width->dilation * tiles.element();
                for (Index l = 0; l < channels; ++l) to[l] = scale * from[l * weights.group];
            }
    tiles.forward(tile, {.first = {0, 0}, .last = {depth->reach(), height->reach()}});
}

namespace {

/// A channel meets its own kernel only: spectra are multiplied element by element.
template <class T>
class DepthwiseSpectral final : public SpectralConv<T> {
    using Base = SpectralConv<T>;
    using Base::kept_, Base::layer_, Base::loops_, Base::table_, Base::tile_;

public:
    DepthwiseSpectral(const ConvLayer& layer, const WeightView<T>& weights,
                      const TileLengths& lengths, Lifetime lifetime,
                      const microkernels::Table& table, const Context& context)
        : Base(layer, weights, lengths, lifetime, table),
          blocks_((layer.groups - 1) / loops_->lanes + 1) {
        spectra_.emplace(static_cast<std::size_t>(blocks_ * tile_.numbers()) * sizeof(T));
        parallel_for(blocks_, context, [&](Index block, int) {
            const Index first = block * loops_->lanes;
            depthwise_spectrum(layer_, kept_.view(), tile_, first,
                               std::min<Index>(loops_->lanes, layer_.groups - first),
                               spectra_->template as<T>() + block * tile_.numbers());
        });
    }

    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const override {
        const ChannelReader<T> reader(x, layer_.boundary, *table_);
        const ChannelWriter<T> writer(out, *table_);
        parallel_for(blocks_ * Base::pairs(), context, [&](Index task, int) {
            const Index block = task / Base::pairs(), pair = task % Base::pairs();
            const Index first = block * loops_->lanes;
            const Index channels = std::min<Index>(loops_->lanes, layer_.groups - first);
            const Workspace workspace(workspace_bytes());
            T* const tile = workspace.as<T>();
            T* const line = tile + tile_.numbers();
            Base::load_samples(reader, 2 * pair, first, channels, tile, line);
            const T* spectrum = spectra_->template as<T>() + block * tile_.numbers();
            const Index lines = tile_.axis(0).n * tile_.axis(1).n;
            for (Index r = 0; r < lines; ++r)  // a correlation: conjugates
                loops_->complex.multiply(spectrum + r * tile_.row(), tile + r * tile_.row(),
                                         tile + r * tile_.row(), tile_.axis(2).n, true, false);
            Base::store_pair(writer, 2 * pair, first, channels, ending, tile, line, x, out);
        });
    }

    std::size_t workspace_bytes() const override {
        return static_cast<std::size_t>(tile_.numbers() + Base::line_numbers()) * sizeof(T);
    }

private:
    Index blocks_;  // of channels
    std::optional<Workspace> spectra_;
};

}  // namespace

template <class T>
std::unique_ptr<Conv> make_spectral(const ConvLayer& layer, const WeightView<T>& weights,
                                    const TileLengths& lengths, Lifetime lifetime,
                                    const microkernels::Table& table, const Context& context) {
    if (layer.depthwise(layer_loops<T>(table).lanes) && layer.outputs == 1)
        return std::make_unique<DepthwiseSpectral<T>>(layer, weights, lengths, lifetime, table,
                                                      context);
    return make_dense_spectral(layer, weights, lengths, lifetime, table, context);
}

template class SpectralConv<float>;
template class SpectralConv<double>;
template void depthwise_spectrum(const ConvLayer&, const WeightView<float>&, const Tile<float>&,
                                 Index, Index, float*);
template void depthwise_spectrum(const ConvLayer&, const WeightView<double>&, const Tile<double>&,
                                 Index, Index, double*);
template std::unique_ptr<Conv> make_spectral(const ConvLayer&, const WeightView<float>&,
                                             const TileLengths&, Lifetime,
                                             const microkernels::Table&, const Context&);
template std::unique_ptr<Conv> make_spectral(const ConvLayer&, const WeightView<double>&,
                                             const TileLengths&, Lifetime,
                                             const microkernels::Table&, const Context&);

}  // namespace faltung::layers
