// Tiles of layers: up to three axes of elements, each a vector of real and a vector of imaginary
// parts. A lane holds a channel, so that every lane is a transform of its own and nothing is
// transposed.
#pragma once

#include <vector>

#include "layers/conv.hpp"
#include "spectral/tile_length.hpp"

namespace faltung::layers {

/// One axis of a tile.
template <class T>
struct TileAxis {
    Index n = 1, valid = 1;
    const microkernels::TransformLength* length = nullptr;  // nullptr: one point
    std::vector<T> factors;
    std::vector<Index> partner{0};  // the place of minus the frequency at each place

    TileAxis(const Axis& axis, Index points, const microkernels::TransformTable<T>& table) {
        if (points == 1) return;
        n = points;
        valid = n - axis.reach() + 1;
        length = find_length(table, n);
        factors = pass_factors<T>(*length);
        const std::vector<Index> frequency = frequency_at(*length);
        std::vector<Index> place(frequency.size());
        for (std::size_t i = 0; i < place.size(); ++i)
            place[static_cast<std::size_t>(frequency[i])] = static_cast<Index>(i);
        partner.resize(place.size());
        for (std::size_t i = 0; i < place.size(); ++i)
            partner[i] = place[static_cast<std::size_t>((n - frequency[i]) % n)];
    }
};

/// Planes and rows of a tile that are not zero, or that are wanted.
struct TilePart {
    Index first[2] = {0, 0}, last[2] = {0, 0};
};

template <class T>
class Tile {
public:
    Tile(const ConvLayer& layer, const TileLengths& lengths, const microkernels::Table& table)
        : table_(&transforms_of<T>(table)),
          axes_{TileAxis<T>(layer.axes[0], lengths.depth, *table_),
                TileAxis<T>(layer.axes[1], lengths.height, *table_),
                TileAxis<T>(layer.axes[2], lengths.width, *table_)},
          element_(2 * table_->lanes),
          row_((axes_[2].n + 1) * element_),  // not a power of two
          plane_(axes_[1].n * row_) {}

    const TileAxis<T>& axis(int a) const { return axes_[a]; }
    Index element() const { return element_; }
    Index row() const { return row_; }
    Index plane() const { return plane_; }
    Index numbers() const { return axes_[0].n * plane_; }
    Index points() const { return axes_[0].n * axes_[1].n * axes_[2].n; }

    /// One of each pair of opposite ones.
    std::vector<microkernels::FrequencyPlace> frequencies() const {
        std::vector<microkernels::FrequencyPlace> all;
        const auto place = [&](Index d, Index r, Index c) {
            return d * plane_ + r * row_ + c * element_;
        };
        const auto partner = [&](int a, Index i) {
            return axes_[a].partner[static_cast<std::size_t>(i)];
        };
        for (Index d = 0; d < axes_[0].n; ++d)
            for (Index r = 0; r < axes_[1].n; ++r)
                for (Index c = 0; c < axes_[2].n; ++c) {
                    const Index other = place(partner(0, d), partner(1, r), partner(2, c));
                    if (other >= place(d, r, c)) all.push_back({place(d, r, c), other});
                }
        return all;
    }

    /// Everything outside `part` is zero.
    void forward(T* tile, const TilePart& part) const {
        for (Index d = part.first[0]; d < part.last[0]; ++d) {
            T* const plane = tile + d * plane_;
            if (axes_[2].length && part.last[1] > part.first[1])
                table_->forward(plane + part.first[1] * row_, element_,
                                part.last[1] - part.first[1], row_, *axes_[2].length,
                                axes_[2].factors.data());
            if (axes_[1].length)
                table_->forward(plane, row_, axes_[2].n, element_, *axes_[1].length,
                                axes_[1].factors.data());
        }
        if (!axes_[0].length) return;
        for (Index r = 0; r < axes_[1].n; ++r)
            table_->forward(tile + r * row_, plane_, axes_[2].n, element_, *axes_[0].length,
                            axes_[0].factors.data());
    }

    /// Only the first `planes` planes and `rows` rows are wanted. Not divided by the number of
    /// points.
    void inverse(T* tile, Index planes, Index rows) const {
        if (axes_[0].length)
            for (Index r = 0; r < axes_[1].n; ++r)
                table_->inverse(tile + r * row_, plane_, axes_[2].n, element_, *axes_[0].length,
                                axes_[0].factors.data());
        for (Index d = 0; d < planes; ++d) {
            T* const plane = tile + d * plane_;
            if (axes_[1].length)
                table_->inverse(plane, row_, axes_[2].n, element_, *axes_[1].length,
                                axes_[1].factors.data());
            if (axes_[2].length)
                table_->inverse(plane, element_, rows, row_, *axes_[2].length,
                                axes_[2].factors.data());
        }
    }

private:
    const microkernels::TransformTable<T>* table_;
    TileAxis<T> axes_[layer_axes];
    Index element_, row_, plane_;
};

}  // namespace faltung::layers
