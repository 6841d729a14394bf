// Rows taken apart for correlations that step: each phase holds every `step`-th position, so that
// neighbouring outputs find what a tap needs in neighbouring numbers.
#pragma once

#include <cstdint>

#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

/// Known steps are shuffles, which the compiler finds by itself.
template <class T, int STEP>
void split_known(const T* row, T* out, std::int64_t pitch, std::int64_t positions) {
    const std::int64_t whole = positions / STEP;
    for (std::int64_t j = 0; j < whole; ++j) {
        FALTUNG_UNROLL
        for (int p = 0; p < STEP; ++p) out[p * pitch + j] = row[j * STEP + p];
    }
    for (std::int64_t i = whole * STEP; i < positions; ++i) out[i % STEP * pitch + whole] = row[i];
}

/// Two neighbouring vectors hold one vector of each of two phases.
template <class T>
void split_pairs(const T* row, T* out, std::int64_t pitch, std::int64_t positions) {
    std::int64_t j = 0;
    if constexpr (picks_from_two) {
        typename Picks<T>::V even = Picks<T>::from(0);
        even += even;
        const auto odd = even + 1;
        for (; 2 * (j + lanes<T>) <= positions; j += lanes<T>) {
            const Vec<T> a = loadu(row + 2 * j), b = loadu(row + 2 * j + lanes<T>);
            storeu(out + j, pick<T>(a, b, even));
            storeu(out + pitch + j, pick<T>(a, b, odd));
        }
    }
    split_known<T, 2>(row + 2 * j, out + j, pitch, positions - 2 * j);
}

/// Position i of `numbers` numbers each becomes position i / step of phase i % step; phases start
/// `pitch` numbers apart.
template <class T>
void split(const T* row, T* out, std::int64_t pitch, std::int64_t step, std::int64_t numbers,
           std::int64_t positions) {
    if (numbers == 1) {
        if (step == 2) return split_pairs<T>(row, out, pitch, positions);
        if (step == 3) return split_known<T, 3>(row, out, pitch, positions);
        if (step == 4) return split_known<T, 4>(row, out, pitch, positions);
    }
    for (std::int64_t p = 0; p < step; ++p) {
        T* to = out + p * pitch;
        for (std::int64_t i = p; i < positions; i += step)
            for (std::int64_t l = 0; l < numbers; ++l) *to++ = row[i * numbers + l];
    }
}

}  // namespace
}  // namespace faltung::microkernels
