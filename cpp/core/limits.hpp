// Limits that executors keep and predictions must know.
#pragma once

#include "core/types.hpp"

namespace faltung {

/// Direct sums take rows apart for steps up to this; of larger ones most of what a row holds is of
/// no use.
inline constexpr Index most_phases = 8;

/// Numbers per position that tiles store together.
inline constexpr Index most_interleaved = 4;

/// Columns that lie side by side share a tile of so many points: 128 KiB of complex float32.
inline constexpr Index column_tile_points = Index{1} << 14;

/// Of the longest transform of our own.
inline constexpr Index most_own_points = Index{1} << 16;

}  // namespace faltung
