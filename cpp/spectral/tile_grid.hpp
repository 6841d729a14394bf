// How the outputs of a problem are cut into tiles.
#pragma once

#include "core/problem.hpp"
#include "spectral/tile_transform.hpp"

namespace faltung {

/// One tile, in the coordinates of the arrays.
struct TilePlace {
    Extents start;    // first sample that is read, per axis
    Extents need;     // samples that matter, from there
    Extents out;      // first output
    Extents outputs;  // how many
};

class TileGrid {
public:
    /// `tile` as make_overlap_save takes it; `lanes` columns fill a register.
    TileGrid(const Problem& problem, const Extents& tile, int lanes);

    const TileShape& shape() const { return shape_; }
    Index tiles() const { return tiles_; }
    void place(Index tile, TilePlace& place) const;

private:
    PerAxis<Axis> axes_;
    TileShape shape_;
    Extents hop_, count_;
    Index tiles_ = 1;
};

}  // namespace faltung
