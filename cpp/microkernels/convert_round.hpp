// Float arithmetic to integers: rounded half to even, saturated, NaN to 0. In blocks: whole vectors
// are clamped and rounded by adding a constant that leaves no room for a fraction; what is left is
// an integer to cut.
#pragma once

#include <cstdint>
#include <cstring>

#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {
namespace convert {

enum class Bool : std::uint8_t {};

template <class A, class B>
inline constexpr bool same = false;
template <class A>
inline constexpr bool same<A, A> = true;

template <class Int>
inline constexpr bool is_signed = static_cast<Int>(-1) < static_cast<Int>(0);

template <class Int>
constexpr Int highest() {
    constexpr auto ones = ~std::uint64_t{0} >> (64 - 8 * sizeof(Int));
    return static_cast<Int>(is_signed<Int> ? ones >> 1 : ones);
}
template <>
constexpr Bool highest<Bool>() {
    return Bool{1};
}

template <class Int>
constexpr Int lowest() {
    return is_signed<Int> ? static_cast<Int>(-highest<Int>() - 1) : Int{0};
}
template <>
constexpr Bool lowest<Bool>() {
    return Bool{0};
}

/// The integer as wide as a float, and the constant: 1.5 * 2^23 or 2^52, whose low bits are free
/// for integers of up to 22 or 51 bits and a sign.
template <class T>
struct Rounding;
template <>
struct Rounding<float> {
    using Bits = std::uint32_t;
    static constexpr float constant = 0x1.8p23f;
};
template <>
struct Rounding<double> {
    using Bits = std::uint64_t;
    static constexpr double constant = 0x1.8p52;
    static constexpr Bits constant_bits = 0x4338000000000000u;
    static constexpr double limit = 0x1p51;
};

inline constexpr int round_block = 64;

template <class T>
FALTUNG_INLINE void round_vectors(const T* from, T low, T high, typename Rounding<T>::Bits* bits) {
    using V = Vec<T>;
    const V lowest_v = splat<T>(low), highest_v = splat<T>(high),
            constant = splat<T>(Rounding<T>::constant);
    const V zero = V{};
    for (int i = 0; i < round_block; i += lanes<T>) {
        V x = loadu<T>(from + i);
        x = x == x ? x : zero;
        x = x > lowest_v ? x : lowest_v;
        x = x < highest_v ? x : highest_v;
        const V rounded = x + constant;
        std::memcpy(bits + i, &rounded, sizeof rounded);
    }
}

/// Whether the constant's free bits hold every number of the block (and, for unsigned, none is
/// negative).
FALTUNG_INLINE bool fits(const double* from, bool with_negative) {
    using V = Vec<double>;
    const V high = splat<double>(Rounding<double>::limit);
    const V low = with_negative ? -high : splat<double>(-0.5);
    auto fit = loadu<double>(from) >= low;
    for (int i = 0; i < round_block; i += lanes<double>) {
        const V x = loadu<double>(from + i);
        fit = fit & (x >= low) & (x < high);
    }
    bool all = true;
    for (int i = 0; i < lanes<double>; ++i) all = all && fit[i] != 0;
    return all;
}

/// Any double to 64 bits. The bounds are not doubles: the ends are chosen after converting
/// something harmless.
template <class Int>
inline Int round_to_long(double x) {
    constexpr double end = is_signed<Int> ? 0x1p63 : 0x1p64;
    constexpr double low = is_signed<Int> ? -0x1p63 : 0.0;
    const double size = x < 0 ? -x : x;
    const double whole = (size + 0x1p52) - 0x1p52;
    const double rounded = size < 0x1p52 ? (x < 0 ? -whole : whole) : x;
    const bool inside = rounded >= low && rounded < end;
    const Int value = static_cast<Int>(inside ? rounded : 0.0);
    return x >= end ? highest<Int>() : x < low ? lowest<Int>() : value;
}

template <class Int, class T>
FALTUNG_INLINE void round_one_block(const T* from, Int* __restrict to) {
    if constexpr (sizeof(Int) == 8 && same<T, double>) {
        if (fits(from, is_signed<Int>)) {
            std::uint64_t bits[round_block];
            round_vectors<double>(from, -Rounding<double>::limit, Rounding<double>::limit, bits);
            for (int i = 0; i < round_block; ++i)
                to[i] = static_cast<Int>(bits[i] - Rounding<double>::constant_bits);
        } else {
            for (int i = 0; i < round_block; ++i) to[i] = round_to_long<Int>(from[i]);
        }
    } else if constexpr (sizeof(Int) >= 4 && same<T, float>) {
        double wide[round_block];
        for (int i = 0; i < round_block; ++i) wide[i] = static_cast<double>(from[i]);
        round_one_block<Int, double>(wide, to);
    } else {
        typename Rounding<T>::Bits bits[round_block];
        round_vectors<T>(from, static_cast<T>(lowest<Int>()), static_cast<T>(highest<Int>()), bits);
        for (int i = 0; i < round_block; ++i) to[i] = static_cast<Int>(bits[i]);
    }
}

template <class Int, class T>
inline void round_all(const T* from, Int* to, std::int64_t count) {
    std::int64_t i = 0;
    for (; i + round_block <= count; i += round_block) round_one_block<Int, T>(from + i, to + i);
    if (i == count) return;
    T rest[round_block] = {};
    Int rounded[round_block];
    std::memcpy(rest, from + i, static_cast<std::size_t>(count - i) * sizeof(T));
    round_one_block<Int, T>(rest, rounded);
    std::memcpy(to + i, rounded, static_cast<std::size_t>(count - i) * sizeof(Int));
}

}  // namespace convert
}  // namespace
}  // namespace faltung::microkernels
