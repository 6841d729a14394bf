// Transforms of whole panels and tiles, put together from the passes. See transform_table.hpp for
// the layout.
//
// The factors of a length follow one another pass by pass, the outer pass first: radix - 1 pairs
// for each place.
#pragma once

#include "microkernels/transform_fold.hpp"
#include "microkernels/transform_lengths.hpp"
#include "microkernels/transform_pairs.hpp"
#include "microkernels/transform_passes.hpp"
#include "microkernels/transform_rows.hpp"
#include "microkernels/transform_store.hpp"
#include "microkernels/transform_table.hpp"
#include "microkernels/transpose.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

/// A length with its passes looked up.
template <class T>
struct Steps {
    int depth;  // passes that are made
    Size count[most_passes];
    Size radix[most_passes];
    const Pass<T>* pass[most_passes];
    const T* twiddles[most_passes];  // the last pass has none

    Steps(const TransformLength& length, const T* all_twiddles) : depth(0) {
        Size rest = length.n;
        for (int d = 0; d < most_passes && length.radix[d] > 1; ++d) {
            radix[d] = length.radix[d];
            count[d] = rest / radix[d];
            pass[d] = &transform::pass<T>(length.radix[d]);
            twiddles[d] = all_twiddles;
            all_twiddles += 2 * (radix[d] - 1) * count[d];
            rest = count[d];
            depth = d + 1;
        }
    }
};

/// The passes from `d` on. Each block of the outer pass goes through all others before the next one
/// does, so that it is in the nearest cache that holds it.
template <int d, class T>
FALTUNG_NOINLINE void forward_from(T* data, Size stride, const Steps<T>& s) {
    s.pass[d]->forward(data, stride, s.count[d], s.twiddles[d]);
    if (s.depth == d + 2) return s.pass[d + 1]->plain_forward(data, stride, s.radix[d]);
    if constexpr (d + 2 < most_passes)
        for (Size b = 0; b < s.radix[d]; ++b)
            forward_from<d + 1>(data + b * s.count[d] * stride, stride, s);
}
template <class T>
FALTUNG_INLINE void forward_panel(T* data, Size stride, const Steps<T>& s) {
    if (s.depth == 1)
        s.pass[0]->plain_forward(data, stride, 1);
    else
        forward_from<0>(data, stride, s);
}

template <int d, class T>
FALTUNG_NOINLINE void inverse_from(T* data, Size stride, const Steps<T>& s) {
    if (s.depth == d + 2)
        s.pass[d + 1]->plain_inverse(data, stride, s.radix[d]);
    else if constexpr (d + 2 < most_passes)
        for (Size b = 0; b < s.radix[d]; ++b)
            inverse_from<d + 1>(data + b * s.count[d] * stride, stride, s);
    s.pass[d]->inverse(data, stride, s.count[d], s.twiddles[d]);
}
template <class T>
FALTUNG_INLINE void inverse_panel(T* data, Size stride, const Steps<T>& s) {
    if (s.depth == 1)
        s.pass[0]->plain_inverse(data, stride, 1);
    else
        inverse_from<0>(data, stride, s);
}

template <bool same, class T>
FALTUNG_INLINE void middle(const Pass<T>& pass, T* data, Size stride, Size blocks,
                           const T* spectrum) {
    if constexpr (same)
        pass.middle_same(data, stride, blocks, spectrum);
    else
        pass.middle(data, stride, blocks, spectrum);
}

template <bool same, int d, class T>
FALTUNG_NOINLINE void convolve_from(T* data, Size stride, const Steps<T>& s, const T* spectrum) {
    s.pass[d]->forward(data, stride, s.count[d], s.twiddles[d]);
    if (s.depth == d + 2) {
        middle<same>(*s.pass[d + 1], data, stride, s.radix[d], spectrum);
    } else if constexpr (d + 2 < most_passes) {
        constexpr Size pace = same ? 2 : element<T>;
        for (Size b = 0; b < s.radix[d]; ++b)
            convolve_from<same, d + 1>(data + b * s.count[d] * stride, stride, s,
                                       spectrum + b * s.count[d] * pace);
    }
    s.pass[d]->inverse(data, stride, s.count[d], s.twiddles[d]);
}
template <bool same, class T>
FALTUNG_INLINE void convolve_panel(T* data, Size stride, const Steps<T>& s, const T* spectrum) {
    if (s.depth == 1)
        middle<same>(*s.pass[0], data, stride, 1, spectrum);
    else
        convolve_from<same, 0>(data, stride, s, spectrum);
}

/// `inner` panels whose elements alternate, all with one spectrum.
template <class T>
FALTUNG_INLINE void convolve_each(T* data, Size inner, const Steps<T>& s, const T* spectrum) {
    for (Size i = 0; i < inner; ++i)
        convolve_panel<false>(data + i * element<T>, inner * element<T>, s, spectrum);
}

/// The elements of the next panel where they stand far apart, so that no prefetcher fetches them.
/// Tiles of 64 x 64 x 128 on a Zen 3: 0.93 times as long. Not measured with AVX-512.
template <class T>
FALTUNG_INLINE void fetch_panel(const T* data, Size stride, Size n) {
    if (vector_bytes >= 64 || stride == element<T>) return;
    for (Size e = 0; e < n; ++e) __builtin_prefetch(data + e * stride);
}

template <class T>
void forward(T* data, Size stride, Size count, Size distance, const TransformLength& length,
             const T* twiddles) {
    const Steps<T> steps(length, twiddles);
    for (Size i = 0; i < count; ++i) {
        if (i + 1 < count) fetch_panel(data + (i + 1) * distance, stride, length.n);
        forward_panel(data + i * distance, stride, steps);
    }
}

template <class T>
void inverse(T* data, Size stride, Size count, Size distance, const TransformLength& length,
             const T* twiddles) {
    const Steps<T> steps(length, twiddles);
    for (Size i = 0; i < count; ++i) {
        if (i + 1 < count) fetch_panel(data + (i + 1) * distance, stride, length.n);
        inverse_panel(data + i * distance, stride, steps);
    }
}

template <class T>
void convolve(T* data, Size stride, Size count, Size distance, const TransformLength& length,
              const T* twiddles, const T* spectrum) {
    const Steps<T> steps(length, twiddles);
    for (Size i = 0; i < count; ++i)
        convolve_panel<true>(data + i * distance, stride, steps, spectrum);
}

enum class Twist { none, before, after };

/// One block of lanes x lanes complex numbers from one panel to another, transposed; multiplied by
/// the twist before the turn (by its conjugate) or after it. Number i of a row has the twist
/// fine[i] * coarse[0], a vector of `lanes` rows each.
template <Twist when, class T>
FALTUNG_INLINE void turn_block(const T* from, T* to, const T* fine, const T* coarse) {
    constexpr int n = lanes<T>;
    Complex<T> outer{};
    if constexpr (when != Twist::none) outer = load_complex(coarse);
    constexpr Size e = element<T>;
    Vec<T> rows[n];
    alignas(64) T held[when == Twist::before ? n * n : 1];
    FALTUNG_UNROLL
    for (int i = 0; i < n; ++i) {
        if constexpr (when == Twist::before) {
            const Complex<T> x =
                times_conjugate(load_complex(from + i * e), load_complex(fine + i * e) * outer);
            rows[i] = x.re;
            store<T>(held + i * n, x.im);
        } else {
            rows[i] = load(from + i * e);
        }
    }
    transpose<T>(rows);
    FALTUNG_UNROLL
    for (int i = 0; i < n; ++i) store<T>(to + i * e, rows[i]);
    FALTUNG_UNROLL
    for (int i = 0; i < n; ++i) {
        if constexpr (when == Twist::before)
            rows[i] = load(held + i * n);
        else
            rows[i] = load(from + i * e + n);
    }
    transpose<T>(rows);
    FALTUNG_UNROLL
    for (int i = 0; i < n; ++i) {
        if constexpr (when == Twist::after)
            store_complex(to + i * e, Complex<T>{load(to + i * e), rows[i]} *
                                          (load_complex(fine + i * e) * outer));
        else
            store<T>(to + i * e + n, rows[i]);
    }
}

/// Numbers of the twist of `lanes` rows: one vector for each lane, then one for each panel.
template <class T>
FALTUNG_INLINE Size twist_numbers(const TileLayout& layout) {
    return (lanes<T> + layout.panels) * element<T>;
}

template <Twist when, class T>
FALTUNG_INLINE void turn_panel(const T* from, T* to, const T* twist, Size p) {
    constexpr Size block = lanes<T> * element<T>;
    if (twist)
        turn_block<when, T>(from, to, twist, twist + block + p * element<T>);
    else
        turn_block<Twist::none, T>(from, to, nullptr, nullptr);
}

template <class T>
FALTUNG_INLINE void copy_vectors(const T* from, Size count, T* to) {
    for (Size i = 0; i < count; i += lanes<T>) store<T>(to + i, load(from + i));
}

/// `lanes` rows of a tile become one panel of n row elements, and back; the last panel may hold
/// fewer than `lanes` of them. Only the first `there` panels hold anything.
template <class T>
FALTUNG_NOINLINE void rows_to_panel(const T* tile, const TileLayout& layout, Size there, Size n,
                                    T* panel, const T* twist) {
    constexpr Size block = lanes<T> * element<T>;
    const Size whole = n / lanes<T>;
    for (Size p = 0; p < there && p < whole; ++p)
        turn_panel<Twist::after>(tile + p * layout.panel, panel + p * block, twist, p);
    Size i = there * block;
    if (there > whole) {
        alignas(64) T held[block];
        turn_panel<Twist::after>(tile + whole * layout.panel, held, twist, whole);
        i = n * element<T>;
        copy_vectors(held, i - whole * block, panel + whole * block);
    }
    for (; i < n * element<T>; i += lanes<T>) store<T>(panel + i, Vec<T>{});
}
template <class T>
FALTUNG_NOINLINE void panel_to_rows(const T* panel, Size n, T* tile, const TileLayout& layout,
                                    PanelRange back, const T* twist) {
    constexpr Size block = lanes<T> * element<T>;
    const Size whole = n / lanes<T>;
    for (Size p = back.begin; p < back.end && p < whole; ++p)
        turn_panel<Twist::before>(panel + p * block, tile + p * layout.panel, twist, p);
    if (back.end > whole) {
        alignas(64) T held[block] = {};
        copy_vectors(panel + whole * block, n * element<T> - whole * block, held);
        turn_panel<Twist::before>(held, tile + whole * layout.panel, twist, whole);
    }
}

/// Rows [begin, end) of what will be read soon, into the caches. Inline, or else GCC sees a
/// function without effect.
FALTUNG_INLINE void fetch(const Ahead& ahead, Size begin, Size end) {
    if (end > ahead.rows) end = ahead.rows;
    for (const void* plane : ahead.plane) {
        if (!plane) continue;
        for (Size y = begin; y < end; ++y) {
            const char* row = static_cast<const char*>(plane) + y * ahead.stride;
            for (Size i = 0; i < ahead.bytes; i += 64) __builtin_prefetch(row + i, 0, 2);
        }
    }
}

template <class T>
void convolve_rows(T* tile, const TileLayout& layout, Size rows, Size panels_there, PanelRange back,
                   const TransformLength& length, Size inner, const T* twiddles, const T* spectrum,
                   const T* twist, T* buffer, const Ahead& ahead) {
    const Steps<T> steps(length, twiddles);
    const Size panel = length.n * element<T>;
    for (Size y = 0; y < rows; y += lanes<T>) {
        T* group = tile + y * element<T>;
        rows_to_panel(group, layout, panels_there, length.n * inner, buffer, twist);
        fetch(ahead, y, y + lanes<T> / 2);
        convolve_each(buffer, inner, steps, spectrum);
        fetch(ahead, y + lanes<T> / 2, y + lanes<T>);
        panel_to_rows(buffer, length.n * inner, group, layout, back, twist);
        spectrum += panel;
        if (twist) twist += twist_numbers<T>(layout);
    }
}

template <class T>
void forward_rows(const T* tile, const TileLayout& layout, Size rows, Size panels_there,
                  const TransformLength& length, const T* twiddles, const T* twist, T* out) {
    const Steps<T> steps(length, twiddles);
    const Size panel = length.n * element<T>;
    for (Size y = 0; y < rows; y += lanes<T>, out += panel) {
        rows_to_panel(tile + y * element<T>, layout, panels_there, length.n, out, twist);
        forward_panel(out, element<T>, steps);
        if (twist) twist += twist_numbers<T>(layout);
    }
}

template <class T>
void convolve_pairs(T* tile, const TileLayout& layout, const Size* places, Size rows,
                    Size panels_there, PanelRange back, const TransformLength& length, Size inner,
                    const T* twiddles, const T* spectrum, T* buffer) {
    const Steps<T> steps(length, twiddles);
    for (Size y = 0; y < rows; y += lanes<T>, places += 2 * lanes<T>) {
        pairs_to_panel(tile, layout, places, panels_there, length.n * inner, buffer);
        convolve_each(buffer, inner, steps, spectrum);
        panel_to_pairs(buffer, length.n * inner, tile, layout, places, back);
        spectrum += length.n * element<T>;
    }
}

template <class T>
void forward_pairs(const T* tile, const TileLayout& layout, const Size* places, Size rows,
                   Size panels_there, const TransformLength& length, const T* twiddles, T* out) {
    const Steps<T> steps(length, twiddles);
    for (Size y = 0; y < rows; y += lanes<T>, places += 2 * lanes<T>) {
        pairs_to_panel(tile, layout, places, panels_there, length.n, out);
        forward_panel(out, element<T>, steps);
        out += length.n * element<T>;
    }
}

template <class T>
void inverse_rows(const T* image, const T* spectrum, T* tile, const TileLayout& layout, Size rows,
                  PanelRange back, const TransformLength& length, const T* twiddles, const T* twist,
                  T* buffer) {
    const Steps<T> steps(length, twiddles);
    const Size panel = length.n * element<T>;
    for (Size y = 0; y < rows; y += lanes<T>) {
        for (Size i = 0; i < panel; i += element<T>)
            store_complex(buffer + i, load_complex(image + i) * load_complex(spectrum + i));
        inverse_panel(buffer, element<T>, steps);
        panel_to_rows(buffer, length.n, tile + y * element<T>, layout, back, twist);
        image += panel;
        spectrum += panel;
        if (twist) twist += twist_numbers<T>(layout);
    }
}

}  // namespace transform

template <class T>
constexpr TransformTable<T> transform_table() {
    return {lanes<T>,
            transform::lengths,
            transform::length_count,
            transform::forward<T>,
            transform::inverse<T>,
            transform::convolve<T>,
            transform::convolve_rows<T>,
            transform::forward_rows<T>,
            transform::inverse_rows<T>,
            transform::load_rows<T>,
            transform::store_rows<T>,
            transform::store_interleaved<T>,
            transform::fold<T>,
            transform::unfold<T>,
            transform::pair<T>,
            transform::unpair<T>,
            transform::convolve_pairs<T>,
            transform::forward_pairs<T>};
}

}  // namespace
}  // namespace faltung::microkernels
