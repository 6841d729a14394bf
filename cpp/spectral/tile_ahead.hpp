// What to fetch into the caches while tiles are convolved: the samples of those that come next.
#pragma once

#include "core/array_view.hpp"
#include "core/problem.hpp"
#include "microkernels/transform_table.hpp"

namespace faltung {

/// The part of up to two tiles that lies in x, slab by slab: a slab is the rows of a tile along its
/// innermost axis of several rows, all other axes count slabs.
class TileAhead {
public:
    TileAhead() = default;  // nothing
    /// `length`: of the tiles. `row_axis`: that innermost axis, or -1. The last axis of x must be
    /// contiguous.
    TileAhead(const Problem& problem, const ArrayView& x, const Extents& length, int row_axis);

    /// A tile whose samples from `start` on are needed.
    void add(const Extents& start, const Extents& need);

    /// What to fetch during slab number `slab` of the tiles that are convolved.
    microkernels::Ahead of(Index slab) const;

private:
    static constexpr int most = 2;

    const Problem* problem_ = nullptr;
    const ArrayView* x_ = nullptr;
    const Extents* length_ = nullptr;
    int row_axis_ = -1, count_ = 0;
    bool all_slabs_ = false;
    microkernels::Ahead first_{};  // of slab 0
    Index slabs_[most][max_rank];  // that lie in x, along each axis before the rows'
};

}  // namespace faltung
