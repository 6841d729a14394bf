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
        for (Size j = 0, at = 0; j < call.run; ++j, at += call.step) {
            Vec<T> a_re[vectors], a_im[vectors];
            FALTUNG_UNROLL
            for (int v = 0; v < vectors; ++v) {
                a_re[v] = load(a + v * lanes<T>);
                a_im[v] = load(a + width + v * lanes<T>);
            }
            FALTUNG_UNROLL
            for (int p = 0; p < places; ++p) {
                const Vec<T> b_re = splat(b[p][at]), b_im = splat(b[p][at + lanes<T>]);
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

/// body(frequency, in the matrix, tile) for every frequency and tile.
template <class T, class Body>
FALTUNG_INLINE void each_frequency(const FrequencyCall<T>& call, Body&& body) {
    for (Size f = 0; f < call.count; ++f) {
        T* tile = call.tiles;
        for (Size i = 0; i < call.items; ++i)
            for (Size v = 0; v < call.vectors; ++v, tile += call.tile)
                body(call.frequencies[f],
                     call.matrix + f * call.pace + i * call.item + v * call.vector, tile);
    }
}

template <class T>
FALTUNG_INLINE void store_apart(T* to, Size imaginary, Vec<T> re, Vec<T> im) {
    store<T>(to, re);
    store<T>(to + imaginary, im);
}

template <class T>
void spread(const FrequencyCall<T>& call, bool turned) {
    const Vec<T> sign = splat(turned ? T{-1} : T{1});
    each_frequency(call, [&](const FrequencyPlace& at, T* to, const T* tile) {
        const transform::Complex<T> z = transform::load_complex(tile + at.place);
        const transform::Complex<T> other = transform::load_complex(tile + at.partner);
        store_apart<T>(to, call.imaginary, z.re, sign * z.im);
        store_apart<T>(to + call.partner, call.imaginary, other.re, -sign * other.im);
    });
}

template <class T>
void gather(const FrequencyCall<T>& call) {
    each_frequency(call, [&](const FrequencyPlace& at, const T* from, T* tile) {
        transform::store_complex(tile + at.place,
                                 transform::Complex<T>{load(from), load(from + call.imaginary)});
        if (at.partner == at.place) return;
        from += call.partner;
        transform::store_complex(tile + at.partner,
                                 transform::Complex<T>{load(from), -load(from + call.imaginary)});
    });
}

template <class T>
void split(const FrequencyCall<T>& call) {
    const Vec<T> half = splat(call.scale / 2);
    each_frequency(call, [&](const FrequencyPlace& at, T* to, const T* tile) {
        const transform::Complex<T> z = transform::load_complex(tile + at.place);
        const transform::Complex<T> other = transform::load_complex(tile + at.partner);
        store_apart<T>(to, call.imaginary, half * (z.re + other.re), half * (other.im - z.im));
        to += call.item / 2;
        store_apart<T>(to, call.imaginary, half * (z.im + other.im), half * (z.re - other.re));
    });
}

template <class T>
void join(const FrequencyCall<T>& call) {
    each_frequency(call, [&](const FrequencyPlace& at, const T* from, T* tile) {
        const Vec<T> re = load(from), im = load(from + call.imaginary);
        from += call.item / 2;
        const Vec<T> re2 = load(from), im2 = load(from + call.imaginary);
        transform::store_complex(tile + at.place, transform::Complex<T>{re - im2, im + re2});
        transform::store_complex(tile + at.partner, transform::Complex<T>{re + im2, re2 - im});
    });
}

}  // namespace complex_layer
}  // namespace
}  // namespace faltung::microkernels
