// Draws from a discrete distribution in constant time.
#pragma once

#include <span>
#include <vector>

#include "core/types.hpp"

namespace faltung {

/// A. Walker's method of aliases, built as by M. Vose, "A linear algorithm for generating random
/// numbers with a given distribution", IEEE Trans. Software Eng. 17, 1991: as many cells as there
/// are outcomes, all equally likely; a cell is split between its own outcome and one other.
struct AliasTable {
    struct Cell {
        std::uint32_t threshold;  // in units of 2^-32 of the cell: below it, `own`
        std::uint32_t own, other;
    };
    std::vector<Cell> cells;

    /// Outcomes are the indices of `weights`, which are finite, not negative, and not all zero.
    /// Those of weight zero never come up.
    explicit AliasTable(std::span<const double> weights);
};

}  // namespace faltung
