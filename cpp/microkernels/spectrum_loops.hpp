// The loops behind SpectrumTable.
#pragma once

#include "microkernels/magnitude.hpp"
#include "microkernels/simd.hpp"
#include "microkernels/spectrum_table.hpp"
#include "microkernels/transpose.hpp"

namespace faltung::microkernels {
namespace {
namespace spectrum {

using Size = std::int64_t;

/// Pairs in a vector.
template <class T>
inline constexpr int pairs = lanes<T> / 2;

struct Swap {
    static constexpr int at(int i) { return i ^ 1; }
};
struct Even {
    static constexpr int at(int i) { return i & ~1; }
};
struct Odd {
    static constexpr int at(int i) { return i | 1; }
};

template <class T>
FALTUNG_INLINE Vec<T> swapped(Vec<T> v) {
    return transform::shuffle<T>(v, v, Swap{});
}

/// -1, 1, -1, 1, ...
template <class T>
FALTUNG_INLINE Vec<T> signs() {
    Vec<T> s;
    FALTUNG_UNROLL
    for (int i = 0; i < lanes<T>; ++i) s[i] = i % 2 ? T(1) : T(-1);
    return s;
}

/// A factor taken apart once: product(z, f) = z * re + swapped(z) * im.
template <class T>
struct Factor {
    Vec<T> re, im;
};

template <class T>
FALTUNG_INLINE Factor<T> factor(Vec<T> h) {
    return {transform::shuffle<T>(h, h, Even{}), transform::shuffle<T>(h, h, Odd{}) * signs<T>()};
}
template <class T>
FALTUNG_INLINE Factor<T> factor(T re, T im) {
    return {splat(re), splat(im) * signs<T>()};
}
template <class T>
FALTUNG_INLINE Factor<T> conjugate(Factor<T> f) {
    return {f.re, -f.im};
}
template <class T>
FALTUNG_INLINE Vec<T> product(Vec<T> z, const Factor<T>& f) {
    return fma(z, f.re, swapped<T>(z) * f.im);
}

template <class T>
FALTUNG_INLINE void single_product(T* z, T re, T im) {
    const T a = z[0], b = z[1];
    z[0] = a * re - b * im;
    z[1] = a * im + b * re;
}

template <class T>
void multiply(T* z, const T* h, Size n) {
    Size i = 0;
    for (; i + pairs<T> <= n; i += pairs<T>)
        storeu(z + 2 * i, product<T>(loadu(z + 2 * i), factor<T>(loadu(h + 2 * i))));
    for (; i < n; ++i) single_product(z + 2 * i, h[2 * i], h[2 * i + 1]);
}

template <class T, bool back>
void turn(T* z, Size n, const T* coarse, const T* factors, Size fine) {
    for (Size i = 0; i < n; i += fine, coarse += 2) {
        const Factor<T> outer = factor<T>(coarse[0], coarse[1]);
        const Size count = n - i < fine ? n - i : fine;
        Size j = 0;
        for (; j + pairs<T> <= count; j += pairs<T>) {
            T* at = z + 2 * (i + j);
            const Factor<T> both = factor<T>(product<T>(loadu(factors + 2 * j), outer));
            storeu(at, product<T>(loadu(at), back ? conjugate<T>(both) : both));
        }
        for (; j < count; ++j) {
            T both[2] = {factors[2 * j], factors[2 * j + 1]};
            single_product(both, coarse[0], coarse[1]);
            single_product(z + 2 * (i + j), both[0], back ? -both[1] : both[1]);
        }
    }
}

/// (a0, b0, a1, b1, ...): the first or second half of it.
template <class T, bool second>
struct Zip {
    static constexpr int at(int i) {
        return i / 2 + (second ? lanes<T> / 2 : 0) + (i % 2 ? lanes<T> : 0);
    }
};
/// The even (odd) lanes of both.
template <bool odd>
struct Unzip {
    static constexpr int at(int i) { return 2 * i + (odd ? 1 : 0); }
};

template <class T>
void fold(const T* a, const T* b, const T* w, T* z, Size n) {
    Size i = 0;
    for (; i + lanes<T> <= n; i += lanes<T>) {
        const Vec<T> re = loadu(a + i), im = b ? loadu(b + i) : Vec<T>{};
        T* to = z + 2 * i;
        const T* by = w + 2 * i;
        storeu(to,
               product<T>(transform::shuffle<T>(re, im, Zip<T, false>{}), factor<T>(loadu(by))));
        storeu(to + lanes<T>, product<T>(transform::shuffle<T>(re, im, Zip<T, true>{}),
                                         factor<T>(loadu(by + lanes<T>))));
    }
    for (; i < n; ++i) {
        z[2 * i] = a[i];
        z[2 * i + 1] = b ? b[i] : T(0);
        single_product(z + 2 * i, w[2 * i], w[2 * i + 1]);
    }
}

template <class T>
void unfold(const T* z, const T* w, T* a, T* b, Size n) {
    Size i = 0;
    for (; i + lanes<T> <= n; i += lanes<T>) {
        const T *from = z + 2 * i, *by = w + 2 * i;
        const Vec<T> low = product<T>(loadu(from), conjugate<T>(factor<T>(loadu(by))));
        const Vec<T> high =
            product<T>(loadu(from + lanes<T>), conjugate<T>(factor<T>(loadu(by + lanes<T>))));
        storeu(a + i, transform::shuffle<T>(low, high, Unzip<false>{}));
        storeu(b + i, transform::shuffle<T>(low, high, Unzip<true>{}));
    }
    for (; i < n; ++i) {
        T pair[2] = {z[2 * i], z[2 * i + 1]};
        single_product(pair, w[2 * i], -w[2 * i + 1]);
        a[i] = pair[0];
        b[i] = pair[1];
    }
}

/// A square of pairs, one vector per row, transposed in registers.
template <class T>
FALTUNG_INLINE void transpose_pairs(Vec<T>* rows) {
    if constexpr (sizeof(T) == 4) {  // a pair is as long as a double
        transform::transpose<double>(reinterpret_cast<Vec<double>*>(rows));
    } else if constexpr (pairs<T> == 2) {
        transform::separate<T>(rows[0], rows[1]);
    } else if constexpr (pairs<T> == 4) {
        transform::separate<T>(rows[0], rows[1]);
        transform::separate<T>(rows[2], rows[3]);
        transform::separate<T>(rows[0], rows[2]);
        transform::separate<T>(rows[1], rows[3]);
    }
}

inline constexpr Size rows_ahead =
    12;  // fetched before they are needed: no prefetcher follows such strides

template <class T>
void transpose(const T* from, Size from_stride, Size rows, Size columns, T* to, Size to_stride) {
    constexpr int n = pairs<T>;
    const auto single = [&](Size r, Size c) {
        to[2 * (c * to_stride + r)] = from[2 * (r * from_stride + c)];
        to[2 * (c * to_stride + r) + 1] = from[2 * (r * from_stride + c) + 1];
    };
    const bool far = from_stride * static_cast<Size>(2 * sizeof(T)) >= 1024;
    Size r = 0;
    for (; r + n <= rows; r += n) {
        for (Size i = 0; far && i < n; ++i)
            for (Size c = 0; c < columns; c += 32 / static_cast<Size>(sizeof(T)))
                __builtin_prefetch(from + 2 * ((r + rows_ahead + i) * from_stride + c));
        Size c = 0;
        for (; c + n <= columns; c += n) {
            Vec<T> square[n];
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i) square[i] = loadu(from + 2 * ((r + i) * from_stride + c));
            transpose_pairs<T>(square);
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i) storeu(to + 2 * ((c + i) * to_stride + r), square[i]);
        }
        for (; c < columns; ++c)
            for (int i = 0; i < n; ++i) single(r + i, c);
    }
    for (; r < rows; ++r)
        for (Size c = 0; c < columns; ++c) single(r, c);
}

template <class T>
void fold_columns(const T* a, const T* b, Size stride, Size rows, Size columns, const T* w, T* to,
                  Size to_stride) {
    constexpr int n = pairs<T>;
    const auto single = [&](Size r, Size c) {
        T* at = to + 2 * (c * to_stride + r);
        at[0] = a[r * stride + c];
        at[1] = b ? b[r * stride + c] : T(0);
        single_product(at, w[2 * r], w[2 * r + 1]);
    };
    Size r = 0;
    for (; r + n <= rows; r += n) {
        for (int i = 0; i < n; ++i) {
            const Size ahead = (r + rows_ahead + i) * stride;
            for (Size c = 0; c < columns; c += 64 / static_cast<Size>(sizeof(T))) {
                __builtin_prefetch(a + ahead + c);
                if (b) __builtin_prefetch(b + ahead + c);
            }
        }
        Size c = 0;
        for (; c + 2 * n <= columns; c += 2 * n) {
            Vec<T> low[n], high[n];
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i) {
                const Size at = (r + i) * stride + c;
                const Vec<T> re = loadu(a + at), im = b ? loadu(b + at) : Vec<T>{};
                const Factor<T> twist = factor<T>(w[2 * (r + i)], w[2 * (r + i) + 1]);
                low[i] = product<T>(transform::shuffle<T>(re, im, Zip<T, false>{}), twist);
                high[i] = product<T>(transform::shuffle<T>(re, im, Zip<T, true>{}), twist);
            }
            transpose_pairs<T>(low);
            transpose_pairs<T>(high);
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i) {
                storeu(to + 2 * ((c + i) * to_stride + r), low[i]);
                storeu(to + 2 * ((c + n + i) * to_stride + r), high[i]);
            }
        }
        for (; c < columns; ++c)
            for (int i = 0; i < n; ++i) single(r + i, c);
    }
    for (; r < rows; ++r)
        for (Size c = 0; c < columns; ++c) single(r, c);
}

template <class T>
void unfold_columns(const T* from, Size from_stride, Size rows, Size columns, const T* w, T* a,
                    T* b, Size stride) {
    constexpr int n = pairs<T>;
    const auto single = [&](Size r, Size c) {
        const T* at = from + 2 * (c * from_stride + r);
        T pair[2] = {at[0], at[1]};
        single_product(pair, w[2 * r], -w[2 * r + 1]);
        if (a) a[r * stride + c] = pair[0];
        if (b) b[r * stride + c] = pair[1];
    };
    Size r = 0;
    for (; r + n <= rows; r += n) {
        Size c = 0;
        for (; c + 2 * n <= columns; c += 2 * n) {
            Vec<T> low[n], high[n];
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i) {
                low[i] = loadu(from + 2 * ((c + i) * from_stride + r));
                high[i] = loadu(from + 2 * ((c + n + i) * from_stride + r));
            }
            transpose_pairs<T>(low);
            transpose_pairs<T>(high);
            FALTUNG_UNROLL
            for (int i = 0; i < n; ++i) {
                const Size at = (r + i) * stride + c;
                const Factor<T> twist = conjugate<T>(factor<T>(w[2 * (r + i)], w[2 * (r + i) + 1]));
                const Vec<T> first = product<T>(low[i], twist), second = product<T>(high[i], twist);
                if (a) storeu(a + at, transform::shuffle<T>(first, second, Unzip<false>{}));
                if (b) storeu(b + at, transform::shuffle<T>(first, second, Unzip<true>{}));
            }
        }
        for (; c < columns; ++c)
            for (int i = 0; i < n; ++i) single(r + i, c);
    }
    for (; r < rows; ++r)
        for (Size c = 0; c < columns; ++c) single(r, c);
}

template <class T>
bool moderate(const T* numbers, Size n) {
    Magnitudes<T> seen;
    Size i = 0;
    for (; i + lanes<T> <= n; i += lanes<T>) seen.see(loadu(numbers + i));
    Vec<T> rest{};
    for (Size l = 0; i < n; ++i, ++l) rest[l] = numbers[i];
    seen.see(rest);
    return seen.moderate();
}

template <class T>
T squares(const T* numbers, Size n) {
    Vec<T> sums[2]{};
    Size i = 0;
    for (; i + 2 * lanes<T> <= n; i += 2 * lanes<T>) {
        const Vec<T> a = loadu(numbers + i), b = loadu(numbers + i + lanes<T>);
        sums[0] = fma(a, a, sums[0]);
        sums[1] = fma(b, b, sums[1]);
    }
    T sum = 0;
    for (; i < n; ++i) sum += numbers[i] * numbers[i];
    sums[0] += sums[1];
    for (int l = 0; l < lanes<T>; ++l) sum += sums[0][l];
    return sum;
}

}  // namespace spectrum

template <class T>
constexpr SpectrumTable<T> spectrum_table() {
    return {spectrum::multiply<T>,     spectrum::turn<T, false>,    spectrum::turn<T, true>,
            spectrum::fold<T>,         spectrum::unfold<T>,         spectrum::transpose<T>,
            spectrum::fold_columns<T>, spectrum::unfold_columns<T>, spectrum::moderate<T>,
            spectrum::squares<T>};
}

}  // namespace
}  // namespace faltung::microkernels
