// What layers by transforms share, dense and depthwise, forward and backward: the outputs cut into
// tiles, and their samples read into them. Two tiles go through one transform as its real and
// imaginary parts, which real kernels never mix.
#pragma once

#include <algorithm>

#include "layers/channel_lines.hpp"
#include "layers/spectral_tile.hpp"

namespace faltung::layers {

/// Tiles that are transformed before their frequencies are spread: neighbouring numbers are written
/// together.
inline constexpr Index held_tiles = 4;

template <class T>
class SpectralFrame {
public:
    SpectralFrame(const ConvLayer& layer, const TileLengths& lengths,
                  const microkernels::Table& table)
        : layer_(layer),
          table_(&table),
          loops_(&layer_loops<T>(table)),
          tile_(layer, lengths, table) {
        tiles_ = layer.batch;
        for (int a = 0; a < layer_axes; ++a) {
            per_axis_[a] = (axis(a).out - 1) / tile_.axis(a).valid + 1;
            tiles_ *= per_axis_[a];
        }
    }

protected:
    struct Place {
        Index sample, start[layer_axes], count[layer_axes];  // of outputs
    };

    const Axis& axis(int a) const { return layer_.axes[static_cast<std::size_t>(a)]; }
    Index pairs() const { return (tiles_ + 1) / 2; }

    Place place_of(Index tile) const {
        Place place{};
        for (int a = layer_axes - 1; a >= 0; --a) {
            place.start[a] = tile % per_axis_[a] * tile_.axis(a).valid;
            place.count[a] = std::min(tile_.axis(a).valid, axis(a).out - place.start[a]);
            tile /= per_axis_[a];
        }
        place.sample = tile;
        return place;
    }

    Index line_numbers() const {
        return tile_.axis(2).n *
               std::max<Index>(layer_.groups * std::max(layer_.inputs, layer_.outputs), 16);
    }

    /// The transform of the samples behind two tiles of outputs, for a few channels.
    void load_samples(const ChannelReader<T>& reader, Index first_tile, Index channel,
                      Index channels, T* tile, T* line) const {
        Box boxes[2];
        const int count = static_cast<int>(std::min<Index>(2, tiles_ - first_tile));
        for (int i = 0; i < count; ++i) {
            const Place place = place_of(first_tile + i);
            boxes[i].sample = place.sample;
            for (int a = 0; a < layer_axes; ++a) {
                boxes[i].begin[a] = axis(a).first + place.start[a] * axis(a).step;
                boxes[i].count[a] = place.count[a] + axis(a).reach() - 1;
                boxes[i].from[a] = 0;
                boxes[i].to[a] = boxes[i].count[a];
                if (layer_.boundary != Boundary::zero) continue;
                // lines beyond x are zero and not read
                boxes[i].from[a] = std::clamp<Index>(-boxes[i].begin[a], 0, boxes[i].count[a]);
                boxes[i].to[a] =
                    std::clamp(axis(a).x - boxes[i].begin[a], boxes[i].from[a], boxes[i].count[a]);
            }
        }
        load(reader, boxes, count, channel, channels, tile, line);
    }

    /// The same of two tiles of the outputs' gradients.
    void load_gradients(const ChannelReader<T>& reader, Index first_tile, Index channel,
                        Index channels, T* tile, T* line) const {
        Box boxes[2];
        const int count = static_cast<int>(std::min<Index>(2, tiles_ - first_tile));
        for (int i = 0; i < count; ++i) {
            const Place place = place_of(first_tile + i);
            boxes[i].sample = place.sample;
            for (int a = 0; a < layer_axes; ++a) {
                boxes[i].begin[a] = place.start[a];
                boxes[i].from[a] = 0;
                boxes[i].to[a] = boxes[i].count[a] = place.count[a];
            }
        }
        load(reader, boxes, count, channel, channels, tile, line);
    }

    /// Whether the first `count` elements of a tile's first row are finite, in the first lanes:
    /// what is not reaches every sample of a tile, and of its partner.
    bool finite(const T* tile, Index count, Index channels) const {
        constexpr Index most = 2 * 64 / static_cast<Index>(sizeof(T));
        T seen[most] = {};  // zero times a number is zero unless that is not finite
        const Index element = tile_.element(), lanes = loops_->lanes;
        for (Index c = 0; c < count; ++c, tile += element)
            for (Index l = 0; l < element; ++l) seen[l] += T{0} * tile[l];
        return std::all_of(seen, seen + channels, [](T zero) { return zero == 0; }) &&
               std::all_of(seen + lanes, seen + lanes + channels, [](T zero) { return zero == 0; });
    }

    ConvLayer layer_;
    const microkernels::Table* table_;
    const microkernels::LayerTable<T>* loops_;
    Tile<T> tile_;
    Index per_axis_[layer_axes] = {1, 1, 1}, tiles_ = 1;

private:
    /// Positions of an array, those within [from, to) of each axis read.
    struct Box {
        Index sample = 0, begin[layer_axes] = {}, count[layer_axes] = {};
        Index from[layer_axes] = {}, to[layer_axes] = {};
    };

    void load(const ChannelReader<T>& reader, const Box* boxes, int count, Index channel,
              Index channels, T* tile, T* line) const {
        const Index lanes = loops_->lanes;
        bool covered = count == 2 && channels == lanes;
        for (int i = 0; i < count; ++i)
            for (int a = 0; a < layer_axes; ++a)
                covered = covered && boxes[i].to[a] - boxes[i].from[a] == tile_.axis(a).n;
        if (!covered) std::fill_n(tile, tile_.numbers(), T{0});
        TilePart part;
        for (int a = 0; a < 2; ++a) {
            part.first[a] = std::min(boxes[0].from[a], boxes[count - 1].from[a]);
            part.last[a] = std::max(boxes[0].to[a], boxes[count - 1].to[a]);
        }
        for (int i = 0; i < count; ++i) {
            const Box& box = boxes[i];
            for (Index d = box.from[0]; d < box.to[0]; ++d)
                for (Index r = box.from[1]; r < box.to[1]; ++r)
                    reader.read(box.sample, channel, channels, box.begin[0] + d, box.begin[1] + r,
                                box.begin[2] + box.from[2], box.begin[2] + box.to[2],
                                tile + d * tile_.plane() + r * tile_.row() +
                                    box.from[2] * tile_.element() + i * lanes,
                                tile_.element(), 1, line);
        }
        tile_.forward(tile, part);
    }
};

/// The transform of one vector of kernels of a depthwise layer from channel `first` on, divided by
/// the number of points.
template <class T>
void depthwise_spectrum(const ConvLayer& layer, const WeightView<T>& weights, const Tile<T>& tiles,
                        Index first, Index channels, T* tile);

/// Forward: results on their way out.
template <class T>
class SpectralConv : public Conv, protected SpectralFrame<T> {
protected:
    using Frame = SpectralFrame<T>;

    SpectralConv(const ConvLayer& layer, const WeightView<T>& weights, const TileLengths& lengths,
                 Lifetime lifetime, const microkernels::Table& table)
        : Frame(layer, lengths, table), kept_(layer, weights, lifetime) {}

    /// Outputs of two tiles for the channels of a vector; where numbers are not finite, directly.
    void store_pair(const ChannelWriter<T>& writer, Index first_tile, Index channel, Index channels,
                    const Ending& ending, T* tile, T* line, const ArrayView& x,
                    const ArrayView& out) const;

    KeptWeights<T> kept_;
};

/// Any number of channels in a group.
template <class T>
std::unique_ptr<Conv> make_dense_spectral(const ConvLayer& layer, const WeightView<T>& weights,
                                          const TileLengths& lengths, Lifetime lifetime,
                                          const microkernels::Table& table, const Context& context);

extern template class SpectralConv<float>;
extern template class SpectralConv<double>;
extern template void depthwise_spectrum(const ConvLayer&, const WeightView<float>&,
                                        const Tile<float>&, Index, Index, float*);
extern template void depthwise_spectrum(const ConvLayer&, const WeightView<double>&,
                                        const Tile<double>&, Index, Index, double*);

}  // namespace faltung::layers
