// Rows of samples into the panels of a tile, and rows of results out of them.
#pragma once

#include "microkernels/transform_complex.hpp"
#include "microkernels/transform_table.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

/// `count` <= lanes numbers `sample` apart; the other lanes are zero.
template <class T>
FALTUNG_INLINE Vec<T> gather(const T* from, std::ptrdiff_t sample, std::ptrdiff_t count) {
    alignas(64) T held[lanes<T>] = {};
    for (std::ptrdiff_t i = 0; i < count; ++i) held[i] = from[i * sample];
    return load(held);
}

template <class T>
FALTUNG_INLINE void scatter(T* to, std::ptrdiff_t sample, std::ptrdiff_t count, Vec<T> v) {
    alignas(64) T held[lanes<T>];
    store<T>(held, v);
    for (std::ptrdiff_t i = 0; i < count; ++i) to[i * sample] = held[i];
}

/// One row on its way into a tile, vector by vector.
template <class T, bool contiguous>
struct RowSource {
    const T* from;  // null: zeros
    std::ptrdiff_t sample;

    FALTUNG_INLINE Vec<T> whole(std::ptrdiff_t at) const {
        if constexpr (contiguous) return loadu(from + at);
        return from ? gather(from + at * sample, sample, lanes<T>) : Vec<T>{};
    }
    FALTUNG_INLINE Vec<T> some(std::ptrdiff_t at, std::ptrdiff_t count) const {
        return from && count > 0 ? gather(from + at * sample, sample, count) : Vec<T>{};
    }
};

/// Remembers whether a sample came by that is not finite, or so large that its square is not: one
/// multiply-add each.
template <class T>
struct Watch {
    Vec<T> squares{};

    FALTUNG_INLINE void see(Vec<T> v) { squares += v * v; }
    FALTUNG_INLINE bool alarmed() const {
        constexpr T limit = sizeof(T) == 4 ? static_cast<T>(0x1p+120) : static_cast<T>(0x1p+1000);
        const auto fine = squares < splat<T>(limit);
        auto all = fine[0];
        for (int i = 1; i < lanes<T>; ++i) all &= fine[i];
        return all == 0;
    }
};

template <bool contiguous, class T>
FALTUNG_INLINE void load_row(T* row, const TileLayout& layout, const RowSource<T, contiguous>& re,
                             const RowSource<T, contiguous>& im, std::ptrdiff_t n,
                             Watch<T>& re_watch, Watch<T>& im_watch) {
    constexpr std::ptrdiff_t width = lanes<T>;
    std::ptrdiff_t p = 0;
    for (; (p + 1) * width <= n; ++p) {
        const Complex<T> x{re.whole(p * width), im.whole(p * width)};
        re_watch.see(x.re);
        im_watch.see(x.im);
        store_complex(row + p * layout.panel, x);
    }
    for (; p < layout.panels; ++p) {
        const std::ptrdiff_t left = n - p * width;
        const Complex<T> x{re.some(p * width, left), im.some(p * width, left)};
        re_watch.see(x.re);
        im_watch.see(x.im);
        store_complex(row + p * layout.panel, x);
    }
}

template <class T>
int load_rows(T* tile, const TileLayout& layout, const Plane<const T>& re, const Plane<const T>& im,
              std::ptrdiff_t rows, std::ptrdiff_t n) {
    Watch<T> re_watch, im_watch;
    const bool contiguous = re.data && im.data && re.sample == 1 && im.sample == 1;
    for (std::ptrdiff_t y = 0; y < rows; ++y) {
        T* row = tile + y * 2 * lanes<T>;
        const T* re_row = re.data ? re.data + y * re.row : nullptr;
        const T* im_row = im.data ? im.data + y * im.row : nullptr;
        if (contiguous)
            load_row<true, T>(row, layout, {re_row, 1}, {im_row, 1}, n, re_watch, im_watch);
        else
            load_row<false, T>(row, layout, {re_row, re.sample}, {im_row, im.sample}, n, re_watch,
                               im_watch);
    }
    return (re_watch.alarmed() ? 1 : 0) | (im_watch.alarmed() ? 2 : 0);
}

template <class T>
void store_rows(const T* tile, const TileLayout& layout, int part, const Plane<T>& plane,
                std::ptrdiff_t rows, std::ptrdiff_t n, bool past_cache) {
    constexpr std::ptrdiff_t width = lanes<T>;
    for (std::ptrdiff_t y = 0; y < rows; ++y) {
        const T* row = tile + y * 2 * width + part * width;
        T* to = plane.data + y * plane.row;
        std::ptrdiff_t p = 0;
        if (plane.sample == 1 && past_cache)
            for (; (p + 1) * width <= n; ++p)
                stream<T>(to + p * width, load(row + p * layout.panel));
        else if (plane.sample == 1)
            for (; (p + 1) * width <= n; ++p)
                storeu<T>(to + p * width, load(row + p * layout.panel));
        for (; p * width < n; ++p) {
            const std::ptrdiff_t left = n - p * width;
            scatter<T>(to + p * width * plane.sample, plane.sample, left < width ? left : width,
                       load(row + p * layout.panel));
        }
    }
}

}  // namespace transform
}  // namespace
}  // namespace faltung::microkernels
