#include "spectral/marks.hpp"

namespace faltung {

namespace {

using Word = Marks::Word;
constexpr Index word_bits = Marks::word_bits;

/// to |= from, whose bits are `by` positions further on.
void or_moved(Word* to, const Word* from, Index words, Index by) {
    const Index whole = std::abs(by) / word_bits, bits = std::abs(by) % word_bits;
    if (by >= 0)
        for (Index i = words - 1; i >= whole; --i) {
            Word moved = from[i - whole] << bits;
            if (bits > 0 && i > whole) moved |= from[i - whole - 1] >> (word_bits - bits);
            to[i] |= moved;
        }
    else
        for (Index i = 0; i < words - whole; ++i) {
            Word moved = from[i + whole] >> bits;
            if (bits > 0 && i + whole + 1 < words)
                moved |= from[i + whole + 1] << (word_bits - bits);
            to[i] |= moved;
        }
}

}  // namespace

Marks::Marks(const Extents& extents)
    : extents_(extents), words_((extents.back() + word_bits - 1) / word_bits) {
    Index rows = 1;
    for (int a = 0; a + 1 < extents.size(); ++a) rows *= extents[a];
    bits_.resize(static_cast<std::size_t>(rows * words_), Word{0});
}

void Marks::spread(int axis, Index taps, Index step, bool periodic) {
    // Twice as far each time.
    for (Index there = 1; there < taps;) {
        const Index more = std::min(there, taps - there);
        add_moved(axis, more * step, periodic);
        there += more;
    }
}

void Marks::add_moved(int axis, Index by, bool periodic) {
    const Index n = extents_[axis];
    if (periodic)
        by = (by % n + n) % n;
    else if (std::abs(by) >= n)
        return;
    const std::vector<Word> before = bits_;
    if (axis + 1 == extents_.size()) {
        const Index tail = n % word_bits;
        const Word kept = tail > 0 ? (Word{1} << tail) - 1 : ~Word{0};
        for (std::size_t start = 0; start < bits_.size();
             start += static_cast<std::size_t>(words_)) {
            or_moved(bits_.data() + start, before.data() + start, words_, by);
            if (periodic && by > 0)
                or_moved(bits_.data() + start, before.data() + start, words_, by - n);
            bits_[start + static_cast<std::size_t>(words_ - 1)] &= kept;
        }
        return;
    }
    Index inner = words_;
    for (int a = axis + 1; a + 1 < extents_.size(); ++a) inner *= extents_[a];
    const auto size = static_cast<Index>(bits_.size());
    for (Index base = 0; base < size; base += n * inner)
        for (Index i = 0; i < n; ++i) {
            Index from = i - by;
            if (periodic && from < 0) from += n;
            if (from < 0 || from >= n) continue;
            Word* const to = bits_.data() + base + i * inner;
            const Word* const source = before.data() + base + from * inner;
            for (Index w = 0; w < inner; ++w) to[w] |= source[w];
        }
}

}  // namespace faltung
