// Rows of samples into the panels of a tile.
#pragma once

#include "microkernels/transform_complex.hpp"
#include "microkernels/transform_table.hpp"
#include "microkernels/transpose.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

/// `count` <= lanes numbers `sample` apart, less some number; the other lanes are zero.
template <class T>
FALTUNG_INLINE Vec<T> gather(const T* from, std::ptrdiff_t sample, T less, std::ptrdiff_t count) {
    alignas(64) T held[lanes<T>] = {};
    for (std::ptrdiff_t i = 0; i < count; ++i) held[i] = from[i * sample] - less;
    return load(held);
}

/// Lane i of the answer is number i * pace of a run of `pace` registers. The last register is
/// loaded pace - 1 numbers early, so that nothing is read beyond the last number wanted.
template <class T, int pace>
struct Comb {
    static constexpr int early = pace - 1;
    // Numbers of the first two registers, side by side.
    struct Low {
        static constexpr int at(int i) { return pace * i < 2 * lanes<T> ? pace * i : 0; }
    };
    // Those of the third, behind what Low left, or of the third and the fourth.
    struct High {
        static constexpr int at(int i) {
            const int from = pace * i - 2 * lanes<T>;
            if (from < 0) return pace == 3 ? i : 0;
            return pace == 3 ? lanes<T> + from + early : from < lanes<T> ? from : from + early;
        }
    };
    struct Halves {
        static constexpr int at(int i) { return 2 * i < lanes<T> ? i : lanes<T> + i; }
    };
    static FALTUNG_INLINE Vec<T> load(const T* from) {
        constexpr int n = lanes<T>;
        const Vec<T> low = shuffle<T>(loadu(from), loadu(from + n), Low{});
        if constexpr (pace == 3)
            return shuffle<T>(low, loadu(from + 2 * n - early), High{});
        else
            return shuffle<T>(low,
                              shuffle<T>(loadu(from + 2 * n), loadu(from + 3 * n - early), High{}),
                              Halves{});
    }
};

/// Even (odd) numbers of two registers.
template <bool odd>
struct Alternate {
    static constexpr int at(int i) { return 2 * i + (odd ? 1 : 0); }
};

/// How the samples of two planes stand in memory; numbers are taken off them where it says so, and
/// from those anyhow.
enum class Stand { contiguous, contiguous_less, pairs, threes, fours, anyhow };

/// A row of two planes on its way into a tile, register by register.
template <class T, Stand stand>
struct RowSource {
    const T *re, *im;  // null: zeros
    std::ptrdiff_t re_sample, im_sample;
    T re_less, im_less;

    FALTUNG_INLINE Complex<T> whole(std::ptrdiff_t at) const {
        if constexpr (stand == Stand::contiguous) return {loadu(re + at), loadu(im + at)};
        if constexpr (stand == Stand::contiguous_less)
            return {loadu(re + at) - splat<T>(re_less), loadu(im + at) - splat<T>(im_less)};
        if constexpr (stand == Stand::pairs) {
            const Vec<T> a = loadu(re + 2 * at), b = loadu(re + 2 * at + lanes<T>);
            return {shuffle<T>(a, b, Alternate<false>{}), shuffle<T>(a, b, Alternate<true>{})};
        }
        if constexpr (stand == Stand::threes)
            return {Comb<T, 3>::load(re + 3 * at), Comb<T, 3>::load(im + 3 * at)};
        if constexpr (stand == Stand::fours)
            return {Comb<T, 4>::load(re + 4 * at), Comb<T, 4>::load(im + 4 * at)};
        return some(at, lanes<T>);
    }
    FALTUNG_INLINE void fetch(std::ptrdiff_t at) const {
        if constexpr (stand == Stand::contiguous_less) {
            __builtin_prefetch(re + at, 0, 2);
            __builtin_prefetch(im + at, 0, 2);
        }
    }
    FALTUNG_INLINE Complex<T> some(std::ptrdiff_t at, std::ptrdiff_t count) const {
        return {
            re && count > 0 ? gather(re + at * re_sample, re_sample, re_less, count) : Vec<T>{},
            im && count > 0 ? gather(im + at * im_sample, im_sample, im_less, count) : Vec<T>{}};
    }
};

/// What a Glance keeps, lane by lane. The sum over lanes of the least is at most the least of the
/// sums.
template <class T>
struct Watch {
    static constexpr T never = static_cast<T>(__builtin_huge_val());
    std::ptrdiff_t begin_row, end_row, begin, end;
    Vec<T> total{}, least = splat<T>(never);

    FALTUNG_INLINE explicit Watch(const Glance<T>& glance)
        : begin_row(glance.begin_row),
          end_row(glance.end_row),
          begin(glance.begin),
          end(glance.end) {}

    FALTUNG_INLINE void take(Vec<T> candidate) { least = candidate < least ? candidate : least; }
    /// A whole row.
    FALTUNG_INLINE void see(Vec<T> squares, std::ptrdiff_t y) {
        total += squares;
        if (begin_row <= y && y < end_row) take(squares);
    }
    /// Rows [y, y + rows) of the columns from x on; lanes without samples do not count, nor does a
    /// block of few rows that has a better neighbour: a single number may well be close to zero.
    FALTUNG_INLINE void see(Vec<T> squares, std::ptrdiff_t y, std::ptrdiff_t rows,
                            std::ptrdiff_t x) {
        total += squares;
        const std::ptrdiff_t first = begin_row > y ? begin_row : y,
                             last = end_row < y + rows ? end_row : y + rows;
        if (last <= first) return;
        if (last - first < glance_rows / 2 && end_row - begin_row >= glance_rows) return;
        if (begin <= x && x + lanes<T> <= end) return take(squares);
        alignas(64) T absent[lanes<T>];
        for (int i = 0; i < lanes<T>; ++i) absent[i] = begin <= x + i && x + i < end ? T{0} : never;
        take(squares + load(absent));
    }
    FALTUNG_INLINE void close(Glance<T>& glance) const {
        const auto missing = least == splat<T>(never);
        const Vec<T> found = missing ? Vec<T>{} : least;
        auto all_missing = missing[0];
        T sum = 0;
        for (int i = 0; i < lanes<T>; ++i) {
            glance.total += total[i];
            sum += found[i];
            all_missing &= missing[i];
        }
        if (all_missing == 0 && sum < glance.least) glance.least = sum;
    }
};

/// Some whole panels of a block, whose squares are summed in registers.
template <int panels, class T, class Source>
FALTUNG_INLINE void load_panels(T* to, const TileLayout& layout, const Source& source,
                                std::ptrdiff_t y, std::ptrdiff_t rows, std::ptrdiff_t x,
                                Watch<T>& re, Watch<T>& im) {
    Vec<T> re_squares[panels]{}, im_squares[panels]{};
    for (std::ptrdiff_t r = y; r < y + rows; ++r, to += 2 * lanes<T>) {
        const auto row = source(r), next = source(r + rows);
        FALTUNG_UNROLL
        for (int p = 0; p < panels; ++p) {
            next.fetch(x + p * lanes<T>);
            const Complex<T> value = row.whole(x + p * lanes<T>);
            store_complex(to + p * layout.panel, value);
            re_squares[p] += value.re * value.re;
            im_squares[p] += value.im * value.im;
        }
    }
    FALTUNG_UNROLL
    for (int p = 0; p < panels; ++p) {
        re.see(re_squares[p], y, rows, x + p * lanes<T>);
        im.see(im_squares[p], y, rows, x + p * lanes<T>);
    }
}

template <class T, class Source>
FALTUNG_INLINE void load_block(T* tile, const TileLayout& layout, const Source& source,
                               std::ptrdiff_t y, std::ptrdiff_t rows, std::ptrdiff_t n,
                               Watch<T>& re, Watch<T>& im) {
    constexpr std::ptrdiff_t width = lanes<T>;
    T* const start = tile + y * 2 * width;
    std::ptrdiff_t p = 0;
    for (; (p + 4) * width <= n; p += 4)
        load_panels<4>(start + p * layout.panel, layout, source, y, rows, p * width, re, im);
    for (; (p + 1) * width <= n; ++p)
        load_panels<1>(start + p * layout.panel, layout, source, y, rows, p * width, re, im);
    for (; p < layout.panels; ++p) {
        Vec<T> re_squares{}, im_squares{};
        T* to = start + p * layout.panel;
        for (std::ptrdiff_t r = y; r < y + rows; ++r, to += 2 * width) {
            const Complex<T> value = source(r).some(p * width, n - p * width);
            store_complex(to, value);
            re_squares += value.re * value.re;
            im_squares += value.im * value.im;
        }
        re.see(re_squares, y, rows, p * width);
        im.see(im_squares, y, rows, p * width);
    }
}

/// Row by row: each is a block.
template <class T, class Source>
FALTUNG_INLINE void load_line(T* row, const TileLayout& layout, const Source& source,
                              std::ptrdiff_t y, std::ptrdiff_t n, Watch<T>& re, Watch<T>& im) {
    constexpr std::ptrdiff_t width = lanes<T>;
    Vec<T> re_squares{}, im_squares{};
    const auto put = [&](std::ptrdiff_t p, const Complex<T>& value) {
        store_complex(row + p * layout.panel, value);
        re_squares += value.re * value.re;
        im_squares += value.im * value.im;
    };
    std::ptrdiff_t p = 0;
    for (; (p + 1) * width <= n; ++p) put(p, source.whole(p * width));
    for (; p < layout.panels; ++p) put(p, source.some(p * width, n - p * width));
    re.see(re_squares, y);
    im.see(im_squares, y);
}

template <Stand stand, class T>
void load_planes(T* tile, const TileLayout& layout, const Plane<const T>& re,
                 const Plane<const T>& im, std::ptrdiff_t rows, std::ptrdiff_t n,
                 std::ptrdiff_t block, Glance<T>& re_glance, Glance<T>& im_glance) {
    Watch<T> re_watch(re_glance), im_watch(im_glance);
    const auto row_at = [&](std::ptrdiff_t y) {
        return RowSource<T, stand>{re.data ? re.data + y * re.row : nullptr,
                                   im.data ? im.data + y * im.row : nullptr,
                                   re.sample,
                                   im.sample,
                                   re.less,
                                   im.less};
    };
    if (block == whole_row)
        for (std::ptrdiff_t y = 0; y < rows; ++y)
            load_line(tile + y * 2 * lanes<T>, layout, row_at(y), y, n, re_watch, im_watch);
    else
        for (std::ptrdiff_t y = 0; y < rows; y += block)
            load_block(tile, layout, row_at, y, rows - y < block ? rows - y : block, n, re_watch,
                       im_watch);
    re_watch.close(re_glance);
    im_watch.close(im_glance);
}

template <class T>
void load_rows(T* tile, const TileLayout& layout, const Plane<const T>& re,
               const Plane<const T>& im, std::ptrdiff_t rows, std::ptrdiff_t n,
               std::ptrdiff_t block, Glance<T>& re_glance, Glance<T>& im_glance) {
    const bool both = re.data && im.data && re.sample == im.sample;
    const bool less = re.less != 0 || im.less != 0;
    const auto load =
        !both ? load_planes<Stand::anyhow, T>
        : re.sample == 1
            ? (less ? load_planes<Stand::contiguous_less, T> : load_planes<Stand::contiguous, T>)
        : less                                     ? load_planes<Stand::anyhow, T>
        : re.sample == 2 && im.data == re.data + 1 ? load_planes<Stand::pairs, T>
        : re.sample == 3                           ? load_planes<Stand::threes, T>
        : re.sample == 4                           ? load_planes<Stand::fours, T>
                                                   : load_planes<Stand::anyhow, T>;
    load(tile, layout, re, im, rows, n, block, re_glance, im_glance);
}

}  // namespace transform
}  // namespace
}  // namespace faltung::microkernels
