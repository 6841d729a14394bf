// Vectors of input that lie between two whole ones, picked from these instead of loaded: a load
// that straddles two cache lines takes as long as two.
#pragma once

#include <cstdint>

#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

/// Where at most so many output rows share a load, loads are what takes the time.
constexpr int few_rows = 3;

/// In place of a known step of the taps: they lie at the offsets that the call gives, and output
/// rows hop.
constexpr int stepped = -1;

/// The same where taps across rows follow one another, so that coefficients lie at known distances.
/// Zen 3, six rows, 9 to 81 taps: 10 to 20 per cent less time than by a pitch that is looked up.
/// Levels of more registers have not been measured.
constexpr int packed = -2;

/// Whether taps so far apart are picked from whole vectors.
template <class T, int TAPS>
constexpr bool picks_taps(int step) {
    return picks_from_two && Simd<T>::floating && TAPS > 1 && (TAPS - 1) * step <= lanes<T>;
}

/// W vectors, and of the one after them what lies within REACH.
template <int REACH, class T, int W>
FALTUNG_INLINE void load_whole(const T* in, Vec<T> (&whole)[W]) {
    FALTUNG_UNROLL
    for (int w = 0; w + 1 < W; ++w) whole[w] = loadu(in + w * lanes<T>);
    const Vec<T> end = loadu(in + (W - 2) * lanes<T> + REACH);
    whole[W - 1] = between<T, lanes<T> - REACH>(end, end);
}

/// All vectors from SHIFT on.
template <int SHIFT, class T, int W>
FALTUNG_INLINE void pick_all(const Vec<T> (&whole)[W], Vec<T> (&v)[W - 1]) {
    FALTUNG_UNROLL
    for (int w = 0; w + 1 < W; ++w) v[w] = between<T, SHIFT>(whole[w], whole[w + 1]);
}

}  // namespace
}  // namespace faltung::microkernels
