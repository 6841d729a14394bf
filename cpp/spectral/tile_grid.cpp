#include "spectral/tile_grid.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/limits.hpp"
#include "core/tile_pace.hpp"

namespace faltung {

namespace {

Index rounded_up(Index value, Index unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

TileGrid::TileGrid(const Problem& problem, const Extents& tile, int lanes) : axes_(problem.axes) {
    const int rank = axes_.size(), last = rank - 1;
    if (tile.size() != rank) throw std::logic_error("a tile length per axis is needed");
    shape_.length = tile;
    shape_.columns = axes_[last].k == 1;
    if (shape_.columns) {
        shape_.length[last] = 1;
        const Index most =
            std::max<Index>(lanes, column_tile_points / shape_.rows() / lanes * lanes);
        const Index samples = (axes_[last].out - 1) * axes_[last].step + 1;
        shape_.length[last] = std::min(most, rounded_up(samples, lanes));
    }
    for (int a = 0; a < rank; ++a) {
        const Axis& axis = axes_[a];
        if (shape_.length[a] < axis.reach())
            throw std::logic_error("a tile is shorter than the kernel");
        const TilePace pace =
            pace_of(axis, shape_.length[a], a == last, size_of(problem.arithmetic));
        shape_.valid.push_back((pace.most - 1) * axis.step + 1);
        hop_.push_back(pace.hop);
        count_.push_back(pace.count);
        tiles_ *= count_[a];
    }
}

void TileGrid::place(Index tile, TilePlace& place) const {
    const int rank = axes_.size();
    if (place.start.size() != rank)
        place = {Extents(rank, 0), Extents(rank, 0), Extents(rank, 0), Extents(rank, 0)};
    for (int a = rank - 1; a >= 0; --a) {
        const Axis& axis = axes_[a];
        const Index at = tile % count_[a];
        tile /= count_[a];
        place.out[a] = at * hop_[a];
        place.outputs[a] = at + 1 < count_[a] ? hop_[a] : axis.out - place.out[a];
        place.start[a] = axis.first + place.out[a] * axis.step;
        place.need[a] = (place.outputs[a] - 1) * axis.step + axis.reach();
    }
}

}  // namespace faltung
