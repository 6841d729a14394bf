// Which windows of a block hold nothing but one value, said at once for any of them.
#pragma once

#include <cstdint>
#include <vector>

#include "matching/window_sums.hpp"

namespace faltung::matching {

class FlatWindows {
public:
    /// `values` of the whole block, in C order; NaN equals nothing, not even itself.
    FlatWindows(const WindowShape& shape, const double* values);

    /// Whether all values of the window are equal that begins at `start`.
    bool at(Index start) const {
        return run_[static_cast<std::size_t>(start + to_end_)] >= enough_;
    }

private:
    // Along the first axis, up to here: equal boxes, each a window over all later axes.
    std::vector<std::int32_t> run_;
    Index to_end_ = 0;  // from a window's first value to its last
    std::int32_t enough_;
};

}  // namespace faltung::matching
