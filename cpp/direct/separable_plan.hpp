// What a separable correlation knows before it sees data: its passes, and how the outputs are cut
// into boxes.
#pragma once

#include "core/problem.hpp"

namespace faltung::direct {

/// The outputs are cut into boxes of fixed extents, whatever the number of workers, so that what a
/// box keeps between its passes stays in the second-level cache. Within a box the slowest convolved
/// axis is walked with a ring of slabs, each slab already filtered along the faster axes, so
/// nothing is computed twice along it.
struct SeparableLayout {
    PerAxis<int>
        rows;  // the convolved axes before the last, slowest first: one level of slabs each
    PerAxis<int> batch;  // the others before the last
    Extents extent;      // of a box, per axis of the problem
    Extents boxes;       // along each axis of the problem
    Extents slots;       // per level: slabs in the ring
    Extents slab_rows;   // per level: rows in one slab of its ring
    Index numbers = 0;   // of the widest row of a box
    Index pitch = 0;     // numbers from row to row in scratch: whole and odd cache lines
    Index line = 0;      // numbers of scratch for one line of input
    Index box_count = 1, boxes_per_task = 1;

    int levels() const { return rows.size(); }
};

/// At most this many output rows are computed together.
inline constexpr Index most_rows = 8;

/// `terms` kernels, each with rings of its own.
SeparableLayout plan_separable(const Problem& problem, Index terms, int vector_lanes);

}  // namespace faltung::direct
