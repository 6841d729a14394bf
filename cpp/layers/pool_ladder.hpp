// Windows of many taps in few steps: sums of 4 taps, of 16 as four of those, ... and a window as
// some of each. Every sum holds samples of its own window only, so a NaN stays where it is, and
// rounding errors grow with the logarithm.
#pragma once

#include <initializer_list>
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

/// Rows to be combined: on the stack while they are few, for planes may be small and many.
template <class T>
class Rows {
public:
    Rows() = default;
    Rows(std::initializer_list<const T*> rows) {
        for (const T* row : rows) push_back(row);
    }

    void push_back(const T* row) {
        if (size_ < few) {
            few_[size_++] = row;
            return;
        }
        if (size_++ == few) many_.assign(few_, few_ + few);
        many_.push_back(row);
    }
    void clear() {
        size_ = 0;
        many_.clear();
    }
    bool empty() const { return size_ == 0; }
    Index size() const { return size_; }
    const T* const* data() const { return size_ > few ? many_.data() : few_; }

private:
    static constexpr Index few = 32;
    Index size_ = 0;
    const T* few_[few];
    std::vector<const T*> many_;
};

}  // namespace faltung::layers
