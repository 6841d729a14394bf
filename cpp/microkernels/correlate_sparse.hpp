// Correlation with few of many taps: a list of those that are not zero.
#pragma once

#include "microkernels/correlate_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

/// W vectors of a row from x on. The last one ends at `end`, and may overlap the one before.
template <class T, int W>
FALTUNG_NOINLINE void sparse_block(const SparseCall<T>& call, std::int64_t r, std::int64_t x,
                                   std::int64_t end) {
    const std::int64_t last = end - lanes<T> - x;
    Vec<T> sum[W];
    FALTUNG_UNROLL
    for (int w = 0; w < W; ++w) sum[w] = Vec<T>{};
    for (std::int64_t i = 0; i < call.count; ++i) {
        const SparseTap<T>& tap = call.taps[i];
        const T* in = call.row[tap.plane * call.row_pitch + tap.row + r] + tap.offset + x;
        const Vec<T> c = splat(tap.value);
        FALTUNG_UNROLL
        for (int w = 0; w + 1 < W; ++w) sum[w] = fma(c, loadu(in + w * lanes<T>), sum[w]);
        sum[W - 1] = fma(c, loadu(in + last), sum[W - 1]);
    }
    T* out = call.out[r] + x;
    FALTUNG_UNROLL
    for (int w = 0; w + 1 < W; ++w) storeu(out + w * lanes<T>, sum[w]);
    storeu(out + last, sum[W - 1]);
}

template <class T, int W>
void sparse_rows(const SparseCall<T>& call, std::int64_t x, std::int64_t end) {
    for (std::int64_t r = 0; r < call.rows; ++r) sparse_block<T, W>(call, r, x, end);
}

template <class T>
void sparse(const SparseCall<T>& call) {
    constexpr int wide = 8, width = wide * lanes<T>;
    std::int64_t x = 0;
    // all rows of one stretch before the next, since they share input rows
    for (; x + width <= call.n; x += width) sparse_rows<T, wide>(call, x, x + width);
    for (; call.n - x > 4 * lanes<T>; x += 4 * lanes<T>)
        sparse_rows<T, 4>(call, x, x + 4 * lanes<T>);
    switch ((call.n - x + lanes<T> - 1) / lanes<T>) {
        case 4: return sparse_rows<T, 4>(call, x, call.n);
        case 3: return sparse_rows<T, 3>(call, x, call.n);
        case 2: return sparse_rows<T, 2>(call, x, call.n);
        case 1: return sparse_rows<T, 1>(call, call.n - lanes<T>, call.n);
        default: return;
    }
}

/// Anything times zero is zero, unless it is not finite.
template <class T>
bool finite(const T* numbers, std::int64_t n) {
    if constexpr (Simd<T>::floating) {
        if (n < lanes<T>) {
            T sum = 0;
            for (std::int64_t i = 0; i < n; ++i) sum += 0 * numbers[i];
            return sum == 0;
        }
        const Vec<T> zero{};
        Vec<T> sum[4]{};
        std::int64_t i = 0;
        for (; i + 4 * lanes<T> <= n; i += 4 * lanes<T>) {
            FALTUNG_UNROLL
            for (int w = 0; w < 4; ++w)
                sum[w] = fma(zero, loadu(numbers + i + w * lanes<T>), sum[w]);
        }
        for (; i + lanes<T> <= n; i += lanes<T>) sum[0] = fma(zero, loadu(numbers + i), sum[0]);
        if (i < n) sum[1] = fma(zero, loadu(numbers + n - lanes<T>), sum[1]);  // some twice
        return total<T>((sum[0] + sum[1]) + (sum[2] + sum[3])) == 0;
    }
    return true;
}

}  // namespace
}  // namespace faltung::microkernels
