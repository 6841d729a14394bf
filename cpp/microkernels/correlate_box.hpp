// Sums over a sliding window of rows, by van Herk's two halves: the rows are cut into blocks as
// long as the window, and every window is the end of one block and the start of the next. Three
// additions per number whatever the length, and no number outside the window is ever added and
// taken away again. Float sums are compensated (Kahan), so their error does not grow with the
// window either.
#pragma once

#include "microkernels/correlate_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

/// A running sum and what rounding has made it too large by.
template <class T, class V>
struct RunningSum {
    V sum{}, excess{};

    FALTUNG_INLINE void add(V scale, V value) {
        if constexpr (Simd<T>::floating) {
            const V term = fma(scale, value, -excess), next = sum + term;
            excess = (next - sum) - term;
            sum = next;
        } else {
            sum += scale * value;
        }
    }
};

/// Calls body(x, Width<W>) for W vectors at a time, then for single numbers (W = 0); no number
/// twice.
template <int W>
struct Width {
    static constexpr int vectors = W;
};

template <class T, class Body>
FALTUNG_INLINE void for_each_once(std::int64_t n, Body&& body) {
    constexpr int wide = 4;
    std::int64_t x = 0;
    for (; x + wide * lanes<T> <= n; x += wide * lanes<T>) body(x, Width<wide>{});
    for (; x + lanes<T> <= n; x += lanes<T>) body(x, Width<1>{});
    for (; x < n; ++x) body(x, Width<0>{});
}

template <class T>
void box_suffix(const T* const* row, T* const* out, std::int64_t count, T scale, std::int64_t n) {
    using E = typename Simd<T>::E;
    for_each_once<T>(n, [&]<int W>(std::int64_t x, Width<W>) {
        if constexpr (W == 0) {
            RunningSum<T, E> s;
            for (std::int64_t r = count - 1; r >= 0; --r) {
                s.add(static_cast<E>(scale), static_cast<E>(row[r][x]));
                out[r][x] = static_cast<T>(s.sum);
            }
        } else {
            const Vec<T> c = splat(scale);
            RunningSum<T, Vec<T>> s[W];
            for (std::int64_t r = count - 1; r >= 0; --r) {
                FALTUNG_UNROLL
                for (int w = 0; w < W; ++w) {
                    s[w].add(c, loadu(row[r] + x + w * lanes<T>));
                    storeu(out[r] + x + w * lanes<T>, s[w].sum);
                }
            }
        }
    });
}

template <class T>
void box_slide(const BoxSlide<T>& call) {
    using E = typename Simd<T>::E;
    bool streamed = call.stream;
    for (std::int64_t r = 0; r < call.rows; ++r) streamed = streamed && is_aligned(call.out[r]);
    for_each_once<T>(call.n, [&]<int W>(std::int64_t x, Width<W>) {
        T *const sum = call.sum + x, *const excess = call.excess + x;
        if constexpr (W == 0) {
            RunningSum<T, E> s{static_cast<E>(*sum), static_cast<E>(*excess)};
            for (std::int64_t r = 0; r < call.rows; ++r) {
                s.add(static_cast<E>(call.scale), static_cast<E>(call.entering[r][x]));
                call.out[r][x] = static_cast<T>(s.sum + static_cast<E>(call.suffix[r][x]));
            }
            *sum = static_cast<T>(s.sum);
            *excess = static_cast<T>(s.excess);
        } else {
            const Vec<T> c = splat(call.scale);
            RunningSum<T, Vec<T>> s[W];
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w)
                s[w] = {loadu(sum + w * lanes<T>), loadu(excess + w * lanes<T>)};
            for (std::int64_t r = 0; r < call.rows; ++r) {
                FALTUNG_UNROLL
                for (int w = 0; w < W; ++w) {
                    const std::int64_t at = x + w * lanes<T>;
                    s[w].add(c, loadu(call.entering[r] + at));
                    const Vec<T> all = s[w].sum + loadu(call.suffix[r] + at);
                    if (streamed)
                        stream(call.out[r] + at, all);
                    else
                        storeu(call.out[r] + at, all);
                }
            }
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w) {
                storeu(sum + w * lanes<T>, s[w].sum);
                storeu(excess + w * lanes<T>, s[w].excess);
            }
        }
    });
}

}  // namespace
}  // namespace faltung::microkernels
