// What a level offers for transforms of tiles that stay in cache.
//
// A panel is `lanes` columns side by side: n elements, each `lanes` real parts followed by `lanes`
// imaginary parts. Every lane is a transform of its own. Forward transforms leave their output in
// the order that decimation in frequency gives, inverse ones take it in that order, and products do
// not care, so nothing is ever permuted; frequency_at() in spectral/tile_length.hpp says which
// frequency stands where.
#pragma once

#include <cstddef>

namespace faltung::microkernels {

/// How a length is taken apart: n is the product of the radices, where 1 stands for a pass that is
/// not made.
inline constexpr int most_passes = 4;
struct TransformLength {
    int n;
    int radix[most_passes];
};

/// The panels of one tile: element e of panel p starts at tile + p * panel + e * 2 * lanes.
struct TileLayout {
    std::ptrdiff_t panel;   // numbers from one panel to the next
    std::ptrdiff_t panels;  // panels per row
};

/// Panels [begin, end) of a tile.
struct PanelRange {
    std::ptrdiff_t begin, end;
};

template <class T>
struct Number {
    using type = T;
};
template <class T>
struct Number<const T> {
    using type = T;
};

/// A block of rows of numbers somewhere in memory.
template <class T>
struct Plane {
    T* data;                            // null reads as zeros
    std::ptrdiff_t row;                 // numbers from one row to the next
    std::ptrdiff_t sample;              // numbers from one sample to the next
    typename Number<T>::type less = 0;  // loading takes this off every sample
};

/// Memory that will be read soon: rows of `bytes` bytes in one or two places.
struct Ahead {
    const void* plane[2];   // null: nothing
    std::ptrdiff_t stride;  // bytes from one row to the next
    std::ptrdiff_t rows, bytes;
};

/// What loading sees of the samples of one plane: how large they are, and how much that differs
/// from place to place. A block is one register of columns by so many rows, or a whole row.
template <class T>
struct Glance {
    std::ptrdiff_t begin_row, end_row;  // rows of this load that hold samples, not padding
    std::ptrdiff_t begin, end;          // and columns
    T total = 0;  // the sum of the squares of all numbers; NaN and infinity show
    T least = static_cast<T>(__builtin_huge_val());  // at most that of any one block with samples
};
inline constexpr std::ptrdiff_t glance_rows = 16, whole_row = 0;

template <class T>
struct TransformTable {
    int lanes;
    const TransformLength* lengths;  // ascending in n
    int length_count;

    /// `count` panels, `distance` numbers apart, each with elements `stride` numbers apart.
    void (*forward)(T* data, std::ptrdiff_t stride, std::ptrdiff_t count, std::ptrdiff_t distance,
                    const TransformLength& length, const T* twiddles);
    void (*inverse)(T* data, std::ptrdiff_t stride, std::ptrdiff_t count, std::ptrdiff_t distance,
                    const TransformLength& length, const T* twiddles);
    /// Forward, times spectrum, inverse, the middle of it in registers. The spectrum holds one (re,
    /// im) pair per element, the same for all lanes.
    void (*convolve)(T* data, std::ptrdiff_t stride, std::ptrdiff_t count, std::ptrdiff_t distance,
                     const TransformLength& length, const T* twiddles, const T* spectrum);

    /// Along the rows of a tile with `rows` (a multiple of lanes) elements per panel: transposed
    /// panel by panel into `buffer` (2 * n * lanes numbers), convolved there and put back, the
    /// panels `back` of it. The first `panels_there` panels are read, the others taken as zeros.
    /// `spectrum` is what forward_rows made of the kernel.
    /// `twist` (or null) multiplies what goes in, and its conjugate what comes out: a long line
    /// that was folded into a tile. Of each `lanes` rows it holds vectors with a number per row:
    /// `lanes` fine ones, then a coarse one per panel; element e has fine[e % lanes] * coarse[e /
    /// lanes]. Fetches `ahead`. A row may be `inner` (else 1) rows, number by number in turn: each
    /// is convolved, and `buffer` so much larger.
    void (*convolve_rows)(T* tile, const TileLayout& layout, std::ptrdiff_t rows,
                          std::ptrdiff_t panels_there, PanelRange back,
                          const TransformLength& length, std::ptrdiff_t inner, const T* twiddles,
                          const T* spectrum, const T* twist, T* buffer, const Ahead& ahead);
    /// Transforms along the rows; leaves 2 * n * rows numbers in `out`, one transposed panel per
    /// `lanes` rows.
    void (*forward_rows)(const T* tile, const TileLayout& layout, std::ptrdiff_t rows,
                         std::ptrdiff_t panels_there, const TransformLength& length,
                         const T* twiddles, const T* twist, T* out);

    /// The way back from there: `image` times `spectrum`, both as forward_rows leaves them, into
    /// the panels `back` of the tile.
    void (*inverse_rows)(const T* image, const T* spectrum, T* tile, const TileLayout& layout,
                         std::ptrdiff_t rows, PanelRange back, const TransformLength& length,
                         const T* twiddles, const T* twist, T* buffer);

    /// Writes `rows` rows of n samples, the rest of their panels cleared, and adds to the glances
    /// at re and im, in blocks of `block` (glance_rows, whole_row) rows.
    void (*load)(T* tile, const TileLayout& layout, const Plane<const T>& re,
                 const Plane<const T>& im, std::ptrdiff_t rows, std::ptrdiff_t n,
                 std::ptrdiff_t block, Glance<T>& re_glance, Glance<T>& im_glance);
    /// The way back, one plane: `part` is 0 for the real, 1 for the imaginary one. `stream`: past
    /// the caches, where whole lines of memory are written.
    void (*store)(const T* tile, const TileLayout& layout, int part, const Plane<T>& to,
                  std::ptrdiff_t rows, std::ptrdiff_t n, bool stream);
    /// `count` (2 to 4) planes at once, one number of each in turn. Row 0 of plane c starts at
    /// from[c], its other rows and panels lie as in the tile; `stride` numbers from row to row of
    /// `to`.
    void (*store_interleaved)(const T* const* from, int count, const TileLayout& layout, T* to,
                              std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t n,
                              bool stream);

    /// Rows of whole panels of a long real line: (a + i b) * w, where w is the row's pair of
    /// `twist`; null `b`, or null `a` and `b`: zeros. Answers what SpectrumTable::moderate would.
    bool (*fold)(T* tile, const TileLayout& layout, std::ptrdiff_t rows, const T* a, const T* b,
                 std::ptrdiff_t stride, const T* twist);
    /// The way back, by the conjugate; a null `a` or `b` is not wanted.
    void (*unfold)(const T* tile, const TileLayout& layout, std::ptrdiff_t rows, const T* twist,
                   T* a, T* b, std::ptrdiff_t stride);

    /// Rows of panels that hold 2 * lanes real columns each: the second half is the imaginary part
    /// of the first. Null `from`: zeros. Answers what SpectrumTable::moderate would.
    bool (*pair)(T* tile, const TileLayout& layout, std::ptrdiff_t rows, const T* from,
                 std::ptrdiff_t stride);
    void (*unpair)(const T* tile, const TileLayout& layout, std::ptrdiff_t rows, T* to,
                   std::ptrdiff_t stride);
    /// As convolve_rows and forward_rows, for the transforms of such columns: 2 * lanes points of a
    /// row per panel. Each row has two `places`, numbers from the beginning of the tile: its own,
    /// and that of the opposite frequency, which may be the same. Rows may be there several times.
    /// What comes out is doubled forward.
    void (*convolve_pairs)(T* tile, const TileLayout& layout, const std::ptrdiff_t* places,
                           std::ptrdiff_t rows, std::ptrdiff_t panels_there, PanelRange back,
                           const TransformLength& length, std::ptrdiff_t inner, const T* twiddles,
                           const T* spectrum, T* buffer);
    void (*forward_pairs)(const T* tile, const TileLayout& layout, const std::ptrdiff_t* places,
                          std::ptrdiff_t rows, std::ptrdiff_t panels_there,
                          const TransformLength& length, const T* twiddles, T* out);
};

}  // namespace faltung::microkernels
