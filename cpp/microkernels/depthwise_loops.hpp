// Depthwise layers with a channel per lane: every sample is loaded where a multiply-add wants it,
// always aligned, or once for all taps of a line where these are three, five or seven neighbours.
#pragma once

#include "microkernels/layer_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {
namespace depthwise {

using Size = std::int64_t;

/// Sums that stay in registers beside a coefficient and a sample.
constexpr int block = vector_registers >= 32 ? 14 : 12;

/// Pointers to every third of a few equidistant vectors; the two between are one or two steps on.
template <class T, int count>
struct Places {
    static constexpr int bases = (count + 2) / 3;
    const T* base[bases];
    Size step;

    FALTUNG_INLINE Places(const T* from, Size distance) : step(distance) {
        FALTUNG_UNROLL
        for (int i = 0; i < bases; ++i) base[i] = from + 3 * i * distance;
    }
    FALTUNG_INLINE Vec<T> at(int i) const { return load(base[i / 3] + i % 3 * step); }
    FALTUNG_INLINE void advance(Size distance) {
        FALTUNG_UNROLL
        for (int i = 0; i < bases; ++i) base[i] += distance;
    }
};

/// The same where neighbours are neighbouring vectors.
template <class T>
struct Neighbours {
    const T* base;

    FALTUNG_INLINE Neighbours(const T* from, Size) : base(from) {}
    FALTUNG_INLINE Vec<T> at(int i) const { return load(base + i * lanes<T>); }
    FALTUNG_INLINE void advance(Size distance) { base += distance; }
};

template <class T, int places, class Samples>
FALTUNG_INLINE void forward_with(const DepthwiseCall<T>& call) {
    Vec<T> sum[places];
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p)
        sum[p] = call.accumulate ? load(call.out + p * lanes<T>) : Vec<T>{};
    const T* w = call.w;
    for (Size l = 0; l < call.lines; ++l) {
        Samples samples(call.x + l * call.line, call.place);
        for (Size t = 0; t < call.taps; ++t) {
            const Vec<T> coefficient = load(w);
            FALTUNG_UNROLL
            for (int p = 0; p < places; ++p) sum[p] = fma(coefficient, samples.at(p), sum[p]);
            w += lanes<T>;
            samples.advance(call.tap);
        }
    }
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p) store<T>(call.out + p * lanes<T>, sum[p]);
}

/// Neighbouring taps of neighbouring places: a sample is loaded once for all of them. Sums in the
/// same order as forward_with.
template <class T, int places, int taps>
FALTUNG_INLINE void forward_sliding(const DepthwiseCall<T>& call) {
    Vec<T> sum[places];
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p)
        sum[p] = call.accumulate ? load(call.out + p * lanes<T>) : Vec<T>{};
    const T *x = call.x, *w = call.w;
    for (Size l = 0; l < call.lines; ++l, x += call.line, w += taps * lanes<T>) {
        Vec<T> coefficient[taps];
        FALTUNG_UNROLL
        for (int t = 0; t < taps; ++t) coefficient[t] = load(w + t * lanes<T>);
        FALTUNG_UNROLL
        for (int i = 0; i < places + taps - 1; ++i) {
            const Vec<T> sample = load(x + i * lanes<T>);
            FALTUNG_UNROLL
            for (int t = taps - 1; t >= 0; --t)
                if (i >= t && i - t < places) sum[i - t] = fma(coefficient[t], sample, sum[i - t]);
        }
    }
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p) store<T>(call.out + p * lanes<T>, sum[p]);
}

/// How many places slide together: sums, coefficients and a sample fill the registers.
constexpr int sliding_places = vector_registers >= 32 ? 14 : 7;

template <class T, int places>
FALTUNG_NOINLINE void forward(const DepthwiseCall<T>& call) {
    if constexpr (places == 7 || places == sliding_places)
        if (call.place == lanes<T> && call.tap == lanes<T>) {
            if (call.taps == 7) return forward_sliding<T, places, 7>(call);
            if (call.taps == 5) return forward_sliding<T, places, 5>(call);
            if (call.taps == 3) return forward_sliding<T, places, 3>(call);
        }
    if (call.place == lanes<T>)
        forward_with<T, places, Neighbours<T>>(call);
    else
        forward_with<T, places, Places<T, places>>(call);
}

template <class T, int taps, class Samples>
FALTUNG_INLINE void gradient_with(const DepthwiseGradientCall<T>& call) {
    // few sums would wait for each other
    constexpr int phases = taps <= 3 ? 4 : taps <= 6 ? 2 : 1;
    Vec<T> sum[phases][taps];
    FALTUNG_UNROLL
    for (int f = 0; f < phases; ++f) {
        FALTUNG_UNROLL
        for (int t = 0; t < taps; ++t) sum[f][t] = Vec<T>{};
    }
    for (Size r = 0; r < call.rows; ++r) {
        const T* grad = call.grad + r * call.grad_row;
        Samples samples(call.x + r * call.x_row, call.tap);
        Size c = 0;
        for (; c + phases <= call.columns; c += phases) {
            FALTUNG_UNROLL
            for (int f = 0; f < phases; ++f) {
                const Vec<T> g = load(grad);
                FALTUNG_UNROLL
                for (int t = 0; t < taps; ++t) sum[f][t] = fma(g, samples.at(t), sum[f][t]);
                grad += lanes<T>;
                samples.advance(call.place);
            }
        }
        for (; c < call.columns; ++c) {
            const Vec<T> g = load(grad);
            FALTUNG_UNROLL
            for (int t = 0; t < taps; ++t) sum[0][t] = fma(g, samples.at(t), sum[0][t]);
            grad += lanes<T>;
            samples.advance(call.place);
        }
    }
    FALTUNG_UNROLL
    for (int t = 0; t < taps; ++t) {
        Vec<T> total = sum[0][t];
        FALTUNG_UNROLL
        for (int f = 1; f < phases; ++f) total += sum[f][t];
        store<T>(call.out + t * lanes<T>, load(call.out + t * lanes<T>) + total);
    }
}

template <class T, int taps>
FALTUNG_NOINLINE void gradient(const DepthwiseGradientCall<T>& call) {
    if (call.tap == lanes<T>)
        gradient_with<T, taps, Neighbours<T>>(call);
    else
        gradient_with<T, taps, Places<T, taps>>(call);
}

}  // namespace depthwise
}  // namespace
}  // namespace faltung::microkernels
