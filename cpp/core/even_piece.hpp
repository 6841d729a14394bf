// How something is cut into about equal pieces.
#pragma once

#include <algorithm>

#include "core/types.hpp"

namespace faltung {

/// The length of each of as few pieces of [0, total) as `most` allows, as equal as can be; where
/// there are several, whole units.
inline Index even_piece(Index total, Index most, Index unit = 1) {
    if (total <= most) return total;
    const Index pieces = (total - 1) / most + 1, even = (total - 1) / pieces + 1;
    return std::min(total, (even + unit - 1) / unit * unit);
}

}  // namespace faltung
