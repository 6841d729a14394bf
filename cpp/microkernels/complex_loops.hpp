// Products between transforms of tiles: complex matrices of places × output channels, lanes over
// the latter, and products element by element.
#pragma once

#include "microkernels/layer_table.hpp"
#include "microkernels/transform_complex.hpp"

namespace faltung::microkernels {
namespace {
namespace complex_layer {

using Size = std::int64_t;

/// Where registers are many, three real products make a complex one,
///
///     re = P - Q,   im = R - P - Q,   P = a.re*b.re,  Q = a.im*b.im,  R = (a.re + a.im)*(b.re +
///     b.im),
///
/// each summed by itself; additions have units of their own on some processors. The error stays
/// small against the whole number, if not against a small imaginary part (Higham, 1992).
constexpr bool three_products = vector_registers >= 32;
constexpr int block_places = three_products ? 4 : 6;

/// Sums of products of one place and vector.
template <class T>
struct Sum {
    Vec<T> p{}, q{}, r{};

    FALTUNG_INLINE void add(Vec<T> a_re, Vec<T> a_im, Vec<T> a_sum, Vec<T> b_re, Vec<T> b_im) {
        p += b_re * a_re;
        q += b_im * a_im;
        r += (b_re + b_im) * a_sum;
    }
    FALTUNG_INLINE Vec<T> re() const { return p - q; }
    FALTUNG_INLINE Vec<T> im() const { return r - p - q; }
};

template <class T>
FALTUNG_INLINE void put(T* to, Vec<T> sum, bool accumulate) {
    store<T>(to, accumulate ? load(to) + sum : sum);
}

template <class T, int places, int vectors>
FALTUNG_INLINE void product_of_three(const ProductCall<T>& call) {
    constexpr int width = vectors * lanes<T>;
    Sum<T> sums[places][vectors];
    const T* a = call.a;
    for (Size r = 0; r < call.runs; ++r) {
        const T* b[places];
        FALTUNG_UNROLL
        for (int p = 0; p < places; ++p) b[p] = call.b + call.offset[r] + p * call.place;
        for (Size j = 0, at = 0; j < call.run; ++j, at += call.step) {
            Vec<T> a_re[vectors], a_im[vectors], a_sum[vectors];
            FALTUNG_UNROLL
            for (int v = 0; v < vectors; ++v) {
                a_re[v] = load(a + v * lanes<T>);
                a_im[v] = load(a + width + v * lanes<T>);
                a_sum[v] = a_re[v] + a_im[v];
            }
            FALTUNG_UNROLL
            for (int p = 0; p < places; ++p) {
                const Vec<T> b_re = splat(b[p][at]), b_im = splat(b[p][at + lanes<T>]);
                FALTUNG_UNROLL
                for (int v = 0; v < vectors; ++v)
                    sums[p][v].add(a_re[v], a_im[v], a_sum[v], b_re, b_im);
            }
            a += 2 * width;
        }
    }
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p) {
        FALTUNG_UNROLL
        for (int v = 0; v < vectors; ++v) {
            T* c = call.c + 2 * p * width + v * lanes<T>;
            const Vec<T> re = sums[p][v].re(), im = sums[p][v].im();
            put<T>(c, re, call.accumulate);
            put<T>(c + width, im, call.accumulate);
        }
    }
}

/// Vectors [first, first + count) of coefficients by four real products: six places and one vector
/// at a time leave registers for two vectors of coefficients and a sample.
template <class T, int places, int vectors, int first, int count, bool fetches>
FALTUNG_INLINE void product_of_four(const ProductCall<T>& call) {
    constexpr int width = vectors * lanes<T>;
    constexpr int bases = (places + 2) / 3;  // as in layer::product
    const Size place = call.place;
    Vec<T> re[places][count], im[places][count];
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p) {
        FALTUNG_UNROLL
        for (int v = 0; v < count; ++v) re[p][v] = im[p][v] = Vec<T>{};
    }
    const T* a = call.a + first * lanes<T>;
    const T* fetch = call.fetch + first * width;
    for (Size r = 0; r < call.runs; ++r) {
        const T* b[bases];
        FALTUNG_UNROLL
        for (int i = 0; i < bases; ++i) b[i] = call.b + call.offset[r] + 3 * i * place;
        for (Size j = 0; j < call.run; ++j) {
            Vec<T> a_re[count], a_im[count];
            FALTUNG_UNROLL
            for (int v = 0; v < count; ++v) {
                a_re[v] = load(a + v * lanes<T>);
                a_im[v] = load(a + width + v * lanes<T>);
                if constexpr (fetches) __builtin_prefetch(fetch + v * width, 0, 3);
            }
            FALTUNG_UNROLL
            for (int p = 0; p < places; ++p) {
                const T* const at = b[p / 3] + p % 3 * place;
                const Vec<T> b_re = splat(at[0]);
                FALTUNG_UNROLL
                for (int v = 0; v < count; ++v) {
                    re[p][v] += b_re * a_re[v];
                    im[p][v] += b_re * a_im[v];
                }
                const Vec<T> b_im = splat(at[lanes<T>]);
                FALTUNG_UNROLL
                for (int v = 0; v < count; ++v) {
                    re[p][v] -= b_im * a_im[v];
                    im[p][v] += b_im * a_re[v];
                }
            }
            a += 2 * width;
            if constexpr (fetches) fetch += 2 * width;
            FALTUNG_UNROLL
            for (int i = 0; i < bases; ++i) b[i] += call.step;
        }
    }
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p) {
        FALTUNG_UNROLL
        for (int v = 0; v < count; ++v) {
            T* const c = call.c + 2 * p * width + (first + v) * lanes<T>;
            put<T>(c, re[p][v], call.accumulate);
            put<T>(c + width, im[p][v], call.accumulate);
        }
    }
}

template <class T, int places, int vectors, bool fetches>
FALTUNG_INLINE void product_by_vectors(const ProductCall<T>& call) {
    constexpr int count = places > 2 ? 1 : vectors;  // of few places two, for sums enough
    product_of_four<T, places, vectors, 0, count, fetches>(call);
    if constexpr (count < vectors)
        product_of_four<T, places, vectors, count, vectors - count, fetches>(call);
}

template <class T, int places, int vectors>
FALTUNG_NOINLINE void product(const ProductCall<T>& call) {
    if constexpr (three_products) return product_of_three<T, places, vectors>(call);
    if (call.fetch) return product_by_vectors<T, places, vectors, true>(call);
    product_by_vectors<T, places, vectors, false>(call);
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
