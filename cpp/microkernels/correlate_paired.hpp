// Direct correlation of complex samples with a complex kernel: the sums with the taps' real and
// with their imaginary parts side by side, so that each loaded vector serves both, joined in
// registers.
#pragma once

#include "microkernels/correlate_picks.hpp"
#include "microkernels/correlate_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

/// re, im pairs times i: (-im, re).
template <class T>
FALTUNG_INLINE Vec<T> times_i(Vec<T> v) {
    Vec<T> sign;
    FALTUNG_UNROLL
    for (int i = 0; i < lanes<T>; ++i) sign[i] = i % 2 == 0 ? T{-1} : T{1};
    return sign * swap_pairs<T>(v);
}

/// R output rows x W vectors; K taps each way are known at compile time, or 0.
template <class T, int R, int W, int K>
struct PairedRows {
    using Sums = Vec<T>[R][W];

    template <int LOW, int HIGH>
    static FALTUNG_INLINE void add(Sums& re, Sums& im, const Vec<T> (&v)[W], const T* tap_re,
                                   const T* tap_im, std::int64_t pitch) {
        FALTUNG_UNROLL
        for (int r = LOW; r < HIGH; ++r) {
            const Vec<T> a = splat(tap_re[-r * pitch]), b = splat(tap_im[-r * pitch]);
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w) {
                re[r][w] = fma(a, v[w], re[r][w]);
                im[r][w] = fma(b, v[w], im[r][w]);
            }
        }
    }

    template <int LOW, int HIGH>
    static FALTUNG_INLINE void add_tap(Sums& re, Sums& im, const T* in, const T* tap_re,
                                       const T* tap_im, std::int64_t pitch) {
        Vec<T> v[W];
        FALTUNG_UNROLL
        for (int w = 0; w < W; ++w) v[w] = loadu(in + w * lanes<T>);
        add<LOW, HIGH>(re, im, v, tap_re, tap_im, pitch);
    }

    /// STEP: as in Rows.
    template <int LOW, int HIGH, int STEP>
    static FALTUNG_INLINE void add_row(Sums& re, Sums& im, const T* in, std::int64_t tap,
                                       const CorrelateCall<T>& call) {
        const T *tap_re = call.taps + tap, *tap_im = call.taps_imag + tap;
        [[maybe_unused]] const std::int64_t step = call.tap_step,
                                            pitch = STEP == stepped ? call.hop * call.tap_pitch
                                                                    : call.tap_pitch;
        if constexpr (STEP > 0 && HIGH - LOW <= few_rows) {
            Vec<T> whole[W + 1];
            load_whole<(K - 1) * STEP, T>(in, whole);
            add_picked<LOW, HIGH, STEP, 0>(re, im, whole, tap_re, tap_im);
        } else if constexpr (STEP == stepped) {
            for (std::int64_t t = 0; t < call.kx; ++t)
                add_tap<LOW, HIGH>(re, im, in + call.offsets[t], tap_re + t, tap_im + t, pitch);
        } else if constexpr (K > 0) {
            FALTUNG_UNROLL
            for (int t = 0; t < K; ++t) {
                add_tap<LOW, HIGH>(re, im, in + t * step, tap_re + t, tap_im + t, K);
                asm volatile("" ::: "memory");  // as in Rows
            }
        } else {
            for (std::int64_t t = 0; t < call.kx; ++t, in += step)
                add_tap<LOW, HIGH>(re, im, in, tap_re + t, tap_im + t, pitch);
        }
    }

    template <int LOW, int HIGH, int STEP, int TAP>
    static FALTUNG_INLINE void add_picked(Sums& re, Sums& im, const Vec<T> (&whole)[W + 1],
                                          const T* tap_re, const T* tap_im) {
        if constexpr (TAP < K) {
            Vec<T> v[W];
            pick_all<TAP * STEP, T>(whole, v);
            add<LOW, HIGH>(re, im, v, tap_re + TAP, tap_im + TAP, K);
            asm volatile("" ::: "memory");  // as in Rows
            add_picked<LOW, HIGH, STEP, TAP + 1>(re, im, whole, tap_re, tap_im);
        }
    }

    /// As in Rows.
    template <int I, int STEP>
    static FALTUNG_INLINE void first_rows(Sums& re, Sums& im, const T* const* row, std::int64_t x,
                                          std::int64_t tap, const CorrelateCall<T>& call) {
        if constexpr (I < R - 1) {
            if constexpr (STEP == stepped) {
                for (std::int64_t i = 0; i < call.hop; ++i, ++row, tap += call.tap_pitch)
                    add_row<0, I + 1, STEP>(re, im, *row + x, tap, call);
            } else {
                add_row<0, I + 1, STEP>(re, im, row[I] + x, tap + I * call.tap_pitch, call);
            }
            first_rows<I + 1, STEP>(re, im, row, x, tap, call);
        }
    }

    template <int I, int STEP>
    static FALTUNG_INLINE void last_rows(Sums& re, Sums& im, const T* const* row, std::int64_t x,
                                         std::int64_t tap, const CorrelateCall<T>& call) {
        if constexpr (I < R) {
            if constexpr (STEP == stepped) {
                for (std::int64_t i = 0; i < call.hop; ++i, ++row, tap += call.tap_pitch)
                    add_row<I, R, STEP>(re, im, *row + x, tap, call);
            } else {
                add_row<I, R, STEP>(re, im, row[I - 1] + x, tap + (I - 1) * call.tap_pitch, call);
            }
            last_rows<I + 1, STEP>(re, im, row, x, tap, call);
        }
    }

    /// All rows of a group where the height is known, which may be less than R.
    template <int I, int STEP>
    static FALTUNG_INLINE void known_rows(Sums& re, Sums& im, const T* const* row, std::int64_t x,
                                          std::int64_t tap, const CorrelateCall<T>& call) {
        if constexpr (I < R + K - 1) {
            constexpr int low = I < K ? 0 : I - K + 1, high = I < R ? I + 1 : R;
            add_row<low, high, STEP>(re, im, row[I] + x, tap + I * K, call);
            known_rows<I + 1, STEP>(re, im, row, x, tap, call);
        }
    }

    template <int STEP>
    static FALTUNG_NOINLINE void block(const CorrelateCall<T>& call, std::int64_t x,
                                       bool streamed) {
        Sums re, im;
        FALTUNG_UNROLL
        for (int r = 0; r < R; ++r) {
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w) re[r][w] = im[r][w] = Vec<T>{};
        }
        const T* const* row = call.row;
        std::int64_t tap = 0;
        for (std::int64_t d = 0; d < call.depth; ++d) {
            if constexpr (K > 0) {
                known_rows<0, STEP>(re, im, row, x, tap, call);
            } else {
                first_rows<0, STEP>(re, im, row, x, tap, call);
                const std::int64_t hop = STEP == stepped ? call.hop : 1;
                for (std::int64_t i = (R - 1) * hop; i < call.ky; ++i)
                    add_row<0, R, STEP>(re, im, row[i] + x, tap + i * call.tap_pitch, call);
                last_rows<1, STEP>(re, im, row + call.ky, x, tap + call.ky * call.tap_pitch, call);
            }
            row += call.row_pitch;
            tap += call.ky * call.tap_pitch;
        }
        FALTUNG_UNROLL
        for (int r = 0; r < R; ++r) {
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w) {
                T* out = call.out[r] + x + w * lanes<T>;
                const Vec<T> sum = re[r][w] + times_i<T>(im[r][w]);
                streamed ? stream(out, sum) : storeu(out, sum);
            }
        }
    }

    static void run(const CorrelateCall<T>& call) {
        if constexpr (picks_taps<T, K>(2)) {
            if (call.tap_step == 2) return run_step<2>(call);
        }
        if constexpr (K == 0) {
            if (call.offsets != nullptr) return run_step<stepped>(call);
        }
        run_step<0>(call);
    }

    template <int STEP>
    static void run_step(const CorrelateCall<T>& call) {
        constexpr int width = W * lanes<T>;
        bool streamed = call.stream && vector_bytes % 64 == 0;
        for (int r = 0; r < R; ++r) streamed = streamed && is_aligned(call.out[r]);
        std::int64_t x = 0;
        for (; x + width <= call.n; x += width) block<STEP>(call, x, streamed);
        using Narrow = PairedRows<T, R, 1, K>;
        for (; x + lanes<T> <= call.n; x += lanes<T>)
            Narrow::template block<STEP>(call, x, streamed);
        if (x < call.n)  // some twice, alike
            Narrow::template block<STEP>(call, call.n - lanes<T>, false);
    }
};

}  // namespace
}  // namespace faltung::microkernels
