// How a problem falls into blocks, each of which is one transform.
#pragma once

#include "core/problem.hpp"
#include "spectral/block.hpp"

namespace faltung {

struct Layout {
    GridShape shape;           // of every block
    PerAxis<int> column_axes;  // of the problem, slowest first
    PerAxis<int> batch_axes;   // walked entry by entry; never the last axis
    Extents hop;               // outputs of a block along each axis of the problem
    Index lanes = 1;           // blocks per part: inner lanes, or pieces of a flat row
    Index piece = 0;           // Row::flat: positions per piece
    Index blocks = 1;

    struct Place {
        Extents output;  // the block's first, on every axis (0 along a flat row)
        Index lane;      // inner lane or piece
    };
    Place place_of(Index block, const Problem& problem) const;
};

/// Transforms of our own where they serve and promise to be quicker. The transforms of array and
/// kernel take `memory` bytes at most, if blocks that do can be found.
Layout lay_out(const Problem& problem, const microkernels::Table& table, TransformEngine engine,
               double memory);

}  // namespace faltung
