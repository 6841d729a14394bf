// Direct correlation: output rows x vectors of accumulators stay in registers over all taps, every
// loaded vector serves several rows. See correlate_table.hpp for what is computed.
#pragma once

#include "microkernels/correlate_box.hpp"
#include "microkernels/correlate_line.hpp"
#include "microkernels/correlate_paired.hpp"
#include "microkernels/correlate_phases.hpp"
#include "microkernels/correlate_picks.hpp"
#include "microkernels/correlate_sparse.hpp"
#include "microkernels/correlate_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

/// R output rows x W vectors; KY, KX are taps known at compile time, or 0.
template <class T, int R, int W, int KY, int KX>
struct Rows {
    using V = Vec<T>;
    using Sums = V[R][W];

    /// One tap of one input row: output row r takes the coefficient of tap row (input row - r*hop).
    /// `pitch`: coefficients from that of one output row to that of the next.
    template <int LOW, int HIGH>
    static FALTUNG_INLINE void add(Sums& sum, const V (&v)[W], const T* tap, std::int64_t pitch) {
        FALTUNG_UNROLL
        for (int r = LOW; r < HIGH; ++r) {
            const V c = splat(tap[-r * pitch]);
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w) sum[r][w] = fma(c, v[w], sum[r][w]);
        }
    }

    template <int LOW, int HIGH>
    static FALTUNG_INLINE void add_tap(Sums& sum, const T* in, const T* tap, std::int64_t pitch) {
        V v[W];
        FALTUNG_UNROLL
        for (int w = 0; w < W; ++w) v[w] = loadu(in + w * lanes<T>);
        add<LOW, HIGH>(sum, v, tap, pitch);
    }

    /// Keeps the compiler from loading far ahead and spilling.
    static FALTUNG_INLINE void keep_order() { asm volatile("" ::: "memory"); }

    /// All taps of one input row, for the output rows [LOW, HIGH) whose windows hold it. STEP: that
    /// of the taps if it is known, else 0, or `stepped`.
    template <int LOW, int HIGH, int STEP>
    static FALTUNG_INLINE void add_row(Sums& sum, const T* in, const T* tap,
                                       const CorrelateCall<T>& call) {
        const std::int64_t step = STEP > 0 ? STEP : call.tap_step;
        const std::int64_t pitch = KX > 0 && KY > 0  ? KX
                                   : STEP == packed  ? 1
                                   : STEP == stepped ? call.hop * call.tap_pitch
                                                     : call.tap_pitch;
        if constexpr (STEP > 0 && HIGH - LOW <= few_rows) {
            Vec<T> whole[W + 1];
            load_whole<(KX - 1) * STEP, T>(in, whole);
            add_picked<LOW, HIGH, STEP, 0>(sum, whole, tap);
        } else if constexpr (STEP == stepped) {
            for (std::int64_t t = 0; t < call.kx; ++t)
                add_tap<LOW, HIGH>(sum, in + call.offsets[t], tap + t, pitch);
        } else if constexpr (KX > 0) {
            // Nine taps of eight rows by thirds: 22 KiB of straight code took twice as long
            // wherever its pages happened to collide in the second-level cache with the samples
            // that stream through.
            constexpr int some = KX == 9 && R >= 8 ? 3 : KX;
            for (int t = 0; t < KX; t += some, in += some * step, tap += some) {
                FALTUNG_UNROLL
                for (int u = 0; u < some; ++u) {
                    add_tap<LOW, HIGH>(sum, in + u * step, tap + u, pitch);
                    keep_order();
                }
            }
        } else {
            for (std::int64_t t = 0; t < call.kx; ++t, in += step)
                add_tap<LOW, HIGH>(sum, in, tap + t, pitch);
        }
    }

    /// The taps from TAP on; what lies between two whole vectors is picked from them.
    template <int LOW, int HIGH, int STEP, int TAP>
    static FALTUNG_INLINE void add_picked(Sums& sum, const V (&whole)[W + 1], const T* tap) {
        if constexpr (TAP < KX) {
            Vec<T> v[W];
            pick_all<TAP * STEP, T>(whole, v);
            add<LOW, HIGH>(sum, v, tap + TAP, KX);
            keep_order();
            add_picked<LOW, HIGH, STEP, TAP + 1>(sum, whole, tap);
        }
    }

    /// Input rows I.. of a group whose kernel height is known.
    template <int I, int STEP>
    static FALTUNG_INLINE void known_rows(Sums& sum, const T* const* row, std::int64_t x,
                                          const T* tap, const CorrelateCall<T>& call) {
        if constexpr (I < R + KY - 1) {
            constexpr int low = I < KY ? 0 : I - KY + 1, high = I < R ? I + 1 : R;
            add_row<low, high, STEP>(sum, row[I] + x, tap + I * (KX > 0 ? KX : call.tap_pitch),
                                     call);
            known_rows<I + 1, STEP>(sum, row, x, tap, call);
        }
    }

    /// The first (R-1)*hop input rows, which only the first output rows see ...
    template <int I, int STEP>
    static FALTUNG_INLINE void first_rows(Sums& sum, const T* const* row, std::int64_t x,
                                          const T* tap, const CorrelateCall<T>& call) {
        if constexpr (I < R - 1) {
            if constexpr (STEP == stepped) {
                for (std::int64_t i = 0; i < call.hop; ++i, ++row, tap += call.tap_pitch)
                    add_row<0, I + 1, STEP>(sum, *row + x, tap, call);
            } else {
                add_row<0, I + 1, STEP>(sum, row[I] + x, tap + I * call.tap_pitch, call);
            }
            first_rows<I + 1, STEP>(sum, row, x, tap, call);
        }
    }

    /// ... and the last ones, which only the last output rows see.
    template <int I, int STEP>
    static FALTUNG_INLINE void last_rows(Sums& sum, const T* const* row, std::int64_t x,
                                         const T* tap, const CorrelateCall<T>& call) {
        if constexpr (I < R) {
            if constexpr (STEP == stepped) {
                for (std::int64_t i = 0; i < call.hop; ++i, ++row, tap += call.tap_pitch)
                    add_row<I, R, STEP>(sum, *row + x, tap, call);
            } else {
                add_row<I, R, STEP>(sum, row[I - 1] + x, tap + (I - 1) * call.tap_pitch, call);
            }
            last_rows<I + 1, STEP>(sum, row, x, tap, call);
        }
    }

    template <int STEP>
    static FALTUNG_INLINE void add_group(Sums& sum, const T* const* row, std::int64_t x,
                                         const T* tap, const CorrelateCall<T>& call) {
        if constexpr (KY > 0) {
            known_rows<0, STEP>(sum, row, x, tap, call);
        } else {
            first_rows<0, STEP>(sum, row, x, tap, call);
            const std::int64_t hop = STEP == stepped ? call.hop : 1;
            for (std::int64_t i = (R - 1) * hop; i < call.ky; ++i)
                add_row<0, R, STEP>(sum, row[i] + x, tap + i * call.tap_pitch, call);
            last_rows<1, STEP>(sum, row + call.ky, x, tap + call.ky * call.tap_pitch, call);
        }
    }

    /// What the next R output rows will add to the rows in the caches. The arithmetic hides the
    /// wait.
    static FALTUNG_INLINE void fetch_ahead(const CorrelateCall<T>& call, std::int64_t x) {
        const char* line =
            static_cast<const char*>(call.ahead) + x * static_cast<std::int64_t>(sizeof(T));
        FALTUNG_UNROLL
        for (int r = 0; r < R; ++r) {
            FALTUNG_UNROLL
            for (int byte = 0; byte < W * vector_bytes; byte += 64)
                __builtin_prefetch(line + byte, 0, 2);
            line += call.ahead_pitch;
        }
    }

    /// The outputs [x, x + W vectors) of all R rows.
    template <int STEP>
    static FALTUNG_NOINLINE void block(const CorrelateCall<T>& call, std::int64_t x,
                                       bool streamed) {
        Sums sum;
        FALTUNG_UNROLL
        for (int r = 0; r < R; ++r) {
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w) sum[r][w] = V{};
        }
        const T* const* row = call.row;
        const T* tap = call.taps;
        if (call.ahead) fetch_ahead(call, x);
        for (std::int64_t d = 0; d < call.depth; ++d) {
            add_group<STEP>(sum, row, x, tap, call);
            row += call.row_pitch;
            tap += call.ky * call.tap_pitch;
        }
        if (call.accumulate) {
            FALTUNG_UNROLL
            for (int r = 0; r < R; ++r) {
                FALTUNG_UNROLL
                for (int w = 0; w < W; ++w) sum[r][w] += loadu(call.out[r] + x + w * lanes<T>);
            }
        }
        FALTUNG_UNROLL
        for (int r = 0; r < R; ++r) {
            T* out = call.out[r] + x;
            if (streamed) {
                FALTUNG_UNROLL
                for (int w = 0; w < W; ++w) stream(out + w * lanes<T>, sum[r][w]);
            } else {
                FALTUNG_UNROLL
                for (int w = 0; w < W; ++w) storeu(out + w * lanes<T>, sum[r][w]);
            }
        }
    }

    static void run(const CorrelateCall<T>& call) {
        if constexpr (picks_taps<T, KX>(1)) {
            if (call.tap_step == 1) return run_step<1>(call);
        }
        if constexpr (picks_taps<T, KX>(3)) {  // red, green, blue
            if (call.tap_step == 3) return run_step<3>(call);
        }
        if constexpr (KX == 1 && KY == 0 && vector_registers < 32) {
            if (call.tap_pitch == 1 && call.offsets == nullptr) return run_step<packed>(call);
        }
        if constexpr (KX <= 1 && KY == 0) {
            if (call.offsets != nullptr) return run_step<stepped>(call);
        }
        run_step<0>(call);
    }

    template <int STEP>
    static void run_step(const CorrelateCall<T>& call) {
        constexpr int width = W * lanes<T>;
        // Half a cache line past the caches would cost more than it saves.
        bool streamed = call.stream && W * vector_bytes % 64 == 0;
        for (int r = 0; r < R; ++r) streamed = streamed && is_aligned(call.out[r]);
        std::int64_t x = 0;
        for (; x + width <= call.n; x += width) block<STEP>(call, x, streamed);
        // Streamed lines must not be touched twice; others hold the same the second time.
        const bool twice = !call.accumulate && !streamed;
        const std::int64_t rest = (call.n - x + lanes<T> - 1) / lanes<T>;
        if (twice && 3 * rest > 2 * W && call.n >= width)
            block<STEP>(call, call.n - width, false);
        else if constexpr (W > 2)
            Rows<T, R, 2, KY, KX>::template run_rest<STEP>(call, x, streamed, twice);
        else
            run_rest<STEP>(call, x, streamed, twice);
    }

    /// What is left from x on, few vectors at a time.
    template <int STEP>
    static FALTUNG_INLINE void run_rest(const CorrelateCall<T>& call, std::int64_t x, bool streamed,
                                        bool twice) {
        constexpr int width = W * lanes<T>;
        for (; x + width <= call.n; x += width) block<STEP>(call, x, streamed);
        if (x == call.n) return;
        if (twice && call.n - x > width - lanes<T> && call.n >= width)
            block<STEP>(call, call.n - width, false);
        else if constexpr (W > 1)
            Rows<T, R, 1, KY, KX>::template run_rest<STEP>(call, x, streamed, twice);
        else
            block<STEP>(call, call.n - lanes<T>, false);
    }
};

/// out = a + i*b.
template <class T>
void combine(const T* a, const T* b, T* out, std::int64_t n) {
    using E = typename Simd<T>::E;
    for (std::int64_t i = 0; i < n; ++i) {
        const E re = static_cast<E>(a[2 * i]) - static_cast<E>(b[2 * i + 1]);
        const E im = static_cast<E>(a[2 * i + 1]) + static_cast<E>(b[2 * i]);
        out[2 * i] = static_cast<T>(re);
        out[2 * i + 1] = static_cast<T>(im);
    }
}

inline void fence() { stream_fence(); }

/// Both sums of a block, its vectors and two coefficients must fit into the registers.
template <class T>
constexpr void add_paired(CorrelateTable<T>& table) {
    constexpr int r = vector_registers >= 32 ? 6 : 3, w = 2;
    table.paired[0] = {r, PairedRows<T, r, w, 0>::run};
    table.paired[1] = {2, PairedRows<T, 2, w, 0>::run};
    table.paired[2] = {1, PairedRows<T, 1, w, 0>::run};
    table.paired_square[0] = {r, PairedRows<T, r, w, 3>::run};
    table.paired_square[1] = {r, PairedRows<T, r, w, 5>::run};
    table.paired_square[2] = {r, PairedRows<T, r, w, 7>::run};
    table.paired_square[3] = {r, PairedRows<T, r, w, 9>::run};
}

template <class T>
constexpr CorrelateTable<T> correlate_table() {
    // Accumulators, W loaded vectors and one coefficient must fit into the registers.
    constexpr bool many = vector_registers >= 32;
    constexpr int w6 = many ? 4 : 2, w4 = many ? 4 : 3, w2 = 4, w1 = 8;
    // Unrolling pays where a tap is one instruction. Elsewhere it only grows the code and spills.
    constexpr bool unrolled = fused && Simd<T>::floating;
    // Tall blocks lose less on their first and last input rows, which only some output rows see;
    // with three and five taps a wide one has fewer loads per multiply-add. Very tall ones (12 x 2)
    // read more rows at once than the processor fetches ahead by itself.
    constexpr int rows = !unrolled ? 2 : 6, w = many || !unrolled ? 4 : 2;
    constexpr int tall = !unrolled ? 2 : many ? 8 : 4, slim = unrolled ? 3 : 4;
    constexpr int k3 = unrolled ? 3 : 0, k5 = unrolled ? 5 : 0;
    constexpr int k7 = unrolled ? 7 : 0, k9 = unrolled ? 9 : 0;
    // As many rows as of taller kernels, where the loops know which of them a row of samples meets.
    constexpr int low = unrolled ? 6 : 2, low_w = unrolled ? w6 : w2;
    constexpr int some = unrolled ? 6 : 4, some_w = unrolled ? w6 : w4;
    CorrelateTable<T> table{
        lanes<T>,
        {{6, Rows<T, 6, w6, 0, 0>::run},
         {4, Rows<T, 4, w4, 0, 0>::run},
         {2, Rows<T, 2, w2, 0, 0>::run},
         {1, Rows<T, 1, w1, 0, 0>::run}},
        {{6, Rows<T, 6, w6, 0, 1>::run},
         {4, Rows<T, 4, w4, 0, 1>::run},
         {2, Rows<T, 2, w2, 0, 1>::run},
         {1, Rows<T, 1, w1, 0, 1>::run}},
        {{low, Rows < T, low, low_w, unrolled ? 2 : 0, 0 > ::run},
         {low, Rows < T, low, low_w, unrolled ? 3 : 0, 0 > ::run},
         {some, Rows < T, some, some_w, unrolled ? 4 : 0, 0 > ::run},
         {some, Rows < T, some, some_w, unrolled ? 5 : 0, 0 > ::run}},
        {{rows, Rows<T, rows, w, k3, k3>::run},
         {rows, Rows<T, rows, w, k5, k5>::run},
         {tall, Rows<T, tall, slim, k7, k7>::run},
         {tall, Rows<T, tall, slim, k9, k9>::run}},
        {},
        {},
        line<T>,
        sparse<T>,
        split<T>,
        finite<T>,
        box_suffix<T>,
        box_slide<T>,
        combine<T>,
        fence,
    };
    // products that are no fused ones need registers too, and lose a tenth by it
    if constexpr (fused && Simd<T>::floating) add_paired(table);
    return table;
}

}  // namespace
}  // namespace faltung::microkernels
