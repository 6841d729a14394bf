// Windows that no transform and no running sum serves: each is summed by itself, neighbours side by
// side.
#pragma once

#include <algorithm>
#include <vector>

#include "matching/pattern.hpp"
#include "matching/tile_samples.hpp"
#include "microkernels/table.hpp"

namespace faltung::matching {

class LoneWindows {
public:
    /// What a block of values, or of numbers that say which count, must hold beyond its end.
    static constexpr std::size_t behind = microkernels::lone_windows;

    /// For a pattern, and blocks that these windows lie in; `partly`: score() may be given a
    /// `keep`.
    LoneWindows(const Pattern& pattern, const WindowShape& windows,
                const microkernels::Table& table, bool partly);

    /// Replaces the scores of a line that are microkernels::doubtful_score. `values` and `keep`
    /// (null where all count), as WindowTable::score wants them, begin where the first window does.
    template <class T>
    void score(const double* values, const double* keep, T* scores, Index n) const {
        constexpr T doubtful = static_cast<T>(microkernels::doubtful_score);
        constexpr Index most = microkernels::lone_windows;
        double found[2 * most];
        for (Index i = 0; i < n; ++i) {
            if (scores[i] != doubtful) continue;
            Index end = std::min(n, i + most);
            while (scores[end - 1] != doubtful) --end;
            const auto& taps = keep ? plain_ : taps_;
            table_.score(values + i, keep ? keep + i : nullptr, taps.data(),
                         static_cast<Index>(taps.size()), found, end - i);
            for (const double* score = found; i < end; ++i, ++score)
                if (scores[i] == doubtful)
                    scores[i] = static_cast<T>(std::clamp(*score, -1.0, 1.0));
            --i;
        }
    }

private:
    std::vector<microkernels::WindowTap> taps_, plain_;  // those that count
    const microkernels::WindowTable& table_;
};

/// Where in a block the rows of a window start, from its first sample; and the rows of windows.
std::vector<Index> window_rows(const WindowShape& windows);
std::vector<Index> output_rows(const WindowShape& windows);

}  // namespace faltung::matching
