// The loops of layer_table.hpp. Lanes run over output channels: samples are splatted, which costs
// no split loads whatever the stride, and a block of places reuses every vector of coefficients.
#pragma once

#include "microkernels/complex_loops.hpp"
#include "microkernels/depthwise_loops.hpp"
#include "microkernels/layer_table.hpp"
#include "microkernels/nested_loops.hpp"
#include "microkernels/transpose.hpp"
#include "microkernels/winograd_loops.hpp"

namespace faltung::microkernels {
namespace {
namespace layer {

using Size = std::int64_t;

/// Two vectors of coefficients and one splatted sample stay beside the sums.
constexpr int block_places = vector_registers >= 32 ? 14 : 6;

template <class T, int places, int vectors, bool fetches>
FALTUNG_INLINE void product_loop(const ProductCall<T>& call) {
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
    const T* fetch = call.fetch;
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
            if constexpr (fetches) {
                __builtin_prefetch(fetch, 0, 3);
                fetch += 64 / sizeof(T);
            }
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

template <class T, int places, int vectors>
FALTUNG_NOINLINE void product(const ProductCall<T>& call) {
    if (call.fetch) return product_loop<T, places, vectors, true>(call);
    product_loop<T, places, vectors, false>(call);
}

/// One block of lanes × lanes numbers.
template <class T>
FALTUNG_INLINE void transpose_block(const T* from, Size from_pitch, T* to, Size to_pitch) {
    constexpr Size n = lanes<T>;
    Vec<T> block[n];
    FALTUNG_UNROLL
    for (int i = 0; i < n; ++i) block[i] = loadu(from + i * from_pitch);
    transform::transpose<T>(block);
    FALTUNG_UNROLL
    for (int i = 0; i < n; ++i) storeu<T>(to + i * to_pitch, block[i]);
}

/// Every other number of (a, b) side by side.
template <class T, bool odd>
struct Alternate {
    static constexpr int at(int i) { return 2 * i + (odd ? 1 : 0); }
};

/// Numbers that take turns: v[c] gets every `count`-th, from c on, of all of them.
template <class T, int count>
FALTUNG_INLINE void deal(Vec<T>* v) {
    if constexpr (count > 1) {
        Vec<T> part[2][count / 2];
        FALTUNG_UNROLL
        for (int i = 0; i < count / 2; ++i) {
            part[0][i] = transform::shuffle<T>(v[2 * i], v[2 * i + 1], Alternate<T, false>{});
            part[1][i] = transform::shuffle<T>(v[2 * i], v[2 * i + 1], Alternate<T, true>{});
        }
        deal<T, count / 2>(part[0]);
        deal<T, count / 2>(part[1]);
        FALTUNG_UNROLL
        for (int i = 0; i < count; ++i) v[i] = part[i % 2][i / 2];
    }
}

/// Numbers of a and b in turn, from the low (high) half of each.
template <class T, bool high>
struct InTurn {
    static constexpr int at(int i) {
        return i / 2 + (high ? lanes<T> / 2 : 0) + (i % 2 ? lanes<T> : 0);
    }
};

/// The way back: all of them hold the numbers of v[0], v[1], ... in turn.
template <class T, int count>
FALTUNG_INLINE void collect(Vec<T>* v) {
    if constexpr (count > 1) {
        Vec<T> part[2][count / 2];
        FALTUNG_UNROLL
        for (int i = 0; i < count; ++i) part[i % 2][i / 2] = v[i];
        collect<T, count / 2>(part[0]);
        collect<T, count / 2>(part[1]);
        FALTUNG_UNROLL
        for (int i = 0; i < count / 2; ++i) {
            v[2 * i] = transform::shuffle<T>(part[0][i], part[1][i], InTurn<T, false>{});
            v[2 * i + 1] = transform::shuffle<T>(part[0][i], part[1][i], InTurn<T, true>{});
        }
    }
}

/// A few columns that lie close together.
template <class T, int columns>
void transpose_narrow(const T* from, Size rows, T* to, Size to_pitch) {
    constexpr Size n = lanes<T>;
    for (Size r = 0; r < rows; r += n) {
        const Size row = r + n <= rows ? r : rows - n;
        Vec<T> v[columns];
        FALTUNG_UNROLL
        for (int i = 0; i < columns; ++i) v[i] = loadu(from + row * columns + i * n);
        deal<T, columns>(v);
        FALTUNG_UNROLL
        for (int i = 0; i < columns; ++i) storeu<T>(to + i * to_pitch + row, v[i]);
    }
}

/// Fewer rows, or columns, than a vector has lanes.
template <class T>
FALTUNG_NOINLINE void transpose_edge(const T* from, Size from_pitch, Size rows, Size columns, T* to,
                                     Size to_pitch) {
    constexpr Size n = lanes<T>;
    for (Size r = 0; r < rows; r += n) {
        const int high = static_cast<int>(rows - r < n ? rows - r : n);
        for (Size c = 0; c < columns; c += n) {
            const int wide = static_cast<int>(columns - c < n ? columns - c : n);
            const T* at = from + r * from_pitch + c;
            Vec<T> block[n];
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i)
                block[i] = i < high ? load_first<T>(at + i * from_pitch, wide) : Vec<T>{};
            transform::transpose<T>(block);
            alignas(64) T held[n * n];
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i) store(held + i * n, block[i]);
            T* target = to + c * to_pitch + r;
            for (int i = 0; i < wide; ++i, target += to_pitch)
                store_first<T>(target, load(held + i * n), high);
        }
    }
}

/// Blocks at the end overlap those before them, and write the same numbers once more.
template <class T>
void transpose_matrix(const T* from, Size from_pitch, Size rows, Size columns, T* to,
                      Size to_pitch) {
    constexpr Size n = lanes<T>;
    if (rows >= n && from_pitch == columns) {
        if (columns == 4) return transpose_narrow<T, 4>(from, rows, to, to_pitch);
        if (columns == 8 && n > 8) return transpose_narrow<T, 8>(from, rows, to, to_pitch);
    }
    if (rows < n || columns < n)
        return transpose_edge<T>(from, from_pitch, rows, columns, to, to_pitch);
    for (Size r = 0; r < rows; r += n) {
        const Size row = r + n <= rows ? r : rows - n;
        for (Size c = 0; c < columns; c += n) {
            const Size column = c + n <= columns ? c : columns - n;
            transpose_block<T>(from + row * from_pitch + column, from_pitch,
                               to + column * to_pitch + row, to_pitch);
        }
    }
}

template <class T, int lines>
void interleave_few(const T* from, Size from_pitch, Size count, T* to, bool past_caches) {
    constexpr Size n = lanes<T>;
    for (Size i = 0; i < count; i += n) {
        const Size first = i + n <= count ? i : count - n;
        Vec<T> v[lines];
        FALTUNG_UNROLL
        for (int l = 0; l < lines; ++l) v[l] = loadu(from + l * from_pitch + first);
        collect<T, lines>(v);
        T* const at = to + first * lines;
        FALTUNG_UNROLL
        for (int l = 0; l < lines; ++l) {
            if (past_caches)
                stream<T>(at + l * n, v[l]);
            else
                storeu<T>(at + l * n, v[l]);
        }
    }
}

template <class T>
void interleave(const T* from, Size from_pitch, Size lines, Size count, T* to, bool stream) {
    constexpr Size n = lanes<T>;
    const bool past_caches = stream && vector_bytes == 64 && is_aligned(to) && count % n == 0;
    if (count >= n) {
        if (lines == 2) return interleave_few<T, 2>(from, from_pitch, count, to, past_caches);
        if (lines == 4) return interleave_few<T, 4>(from, from_pitch, count, to, past_caches);
        if (lines == 8 && n > 8)
            return interleave_few<T, 8>(from, from_pitch, count, to, past_caches);
    }
    transpose_matrix<T>(from, from_pitch, lines, count, to, lines);
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

/// A vector of channels of up to `lanes` places, transposed.
template <class T, bool past_caches = false>
FALTUNG_INLINE void finish_block(const T* from, Size pitch, Size places, Vec<T> bias, bool relu,
                                 T* to, Size to_channel) {
    constexpr Size n = lanes<T>;
    Vec<T> block[n];
    FALTUNG_UNROLL
    for (int i = 0; i < n; ++i)
        block[i] = i < places ? finished<T>(loadu(from + i * pitch), bias, relu) : Vec<T>{};
    transform::transpose<T>(block);
    FALTUNG_UNROLL
    for (int i = 0; i < n; ++i) {
        if constexpr (past_caches)
            stream<T>(to + i * to_channel, block[i]);
        else
            storeu<T>(to + i * to_channel, block[i]);
    }
}

/// The last channels, which do not fill a vector, of neighbouring places. What stands beside them
/// is read, and left alone.
template <class T>
FALTUNG_NOINLINE void finish_channels(const FinishCall<T>& call, Size first) {
    constexpr Size n = lanes<T>;
    const Size count = call.channels - first;
    const Vec<T> bias =
        call.bias ? load_first<T>(call.bias + first, static_cast<int>(count)) : Vec<T>{};
    alignas(64) T held[n * n];
    for (Size p = 0; p < call.places; p += n) {
        const Size places = call.places - p < n ? call.places - p : n;
        finish_block<T>(call.from + p * call.pitch + first, call.pitch, places, bias, call.relu,
                        held, n);
        T* to = call.to + p + first * call.to_channel;
        for (Size c = 0; c < count; ++c, to += call.to_channel)
            store_first<T>(to, load(held + c * n), static_cast<int>(places));
    }
}

template <class T>
void finish(const FinishCall<T>& call) {
    constexpr Size n = lanes<T>;
    const bool planar = call.to_place == 1, inside = call.to_channel == 1;
    const Size whole_channels = planar || inside ? call.channels / n * n : 0;
    // a whole line of the caches at a time
    const bool past_caches = call.stream && vector_bytes == 64 && is_aligned(call.to) &&
                             (inside ? call.to_place : call.to_channel | call.places) % n == 0;
    for (Size c = 0; c < whole_channels; c += n) {
        const Vec<T> bias = call.bias ? loadu(call.bias + c) : Vec<T>{};
        if (inside) {
            for (Size p = 0; p < call.places; ++p) {
                const Vec<T> sum =
                    finished<T>(loadu(call.from + p * call.pitch + c), bias, call.relu);
                T* const to = call.to + p * call.to_place + c;
                if (past_caches)
                    stream<T>(to, sum);
                else
                    storeu<T>(to, sum);
            }
            continue;
        }
        T* const to = call.to + c * call.to_channel;
        const T* const from = call.from + c;
        if (call.places < n) {
            alignas(64) T held[n * n];
            finish_block<T>(from, call.pitch, call.places, bias, call.relu, held, n);
            for (Size i = 0; i < n; ++i)
                store_first<T>(to + i * call.to_channel, load(held + i * n),
                               static_cast<int>(call.places));
            continue;
        }
        if (past_caches) {
            for (Size p = 0; p < call.places; p += n)
                finish_block<T, true>(from + p * call.pitch, call.pitch, n, bias, call.relu, to + p,
                                      call.to_channel);
            continue;
        }
        for (Size p = 0; p < call.places; p += n) {
            const Size place = p + n <= call.places ? p : call.places - n;
            finish_block<T>(from + place * call.pitch, call.pitch, n, bias, call.relu, to + place,
                            call.to_channel);
        }
    }
    if (planar && whole_channels < call.channels && whole_channels + n <= call.pitch)
        return finish_channels<T>(call, whole_channels);
    for (Size c = whole_channels; c < call.channels; ++c) {
        const T bias = call.bias ? call.bias[c] : T{0};
        for (Size p = 0; p < call.places; ++p)
            call.to[p * call.to_place + c * call.to_channel] =
                finished(call.from[p * call.pitch + c], bias, call.relu);
    }
}

template <class T>
double sum(const T* from, Size count) {
    constexpr Size n = lanes<double>;
    constexpr int chains = 4;
    typedef T Some __attribute__((vector_size(n * sizeof(T)), aligned(alignof(T)), may_alias));
    Vec<double> sums[chains] = {};
    Size i = 0;
    for (; i + chains * n <= count; i += chains * n) {
        FALTUNG_UNROLL
        for (int c = 0; c < chains; ++c)
            sums[c] += __builtin_convertvector(*reinterpret_cast<const Some*>(from + i + c * n),
                                               Vec<double>);
    }
    const Vec<double> all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    Vec<double> rest{};
    for (; i + n <= count; i += n)
        rest += __builtin_convertvector(*reinterpret_cast<const Some*>(from + i), Vec<double>);
    double total = 0;
    for (int l = 0; l < n; ++l) total += all[l] + rest[l];
    for (; i < count; ++i) total += static_cast<double>(from[i]);
    return total;
}

/// to[i] += the sum over lines of from[line*pitch + i].
template <class T>
void sum_lines(const T* from, Size pitch, Size lines, Size count, double* to) {
    constexpr Size n = lanes<double>;
    constexpr int together = 4;
    typedef T Some __attribute__((vector_size(n * sizeof(T)), aligned(alignof(T)), may_alias));
    Size i = 0;
    for (; i + together * n <= count; i += together * n) {
        Vec<double> sums[together] = {};
        for (Size l = 0; l < lines; ++l) {
            FALTUNG_UNROLL
            for (int c = 0; c < together; ++c)
                sums[c] += __builtin_convertvector(
                    *reinterpret_cast<const Some*>(from + l * pitch + i + c * n), Vec<double>);
        }
        FALTUNG_UNROLL
        for (int c = 0; c < together; ++c)
            storeu<double>(to + i + c * n, loadu(to + i + c * n) + sums[c]);
    }
    for (; i < count; ++i) {
        double sum = 0;
        for (Size l = 0; l < lines; ++l) sum += static_cast<double>(from[l * pitch + i]);
        to[i] += sum;
    }
}

constexpr int block_channels = vector_registers >= 32 ? 12 : 6;

/// Where the steps of b stand.
enum class Steps : std::uint8_t { even, copied, scattered };

template <class T, int channels, int vectors, Steps kind>
FALTUNG_INLINE void pointwise_steps(const PointwiseCall<T>& call,
                                    Vec<T> (&sum)[channels][vectors]) {
    constexpr int n = lanes<T>, line = 64 / static_cast<int>(sizeof(T));
    constexpr int bases = (channels + 2) / 3;  // as in `product`
    const T *b = call.b, *ahead = call.ahead;
    const T* a[bases];
    FALTUNG_UNROLL
    for (int i = 0; i < bases; ++i) a[i] = call.a + 3 * i * call.a_channel;
    T* copy = call.copy;
    for (Size k = 0; k < call.steps; ++k) {
        if constexpr (kind == Steps::scattered) b = call.b + call.offset[k];
        Vec<T> sample[vectors];
        FALTUNG_UNROLL
        for (int v = 0; v < vectors; ++v) sample[v] = loadu(b + v * n);
        if constexpr (kind != Steps::scattered) b += call.b_pitch;
        if constexpr (kind == Steps::copied) {
            FALTUNG_UNROLL
            for (int v = 0; v < vectors; ++v) store(copy + v * n, sample[v]);
            copy += vectors * n;
            FALTUNG_UNROLL
            for (int i = 0; i < vectors * n; i += line) __builtin_prefetch(ahead + i, 0, 2);
            ahead += call.b_pitch;
        }
        FALTUNG_UNROLL
        for (int m = 0; m < channels; ++m) {
            const Vec<T> coefficient = splat(a[m / 3][m % 3 * call.a_channel]);
            FALTUNG_UNROLL
            for (int v = 0; v < vectors; ++v) sum[m][v] = fma(coefficient, sample[v], sum[m][v]);
        }
        FALTUNG_UNROLL
        for (int i = 0; i < bases; ++i) a[i] += call.a_step;
    }
}

template <class T, int channels, int vectors, bool is_scattered>
FALTUNG_NOINLINE void pointwise(const PointwiseCall<T>& call) {
    Vec<T> sum[channels][vectors];
    FALTUNG_UNROLL
    for (int m = 0; m < channels; ++m) {
        FALTUNG_UNROLL
        for (int v = 0; v < vectors; ++v) sum[m][v] = Vec<T>{};
    }
    if constexpr (is_scattered)
        pointwise_steps<T, channels, vectors, Steps::scattered>(call, sum);
    else if (call.copy)
        pointwise_steps<T, channels, vectors, Steps::copied>(call, sum);
    else
        pointwise_steps<T, channels, vectors, Steps::even>(call, sum);
    FALTUNG_UNROLL
    for (int m = 0; m < channels; ++m) {
        const Vec<T> bias = call.bias ? splat(call.bias[m]) : Vec<T>{};
        FALTUNG_UNROLL
        for (int v = 0; v < vectors; ++v) {
            T* c = call.c + m * call.c_pitch + v * lanes<T>;
            if (call.accumulate) sum[m][v] += loadu(c);
            storeu<T>(c, finished<T>(sum[m][v], bias, call.relu));
        }
    }
}

template <class T, int... i>
constexpr void fill_pointwise(LayerTable<T>& table, transform::Lanes<i...>) {
    ((table.pointwise[0][i] = pointwise<T, i + 1, 1, false>), ...);
    ((table.pointwise[1][i] = pointwise<T, i + 1, 2, false>), ...);
    ((table.scattered[0][i] = pointwise<T, i + 1, 1, true>), ...);
    ((table.scattered[1][i] = pointwise<T, i + 1, 2, true>), ...);
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
    table.interleave = layer::interleave<T>;
    table.finish = layer::finish<T>;
    table.sum = layer::sum<T>;
    table.sum_lines = layer::sum_lines<T>;
    table.fence = stream_fence;
    table.winograd4 = winograd_table<T, 4>();
    table.winograd2 = winograd_table<T, 2>();
    table.nested_planes = nested_table<T, true>();
    table.nested_lines = nested_table<T, false>();
    table.pointwise_channels = layer::block_channels;
    layer::fill_pointwise(table, typename transform::CountLanes<layer::block_channels>::type{});
    table.depthwise_places = depthwise::block;
    layer::fill_depthwise(table, typename transform::CountLanes<depthwise::block>::type{});
    depthwise::fill_rows(table);
    using Pairs = typename transform::CountLanes<complex_layer::block_places>::type;
    table.complex.places = complex_layer::block_places;
    layer::fill_complex<T, 1>(table.complex.product[0], Pairs{});
    layer::fill_complex<T, 2>(table.complex.product[1], Pairs{});
    table.complex.multiply = complex_layer::multiply<T>;
    table.complex.spread = complex_layer::spread<T>;
    table.complex.gather = complex_layer::gather<T>;
    table.complex.split = complex_layer::split<T>;
    table.complex.join = complex_layer::join<T>;
    return table;
}

}  // namespace
}  // namespace faltung::microkernels
