// Real columns in pairs: a panel holds 2 * lanes of them, the second half as the imaginary parts of
// the first. Their transforms are taken apart on the way into the transforms along the rows, where
// a row and the one of the opposite frequency are at hand, and put together again on the way out.
#pragma once

#include "microkernels/magnitude.hpp"
#include "microkernels/transform_fold.hpp"
#include "microkernels/transform_passes.hpp"
#include "microkernels/transpose.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

template <class T>
bool pair(T* tile, const TileLayout& layout, Size rows, const T* from, Size stride) {
    constexpr int n = lanes<T>;
    Magnitudes<T> seen;
    for (Size y = 0; y < rows; ++y, tile += element<T>) {
        const T* const row = from ? from + y * stride : nullptr;
        for (Size p = 0; p < layout.panels; ++p) {
            Complex<T> z{};
            if (row) {
                const T* const at = row + p * element<T>;
                __builtin_prefetch(at + fold_ahead * stride);
                __builtin_prefetch(at + fold_ahead * stride + n);
                z = {loadu(at), loadu(at + n)};
                seen.see(z.re);
                seen.see(z.im);
            }
            store_complex(tile + p * layout.panel, z);
        }
    }
    return seen.moderate();
}

template <class T>
void unpair(const T* tile, const TileLayout& layout, Size rows, T* to, Size stride) {
    for (Size y = 0; y < rows; ++y, tile += element<T>, to += stride) {
        for (Size p = 0; p < layout.panels; ++p) {
            const Complex<T> z = load_complex(tile + p * layout.panel);
            storeu(to + p * element<T>, z.re);
            storeu(to + p * element<T> + lanes<T>, z.im);
        }
    }
}

/// One panel of `lanes` rows z, and of those of the opposite frequency, becomes 2 * lanes elements
/// of their transforms a and b, where z = a + i b; each comes out doubled.
template <class T>
FALTUNG_INLINE void part_panel(const T* tile, const Size* places, T* to) {
    constexpr int n = lanes<T>;
    constexpr Size e = element<T>;
    const auto turn = [&](T* part, auto&& value) {
        Vec<T> rows[n];
        FALTUNG_UNROLL
        for (int i = 0; i < n; ++i) rows[i] = value(tile + places[2 * i], tile + places[2 * i + 1]);
        transpose<T>(rows);
        FALTUNG_UNROLL
        for (int i = 0; i < n; ++i) store<T>(part + i * e, rows[i]);
    };
    T* const second = to + n * e;
    turn(to, [](const T* z, const T* opposite) { return load(z) + load(opposite); });
    turn(to + n, [](const T* z, const T* opposite) { return load(z + n) - load(opposite + n); });
    turn(second, [](const T* z, const T* opposite) { return load(z + n) + load(opposite + n); });
    turn(second + n, [](const T* z, const T* opposite) { return load(opposite) - load(z); });
}

/// The way back; nothing is halved.
template <class T>
FALTUNG_INLINE void join_panel(const T* from, T* tile, const Size* places) {
    constexpr int n = lanes<T>;
    constexpr Size e = element<T>;
    const auto turn = [&](const T* part, Vec<T>* rows) {
        FALTUNG_UNROLL
        for (int i = 0; i < n; ++i) rows[i] = load(part + i * e);
        transpose<T>(rows);
    };
    const T* const second = from + n * e;
    alignas(64) T held[n * n];
    Vec<T> rows[n];
    const auto hold = [&] {
        FALTUNG_UNROLL
        for (int i = 0; i < n; ++i) store<T>(held + i * n, rows[i]);
    };
    turn(from, rows);
    hold();
    turn(second + n, rows);
    FALTUNG_UNROLL
    for (int i = 0; i < n; ++i) {
        const Vec<T> a = load(held + i * n);
        store<T>(tile + places[2 * i], a - rows[i]);
        store<T>(tile + places[2 * i + 1], a + rows[i]);
    }
    turn(from + n, rows);
    hold();
    turn(second, rows);
    FALTUNG_UNROLL
    for (int i = 0; i < n; ++i) {
        const Vec<T> a = load(held + i * n);
        store<T>(tile + places[2 * i] + n, rows[i] + a);
        store<T>(tile + places[2 * i + 1] + n, rows[i] - a);
    }
}

/// A panel of n row elements from panels of pairs, of which only the first `there` hold anything,
/// and back; the last one may be wider than what is left of a row.
template <class T>
FALTUNG_NOINLINE void pairs_to_panel(const T* tile, const TileLayout& layout, const Size* places,
                                     Size there, Size n, T* panel) {
    constexpr Size block = 2 * lanes<T> * element<T>;
    const Size whole = n / (2 * lanes<T>);
    for (Size p = 0; p < there && p < whole; ++p)
        part_panel(tile + p * layout.panel, places, panel + p * block);
    Size i = there * block;
    if (there > whole) {
        alignas(64) T held[block];
        part_panel(tile + whole * layout.panel, places, held);
        for (i = whole * block; i < n * element<T>; i += lanes<T>)
            store<T>(panel + i, load(held + (i - whole * block)));
    }
    for (; i < n * element<T>; i += lanes<T>) store<T>(panel + i, Vec<T>{});
}
template <class T>
FALTUNG_NOINLINE void panel_to_pairs(const T* panel, Size n, T* tile, const TileLayout& layout,
                                     const Size* places, PanelRange back) {
    constexpr Size block = 2 * lanes<T> * element<T>;
    const Size whole = n / (2 * lanes<T>);
    for (Size p = back.begin; p < back.end && p < whole; ++p)
        join_panel(panel + p * block, tile + p * layout.panel, places);
    if (back.end > whole) {
        alignas(64) T held[block] = {};
        for (Size i = whole * block; i < n * element<T>; i += lanes<T>)
            store<T>(held + (i - whole * block), load(panel + i));
        join_panel(held, tile + whole * layout.panel, places);
    }
}

}  // namespace transform
}  // namespace
}  // namespace faltung::microkernels
