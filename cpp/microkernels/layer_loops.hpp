// The loops of layer_table.hpp. Lanes run over output channels: samples are splatted, which costs
// no split loads whatever the stride, and a block of places reuses every vector of coefficients.
#pragma once

#include "microkernels/complex_loops.hpp"
#include "microkernels/depthwise_loops.hpp"
#include "microkernels/layer_table.hpp"
#include "microkernels/transpose.hpp"
#include "microkernels/winograd_loops.hpp"

namespace faltung::microkernels {
namespace {
namespace layer {

using Size = std::int64_t;

/// Two vectors of coefficients and one splatted sample stay beside the sums.
constexpr int block_places = vector_registers >= 32 ? 14 : 6;

template <class T, int places, int vectors>
FALTUNG_NOINLINE void product(const ProductCall<T>& call) {
    constexpr int width = vectors * lanes<T>;
    // x86 addresses base, base + place and base + 2*place with one register for all of them
    constexpr int bases = (places + 2) / 3;
    const Size place = call.place;
    Vec<T> sum[places][vectors];
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p) {
        FALTUNG_UNROLL
        for (int v = 0; v < vectors; ++v) sum[p][v] = Vec<T>{};
    }
    const T* a = call.a;
    for (Size r = 0; r < call.runs; ++r) {
        const T* b[bases];
        FALTUNG_UNROLL
        for (int i = 0; i < bases; ++i) b[i] = call.b + call.offset[r] + 3 * i * place;
        for (Size j = 0; j < call.run; ++j) {
            Vec<T> coefficient[vectors];
            FALTUNG_UNROLL
            for (int v = 0; v < vectors; ++v) coefficient[v] = load(a + v * lanes<T>);
            FALTUNG_UNROLL
            for (int p = 0; p < places; ++p) {
                const Vec<T> sample = splat(b[p / 3][(p % 3) * place]);
                FALTUNG_UNROLL
                for (int v = 0; v < vectors; ++v)
                    sum[p][v] = fma(sample, coefficient[v], sum[p][v]);
            }
            a += width;
            FALTUNG_UNROLL
            for (int i = 0; i < bases; ++i) b[i] += call.step;
        }
    }
    FALTUNG_UNROLL
    for (int p = 0; p < places; ++p) {
        FALTUNG_UNROLL
        for (int v = 0; v < vectors; ++v) {
            T* c = call.c + p * width + v * lanes<T>;
            store(c, call.accumulate ? load(c) + sum[p][v] : sum[p][v]);
        }
    }
}

template <class T>
void transpose_matrix(const T* from, Size from_pitch, Size rows, Size columns, T* to,
                      Size to_pitch) {
    constexpr Size n = lanes<T>;
    const Size whole_rows = rows / n * n, whole_columns = columns / n * n;
    for (Size r = 0; r < whole_rows; r += n) {
        for (Size c = 0; c < whole_columns; c += n) {
            Vec<T> block[n];
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i) block[i] = loadu(from + (r + i) * from_pitch + c);
            transform::transpose<T>(block);
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i) storeu<T>(to + (c + i) * to_pitch + r, block[i]);
        }
        for (Size c = whole_columns; c < columns; ++c)
            for (Size i = r; i < r + n; ++i) to[c * to_pitch + i] = from[i * from_pitch + c];
    }
    for (Size r = whole_rows; r < rows; ++r)
        for (Size c = 0; c < columns; ++c) to[c * to_pitch + r] = from[r * from_pitch + c];
}

template <class T>
FALTUNG_INLINE T finished(T sum, T bias, bool relu) {
    sum += bias;
    return relu && sum < 0 ? T{0} : sum;
}

template <class T>
FALTUNG_INLINE Vec<T> finished(Vec<T> sum, Vec<T> bias, bool relu) {
    sum += bias;
    return relu ? (sum < Vec<T>{} ? Vec<T>{} : sum) : sum;
}

template <class T>
void finish(const FinishCall<T>& call) {
    constexpr Size n = lanes<T>;
    const bool planar = call.to_place == 1, inside = call.to_channel == 1;
    const Size whole_channels = planar || inside ? call.channels / n * n : 0;
    for (Size c = 0; c < whole_channels; c += n) {
        const Vec<T> bias = call.bias ? loadu(call.bias + c) : Vec<T>{};
        if (inside) {
            for (Size p = 0; p < call.places; ++p)
                storeu<T>(call.to + p * call.to_place + c,
                          finished<T>(loadu(call.from + p * call.pitch + c), bias, call.relu));
            continue;
        }
        Size p = 0;
        for (; p + n <= call.places; p += n) {
            Vec<T> block[n];
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i)
                block[i] =
                    finished<T>(loadu(call.from + (p + i) * call.pitch + c), bias, call.relu);
            transform::transpose<T>(block);
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i)
                storeu<T>(call.to + (c + i) * call.to_channel + p, block[i]);
        }
        if (p < call.places) {
            const Size left = call.places - p;
            alignas(64) T held[n * n];
            Vec<T> block[n];
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i)
                block[i] = i < left ? finished<T>(loadu(call.from + (p + i) * call.pitch + c), bias,
                                                  call.relu)
                                    : Vec<T>{};
            transform::transpose<T>(block);
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i) store<T>(held + i * n, block[i]);
            for (Size i = 0; i < n; ++i)
                for (Size q = 0; q < left; ++q)
                    call.to[(c + i) * call.to_channel + p + q] = held[i * n + q];
        }
    }
    for (Size c = whole_channels; c < call.channels; ++c) {
        const T bias = call.bias ? call.bias[c] : T{0};
        for (Size p = 0; p < call.places; ++p)
            call.to[p * call.to_place + c * call.to_channel] =
                finished(call.from[p * call.pitch + c], bias, call.relu);
    }
}

template <class T, int vectors, int... i>
constexpr void fill_products(Product<T>* to, transform::Lanes<i...>) {
    ((to[i] = product<T, i + 1, vectors>), ...);
}

template <class T, int vectors, int... i>
constexpr void fill_complex(Product<T>* to, transform::Lanes<i...>) {
    ((to[i] = complex_layer::product<T, i + 1, vectors>), ...);
}

template <class T, int... i>
constexpr void fill_depthwise(LayerTable<T>& table, transform::Lanes<i...>) {
    ((table.depthwise[i] = depthwise::forward<T, i + 1>), ...);
    ((table.depthwise_gradient[i] = depthwise::gradient<T, i + 1>), ...);
}

}  // namespace layer

template <class T>
constexpr LayerTable<T> layer_table() {
    using Places = typename transform::CountLanes<layer::block_places>::type;
    LayerTable<T> table{};
    table.lanes = lanes<T>;
    table.places = layer::block_places;
    layer::fill_products<T, 1>(table.product[0], Places{});
    layer::fill_products<T, 2>(table.product[1], Places{});
    table.transpose = layer::transpose_matrix<T>;
    table.finish = layer::finish<T>;
    table.winograd4 = winograd_table<T, 4>();
    table.winograd2 = winograd_table<T, 2>();
    table.depthwise_places = depthwise::block;
    layer::fill_depthwise(table, typename transform::CountLanes<depthwise::block>::type{});
    using Pairs = typename transform::CountLanes<complex_layer::block_places>::type;
    table.complex.places = complex_layer::block_places;
    layer::fill_complex<T, 1>(table.complex.product[0], Pairs{});
    layer::fill_complex<T, 2>(table.complex.product[1], Pairs{});
    table.complex.multiply = complex_layer::multiply<T>;
    return table;
}

}  // namespace
}  // namespace faltung::microkernels
