// Loops behind recur_table.hpp.
#pragma once

#include "microkernels/recur_table.hpp"
#include "microkernels/transpose.hpp"

namespace faltung::microkernels {
namespace {
namespace recur {

using V = Vec<double>;
inline constexpr int width = lanes<double>;
inline constexpr int vectors = recur_block / width;

template <int lane>
struct Everywhere {
    static constexpr int at(int) { return lane; }
};

/// sum += column times number j of a block, which is in registers.
template <int j>
FALTUNG_INLINE void add_from(const V* block, const double* column, V* sum) {
    const V& holder = block[j / width];
    const V value = transform::shuffle<double>(holder, holder, Everywhere<j % width>{});
    FALTUNG_UNROLL
    for (int v = 0; v < vectors; ++v) sum[v] = fma(loadu(column + v * width), value, sum[v]);
}

/// Outputs -1, -3, ... into one sum and -2, -4, ... into another: half the waiting.
template <int j, int order>
FALTUNG_INLINE void add_carried(const V* last, const double* carry, V* even, V* odd) {
    if constexpr (j < order) {
        add_from<recur_block - 1 - j>(last, carry + j * recur_block, j % 2 == 0 ? even : odd);
        add_carried<j + 1, order>(last, carry, even, odd);
    }
}

/// `order` 0 stands for any above recur_orders.
template <int order>
std::int64_t ahead(const RecurCall& call) {
    static_assert(recur_orders <= recur_block);
    V last[vectors];
    FALTUNG_UNROLL
    for (int v = 0; v < vectors; ++v) last[v] = loadu(call.y - recur_block + v * width);

    for (std::int64_t i = 0; i < call.n; i += recur_block) {
        double* const y = call.y + i;
        V even[vectors], odd[vectors];
        FALTUNG_UNROLL
        for (int v = 0; v < vectors; ++v) even[v] = odd[v] = V{};
        FALTUNG_UNROLL
        for (int j = 0; j < recur_block; ++j) {
            const V value = splat(y[j]);
            FALTUNG_UNROLL
            for (int v = j / width; v < vectors; ++v) {  // the vectors above are zero
                const V column = loadu(call.feed + j * recur_block + v * width);
                even[v] = fma(column, value, even[v]);
            }
        }
        if constexpr (order == 0) {
            for (int j = call.order - 1; j >= recur_block; --j) {
                const V value = splat(y[-1 - j]);
                FALTUNG_UNROLL
                for (int v = 0; v < vectors; ++v) {
                    const V column = loadu(call.carry + j * recur_block + v * width);
                    odd[v] = fma(column, value, odd[v]);
                }
            }
        }
        add_carried<0, order == 0 ? recur_block : order>(last, call.carry, even, odd);
        FALTUNG_UNROLL
        for (int v = 0; v < vectors; ++v) last[v] = even[v] + odd[v];
        // whatever is not finite in the block has reached its last output
        const double end = last[vectors - 1][width - 1];
        if (!(end - end == 0)) return i;
        FALTUNG_UNROLL
        for (int v = 0; v < vectors; ++v) storeu(y + v * width, last[v]);
    }
    return call.n;
}

template <int order>
void step(const RecurCall& call) {
    const double *const a = call.a, first = a[1];
    double last = call.y[-1];
    for (std::int64_t i = 0; i < call.n; ++i) {
        double* const y = call.y + i;
        double sum = *y;
        if constexpr (order == 0) {
            for (int k = call.order; k >= 2; --k) sum -= a[k] * y[-k];
        } else {
            FALTUNG_UNROLL
            for (int k = order; k >= 2; --k) sum -= a[k] * y[-k];
        }
        last = sum - first * last;
        *y = last;
    }
}

template <int W>
FALTUNG_INLINE void column_group(const RecurColumnsCall& call, std::int64_t from) {
    for (std::int64_t i = 0; i < call.rows; ++i) {
        const double* x = call.x + i * call.pitch + from;
        double* const y = call.y + i * call.pitch + from;
        V sum[W];
        FALTUNG_UNROLL
        for (int w = 0; w < W; ++w) sum[w] = loadu(y + w * width);
        for (std::int64_t k = 0; k < call.taps; ++k) {
            const V c = splat(call.b[k]);
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w)
                sum[w] = fma(c, loadu(x - k * call.pitch + w * width), sum[w]);
        }
        for (std::int64_t k = call.order; k >= 1; --k) {  // the newest last: it is waited for
            const V c = splat(-call.a[k]);
            FALTUNG_UNROLL
            for (int w = 0; w < W; ++w)
                sum[w] = fma(c, loadu(y - k * call.pitch + w * width), sum[w]);
        }
        FALTUNG_UNROLL
        for (int w = 0; w < W; ++w) storeu(y + w * width, sum[w]);
    }
}

FALTUNG_NOINLINE void columns(const RecurColumnsCall& call) {
    std::int64_t c = 0;
    for (; c + 4 * width <= call.width; c += 4 * width) column_group<4>(call, c);
    for (; c < call.width; c += width) column_group<1>(call, c);
}

}  // namespace recur

constexpr RecurTable recur_table() {
    using namespace recur;
    return {
        {ahead<0>, ahead<1>, ahead<2>, ahead<3>, ahead<4>, ahead<5>, ahead<6>, ahead<7>, ahead<8>},
        {step<0>, step<1>, step<2>, step<3>, step<4>, step<5>, step<6>, step<7>, step<8>},
        columns};
}

}  // namespace
}  // namespace faltung::microkernels
