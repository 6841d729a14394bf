// Any arithmetic to integers as C casts: cut off, and wrapped around by what the low bits hold.
#pragma once

#include <cstdint>

#include "microkernels/convert_round.hpp"

namespace faltung::microkernels {
namespace {
namespace convert {

/// The signed integer that a float is first cut to: 32 bits are what processors convert by vectors,
/// unsigned 32 need more.
template <class Int>
struct OnTheWay {
    using type = std::int32_t;
    static constexpr double end = 0x1p31;
};
template <>
struct OnTheWay<std::uint32_t> {
    using type = std::int64_t;
    static constexpr double end = 0x1p63;
};
template <>
struct OnTheWay<std::int64_t> : OnTheWay<std::uint32_t> {};
template <>
struct OnTheWay<std::uint64_t> : OnTheWay<std::uint32_t> {};

template <class Int, class T>
FALTUNG_INLINE Int cut(T x) {
    using Way = OnTheWay<Int>;
    constexpr T end = static_cast<T>(Way::end);
    if constexpr (same<Int, std::uint64_t>) {
        const bool upper = x >= end && x < 2 * end;
        const T low = upper ? x - end : x;
        const std::uint64_t top = upper ? std::uint64_t{1} << 63 : 0;
        return static_cast<Int>(static_cast<std::uint64_t>(cut<std::int64_t>(low)) ^ top);
    } else {
        x = ((x >= -end) & (x < end)) ? x : -end;  // NaN too
        return static_cast<Int>(static_cast<typename Way::type>(x));
    }
}

template <class Int>
FALTUNG_INLINE Int wrap(std::int64_t x) {
    if constexpr (same<Int, Bool>)
        return static_cast<Bool>(x != 0);
    else
        return static_cast<Int>(x);
}

template <class Int, class T>
void cut_all(const T* __restrict from, Int* __restrict to, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
        if constexpr (same<T, std::int64_t>)
            to[i] = wrap<Int>(from[i]);
        else if constexpr (same<Int, Bool>)
            to[i] = static_cast<Bool>(from[i] != 0);
        else
            to[i] = cut<Int>(from[i]);
    }
}

/// Whole numbers, of at most 2^24 where they are float32.
template <class Int, class T>
void wrap_all(const T* __restrict from, Int* __restrict to, std::int64_t count) {
    if constexpr (same<T, std::int64_t>) {
        cut_all<Int, T>(from, to, count);
    } else if constexpr (same<T, float>) {
        for (std::int64_t i = 0; i < count; ++i) {
            const float half = from[i] < 0 ? -0.5f : 0.5f;
            const bool exact = (from[i] >= 0x1p22f) | (from[i] <= -0x1p22f);
            to[i] = wrap<Int>(cut<std::int32_t>(exact ? from[i] : from[i] + half));
        }
    } else {
        std::int64_t whole[round_block];
        for (std::int64_t i = 0; i < count; i += round_block) {
            const std::int64_t some = count - i < round_block ? count - i : round_block;
            round_all<std::int64_t, T>(from + i, whole, some);
            for (std::int64_t j = 0; j < some; ++j) to[i + j] = wrap<Int>(whole[j]);
        }
    }
}

}  // namespace convert
}  // namespace
}  // namespace faltung::microkernels
