// Rows taken apart for correlations that step: each phase holds every `step`-th position, so that
// neighbouring outputs find what a tap needs in neighbouring numbers.
#pragma once

#include <cstdint>
#include <cstring>

#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

/// Known steps are shuffles, which the compiler finds by itself. COUNT: numbers of a position.
template <class T, int STEP, int COUNT>
void split_known(const T* row, T* out, std::int64_t pitch, std::int64_t positions) {
    const auto move = [&](std::int64_t phase, std::int64_t j) {
        FALTUNG_UNROLL
        for (int c = 0; c < COUNT; ++c)
            out[phase * pitch + j * COUNT + c] = row[(j * STEP + phase) * COUNT + c];
    };
    const std::int64_t whole = positions / STEP;
    for (std::int64_t j = 0; j < whole; ++j) {
        FALTUNG_UNROLL
        for (int p = 0; p < STEP; ++p) move(p, j);
    }
    for (std::int64_t p = 0; p < positions - whole * STEP; ++p) move(p, whole);
}

/// Two neighbouring vectors hold one vector of each of two phases.
template <class T, int COUNT>
void split_pairs(const T* row, T* out, std::int64_t pitch, std::int64_t positions) {
    std::int64_t j = 0;
    if constexpr (picks_from_two && lanes<T> % COUNT == 0) {
        using V = typename Picks<T>::V;
        constexpr int all = lanes<T> / COUNT;
        const V at = Picks<T>::from(0), even = at + at / COUNT * COUNT, odd = even + COUNT;
        for (; 2 * (j + all) <= positions; j += all) {
            const T* from = row + 2 * j * COUNT;
            const Vec<T> a = loadu(from), b = loadu(from + lanes<T>);
            storeu(out + j * COUNT, pick<T>(a, b, even));
            storeu(out + pitch + j * COUNT, pick<T>(a, b, odd));
        }
    }
    split_known<T, 2, COUNT>(row + 2 * j * COUNT, out + j * COUNT, pitch, positions - 2 * j);
}

template <class T, int COUNT>
void split_steps(const T* row, T* out, std::int64_t pitch, std::int64_t step,
                 std::int64_t positions) {
    if (step == 2) return split_pairs<T, COUNT>(row, out, pitch, positions);
    if (step == 3) return split_known<T, 3, COUNT>(row, out, pitch, positions);
    if (step == 4) return split_known<T, 4, COUNT>(row, out, pitch, positions);
    for (std::int64_t p = 0; p < step; ++p, out += pitch) {
        T* to = out;
        for (std::int64_t i = p; i < positions; i += step, to += COUNT)
            std::memcpy(to, row + i * COUNT, COUNT * sizeof(T));
    }
}

/// Position i of `numbers` numbers each becomes position i / step of phase i % step; phases start
/// `pitch` numbers apart.
template <class T>
void split(const T* row, T* out, std::int64_t pitch, std::int64_t step, std::int64_t numbers,
           std::int64_t positions) {
    if (numbers == 1) return split_steps<T, 1>(row, out, pitch, step, positions);
    if (numbers == 2) return split_steps<T, 2>(row, out, pitch, step, positions);
    if (numbers == 3) return split_steps<T, 3>(row, out, pitch, step, positions);
    if (numbers == 4) return split_steps<T, 4>(row, out, pitch, step, positions);
    for (std::int64_t p = 0; p < step; ++p, out += pitch) {
        T* to = out;
        for (std::int64_t i = p; i < positions; i += step, to += numbers)
            std::memcpy(to, row + i * numbers, static_cast<std::size_t>(numbers) * sizeof(T));
    }
}

}  // namespace
}  // namespace faltung::microkernels
