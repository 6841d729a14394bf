// A long real line on its way into a tile and out of it: the second half of its samples becomes the
// imaginary part of the first, and every row is turned by a factor of its own.
#pragma once

#include "microkernels/magnitude.hpp"
#include "microkernels/transform_complex.hpp"
#include "microkernels/transform_table.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

/// Rows so far apart are fetched by no prefetcher.
constexpr std::ptrdiff_t fold_ahead = 8;

template <bool both, class T>
FALTUNG_INLINE void fold_row(T* to, const TileLayout& layout, const T* a, const T* b,
                             std::ptrdiff_t ahead, const Complex<T>& twist, Magnitudes<T>& seen) {
    for (std::ptrdiff_t p = 0; p < layout.panels; ++p, to += layout.panel) {
        const std::ptrdiff_t at = p * lanes<T>;
        __builtin_prefetch(a + at + ahead);
        const Vec<T> re = loadu(a + at);
        seen.see(re);
        if constexpr (both) {
            __builtin_prefetch(b + at + ahead);
            const Vec<T> im = loadu(b + at);
            seen.see(im);
            store_complex(to, Complex<T>{re, im} * twist);
        } else {
            store_complex(to, {re * twist.re, re * twist.im});
        }
    }
}

template <class T>
bool fold(T* tile, const TileLayout& layout, std::ptrdiff_t rows, const T* a, const T* b,
          std::ptrdiff_t stride, const T* twist) {
    Magnitudes<T> seen;
    for (std::ptrdiff_t y = 0; y < rows; ++y, tile += 2 * lanes<T>, twist += 2) {
        const Complex<T> turn = splat_complex(twist);
        if (b)
            fold_row<true>(tile, layout, a + y * stride, b + y * stride, fold_ahead * stride, turn,
                           seen);
        else if (a)
            fold_row<false>(tile, layout, a + y * stride, a, fold_ahead * stride, turn, seen);
        else
            for (std::ptrdiff_t p = 0; p < layout.panels; ++p)
                store_complex(tile + p * layout.panel, Complex<T>{});
    }
    return seen.moderate();
}

template <class T>
void unfold(const T* tile, const TileLayout& layout, std::ptrdiff_t rows, const T* twist, T* a,
            T* b, std::ptrdiff_t stride) {
    for (std::ptrdiff_t y = 0; y < rows; ++y, tile += 2 * lanes<T>, twist += 2) {
        const Complex<T> turn = splat_complex(twist);
        const T* from = tile;
        for (std::ptrdiff_t p = 0; p < layout.panels; ++p, from += layout.panel) {
            const Complex<T> z = times_conjugate(load_complex(from), turn);
            const std::ptrdiff_t at = y * stride + p * lanes<T>;
            if (a) storeu(a + at, z.re);
            if (b) storeu(b + at, z.im);
        }
    }
}

}  // namespace transform
}  // namespace
}  // namespace faltung::microkernels
