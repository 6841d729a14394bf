// Correlation with few of many taps: a list of those that are not zero.
#pragma once

#include "microkernels/correlate_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

template <class T, int W>
FALTUNG_NOINLINE void sparse_block(const SparseCall<T>& call, std::int64_t r, std::int64_t x) {
    Vec<T> sum[W];
    FALTUNG_UNROLL
    for (int w = 0; w < W; ++w) sum[w] = Vec<T>{};
    for (std::int64_t i = 0; i < call.count; ++i) {
        const SparseTap<T>& tap = call.taps[i];
        const T* in = call.row[tap.plane * call.row_pitch + tap.row + r] + tap.offset + x;
        const Vec<T> c = splat(tap.value);
        FALTUNG_UNROLL
        for (int w = 0; w < W; ++w) sum[w] = fma(c, loadu(in + w * lanes<T>), sum[w]);
    }
    FALTUNG_UNROLL
    for (int w = 0; w < W; ++w) storeu(call.out[r] + x + w * lanes<T>, sum[w]);
}

template <class T>
void sparse(const SparseCall<T>& call) {
    constexpr int wide = 8, width = wide * lanes<T>;
    std::int64_t x = 0;
    // all rows of one stretch before the next, since they share input rows
    for (; x + width <= call.n; x += width)
        for (std::int64_t r = 0; r < call.rows; ++r) sparse_block<T, wide>(call, r, x);
    for (; x < call.n; x += lanes<T>) {
        const std::int64_t at =
            x + lanes<T> <= call.n ? x : call.n - lanes<T>;  // some twice, alike
        for (std::int64_t r = 0; r < call.rows; ++r) sparse_block<T, 1>(call, r, at);
    }
}

/// Anything times zero is zero, unless it is not finite.
template <class T>
bool finite(const T* numbers, std::int64_t n) {
    if constexpr (Simd<T>::floating) {
        const Vec<T> zero{};
        Vec<T> sum[4]{};
        std::int64_t i = 0;
        for (; i + 4 * lanes<T> <= n; i += 4 * lanes<T>) {
            FALTUNG_UNROLL
            for (int w = 0; w < 4; ++w)
                sum[w] = fma(zero, loadu(numbers + i + w * lanes<T>), sum[w]);
        }
        T rest = 0;
        for (; i < n; ++i) rest += 0 * numbers[i];
        const Vec<T> all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        for (int l = 0; l < lanes<T>; ++l) rest += all[l];
        return rest == 0;
    }
    return true;
}

}  // namespace
}  // namespace faltung::microkernels
