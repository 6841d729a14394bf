// The loops behind ConvertTable. Plain code that compilers vectorise; the narrow ones avoid calls
// and branches.
#pragma once

#include <cstdint>
#include <cstring>

#include "microkernels/convert_cut.hpp"
#include "microkernels/convert_half.hpp"
#include "microkernels/convert_round.hpp"
#include "microkernels/convert_table.hpp"

namespace faltung::microkernels {
namespace {
namespace convert {

template <class T>
inline constexpr bool is_float = same<T, float> || same<T, double>;

/// Between integers: unchanged where it widens (to int64), else cut to the range.
template <class To, class From>
inline To saturate(From x) {
    if constexpr (same<To, Bool>) {
        return static_cast<Bool>(x > 0 ? 1 : 0);
    } else if constexpr (sizeof(To) > sizeof(From)) {
        return static_cast<To>(x);
    } else if constexpr (is_signed<From>) {
        constexpr From low = static_cast<From>(lowest<To>());
        constexpr From high = sizeof(To) == 8 ? highest<From>() : static_cast<From>(highest<To>());
        x = x > low ? x : low;
        return static_cast<To>(x < high ? x : high);
    } else {
        constexpr From high = static_cast<From>(highest<To>());
        return static_cast<To>(x < high ? x : high);
    }
}

template <class To, class From>
inline To cast(From x) {
    if constexpr (same<From, Bool>) {
        return static_cast<To>(x != Bool{0} ? 1 : 0);
    } else if constexpr (same<From, Half>) {
        return cast<To>(widen_half(x));
    } else if constexpr (same<To, Half>) {
        if constexpr (is_float<From>)
            return narrow_half(x);
        else  // what a double cannot hold is far beyond the largest float16
            return narrow_half(static_cast<double>(x));
    } else if constexpr (is_float<To>) {
        return static_cast<To>(x);
    } else {
        return saturate<To>(x);
    }
}

template <class From, class T>
void load(const void* source, T* __restrict to, std::int64_t count) {
    const From* __restrict from = static_cast<const From*>(source);
    if constexpr (same<From, T> || (same<T, std::int64_t> && same<From, std::uint64_t>)) {
        std::memcpy(to, source, static_cast<std::size_t>(count) * sizeof(T));
    } else if constexpr (same<From, Half> && same<T, float>) {
        widen_halves(from, to, count);
    } else if constexpr (same<T, std::int64_t> && same<From, Half>) {
        for (std::int64_t i = 0; i < count; ++i)
            to[i] = round_to_long<T>(static_cast<double>(widen_half(from[i])));
    } else if constexpr (same<T, std::int64_t> && is_float<From>) {
        round_all<T, From>(from, to, count);
    } else {
        for (std::int64_t i = 0; i < count; ++i) to[i] = cast<T>(from[i]);
    }
}

/// `From` is T, or uint64 for the unsigned reading of int64.
template <class From, class T, class To>
void store(const T* source, void* target, std::int64_t count) {
    To* __restrict to = static_cast<To*>(target);
    if constexpr (same<From, To>) {
        std::memcpy(target, source, static_cast<std::size_t>(count) * sizeof(T));
    } else if constexpr (same<To, Half> && same<T, float>) {
        narrow_halves(source, to, count);
    } else if constexpr (is_float<T> && !is_float<To> && !same<To, Half>) {
        round_all<To, T>(source, to, count);
    } else {
        const T* __restrict from = source;
        for (std::int64_t i = 0; i < count; ++i) to[i] = cast<To>(static_cast<From>(from[i]));
    }
}

template <class T, class To, bool round>
void store_as_c(const T* source, void* target, std::int64_t count) {
    if constexpr (is_float<To> || same<To, Half> || same<To, T>)
        store<T, T, To>(source, target, count);
    else if constexpr (round)
        wrap_all<To, T>(source, static_cast<To*>(target), count);
    else
        cut_all<To, T>(source, static_cast<To*>(target), count);
}

template <class T>
void split(const T* __restrict pairs, T* __restrict real, T* __restrict imag, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
        real[i] = pairs[2 * i];
        imag[i] = pairs[2 * i + 1];
    }
}

template <class T>
void join(const T* __restrict real, const T* __restrict imag, T* __restrict pairs,
          std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
        pairs[2 * i] = real[i];
        pairs[2 * i + 1] = imag[i];
    }
}

template <class T>
void widen(const T* __restrict real, T* __restrict pairs, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
        pairs[2 * i] = real[i];
        pairs[2 * i + 1] = T{0};
    }
}

/// `Unsigned` is what store_unsigned reads T as.
template <class T, class Unsigned, class... Elements>
constexpr ConvertRows<T> rows() {
    return {{load<Elements, T>...},
            {store<T, T, Elements>...},
            {store<Unsigned, T, Elements>...},
            {store_as_c<T, Elements, false>...},
            {store_as_c<T, Elements, true>...},
            split<T>,
            join<T>,
            widen<T>};
}

template <class T, class Unsigned = T>
constexpr ConvertRows<T> all_rows() {
    return rows<T, Unsigned, Bool, std::int8_t, std::int16_t, std::int32_t, std::int64_t,
                std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t, Half, float, double>();
}

}  // namespace convert

constexpr ConvertTable convert_table() {
    return {convert::all_rows<float>(), convert::all_rows<double>(),
            convert::all_rows<std::int64_t, std::uint64_t>()};
}

}  // namespace
}  // namespace faltung::microkernels
