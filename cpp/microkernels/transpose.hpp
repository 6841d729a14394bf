// Square blocks of numbers, transposed in registers: first inside the 16-byte quarters that every
// instruction set shuffles cheaply, then whole quarters.
#pragma once

#include "microkernels/transform_complex.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

template <int... i>
struct Lanes {};
template <int n, int... i>
struct CountLanes : CountLanes<n - 1, n - 1, i...> {};
template <int... i>
struct CountLanes<0, i...> {
    using type = Lanes<i...>;
};

/// Lane i of the answer is lane source(i) of (a, b) side by side.
template <class T, class Source, int... i>
FALTUNG_INLINE Vec<T> shuffle(const Vec<T>& a, const Vec<T>& b, Source, Lanes<i...>) {
    return __builtin_shufflevector(a, b, Source::at(i)...);
}
template <class T, class Source>
FALTUNG_INLINE Vec<T> shuffle(const Vec<T>& a, const Vec<T>& b, Source source) {
    return shuffle<T>(a, b, source, typename CountLanes<lanes<T>>::type{});
}

/// In every 16 bytes, units of `unit` lanes alternate between a and b, from the low (high) half of
/// each.
template <class T, int unit, bool high>
struct Interleave {
    static constexpr int quarter = 16 / static_cast<int>(sizeof(T));
    static constexpr int at(int i) {
        const int base = i / quarter * quarter, within = i % quarter;
        const int from = within / unit / 2 * unit + within % unit + (high ? quarter / 2 : 0);
        return base + from + ((within / unit) % 2 ? lanes<T> : 0);
    }
};

/// The even (odd) 16-byte quarters of a, then those of b.
template <class T, bool odd>
struct EveryOther {
    static constexpr int quarter = 16 / static_cast<int>(sizeof(T));
    static constexpr int at(int i) {
        const int which = 2 * (i / quarter) + (odd ? 1 : 0);  // counts through a and b alike
        return which * quarter + i % quarter;
    }
};

template <class T, int unit>
FALTUNG_INLINE void interleave(Vec<T>& a, Vec<T>& b) {
    const Vec<T> low = shuffle<T>(a, b, Interleave<T, unit, false>{});
    b = shuffle<T>(a, b, Interleave<T, unit, true>{});
    a = low;
}

template <class T>
FALTUNG_INLINE void separate(Vec<T>& a, Vec<T>& b) {
    const Vec<T> even = shuffle<T>(a, b, EveryOther<T, false>{});
    b = shuffle<T>(a, b, EveryOther<T, true>{});
    a = even;
}

/// rows[i][j] becomes rows[j][i].
template <class T>
FALTUNG_INLINE void transpose(Vec<T>* rows) {
    constexpr int n = lanes<T>, quarter = 16 / static_cast<int>(sizeof(T)), quarters = n / quarter;
    FALTUNG_UNROLL
    for (int r = 0; r < n; r += quarter) {
        if constexpr (quarter == 4) {
            interleave<T, 1>(rows[r], rows[r + 1]);
            interleave<T, 1>(rows[r + 2], rows[r + 3]);
            interleave<T, 2>(rows[r], rows[r + 2]);
            interleave<T, 2>(rows[r + 1], rows[r + 3]);
            const Vec<T> kept = rows[r + 1];
            rows[r + 1] = rows[r + 2];
            rows[r + 2] = kept;
        } else {
            interleave<T, 1>(rows[r], rows[r + 1]);
        }
    }
    FALTUNG_UNROLL
    for (int c = 0; c < quarter; ++c) {
        if constexpr (quarters == 2) separate<T>(rows[c], rows[c + quarter]);
        if constexpr (quarters == 4) {
            Vec<T>&a = rows[c], &b = rows[c + quarter];
            Vec<T>&d = rows[c + 2 * quarter], &e = rows[c + 3 * quarter];
            separate<T>(a, b);
            separate<T>(d, e);
            separate<T>(a, d);
            separate<T>(b, e);
        }
    }
}

}  // namespace transform
}  // namespace
}  // namespace faltung::microkernels
