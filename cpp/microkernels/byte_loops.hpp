// Direct correlation of bytes: as correlate_loops.hpp, but one instruction (VNNI's vpdpbusd) adds
// four neighbouring taps to each of sixteen sums. What it wants, the bytes i, i + step, i + 2 step
// and i + 3 step for sum i, one permutation (VBMI's vpermb) picks from an unaligned load.
#pragma once

#include "microkernels/byte_simd.hpp"
#include "microkernels/byte_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

/// How bytes come out of a row: which of 64 ones sixteen sums take, and the next sixteen; what
/// makes them unsigned; how far apart the words of taps lie.
struct ByteView {
    Words picked, next, flip;
    std::int64_t hop;
};

FALTUNG_INLINE ByteView view_of(const ByteCall& call) {
    const Words picked = four_neighbours(call.step);
    return {picked, moved_by(picked, 16), in_all_bytes(call.flip), 4 * call.step};
}

/// R output rows x W vectors of sums; KY, G are rows of taps and words in each, known at compile
/// time, or 0. Not WHOLE: what a row has no more of is masked out.
template <int R, int W, int KY, int G, bool WHOLE>
struct ByteRows {
    using Sums = Words[R][W];

    static FALTUNG_INLINE Words load(const std::byte* in, std::int64_t left) {
        if constexpr (WHOLE)
            return load_bytes(in);
        else
            return load_some(in, left);
    }

    /// One word of taps of one input row: output row r takes that of tap row (input row - r).
    template <int LOW, int HIGH>
    static FALTUNG_INLINE void add_word(Sums& sum, ByteView view, const std::byte* in,
                                        std::int64_t left, const std::int32_t* word,
                                        std::int64_t pitch) {
        Words bytes[W];
        FALTUNG_UNROLL
        for (int w = 0; w < W; w += 2) {
            const Words both = load(in + 16 * w, left - 16 * w) ^ view.flip;
            bytes[w] = pick(view.picked, both);
            if (w + 1 < W) bytes[w + 1] = pick(view.next, both);
        }
        FALTUNG_UNROLL
        for (int r = LOW; r < HIGH; ++r) {
            const Words taps = in_all_words(word[-r * pitch]);
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w) sum[r][w] = add_products(sum[r][w], bytes[w], taps);
        }
        asm volatile("" ::: "memory");  // keeps the compiler from loading far ahead and spilling
    }

    /// All taps of one input row, for the output rows [LOW, HIGH) whose windows hold it.
    template <int LOW, int HIGH>
    static FALTUNG_INLINE void add_row(Sums& sum, ByteView view, const std::byte* in,
                                       std::int64_t left, const std::int32_t* word,
                                       const ByteCall& call) {
        if constexpr (G > 0) {
            FALTUNG_UNROLL
            for (int g = 0; g < G; ++g)
                add_word<LOW, HIGH>(sum, view, in + g * view.hop, left - g * view.hop, word + g, G);
        } else {
            for (std::int64_t g = 0; g < call.groups; ++g, in += view.hop, left -= view.hop)
                add_word<LOW, HIGH>(sum, view, in, left, word + g, call.groups);
        }
    }

    /// Input rows I.. of a plane whose rows of taps are known.
    template <int I>
    static FALTUNG_INLINE void known_rows(Sums& sum, ByteView view, const std::byte* const* row,
                                          std::int64_t x, std::int64_t left,
                                          const std::int32_t* word, const ByteCall& call) {
        if constexpr (I < R + KY - 1) {
            constexpr int low = I < KY ? 0 : I - KY + 1, high = I < R ? I + 1 : R;
            const std::int64_t pitch = G > 0 ? G : call.groups;
            add_row<low, high>(sum, view, row[I] + x, left, word + I * pitch, call);
            known_rows<I + 1>(sum, view, row, x, left, word, call);
        }
    }

    /// The first R-1 input rows, which only the first output rows see ...
    template <int I>
    static FALTUNG_INLINE void first_rows(Sums& sum, ByteView view, const std::byte* const* row,
                                          std::int64_t x, std::int64_t left,
                                          const std::int32_t* word, const ByteCall& call) {
        if constexpr (I < R - 1) {
            add_row<0, I + 1>(sum, view, row[I] + x, left, word + I * call.groups, call);
            first_rows<I + 1>(sum, view, row, x, left, word, call);
        }
    }

    /// ... and the last R-1, which only the last output rows see.
    template <int I>
    static FALTUNG_INLINE void last_rows(Sums& sum, ByteView view, const std::byte* const* row,
                                         std::int64_t x, std::int64_t left,
                                         const std::int32_t* word, const ByteCall& call) {
        if constexpr (I < R) {
            add_row<I, R>(sum, view, row[I - 1] + x, left, word + (I - 1) * call.groups, call);
            last_rows<I + 1>(sum, view, row, x, left, word, call);
        }
    }

    static FALTUNG_INLINE void add_plane(Sums& sum, ByteView view, const std::byte* const* row,
                                         std::int64_t x, std::int64_t left,
                                         const std::int32_t* word, const ByteCall& call) {
        if constexpr (KY > 0) {
            known_rows<0>(sum, view, row, x, left, word, call);
        } else {
            first_rows<0>(sum, view, row, x, left, word, call);
            for (std::int64_t i = R - 1; i < call.ky; ++i)
                add_row<0, R>(sum, view, row[i] + x, left, word + i * call.groups, call);
            last_rows<1>(sum, view, row + call.ky, x, left, word + call.ky * call.groups, call);
        }
    }

    /// What the next R output rows will add to the rows in the caches.
    static FALTUNG_INLINE void fetch_ahead(const ByteCall& call, std::int64_t x) {
        const char* line = static_cast<const char*>(call.ahead) + x;
        FALTUNG_UNROLL
        for (int r = 0; r < R; ++r, line += call.ahead_pitch) {
            FALTUNG_UNROLL
            for (int byte = 0; byte < 16 * W; byte += 64) __builtin_prefetch(line + byte, 0, 2);
        }
    }

    template <ByteStore STORE>
    static FALTUNG_INLINE void store_as(const Sums& sum, const ByteCall& call, std::int64_t x,
                                        bool streamed) {
        FALTUNG_UNROLL
        for (int r = 0; r < R; ++r) {
            std::byte* const to = call.out[r] + x * bytes_of(STORE);
            if constexpr (WHOLE) {
                FALTUNG_UNROLL
                for (int w = 0; w < W; w += 2)
                    store_two<STORE>(to + 16 * w * bytes_of(STORE), sum[r][w], sum[r][w + 1],
                                     streamed);
            } else {
                FALTUNG_UNROLL
                for (int w = 0; w < W; ++w)
                    store_some<STORE>(to + 16 * w * bytes_of(STORE), sum[r][w],
                                      call.n - x - 16 * w);
            }
        }
    }

    static FALTUNG_INLINE void store(const Sums& sum, const ByteCall& call, std::int64_t x,
                                     bool streamed) {
        using enum ByteStore;
        switch (call.store) {
            case positive: return store_as<positive>(sum, call, x, streamed);
            case nonzero: return store_as<nonzero>(sum, call, x, streamed);
            case u8: return store_as<u8>(sum, call, x, streamed);
            case s8: return store_as<s8>(sum, call, x, streamed);
            case u16: return store_as<u16>(sum, call, x, streamed);
            case s16: return store_as<s16>(sum, call, x, streamed);
            case u32: return store_as<u32>(sum, call, x, streamed);
            case u64: return store_as<u64>(sum, call, x, streamed);
            case low8: return store_as<low8>(sum, call, x, streamed);
            case low16: return store_as<low16>(sum, call, x, streamed);
            case s32: return store_as<s32>(sum, call, x, streamed);
            case s64: return store_as<s64>(sum, call, x, streamed);
            case f16: return store_as<f16>(sum, call, x, streamed);
            case f32: return store_as<f32>(sum, call, x, streamed);
            case f64: return store_as<f64>(sum, call, x, streamed);
        }
    }

    /// The outputs [x, x + 16 W) of all R rows.
    static FALTUNG_NOINLINE void block(const ByteCall& call, std::int64_t x, bool streamed) {
        const ByteView view = view_of(call);
        Sums sum;
        const Words start = in_all_words(call.start[0]);
        FALTUNG_UNROLL
        for (int r = 0; r < R; ++r) {
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w) sum[r][w] = start;
        }
        if (call.ahead) fetch_ahead(call, x);
        const std::int64_t left = call.n + (call.kx - 1) * call.step - x;
        const std::int32_t* word = call.words;
        for (std::int64_t digit = 0; digit < call.digits; ++digit) {
            if (digit > 0) {
                const Words more = in_all_words(call.start[digit]);
                FALTUNG_UNROLL
                for (int r = 0; r < R; ++r) {
                    FALTUNG_UNROLL
                    for (int w = 0; w < W; ++w) sum[r][w] = add_words(times_256(sum[r][w]), more);
                }
            }
            const std::byte* const* row = call.row;
            for (std::int64_t d = 0; d < call.depth; ++d) {
                add_plane(sum, view, row, x, left, word, call);
                row += call.row_pitch;
                word += call.ky * call.groups;
            }
        }
        store(sum, call, x, streamed);
    }

    static void run(const ByteCall& call) {
        constexpr int width = 16 * W;
        bool streamed = call.stream;
        for (int r = 0; r < R; ++r) streamed = streamed && is_aligned(call.out[r]);
        // the last load of a block must end within the row
        const std::int64_t reach = width - 32 + 4 * (call.groups - 1) * call.step + 64;
        const std::int64_t whole = call.n + (call.kx - 1) * call.step - reach;
        std::int64_t x = 0;
        for (; x + width <= call.n && x <= whole; x += width) block(call, x, streamed);
        using Ragged = ByteRows<R, 1, KY, G, false>;
        for (; x < call.n; x += 16) Ragged::block(call, x, false);
    }
};

constexpr ByteTable byte_table() {
    // tall blocks lose least on their first and last input rows; 6 x 4 would leave the registers
    return {
        64,
        {{8, ByteRows<8, 2, 0, 0, true>::run},
         {4, ByteRows<4, 4, 0, 0, true>::run},
         {2, ByteRows<2, 4, 0, 0, true>::run},
         {1, ByteRows<1, 8, 0, 0, true>::run}},
        {{8, ByteRows<8, 2, 2, 0, true>::run},
         {8, ByteRows<8, 2, 3, 0, true>::run},
         {8, ByteRows<8, 2, 4, 0, true>::run},
         {8, ByteRows<8, 2, 5, 0, true>::run}},
        {{8, ByteRows<8, 2, 3, 1, true>::run},
         {8, ByteRows<8, 2, 5, 2, true>::run},
         {8, ByteRows<8, 2, 7, 2, true>::run},
         {8, ByteRows<8, 2, 9, 3, true>::run}},
        [] { stream_fence(); },
    };
}

}  // namespace
}  // namespace faltung::microkernels
