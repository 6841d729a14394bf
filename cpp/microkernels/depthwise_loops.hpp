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

/// Places of a row that are summed together: beside them stand the coefficients of a line.
constexpr int row_places[] = {vector_registers >= 32 ? 14 : 7, vector_registers >= 32 ? 7 : 4,
                              vector_registers >= 32 ? 4 : 2, 1};

/// Every sample is loaded once for all taps of a line, or not at all where it lies outside.
template <class T, int places, int taps, int step>
FALTUNG_NOINLINE void row(const DepthwiseRowCall<T>& call) {
    constexpr int columns = (places - 1) * step + taps;
    alignas(64) static constexpr T outside[lanes<T>] = {};
    Vec<T> sum[places];
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p) sum[p] = Vec<T>{};
    const T *x = call.x, *w = call.w;
    const Size last = columns - call.after;
    for (Size l = 0; l < call.lines; ++l, x += call.line, w += taps * lanes<T>) {
        Vec<T> coefficient[taps];
        FALTUNG_UNROLL
        for (int t = 0; t < taps; ++t) coefficient[t] = load(w + t * lanes<T>);
        FALTUNG_UNROLL
        for (int i = 0; i < columns; ++i) {
            const T* from = x + i * call.column;
            if (i < taps - 1) from = i < call.before ? outside : from;
            if (i > columns - taps) from = i >= last ? outside : from;
            const Vec<T> sample = loadu(from);
            FALTUNG_UNROLL
            for (int t = taps - 1; t >= 0; --t)
                if (i >= t && (i - t) % step == 0 && (i - t) / step < places)
                    sum[(i - t) / step] = fma(coefficient[t], sample, sum[(i - t) / step]);
        }
    }
    const Vec<T> bias = call.bias ? loadu(call.bias) : Vec<T>{};
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p) {
        Vec<T> out = sum[p] + bias;
        if (call.relu) out = out < Vec<T>{} ? Vec<T>{} : out;
        if (call.stream)
            stream<T>(call.out + p * call.place, out);
        else
            storeu<T>(call.out + p * call.place, out);
    }
}

/// Sums of the same taps, several of each so that none waits for the one before.
template <class T, int phases, int taps>
FALTUNG_INLINE void clear_phases(Vec<T> (&sum)[phases][taps]) {
    FALTUNG_UNROLL
    for (int f = 0; f < phases; ++f) {
        FALTUNG_UNROLL
        for (int t = 0; t < taps; ++t) sum[f][t] = Vec<T>{};
    }
}

template <class T, int phases, int taps>
FALTUNG_INLINE void add_phases(const Vec<T> (&sum)[phases][taps], T* out) {
    FALTUNG_UNROLL
    for (int t = 0; t < taps; ++t) {
        Vec<T> total = sum[0][t];
        FALTUNG_UNROLL
        for (int f = 1; f < phases; ++f) total += sum[f][t];
        store<T>(out + t * lanes<T>, load(out + t * lanes<T>) + total);
    }
}

/// `count` neighbouring places of the gradient, whose samples are loaded once for all taps; those
/// outside [before, last), counted from x, are zeros.
template <class T, int count, bool border, int phases, int taps, int step>
FALTUNG_INLINE void gradient_places(const DepthwiseRowGradientCall<T>& call, const T* x,
                                    const T* grad, Size before, Size last,
                                    Vec<T> (&sum)[phases][taps]) {
    Vec<T> g[count];
    FALTUNG_UNROLL
    for (int c = 0; c < count; ++c) g[c] = loadu(grad + c * call.grad_place);
    FALTUNG_UNROLL
    for (int i = 0; i < (count - 1) * step + taps; ++i) {
        const bool outside = border && (i < before || i >= last);
        const Vec<T> sample = outside ? Vec<T>{} : loadu(x + i * call.column);
        FALTUNG_UNROLL
        for (int t = 0; t < taps; ++t)
            if (i >= t && (i - t) % step == 0 && (i - t) / step < count) {
                Vec<T>& to = sum[(i - t) / step % phases][t];
                to = fma(g[(i - t) / step], sample, to);
            }
    }
}

template <class T, int taps, int step>
FALTUNG_NOINLINE void row_gradient(const DepthwiseRowGradientCall<T>& call) {
    // few sums would wait for each other; many do not stay in registers
    constexpr int phases = vector_registers >= 32 ? (taps <= 3 ? 4 : 2) : taps <= 3 ? 2 : 1;
    Vec<T> sum[phases][taps];
    clear_phases<T>(sum);
    for (Size r = 0; r < call.rows; ++r) {
        const T *x = call.x + r * call.x_row, *grad = call.grad + r * call.grad_row;
        Size left = call.places, before = call.before, last = call.last;
        const auto advance = [&](int count) {
            left -= count;
            before -= count * step;
            last -= count * step;
            x += count * step * call.column;
            grad += count * call.grad_place;
        };
        for (; left >= 4; advance(4))
            if (before <= 0 && last >= 3 * step + taps)
                gradient_places<T, 4, false, phases, taps, step>(call, x, grad, 0, 0, sum);
            else
                gradient_places<T, 4, true, phases, taps, step>(call, x, grad, before, last, sum);
        if (left >= 2) {
            gradient_places<T, 2, true, phases, taps, step>(call, x, grad, before, last, sum);
            advance(2);
        }
        if (left > 0)
            gradient_places<T, 1, true, phases, taps, step>(call, x, grad, before, last, sum);
    }
    add_phases<T>(sum, call.out);
}

template <class T, int step, int kernel>
constexpr void fill_rows_of(DepthwiseRowTable<T>& table) {
    constexpr int taps = DepthwiseRowTable<T>::taps[kernel];
    table.row[step - 1][kernel][0] = row<T, row_places[0], taps, step>;
    table.row[step - 1][kernel][1] = row<T, row_places[1], taps, step>;
    table.row[step - 1][kernel][2] = row<T, row_places[2], taps, step>;
    table.row[step - 1][kernel][3] = row<T, row_places[3], taps, step>;
    table.gradient[step - 1][kernel] = row_gradient<T, taps, step>;
}

template <class T>
constexpr void fill_rows(LayerTable<T>& table) {
    for (int i = 0; i < DepthwiseRowTable<T>::sizes; ++i)
        table.depthwise_rows.places[i] = row_places[i];
    fill_rows_of<T, 1, 0>(table.depthwise_rows);
    fill_rows_of<T, 1, 1>(table.depthwise_rows);
    fill_rows_of<T, 1, 2>(table.depthwise_rows);
    fill_rows_of<T, 2, 0>(table.depthwise_rows);
    fill_rows_of<T, 2, 1>(table.depthwise_rows);
    fill_rows_of<T, 2, 2>(table.depthwise_rows);
}

template <class T, int taps, class Samples>
FALTUNG_INLINE void gradient_with(const DepthwiseGradientCall<T>& call) {
    // few sums would wait for each other
    constexpr int phases = taps <= 3 ? 4 : taps <= 6 ? 2 : 1;
    Vec<T> sum[phases][taps];
    clear_phases<T>(sum);
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
    add_phases<T>(sum, call.out);
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
