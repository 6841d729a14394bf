// Windows of many taps in few steps: sums of 4 taps, of 16 as four of those, ... and a window as
// some of each. Every sum holds samples of its own window only, so a NaN stays where it is, and
// rounding errors grow with the logarithm.
#pragma once

#include <vector>

#include "core/types.hpp"

namespace faltung::layers {

struct Ladder {
    struct Term {
        int level;  // a combination of 4^level taps
        Index tap;  // the first of them
    };

    int levels = 0;           // above the samples themselves
    std::vector<Term> terms;  // the window

    explicit Ladder(Index taps) {
        // at most 7 terms of the highest level
        while (taps >> 2 * levels >= 8) ++levels;
        Index tap = 0;
        for (int level = levels; level >= 0; --level)
            for (; taps - tap >= span(level); tap += span(level)) terms.push_back({level, tap});
    }

    static Index span(int level) { return Index{1} << 2 * level; }

    /// Numbers that level needs for n numbers of windows, `step` from tap to tap.
    static Index numbers(Index n, int level, Index taps, Index step) {
        return n + (taps - span(level)) * step;
    }
};

}  // namespace faltung::layers
