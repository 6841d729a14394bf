// Rows of results out of the panels of a tile.
#pragma once

#include "microkernels/transform_complex.hpp"
#include "microkernels/transform_table.hpp"
#include "microkernels/transpose.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

template <class T>
FALTUNG_INLINE void scatter(T* to, std::ptrdiff_t sample, std::ptrdiff_t count, Vec<T> v) {
    alignas(64) T held[lanes<T>];
    store<T>(held, v);
    for (std::ptrdiff_t i = 0; i < count; ++i) to[i * sample] = held[i];
}

/// Fewer numbers than a line of memory holds.
template <class T>
FALTUNG_INLINE void copy_few(T* to, const T* from, std::ptrdiff_t count) {
    constexpr std::ptrdiff_t line = 64 / static_cast<std::ptrdiff_t>(sizeof(T));
    std::ptrdiff_t at = 0;
    FALTUNG_UNROLL
    for (std::ptrdiff_t some = line / 2; some > 0; some /= 2) {
        if (!(count & some)) continue;
        for (std::ptrdiff_t i = 0; i < some; ++i) to[at + i] = from[at + i];
        at += some;
    }
}

/// A row of results past the caches, wherever it begins: whole lines of memory are streamed from
/// the row, or a copy of it where its registers lie apart, what is left at its ends is stored as
/// usual.
template <class T>
FALTUNG_INLINE void stream_row(const T* row, const TileLayout& layout, T* to, std::ptrdiff_t n) {
    constexpr std::ptrdiff_t width = lanes<T>, most = 1024;
    constexpr std::ptrdiff_t line = 64 / static_cast<std::ptrdiff_t>(sizeof(T));
    alignas(64) T held[most];
    for (; n > 0; n -= most, to += most) {
        const std::ptrdiff_t count = n < most ? n : most;
        const T* const from = layout.panel == width ? row : held;
        if (from == held)
            for (std::ptrdiff_t i = 0; i < count; i += width)
                store<T>(held + i, load(row + i / width * layout.panel));
        row += most / width * layout.panel;
        const auto past = reinterpret_cast<std::uintptr_t>(to) % 64 / sizeof(T);
        std::ptrdiff_t i = past ? line - static_cast<std::ptrdiff_t>(past) : 0;
        if (i > count) i = count;
        copy_few(to, from, i);
        for (; i + line <= count; i += line) FALTUNG_UNROLL
        for (std::ptrdiff_t j = 0; j < line; j += width) stream<T>(to + i + j, loadu(from + i + j));
        copy_few(to + i, from + i, count - i);
    }
}

template <class T>
void store_rows(const T* tile, const TileLayout& layout, int part, const Plane<T>& plane,
                std::ptrdiff_t rows, std::ptrdiff_t n, bool past_cache) {
    constexpr std::ptrdiff_t width = lanes<T>;
    for (std::ptrdiff_t y = 0; y < rows; ++y) {
        const T* row = tile + y * 2 * width + part * width;
        T* to = plane.data + y * plane.row;
        std::ptrdiff_t p = 0;
        if (plane.sample == 1 && past_cache) {
            if (reinterpret_cast<std::uintptr_t>(to) % 64 != 0) {
                stream_row(row, layout, to, n);
                continue;
            }
            for (; (p + 1) * width <= n; ++p)
                stream<T>(to + p * width, load(row + p * layout.panel));
        } else if (plane.sample == 1) {
            for (; (p + 1) * width <= n; ++p)
                storeu<T>(to + p * width, load(row + p * layout.panel));
            // through memory, as below, tiles of 16 to 24 numbers take 6 to 10 % longer on a Zen 3
            if (vector_bytes < 64 && p * width < n) {
                const auto left = static_cast<int>(n - p * width);
                store_first<T>(to + p * width, load(row + p * layout.panel), left);
                continue;
            }
        }
        for (; p * width < n; ++p) {
            const std::ptrdiff_t left = n - p * width;
            scatter<T>(to + p * width * plane.sample, plane.sample, left < width ? left : width,
                       load(row + p * layout.panel));
        }
    }
}

/// Lane i of the answer's register `which` is number n = which * lanes + i of (a0, b0, ..., a1, b1,
/// ...). Two planes, or three of which the first two were put in place before:
template <class T, int count, int which>
struct Weave {
    static constexpr int number(int i) { return which * lanes<T> + i; }
    struct Two {
        static constexpr int at(int i) {
            const int n = number(i);
            return n % count < 2 ? n / count + n % count * lanes<T> : 0;
        }
    };
    struct Third {
        static constexpr int at(int i) {
            const int n = number(i);
            return n % count < 2 ? i : n / count + lanes<T>;
        }
    };
    // Four planes: of two registers that hold pairs.
    struct Pairs {
        static constexpr int at(int i) {
            const int n = number(i);
            return (n / 4 * 2 + n % 2) % lanes<T> + (n % 4 < 2 ? 0 : lanes<T>);
        }
    };
};

template <class T, int count, int which = 0>
FALTUNG_INLINE void weave(const Vec<T>* planes, Vec<T>* woven) {
    using W = Weave<T, count, which>;
    if constexpr (count == 4) {
        using Half = Weave<T, 2, which / 2>;
        const Vec<T> first = shuffle<T>(planes[0], planes[1], typename Half::Two{}),
                     second = shuffle<T>(planes[2], planes[3], typename Half::Two{});
        woven[which] = shuffle<T>(first, second, typename W::Pairs{});
    } else {
        woven[which] = shuffle<T>(planes[0], planes[1], typename W::Two{});
        if constexpr (count == 3)
            woven[which] = shuffle<T>(woven[which], planes[2], typename W::Third{});
    }
    if constexpr (which + 1 < count) weave<T, count, which + 1>(planes, woven);
}

template <class T, int count>
void store_woven(const T* const* from, const TileLayout& layout, T* to, std::ptrdiff_t stride,
                 std::ptrdiff_t rows, std::ptrdiff_t n, bool past_cache) {
    constexpr std::ptrdiff_t width = lanes<T>;
    for (std::ptrdiff_t y = 0; y < rows; ++y, to += stride) {
        const bool aligned = past_cache && reinterpret_cast<std::uintptr_t>(to) % 64 == 0;
        std::ptrdiff_t p = 0;
        for (; (p + 1) * width <= n; ++p) {
            Vec<T> planes[count], woven[count];
            FALTUNG_UNROLL
            for (int c = 0; c < count; ++c)
                planes[c] = load(from[c] + y * 2 * width + p * layout.panel);
            weave<T, count>(planes, woven);
            T* const at = to + p * width * count;
            FALTUNG_UNROLL
            for (int c = 0; c < count; ++c) {
                if (aligned)
                    stream<T>(at + c * width, woven[c]);
                else
                    storeu<T>(at + c * width, woven[c]);
            }
        }
        for (; p * width < n; ++p) {
            const std::ptrdiff_t left = n - p * width;
            for (int c = 0; c < count; ++c)
                scatter<T>(to + p * width * count + c, count, left < width ? left : width,
                           load(from[c] + y * 2 * width + p * layout.panel));
        }
    }
}

template <class T>
void store_interleaved(const T* const* from, int count, const TileLayout& layout, T* to,
                       std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t n,
                       bool past_cache) {
    const auto store = count == 2   ? store_woven<T, 2>
                       : count == 3 ? store_woven<T, 3>
                                    : store_woven<T, 4>;
    store(from, layout, to, stride, rows, n, past_cache);
}

}  // namespace transform
}  // namespace
}  // namespace faltung::microkernels
