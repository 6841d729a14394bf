// How the outputs along one axis are cut into tiles: for the executors, and for what they cost.
#pragma once

#include <algorithm>

#include "core/problem.hpp"

namespace faltung {

struct TilePace {
    Index hop;    // outputs of every tile but the last
    Index most;   // of the last, at most
    Index count;  // tiles
};

/// Tiles of `length` samples. Along the `last` axis rows of results begin at whole lines of memory,
/// where that costs no tile, so that they can be stored past the caches; the last tile, behind
/// which nothing begins, may be longer.
inline TilePace pace_of(const Axis& axis, Index length, bool last, std::size_t number_size) {
    constexpr Index line_bytes = 64;
    const Index samples = (axis.out - 1) * axis.step + 1;
    const Index unit = line_bytes / static_cast<Index>(number_size);
    const Index valid = std::min(length - axis.reach() + 1, samples);
    const Index whole = last && samples > valid && valid >= 2 * unit ? valid - valid % unit : valid;
    const Index hop = (whole - 1) / axis.step + 1, most = (valid - 1) / axis.step + 1;
    const Index count = std::max<Index>(0, axis.out - most + hop - 1) / hop + 1;
    return {hop, hop * count >= axis.out ? hop : most, count};
}

}  // namespace faltung
