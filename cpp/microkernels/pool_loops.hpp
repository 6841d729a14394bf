// The loops behind PoolTable.
#pragma once

#include "microkernels/pool_table.hpp"
#include "microkernels/simd.hpp"
#include "microkernels/transpose.hpp"

namespace faltung::microkernels {
namespace {
namespace pool {

/// A vector of `bytes`: the level's own, and the shorter ones that rows of a few numbers need.
/// int64 compares signed here, unlike in Vec: nothing is added up in it.
template <class T, int bytes>
struct Pack {
    typedef T V __attribute__((vector_size(bytes)));
    typedef T Loose __attribute__((vector_size(bytes), aligned(alignof(T)), may_alias));
    static constexpr std::int64_t lanes = bytes / static_cast<int>(sizeof(T));
};

template <class T, int bytes>
FALTUNG_INLINE auto read(const T* from) {
    return static_cast<typename Pack<T, bytes>::V>(
        *reinterpret_cast<const typename Pack<T, bytes>::Loose*>(from));
}

template <class T, int bytes>
FALTUNG_INLINE void write(T* to, typename Pack<T, bytes>::V v) {
    *reinterpret_cast<typename Pack<T, bytes>::Loose*>(to) = v;
}

template <class V>
FALTUNG_INLINE V larger(V a, V b) {  // b where b is NaN, a where a is
    return ((a > b) | (a != a)) ? a : b;
}

template <Combine how, class V>
FALTUNG_INLINE V first(V v) {
    if constexpr (how == Combine::sum_sizes) return v < V{} ? -v : v;
    if constexpr (how == Combine::sum_squares) return v * v;
    return v;
}

template <Combine how, class V>
FALTUNG_INLINE V add(V sum, V v) {
    if constexpr (how == Combine::max)
        return larger(sum, v);
    else if constexpr (how == Combine::sum_squares)
        return fma(v, v, sum);
    else
        return sum + first<how>(v);
}

template <Combine how, class V>
FALTUNG_INLINE V join(V a, V b) {
    if constexpr (how == Combine::max)
        return larger(a, b);
    else
        return a + b;
}

/// Rows summed one after the other before their sum joins the others': bounds the rounding error of
/// many rows.
inline constexpr std::int64_t chain = 16;

/// `packs` neighbouring vectors of rows [from, to).
template <Combine how, class T, int bytes, int packs>
FALTUNG_INLINE void link(const T* const* rows, std::int64_t from, std::int64_t to, std::int64_t i,
                         typename Pack<T, bytes>::V* part) {
    constexpr std::int64_t step = Pack<T, bytes>::lanes;
    FALTUNG_UNROLL
    for (int p = 0; p < packs; ++p) part[p] = first<how>(read<T, bytes>(rows[from] + i + p * step));
    for (std::int64_t r = from + 1; r < to; ++r) {
        const T* const row = rows[r] + i;
        FALTUNG_UNROLL
        for (int p = 0; p < packs; ++p) part[p] = add<how>(part[p], read<T, bytes>(row + p * step));
    }
}

template <Combine how, class T, int bytes, int packs>
FALTUNG_INLINE void block(const T* const* rows, std::int64_t count, std::int64_t i, T* out) {
    constexpr std::int64_t step = Pack<T, bytes>::lanes;
    typename Pack<T, bytes>::V total[packs], part[packs];
    link<how, T, bytes, packs>(rows, 0, count < chain ? count : chain, i, total);
    for (std::int64_t from = chain; from < count; from += chain) {
        link<how, T, bytes, packs>(rows, from, count - from < chain ? count : from + chain, i,
                                   part);
        FALTUNG_UNROLL
        for (int p = 0; p < packs; ++p) total[p] = join<how>(total[p], part[p]);
    }
    FALTUNG_UNROLL
    for (int p = 0; p < packs; ++p) write<T, bytes>(out + i + p * step, total[p]);
}

template <Combine how, class T, int bytes>
FALTUNG_INLINE std::int64_t blocks(const T* const* rows, std::int64_t count, std::int64_t n,
                                   T* out) {
    constexpr std::int64_t step = Pack<T, bytes>::lanes;
    std::int64_t i = 0;
    for (; i + 4 * step <= n; i += 4 * step) block<how, T, bytes, 4>(rows, count, i, out);
    for (; i + step <= n; i += step) block<how, T, bytes, 1>(rows, count, i, out);
    return i;
}

/// n numbers by vectors of `bytes` if there are so many, the last one moved back to end with the
/// row; else by shorter ones.
template <Combine how, class T, int bytes>
FALTUNG_INLINE void exactly(const T* const* rows, std::int64_t count, std::int64_t n, T* out) {
    constexpr std::int64_t step = Pack<T, bytes>::lanes;
    if (n >= step) {
        if (blocks<how, T, bytes>(rows, count, n, out) < n)
            block<how, T, bytes, 1>(rows, count, n - step, out);
    } else if constexpr (bytes > static_cast<int>(sizeof(T))) {
        exactly<how, T, bytes / 2>(rows, count, n, out);
    }
}

template <Combine how, class T>
FALTUNG_NOINLINE void combine(const T* const* rows, std::int64_t count, std::int64_t n, T* out) {
    exactly<how, T, vector_bytes>(rows, count, n, out);
}

template <class T>
constexpr std::int64_t whole(std::int64_t n) {
    constexpr std::int64_t step = Pack<T, vector_bytes>::lanes;
    return (n + step - 1) / step * step;
}

template <Combine how, class T>
FALTUNG_NOINLINE void combine_whole(const T* const* rows, std::int64_t count, std::int64_t n,
                                    T* out) {
    blocks<how, T, vector_bytes>(rows, count, whole<T>(n), out);
}

/// A row of at least one vector, folded into one; sixteen vectors one after the other, as above.
template <Combine how, class T>
FALTUNG_INLINE Vec<T> folded(const T* row, std::int64_t n) {
    constexpr std::int64_t step = lanes<T>;
    const std::int64_t whole = n / step, rest = n % step;
    Vec<T> total{};
    for (std::int64_t from = 0; from < whole; from += chain) {
        const std::int64_t to = whole - from < chain ? whole : from + chain;
        Vec<T> part = first<how>(loadu(row + from * step));
        for (std::int64_t v = from + 1; v < to; ++v) part = add<how>(part, loadu(row + v * step));
        total = from == 0 ? part : join<how>(total, part);
    }
    if (rest == 0) return total;
    Vec<T> last = loadu(row + n - step);  // some of it has been seen
    if constexpr (how != Combine::max)
        last =
            Picks<T>::from(0) >= static_cast<typename Picks<T>::I>(step - rest) ? last : Vec<T>{};
    return join<how>(total, first<how>(last));
}

template <Combine how, class T>
FALTUNG_NOINLINE void fold(const T* row, std::int64_t pitch, std::int64_t rows, std::int64_t n,
                           T* out) {
    constexpr int step = lanes<T>;
    if (n < step) {
        for (std::int64_t r = 0; r < rows; ++r, row += pitch) {
            T total = first<how>(row[0]);
            for (std::int64_t i = 1; i < n; ++i) total = add<how>(total, row[i]);
            out[r] = total;
        }
        return;
    }
    for (std::int64_t r = 0; r < rows; r += step) {
        const int some = static_cast<int>(rows - r < step ? rows - r : step);
        Vec<T> block[step];
        for (int i = 0; i < step; ++i)
            block[i] = folded<how>(row + (r + (i < some ? i : 0)) * pitch, n);
        transform::transpose<T>(block);
        FALTUNG_UNROLL
        for (int half = step / 2; half > 0; half /= 2) {
            FALTUNG_UNROLL
            for (int i = 0; i < half; ++i) block[i] = join<how>(block[i], block[i + half]);
        }
        if (some == step)
            storeu<T>(out + r, block[0]);
        else
            for (int i = 0; i < some; ++i) out[r + i] = block[0][i];
    }
}

template <class T, int bytes>
FALTUNG_INLINE void find_block(const T* const* rows, const Place<T>* bases, std::int64_t count,
                               std::int64_t i, const Place<T>* column, T* out, Place<T>* place) {
    using V = typename Pack<T, bytes>::V;
    using P = typename Pack<Place<T>, bytes>::V;
    V best = read<T, bytes>(rows[0] + i);
    P base = bases[0] - P{};
    for (std::int64_t r = 1; r < count; ++r) {
        const V v = read<T, bytes>(rows[r] + i);
        const auto better = ((v > best) | (v != v)) & (best == best);
        best = better ? v : best;
        base = better ? bases[r] - P{} : base;
    }
    write<T, bytes>(out + i, best);
    write<Place<T>, bytes>(place + i, base + read<Place<T>, bytes>(column + i));
}

template <class T, int bytes>
FALTUNG_INLINE void find_exactly(const T* const* rows, const Place<T>* bases, std::int64_t count,
                                 std::int64_t n, const Place<T>* column, T* out, Place<T>* place) {
    constexpr std::int64_t step = Pack<T, bytes>::lanes;
    if (n >= step) {
        std::int64_t i = 0;
        for (; i + step <= n; i += step)
            find_block<T, bytes>(rows, bases, count, i, column, out, place);
        if (i < n) find_block<T, bytes>(rows, bases, count, n - step, column, out, place);
    } else if constexpr (bytes > static_cast<int>(sizeof(T))) {
        find_exactly<T, bytes / 2>(rows, bases, count, n, column, out, place);
    }
}

template <class T>
FALTUNG_NOINLINE void find(const T* const* rows, const Place<T>* bases, std::int64_t count,
                           std::int64_t n, const Place<T>* column, T* out, Place<T>* place) {
    find_exactly<T, vector_bytes>(rows, bases, count, n, column, out, place);
}

template <class T>
FALTUNG_NOINLINE void find_whole(const T* const* values, const Place<T>* const* places,
                                 std::int64_t count, std::int64_t n, T* out, Place<T>* place) {
    using V = typename Pack<T, vector_bytes>::V;
    using P = typename Pack<Place<T>, vector_bytes>::V;
    for (std::int64_t i = 0; i < whole<T>(n); i += Pack<T, vector_bytes>::lanes) {
        V best = read<T, vector_bytes>(values[0] + i);
        P at = read<Place<T>, vector_bytes>(places[0] + i);
        for (std::int64_t r = 1; r < count; ++r) {
            const V v = read<T, vector_bytes>(values[r] + i);
            const P where = read<Place<T>, vector_bytes>(places[r] + i);
            const auto nan = v != v, best_nan = best != best, lower = where < at;
            const auto better =
                ((v > best) & ~best_nan) | ((v == best) & lower) | (nan & (~best_nan | lower));
            best = better ? v : best;
            at = better ? where : at;
        }
        write<T, vector_bytes>(out + i, best);
        write<Place<T>, vector_bytes>(place + i, at);
    }
}

/// Lane i of the answer is lane 2 * i of (a, b) side by side.
template <class V, int... i>
FALTUNG_INLINE V even_lanes(V a, V b, transform::Lanes<i...>) {
    return __builtin_shufflevector(a, b, 2 * i...);
}

template <class T>
FALTUNG_NOINLINE void pick(const T* from, std::int64_t step, std::int64_t n, T* to) {
    constexpr int count = static_cast<int>(Pack<T, vector_bytes>::lanes);
    std::int64_t i = 0;
    if (step == 2) {
        for (; i + count <= n; i += count) {
            const auto a = read<T, vector_bytes>(from + 2 * i);
            const auto b = read<T, vector_bytes>(from + 2 * i + count);
            write<T, vector_bytes>(to + i,
                                   even_lanes(a, b, typename transform::CountLanes<count>::type{}));
        }
    }
    for (; i < n; ++i) to[i] = from[i * step];
}

template <class T>
FALTUNG_NOINLINE void divide(T* line, std::int64_t n, std::int64_t divisor) {
    const T by = static_cast<T>(divisor);
    if (divisor > 0 && (divisor & (divisor - 1)) == 0) {  // the product is as exact, and quicker
        const T inverse = T{1} / by;
        for (std::int64_t i = 0; i < n; ++i) line[i] *= inverse;
    } else {
        for (std::int64_t i = 0; i < n; ++i) line[i] /= by;
    }
}

}  // namespace pool

template <class T>
constexpr PoolTable<T> pool_table() {
    if constexpr (Element<T>::floating) {
        return {{pool::combine<Combine::max, T>, pool::combine<Combine::sum, T>,
                 pool::combine<Combine::sum_sizes, T>, pool::combine<Combine::sum_squares, T>},
                {pool::combine_whole<Combine::max, T>, pool::combine_whole<Combine::sum, T>,
                 pool::combine_whole<Combine::sum_sizes, T>,
                 pool::combine_whole<Combine::sum_squares, T>},
                {pool::fold<Combine::max, T>, pool::fold<Combine::sum, T>,
                 pool::fold<Combine::sum_sizes, T>, pool::fold<Combine::sum_squares, T>},
                pool::find<T>,
                pool::find_whole<T>,
                pool::pick<T>,
                pool::divide<T>};
    } else {  // integers have a maximum only
        return {{pool::combine<Combine::max, T>, nullptr, nullptr, nullptr},
                {pool::combine_whole<Combine::max, T>, nullptr, nullptr, nullptr},
                {},
                pool::find<T>,
                pool::find_whole<T>,
                pool::pick<T>,
                nullptr};
    }
}

}  // namespace
}  // namespace faltung::microkernels
