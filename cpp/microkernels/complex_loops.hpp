// Products between transforms of tiles: complex matrices of places × output channels, lanes over
// the latter, and products element by element.
#pragma once

#include "microkernels/layer_table.hpp"
#include "microkernels/transform_complex.hpp"

namespace faltung::microkernels {
namespace {
namespace complex_layer {

using Size = std::int64_t;

constexpr int block_places = vector_registers >= 32 ? 6 : 3;

template <class T, int places, int vectors>
FALTUNG_NOINLINE void product(const ProductCall<T>& call) {
    constexpr int width = vectors * lanes<T>;
    Vec<T> re[places][vectors], im[places][vectors];
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p) {
        FALTUNG_UNROLL
        for (int v = 0; v < vectors; ++v) re[p][v] = im[p][v] = Vec<T>{};
    }
    const T* a = call.a;
    for (Size r = 0; r < call.runs; ++r) {
        const T* b[places];
        FALTUNG_UNROLL
        for (int p = 0; p < places; ++p) b[p] = call.b + call.offset[r] + p * call.place;
        for (Size j = 0; j < call.run; ++j) {
            Vec<T> a_re[vectors], a_im[vectors];
            FALTUNG_UNROLL
            for (int v = 0; v < vectors; ++v) {
                a_re[v] = load(a + v * lanes<T>);
                a_im[v] = load(a + width + v * lanes<T>);
            }
            FALTUNG_UNROLL
            for (int p = 0; p < places; ++p) {
                const Vec<T> b_re = splat(b[p][j]), b_im = splat(b[p][j + lanes<T>]);
                FALTUNG_UNROLL
                for (int v = 0; v < vectors; ++v) {
                    re[p][v] += b_re * a_re[v];
                    im[p][v] += b_re * a_im[v];
                    re[p][v] -= b_im * a_im[v];
                    im[p][v] += b_im * a_re[v];
                }
            }
            a += 2 * width;
        }
    }
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p) {
        FALTUNG_UNROLL
        for (int v = 0; v < vectors; ++v) {
            T* c = call.c + 2 * p * width + v * lanes<T>;
            store<T>(c, call.accumulate ? load(c) + re[p][v] : re[p][v]);
            store<T>(c + width, call.accumulate ? load(c + width) + im[p][v] : im[p][v]);
        }
    }
}

template <class T>
void multiply(const T* a, const T* b, T* c, Size count, bool conjugate, bool accumulate) {
    using transform::Complex;
    constexpr Size pace = 2 * lanes<T>;
    for (Size i = 0; i < count; ++i, a += pace, b += pace, c += pace) {
        const Complex<T> x = transform::load_complex(a), y = transform::load_complex(b);
        Complex<T> z = conjugate ? transform::times_conjugate(y, x) : x * y;
        if (accumulate) z = z + transform::load_complex(c);
        transform::store_complex(c, z);
    }
}

}  // namespace complex_layer
}  // namespace
}  // namespace faltung::microkernels
