// One-dimensional correlation: every loaded vector serves up to four taps that lie whole vectors
// apart.
#pragma once

#include "microkernels/correlate_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

/// W vectors of outputs. Tap p + P*m, where P taps span a whole number of vectors, reads the
/// vectors of tap p moved on by m of them; so the taps of one phase p share their loads.
template <class T, int W>
struct Line {
    using V = Vec<T>;
    using Sums = V[W];

    template <int M>
    static FALTUNG_INLINE void add_phase(Sums& sum, const T* in, const T* tap,
                                         std::int64_t phases) {
        V c[M];
        FALTUNG_UNROLL
        for (int m = 0; m < M; ++m) c[m] = splat(tap[m * phases]);
        FALTUNG_UNROLL
        for (int j = 0; j < W + M - 1; ++j) {
            const V v = loadu(in + j * lanes<T>);
            FALTUNG_UNROLL
            for (int m = 0; m < M; ++m) {
                if (j - m >= 0 && j - m < W) sum[j - m] = fma(c[m], v, sum[j - m]);
            }
        }
    }

    template <int M>
    static FALTUNG_INLINE void add_phases(Sums& sum, const T* in, const T* tap, std::int64_t step,
                                          std::int64_t phases, std::int64_t from, std::int64_t to) {
        if constexpr (M > 0) {
            for (std::int64_t p = from; p < to; ++p)
                add_phase<M>(sum, in + p * step, tap + p, phases);
        }
    }

    /// The last, incomplete turn: the first `rest` phases have M + 1 taps, the others M.
    template <int M>
    static FALTUNG_INLINE void add_rest(Sums& sum, const T* in, const T* tap, std::int64_t step,
                                        std::int64_t phases, std::int64_t rest) {
        add_phases<M + 1>(sum, in, tap, step, phases, 0, rest);
        add_phases<M>(sum, in, tap, step, phases, rest, phases);
    }

    /// The phases [0, phases) of one turn: the first `rest` have M taps, the others one less. Only
    /// the vectors at whole distances are loaded, half of those in between are picked from them: a
    /// load that is not aligned takes as long as two.
    template <int M>
    static FALTUNG_INLINE void add_turn(Sums& sum, const T* in, const T* tap, std::int64_t step,
                                        std::int64_t phases, std::int64_t rest) {
        constexpr int last = W + M - 1;
        V whole[last + 1];
        FALTUNG_UNROLL
        for (int j = 0; j < last; ++j) whole[j] = loadu(in + j * lanes<T>);
        // of the last one, no more than what taps reach
        const std::int64_t more = (rest - 1) * step;
        const V end = loadu(in + (last - 1) * lanes<T> + more);
        whole[last] = pick<T>(end, end, Picks<T>::from(lanes<T> - more));
        const auto step_by = static_cast<typename Picks<T>::I>(step);
        typename Picks<T>::V shift = Picks<T>::from(step);
        add_whole<M>(sum, whole, tap, phases);
        std::int64_t p = 1;
        for (; p + 1 < rest; p += 2, shift += 2 * step_by) {
            add_picked<M>(sum, whole, shift, tap + p, phases);
            add_phase<M>(sum, in + (p + 1) * step, tap + p + 1, phases);
        }
        if (p < rest) {
            add_picked<M>(sum, whole, shift, tap + p++, phases);
            shift += step_by;
        }
        if constexpr (M > 1) {
            for (; p + 1 < phases; p += 2, shift += 2 * step_by) {
                add_picked<M - 1>(sum, whole, shift, tap + p, phases);
                add_phase<M - 1>(sum, in + (p + 1) * step, tap + p + 1, phases);
            }
            if (p < phases) add_picked<M - 1>(sum, whole, shift, tap + p, phases);
        }
    }

    template <int M, int N>
    static FALTUNG_INLINE void add_whole(Sums& sum, const V (&whole)[N], const T* tap,
                                         std::int64_t phases) {
        FALTUNG_UNROLL
        for (int m = 0; m < M; ++m) {
            const V c = splat(tap[m * phases]);
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w) sum[w] = fma(c, whole[w + m], sum[w]);
        }
    }

    template <int M, int N>
    static FALTUNG_INLINE void add_picked(Sums& sum, const V (&whole)[N],
                                          typename Picks<T>::V shift, const T* tap,
                                          std::int64_t phases) {
        V c[M];
        FALTUNG_UNROLL
        for (int m = 0; m < M; ++m) c[m] = splat(tap[m * phases]);
        FALTUNG_UNROLL
        for (int j = 0; j < W + M - 1; ++j) {
            const V v = pick<T>(whole[j], whole[j + 1], shift);
            FALTUNG_UNROLL
            for (int m = 0; m < M; ++m) {
                if (j - m >= 0 && j - m < W) sum[j - m] = fma(c[m], v, sum[j - m]);
            }
        }
    }

    static FALTUNG_NOINLINE void block(const CorrelateCall<T>& call, std::int64_t x,
                                       std::int64_t phases, bool streamed) {
        constexpr int turn = 4;  // taps that share a load
        Sums sum;
        FALTUNG_UNROLL
        for (int w = 0; w < W; ++w) sum[w] = V{};
        const std::int64_t step = call.tap_step;
        const T* in = call.row[0] + x;
        const T* tap = call.taps;
        std::int64_t left = call.kx;
        if constexpr (picks_from_two && Simd<T>::floating) {
            if (phases * step == lanes<T>) {
                for (; left > turn * phases; left -= turn * phases) {
                    add_turn<turn>(sum, in, tap, step, phases, phases);
                    in += turn * phases * step;
                    tap += turn * phases;
                }
                const std::int64_t full = (left - 1) / phases, rest = left - full * phases;
                switch (full) {
                    case 0: add_turn<1>(sum, in, tap, step, phases, rest); break;
                    case 1: add_turn<2>(sum, in, tap, step, phases, rest); break;
                    case 2: add_turn<3>(sum, in, tap, step, phases, rest); break;
                    default: add_turn<4>(sum, in, tap, step, phases, rest); break;
                }
                left = 0;
            }
        }
        for (; left >= turn * phases; left -= turn * phases) {
            add_phases<turn>(sum, in, tap, step, phases, 0, phases);
            in += turn * phases * step;
            tap += turn * phases;
        }
        const std::int64_t whole = left / phases, rest = left % phases;
        if (left > 0) switch (whole) {
                case 0: add_rest<0>(sum, in, tap, step, phases, rest); break;
                case 1: add_rest<1>(sum, in, tap, step, phases, rest); break;
                case 2: add_rest<2>(sum, in, tap, step, phases, rest); break;
                default: add_rest<3>(sum, in, tap, step, phases, rest); break;
            }
        T* out = call.out[0] + x;
        if (call.accumulate) {
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w) sum[w] += loadu(out + w * lanes<T>);
        }
        if (streamed) {
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w) stream(out + w * lanes<T>, sum[w]);
        } else {
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w) storeu(out + w * lanes<T>, sum[w]);
        }
    }
};

template <class T>
void line(const CorrelateCall<T>& call) {
    constexpr int wide = 8, width = wide * lanes<T>;
    // Phases exist where whole taps make up a vector (one channel, two, four ...); else every tap
    // loads for itself.
    const std::int64_t step = call.tap_step;
    const std::int64_t phases =
        step <= lanes<T> && lanes<T> % step == 0 ? lanes<T> / step : call.kx;
    const bool streamed = call.stream && is_aligned(call.out[0]);
    std::int64_t x = 0;
    for (; x + width <= call.n; x += width) Line<T, wide>::block(call, x, phases, streamed);
    if (x == call.n) return;
    if (call.n >= width && !call.accumulate &&
        !streamed) {  // streamed lines must not be touched twice
        Line<T, wide>::block(call, call.n - width, phases, false);  // some outputs twice, alike
        return;
    }
    for (; x + lanes<T> <= call.n; x += lanes<T>) Line<T, 1>::block(call, x, phases, streamed);
    if (x < call.n) Line<T, 1>::block(call, call.n - lanes<T>, phases, false);
}

}  // namespace
}  // namespace faltung::microkernels
