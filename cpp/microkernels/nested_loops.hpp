// Winograd's F(2, 2) nested in itself: four outputs of four taps from nine products along an axis,
// where the sum as it is defined takes sixteen. The transforms only add, by the points 0, 1 and
// infinity twice, so rounding grows little. (Winograd, Arithmetic Complexity of Computations, 1980;
// as nested fast filters: Mou and Duhamel, 1991.)
#pragma once

#include "microkernels/layer_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {
namespace nested {

using Size = std::int64_t;

template <bool transformed>
struct Along;

template <>
struct Along<true> {
    static constexpr int inputs = 7, points = 9, taps = 4, outputs = 4;

    template <class V>
    FALTUNG_INLINE static void samples(const V* x, V* y) {
        FALTUNG_UNROLL
        for (int o = 0; o < 3; ++o) {
            V pair[3];
            FALTUNG_UNROLL
            for (int i = 0; i < 3; ++i)
                pair[i] = o == 0 ? x[i] - x[i + 2] : o == 1 ? x[i + 2] : x[i + 2] - x[i + 4];
            y[3 * o] = pair[0] - pair[1];
            y[3 * o + 1] = pair[1];
            y[3 * o + 2] = pair[1] - pair[2];
        }
    }

    template <class V>
    FALTUNG_INLINE static void kernel(const V* w, V* u) {
        FALTUNG_UNROLL
        for (int o = 0; o < 3; ++o) {
            V pair[2];
            FALTUNG_UNROLL
            for (int i = 0; i < 2; ++i)
                pair[i] = o == 0 ? w[i] : o == 1 ? w[i] + w[i + 2] : w[i + 2];
            u[3 * o] = pair[0];
            u[3 * o + 1] = pair[0] + pair[1];
            u[3 * o + 2] = pair[1];
        }
    }

    template <class V>
    FALTUNG_INLINE static void results(const V* m, V* y) {
        V left[3], right[3];
        FALTUNG_UNROLL
        for (int o = 0; o < 3; ++o) {
            left[o] = m[3 * o] + m[3 * o + 1];
            right[o] = m[3 * o + 1] - m[3 * o + 2];
        }
        y[0] = left[0] + left[1];
        y[1] = right[0] + right[1];
        y[2] = left[1] - left[2];
        y[3] = right[1] - right[2];
    }
};

/// One tap, one output.
template <>
struct Along<false> {
    static constexpr int inputs = 1, points = 1, taps = 1, outputs = 1;

    template <class V>
    FALTUNG_INLINE static void samples(const V* x, V* y) {
        y[0] = x[0];
    }
    template <class V>
    FALTUNG_INLINE static void kernel(const V* w, V* u) {
        u[0] = w[0];
    }
};

template <class T, bool plane>
void samples(const T* x, Size row, Size phase, Size tiles, T* v, Size point) {
    using Rows = Along<plane>;
    using Columns = Along<true>;
    for (Size t = 0; t < tiles; t += lanes<T>) {
        Vec<T> columns[Rows::points][Columns::inputs];
        FALTUNG_UNROLL
        for (int j = 0; j < Columns::inputs; ++j) {
            Vec<T> in[Rows::inputs], out[Rows::points];
            const T* from = x + j % 4 * phase + j / 4 + t;
            FALTUNG_UNROLL
            for (int i = 0; i < Rows::inputs; ++i) in[i] = loadu(from + i * row);
            Rows::samples(in, out);
            FALTUNG_UNROLL
            for (int i = 0; i < Rows::points; ++i) columns[i][j] = out[i];
        }
        FALTUNG_UNROLL
        for (int i = 0; i < Rows::points; ++i) {
            Vec<T> out[Columns::points];
            Columns::samples(columns[i], out);
            FALTUNG_UNROLL
            for (int j = 0; j < Columns::points; ++j)
                store<T>(v + (i * Columns::points + j) * point + t, out[j]);
        }
    }
}

template <class T, bool plane>
void kernels(const T* w, Size width, T* u) {
    using Rows = Along<plane>;
    using Columns = Along<true>;
    for (Size l = 0; l < width; l += lanes<T>) {
        Vec<T> columns[Rows::points][Columns::taps];
        FALTUNG_UNROLL
        for (int j = 0; j < Columns::taps; ++j) {
            Vec<T> in[Rows::taps], out[Rows::points];
            FALTUNG_UNROLL
            for (int i = 0; i < Rows::taps; ++i)
                in[i] = load(w + (i * Columns::taps + j) * width + l);
            Rows::kernel(in, out);
            FALTUNG_UNROLL
            for (int i = 0; i < Rows::points; ++i) columns[i][j] = out[i];
        }
        FALTUNG_UNROLL
        for (int i = 0; i < Rows::points; ++i) {
            Vec<T> out[Columns::points];
            Columns::kernel(columns[i], out);
            FALTUNG_UNROLL
            for (int j = 0; j < Columns::points; ++j)
                store<T>(u + (i * Columns::points + j) * width + l, out[j]);
        }
    }
}

/// Nine sums to four outputs, for whole vectors of channels of so many tiles.
template <class T>
void results(const T* m, Size point, Size tiles, Size width, T* to, Size to_output, Size to_tile,
             T* watch) {
    Vec<T> seen = load(watch);
    for (Size t = 0; t < tiles; ++t, m += width, to += to_tile)
        for (Size l = 0; l < width; l += lanes<T>) {
            Vec<T> in[9], out[4];
            FALTUNG_UNROLL
            for (int i = 0; i < 9; ++i) in[i] = load(m + i * point + l);
            Along<true>::results(in, out);
            FALTUNG_UNROLL
            for (int i = 0; i < 4; ++i) store<T>(to + i * to_output + l, out[i]);
            // their sum is finite only if all are; one step of a chain, not four
            seen = fma((out[0] + out[1]) + (out[2] + out[3]), Vec<T>{}, seen);
        }
    store<T>(watch, seen);
}

}  // namespace nested

template <class T, bool plane>
constexpr NestedTable<T> nested_table() {
    return {nested::samples<T, plane>, nested::kernels<T, plane>, nested::results<T>};
}

}  // namespace
}  // namespace faltung::microkernels
