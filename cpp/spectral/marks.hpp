// A bit for every position of a box, and where windows that hold a marked one stand.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/extents.hpp"

namespace faltung {

class Marks {
public:
    using Word = std::uint64_t;
    static constexpr Index word_bits = 64;

    /// C order; the bits of a row, along the last axis, begin with a word of their own.
    explicit Marks(const Extents& extents);

    Index words() const { return words_; }
    Word* row(Index number) { return bits_.data() + number * words_; }
    const Word* row(Index number) const { return bits_.data() + number * words_; }
    void clear() { std::fill(bits_.begin(), bits_.end(), Word{0}); }

    static bool at(const Word* row, Index position) {
        return row[position / word_bits] >> (position % word_bits) & 1;
    }

    /// Along an axis every mark is repeated `taps` - 1 times, each time `step` positions further on
    /// (or back); what leaves the axis is gone, or comes in again at its other end.
    void spread(int axis, Index taps, Index step, bool periodic = false);

private:
    void add_moved(int axis, Index by, bool periodic);

    Extents extents_;
    Index words_;
    std::vector<Word> bits_;
};

}  // namespace faltung
