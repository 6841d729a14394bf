// Boxes of tuples of coordinates, counted like an odometer: the last axis is the fastest.
#pragma once

#include <algorithm>

#include "core/extents.hpp"

namespace faltung {

/// Steps `at` through [begin, end); false when it is through.
inline bool advance(Extents& at, const Extents& begin, const Extents& end, int axes) {
    for (int a = axes - 1; a >= 0; --a) {
        if (++at[a] < end[a]) return true;
        at[a] = begin[a];
    }
    return false;
}

/// The tuple number `index` of the box [begin, end) over the first `axes` axes.
inline Extents tuple(Index index, const Extents& begin, const Extents& end, int axes) {
    Extents at(axes, 0);
    for (int a = axes - 1; a >= 0; --a) {
        const Index length = end[a] - begin[a];
        at[a] = begin[a] + index % length;
        index /= length;
    }
    return at;
}

inline Index box_size(const Extents& begin, const Extents& end, int axes) {
    Index total = 1;
    for (int a = 0; a < axes; ++a) total *= std::max<Index>(0, end[a] - begin[a]);
    return total;
}

}  // namespace faltung
