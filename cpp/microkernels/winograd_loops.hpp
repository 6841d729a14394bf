// Winograd's minimal filtering for kernels of 3 × 3: transforms of tiles with a channel per lane.
//
// F(4, 3) interpolates at 0, ±3/4, ±3/2 and infinity, where rounding is about six times smaller
// than at 0, ±1, ±2 (Barabasz, Anderson, Soodhalter and Gregg, 2020, choose points by that
// measure); F(2, 3) at 0, ±1 and infinity (Lavin and Gray, 2016).
#pragma once

#include "microkernels/layer_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {
namespace winograd {

using Size = std::int64_t;

/// outputs × outputs results of a 3 × 3 kernel from points × points products.
template <int outputs>
struct Filter;

template <>
struct Filter<4> {
    static constexpr int points = 6;
    static constexpr double a = 0.75, b = 1.5, aa = a * a, bb = b * b;

    template <class T>
    FALTUNG_INLINE static void samples(const Vec<T>* x, Vec<T>* y) {
        const auto c = [](double value) { return splat(static_cast<T>(value)); };
        const Vec<T> even_a = x[4] - c(bb) * x[2], odd_a = c(a) * (x[3] - c(bb) * x[1]);
        const Vec<T> even_b = x[4] - c(aa) * x[2], odd_b = c(b) * (x[3] - c(aa) * x[1]);
        y[0] = c(aa * bb) * x[0] - c(aa + bb) * x[2] + x[4];
        y[1] = even_a + odd_a;
        y[2] = even_a - odd_a;
        y[3] = even_b + odd_b;
        y[4] = even_b - odd_b;
        y[5] = c(aa * bb) * x[1] - c(aa + bb) * x[3] + x[5];
    }

    template <class T>
    FALTUNG_INLINE static void kernel(const Vec<T>* w, Vec<T>* u) {
        constexpr double at_a = 1 / (2 * aa * (aa - bb)), at_b = 1 / (2 * bb * (bb - aa));
        const auto c = [](double value) { return splat(static_cast<T>(value)); };
        const Vec<T> even_a = c(at_a) * w[0] + c(at_a * aa) * w[2], odd_a = c(at_a * a) * w[1];
        const Vec<T> even_b = c(at_b) * w[0] + c(at_b * bb) * w[2], odd_b = c(at_b * b) * w[1];
        u[0] = c(1 / (aa * bb)) * w[0];
        u[1] = even_a + odd_a;
        u[2] = even_a - odd_a;
        u[3] = even_b + odd_b;
        u[4] = even_b - odd_b;
        u[5] = w[2];
    }

    template <class T>
    FALTUNG_INLINE static void results(const Vec<T>* m, Vec<T>* y) {
        const auto c = [](double value) { return splat(static_cast<T>(value)); };
        const Vec<T> sum_a = m[1] + m[2], difference_a = m[1] - m[2];
        const Vec<T> sum_b = m[3] + m[4], difference_b = m[3] - m[4];
        y[0] = m[0] + sum_a + sum_b;
        y[1] = c(a) * difference_a + c(b) * difference_b;
        y[2] = c(aa) * sum_a + c(bb) * sum_b;
        y[3] = c(a * aa) * difference_a + c(b * bb) * difference_b + m[5];
    }

    template <class T>
    FALTUNG_INLINE static void results_adjoint(const Vec<T>* y, Vec<T>* m) {
        const auto c = [](double value) { return splat(static_cast<T>(value)); };
        const Vec<T> even_a = y[0] + c(aa) * y[2], odd_a = c(a) * (y[1] + c(aa) * y[3]);
        const Vec<T> even_b = y[0] + c(bb) * y[2], odd_b = c(b) * (y[1] + c(bb) * y[3]);
        m[0] = y[0];
        m[1] = even_a + odd_a;
        m[2] = even_a - odd_a;
        m[3] = even_b + odd_b;
        m[4] = even_b - odd_b;
        m[5] = y[3];
    }

    template <class T>
    FALTUNG_INLINE static void kernel_adjoint(const Vec<T>* u, Vec<T>* w) {
        constexpr double at_a = 1 / (2 * aa * (aa - bb)), at_b = 1 / (2 * bb * (bb - aa));
        const auto c = [](double value) { return splat(static_cast<T>(value)); };
        const Vec<T> sum_a = u[1] + u[2], sum_b = u[3] + u[4];
        w[0] = c(1 / (aa * bb)) * u[0] + c(at_a) * sum_a + c(at_b) * sum_b;
        w[1] = c(at_a * a) * (u[1] - u[2]) + c(at_b * b) * (u[3] - u[4]);
        w[2] = c(at_a * aa) * sum_a + c(at_b * bb) * sum_b + u[5];
    }
};

template <>
struct Filter<2> {
    static constexpr int points = 4;

    template <class T>
    FALTUNG_INLINE static void samples(const Vec<T>* x, Vec<T>* y) {
        y[0] = x[0] - x[2];
        y[1] = x[1] + x[2];
        y[2] = x[2] - x[1];
        y[3] = x[3] - x[1];
    }

    template <class T>
    FALTUNG_INLINE static void kernel(const Vec<T>* w, Vec<T>* u) {
        const Vec<T> half = splat(static_cast<T>(0.5));
        const Vec<T> even = half * (w[0] + w[2]), odd = half * w[1];
        u[0] = w[0];
        u[1] = even + odd;
        u[2] = even - odd;
        u[3] = w[2];
    }

    template <class T>
    FALTUNG_INLINE static void results(const Vec<T>* m, Vec<T>* y) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] + m[3];
    }

    template <class T>
    FALTUNG_INLINE static void results_adjoint(const Vec<T>* y, Vec<T>* m) {
        m[0] = y[0];
        m[1] = y[0] + y[1];
        m[2] = y[0] - y[1];
        m[3] = y[1];
    }

    template <class T>
    FALTUNG_INLINE static void kernel_adjoint(const Vec<T>* u, Vec<T>* w) {
        const Vec<T> half = splat(static_cast<T>(0.5)), even = half * (u[1] + u[2]);
        w[0] = u[0] + even;
        w[1] = half * (u[1] - u[2]);
        w[2] = even + u[3];
    }
};

template <class T, int outputs, bool fetches>
FALTUNG_INLINE void tile_samples(const T* x, Size row, Size place, Size channels, T* v, Size point,
                                 Size ahead) {
    constexpr int points = Filter<outputs>::points;
    for (Size c = 0; c < channels; c += lanes<T>) {
        Vec<T> columns[points][points];
        FALTUNG_UNROLL
        for (int j = 0; j < points; ++j) {
            Vec<T> in[points], out[points];
            FALTUNG_UNROLL
            for (int i = 0; i < points; ++i) in[i] = loadu(x + i * row + j * place + c);
            Filter<outputs>::template samples<T>(in, out);
            FALTUNG_UNROLL
            for (int i = 0; i < points; ++i) columns[i][j] = out[i];
        }
        FALTUNG_UNROLL
        for (int i = 0; i < points; ++i) {
            Vec<T> out[points];
            Filter<outputs>::template samples<T>(columns[i], out);
            FALTUNG_UNROLL
            for (int j = 0; j < points; ++j) {
                T* const to = v + (i * points + j) * point + c;
                storeu<T>(to, out[j]);
                if constexpr (fetches) __builtin_prefetch(to + ahead, 1, 2);
            }
        }
    }
}

/// One tile of samples: row and place count numbers between neighbours.
template <class T, int outputs>
void samples(const T* x, Size row, Size place, Size channels, T* v, Size point, Size ahead) {
    if (ahead == 0)
        tile_samples<T, outputs, false>(x, row, place, channels, v, point, 0);
    else
        tile_samples<T, outputs, true>(x, row, place, channels, v, point, ahead);
}

/// Coefficients of one input channel after the other: w[c][3][3][width], u[point][c][width].
template <class T, int outputs>
void kernels(const T* w, Size channels, Size width, T* u, Size point) {
    constexpr int points = Filter<outputs>::points;
    for (Size c = 0; c < channels; ++c, w += 9 * width, u += width) {
        for (Size l = 0; l < width; l += lanes<T>) {
            Vec<T> columns[points][3];
            FALTUNG_UNROLL
            for (int j = 0; j < 3; ++j) {
                Vec<T> in[3], out[points];
                FALTUNG_UNROLL
                for (int i = 0; i < 3; ++i) in[i] = load(w + (3 * i + j) * width + l);
                Filter<outputs>::template kernel<T>(in, out);
                FALTUNG_UNROLL
                for (int i = 0; i < points; ++i) columns[i][j] = out[i];
            }
            FALTUNG_UNROLL
            for (int i = 0; i < points; ++i) {
                Vec<T> out[points];
                Filter<outputs>::template kernel<T>(columns[i], out);
                FALTUNG_UNROLL
                for (int j = 0; j < points; ++j) store<T>(u + (i * points + j) * point + l, out[j]);
            }
        }
    }
}

/// One tile of sums m[point][width] to `outputs` rows of `outputs` places.
template <class T, int outputs>
void results(const T* m, Size point, Size width, T* to, Size row, Size place, T* watch) {
    constexpr int points = Filter<outputs>::points;
    Vec<T> seen = load(watch);
    for (Size l = 0; l < width; l += lanes<T>) {
        Vec<T> columns[outputs][points];
        FALTUNG_UNROLL
        for (int j = 0; j < points; ++j) {
            Vec<T> in[points], out[outputs];
            FALTUNG_UNROLL
            for (int i = 0; i < points; ++i) in[i] = load(m + (i * points + j) * point + l);
            Filter<outputs>::template results<T>(in, out);
            FALTUNG_UNROLL
            for (int i = 0; i < outputs; ++i) columns[i][j] = out[i];
        }
        FALTUNG_UNROLL
        for (int i = 0; i < outputs; ++i) {
            Vec<T> out[outputs];
            Filter<outputs>::template results<T>(columns[i], out);
            FALTUNG_UNROLL
            for (int j = 0; j < outputs; ++j) {
                seen = fma(out[j], Vec<T>{}, seen);
                store<T>(to + i * row + j * place + l, out[j]);
            }
        }
    }
    store<T>(watch, seen);
}

/// The adjoint of results(): one tile of gradients to its points.
template <class T, int outputs>
void gradients(const T* g, Size row, Size place, Size width, T* v, Size point) {
    constexpr int points = Filter<outputs>::points;
    for (Size l = 0; l < width; l += lanes<T>) {
        Vec<T> columns[points][outputs];
        FALTUNG_UNROLL
        for (int j = 0; j < outputs; ++j) {
            Vec<T> in[outputs], out[points];
            FALTUNG_UNROLL
            for (int i = 0; i < outputs; ++i) in[i] = load(g + i * row + j * place + l);
            Filter<outputs>::template results_adjoint<T>(in, out);
            FALTUNG_UNROLL
            for (int i = 0; i < points; ++i) columns[i][j] = out[i];
        }
        FALTUNG_UNROLL
        for (int i = 0; i < points; ++i) {
            Vec<T> out[points];
            Filter<outputs>::template results_adjoint<T>(columns[i], out);
            FALTUNG_UNROLL
            for (int j = 0; j < points; ++j) store<T>(v + (i * points + j) * point + l, out[j]);
        }
    }
}

/// The adjoint of kernels(): m[point][c][width] to w[c][3][3][width].
template <class T, int outputs>
void weights(const T* m, Size channels, Size width, Size point, T* w, T* watch) {
    constexpr int points = Filter<outputs>::points;
    Vec<T> seen = load(watch);
    for (Size c = 0; c < channels; ++c, w += 9 * width, m += width) {
        for (Size l = 0; l < width; l += lanes<T>) {
            Vec<T> columns[3][points];
            FALTUNG_UNROLL
            for (int j = 0; j < points; ++j) {
                Vec<T> in[points], out[3];
                FALTUNG_UNROLL
                for (int i = 0; i < points; ++i) in[i] = load(m + (i * points + j) * point + l);
                Filter<outputs>::template kernel_adjoint<T>(in, out);
                FALTUNG_UNROLL
                for (int i = 0; i < 3; ++i) columns[i][j] = out[i];
            }
            FALTUNG_UNROLL
            for (int i = 0; i < 3; ++i) {
                Vec<T> out[3];
                Filter<outputs>::template kernel_adjoint<T>(columns[i], out);
                FALTUNG_UNROLL
                for (int j = 0; j < 3; ++j) {
                    seen = fma(out[j], Vec<T>{}, seen);
                    store<T>(w + (3 * i + j) * width + l, out[j]);
                }
            }
        }
    }
    store<T>(watch, seen);
}

}  // namespace winograd

template <class T, int outputs>
constexpr WinogradTable<T> winograd_table() {
    return {winograd::Filter<outputs>::points, winograd::samples<T, outputs>,
            winograd::kernels<T, outputs>,     winograd::results<T, outputs>,
            winograd::gradients<T, outputs>,   winograd::weights<T, outputs>};
}

}  // namespace
}  // namespace faltung::microkernels
