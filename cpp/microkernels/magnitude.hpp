// Whether numbers are so large, or not numbers at all, that a transform of them may overflow.
#pragma once

#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

/// The bits of a number, and what turns an exponent too large for a transform into a carry to the
/// sign: the sums of many such samples might overflow where no output does.
template <class T>
struct Bits;
template <>
struct Bits<float> {
    using Word = std::uint32_t;
    static constexpr Word exponent = 0x7f800000u, unit = 24 * 0x00800000u;
};
template <>
struct Bits<double> {
    using Word = std::uint64_t;
    static constexpr Word exponent = 0x7ff0000000000000u, unit = 64 * 0x0010000000000000u;
};

/// Looks at vectors, one after the other.
template <class T>
class Magnitudes {
public:
    FALTUNG_INLINE void see(Vec<T> numbers) {
        carries_ |= (reinterpret_cast<Words>(numbers) & Bits<T>::exponent) + Bits<T>::unit;
    }
    FALTUNG_INLINE bool moderate() const {
        Word carry = 0;
        for (int l = 0; l < lanes<T>; ++l) carry |= carries_[l];
        return carry >> (8 * sizeof(Word) - 1) == 0;
    }

private:
    using Word = typename Bits<T>::Word;
    typedef Word Words __attribute__((vector_size(vector_bytes)));
    Words carries_{};
};

}  // namespace
}  // namespace faltung::microkernels
