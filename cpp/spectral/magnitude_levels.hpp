// Samples by their magnitude: into as many levels as transforms are needed, none of which drowns in
// its rounding noise what it has to serve.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "spectral/marks.hpp"

namespace faltung {

/// Samples whose magnitudes, as words without their sign, lie in [low, low + span). Scaled, the
/// largest of them is about one, so that no transform overflows.
template <class T>
struct MagnitudeLevel {
    using Word = std::conditional_t<sizeof(T) == sizeof(float), std::uint32_t, std::uint64_t>;

    Word low, span;
    T scale, back;

    static Word word(T number) { return std::bit_cast<Word>(number) & (~Word{0} >> 1); }
    bool holds(Word size) const { return size - low < span; }

    /// `count` samples of `per` numbers: those of the level scaled, the others zero.
    void pick(const T* from, Index count, Index per, T* to) const;
    /// Sets their bits among those that begin with position `at` of a row.
    void mark(const T* numbers, Index count, Index per, Marks::Word* row, Index at) const;
    /// Results of `count` positions from `at` on, scaled back: added to `sums` where they are
    /// marked; `first`: put there, zero where they are not. Both may be the same memory.
    void add(const T* results, Index count, Index per, const Marks::Word* row, Index at, bool first,
             T* sums) const;
};

/// What is seen of a block's samples before it is cut into levels.
template <class T>
class Magnitudes {
public:
    /// A line of `count` samples of `per` numbers; `place` samples of it make a place.
    void see(const T* numbers, Index count, Index per, Index place);
    void add(const Magnitudes& other);

    /// Faint ones first; none for zeros. A transform spreads its noise over `samples` of them: all,
    /// or a column's.
    std::vector<MagnitudeLevel<T>> levels(Index samples) const;

private:
    using Word = typename MagnitudeLevel<T>::Word;
    static constexpr int exponent_bits = sizeof(T) == sizeof(float) ? 8 : 11,
                         fraction_bits = sizeof(T) == sizeof(float) ? 23 : 52;
    static constexpr int exponents = 1 << exponent_bits;

    std::array<Index, exponents> count_{};  // of samples that are not zero, by their exponents
    Word faintest_ = ~Word{0};              // the least of what the largest samples of places are
};

extern template struct MagnitudeLevel<float>;
extern template struct MagnitudeLevel<double>;
extern template class Magnitudes<float>;
extern template class Magnitudes<double>;

}  // namespace faltung
