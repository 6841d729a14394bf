// One-dimensional correlation: every loaded vector serves up to four taps that lie whole vectors
// apart.
#pragma once

#include "microkernels/correlate_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

/// Taps that share a load.
constexpr int line_turn = 4;

/// How the taps of a line are cut: into turns of up to `line_turn` taps for each phase.
struct LineCut {
    std::int64_t phases;  // taps that make up a vector (one channel, two, four ...); all of them
                          // where none do, so that every tap loads for itself
    std::int64_t turns;   // before the last one
    std::int64_t last;    // of the last one: the first `rest` phases have `last` taps, the others
    std::int64_t rest;    // one less
};

template <class T>
LineCut cut_line(std::int64_t kx, std::int64_t step) {
    LineCut cut{};
    cut.phases = step <= lanes<T> && lanes<T> % step == 0 ? lanes<T> / step : kx;
    cut.turns = (kx - 1) / (line_turn * cut.phases);
    const std::int64_t left = kx - cut.turns * line_turn * cut.phases;
    cut.last = (left - 1) / cut.phases + 1;
    cut.rest = left - (cut.last - 1) * cut.phases;
    return cut;
}

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

    /// The last turn: the first `rest` phases have M taps, the others one less.
    template <int M>
    static FALTUNG_INLINE void add_rest(Sums& sum, const T* in, const T* tap, std::int64_t step,
                                        std::int64_t phases, std::int64_t rest) {
        add_phases<M>(sum, in, tap, step, phases, 0, rest);
        add_phases<M - 1>(sum, in, tap, step, phases, rest, phases);
    }

    /// The same where phases make up a vector. Only the vectors at whole distances are loaded, half
    /// of those in between are picked from them: a load that is not aligned takes as long as two.
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

    /// The outputs [x, x + W vectors).
    template <int LAST, bool PICKS, bool TURNS>
    static FALTUNG_INLINE void block(const CorrelateCall<T>& call, const LineCut& cut, const T* in,
                                     T* out, bool streamed) {
        Sums sum;
        FALTUNG_UNROLL
        for (int w = 0; w < W; ++w) sum[w] = V{};
        const std::int64_t step = call.tap_step, phases = cut.phases;
        const T* tap = call.taps;
        for (std::int64_t turn = 0; TURNS && turn < cut.turns; ++turn) {
            if constexpr (PICKS)
                add_turn<line_turn>(sum, in, tap, step, phases, phases);
            else
                add_rest<line_turn>(sum, in, tap, step, phases, phases);
            in += line_turn * phases * step;
            tap += line_turn * phases;
        }
        if constexpr (PICKS)
            add_turn<LAST>(sum, in, tap, step, phases, cut.rest);
        else
            add_rest<LAST>(sum, in, tap, step, phases, cut.rest);
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

    /// The outputs [from, to) as far as they fill blocks; answers where it stopped.
    template <int LAST, bool PICKS, bool TURNS>
    static FALTUNG_NOINLINE std::int64_t blocks(const CorrelateCall<T>& asked, const LineCut& how,
                                                std::int64_t from, std::int64_t to, bool streamed) {
        // copies, which the compiler knows that no store changes
        const CorrelateCall<T> call = asked;
        const LineCut cut = how;
        const T* const row = call.row[0];
        T* const out = call.out[0];
        std::int64_t x = from;
        for (; x + W * lanes<T> <= to; x += W * lanes<T>) {
            if (call.ahead) fetch_ahead(call, x);
            block<LAST, PICKS, TURNS>(call, cut, row + x, out + x, streamed);
        }
        return x;
    }

    /// The same place in the line that comes next.
    static FALTUNG_INLINE void fetch_ahead(const CorrelateCall<T>& call, std::int64_t x) {
        const char* const line =
            static_cast<const char*>(call.ahead) + x * static_cast<std::int64_t>(sizeof(T));
        FALTUNG_UNROLL
        for (int byte = 0; byte < W * vector_bytes; byte += 64)
            __builtin_prefetch(line + byte, 0, 2);
    }

    template <int LAST, bool PICKS>
    static std::int64_t run_last(const CorrelateCall<T>& call, const LineCut& cut,
                                 std::int64_t from, std::int64_t to, bool streamed) {
        if constexpr (W > 1) {  // few taps are soon done: a loop around them would be felt
            if (cut.turns == 0) return blocks<LAST, PICKS, false>(call, cut, from, to, streamed);
        }
        return blocks<LAST, PICKS, true>(call, cut, from, to, streamed);
    }

    static std::int64_t run(const CorrelateCall<T>& call, const LineCut& cut, std::int64_t from,
                            std::int64_t to, bool streamed) {
        constexpr bool picks = picks_from_two && Simd<T>::floating;
        if (cut.phases * call.tap_step != lanes<T>)  // one turn of taps that share nothing
            return blocks<1, false, false>(call, cut, from, to, streamed);
        switch (cut.last) {
            case 1: return run_last<1, picks>(call, cut, from, to, streamed);
            case 2: return run_last<2, picks>(call, cut, from, to, streamed);
            case 3: return run_last<3, picks>(call, cut, from, to, streamed);
            default: return run_last<4, picks>(call, cut, from, to, streamed);
        }
    }
};

template <class T>
void line(const CorrelateCall<T>& call) {
    constexpr int wide = 8, width = wide * lanes<T>;
    const LineCut cut = cut_line<T>(call.kx, call.tap_step);
    const bool streamed = call.stream && is_aligned(call.out[0]);
    std::int64_t x = Line<T, wide>::run(call, cut, 0, call.n, streamed);
    if (x == call.n) return;
    if (call.n >= width && !call.accumulate &&
        !streamed) {  // streamed lines must not be touched twice
        Line<T, wide>::run(call, cut, call.n - width, call.n, false);  // some outputs twice, alike
        return;
    }
    x = Line<T, 1>::run(call, cut, x, call.n, streamed);
    if (x < call.n) Line<T, 1>::run(call, cut, call.n - lanes<T>, call.n, false);
}

}  // namespace
}  // namespace faltung::microkernels
