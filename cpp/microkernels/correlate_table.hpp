// The inner loops of direct correlation, as one instruction-set level offers them.
#pragma once

#include <cstdint>

namespace faltung::microkernels {

/// A few output rows from a few input rows:
///
///     out[r][i] = sum over d, y, t of taps[d*ky*tap_pitch + y*tap_pitch + t]
///                                   * row[d*row_pitch + r + y][i + t*tap_step]
///
/// or, where offsets are given, of row[d*row_pitch + r*hop + y][i + offsets[t]].
///
/// in exactly this order, so that an output does not depend on the block it falls into. Rows are
/// pointers: they may lie in the array itself, or in a buffer that a border or a conversion needed.
template <class T>
struct CorrelateCall {
    const T* const* row;  // input rows, at the first number of the first window
    T* const* out;        // output rows
    const T* taps;
    const T* taps_imag;  // of a complex kernel whose sums are paired
    std::int64_t n;  // numbers per output row: at least one vector; whole vectors if `accumulate`
    std::int64_t depth;      // groups of rows that are summed
    std::int64_t row_pitch;  // pointers from one group to the next
    std::int64_t ky, kx;     // taps per group: rows, and numbers along a row
    std::int64_t tap_pitch;  // coefficients from one row of taps to the next
    std::int64_t tap_step;   // numbers between neighbouring taps along a row
    const void* ahead;  // rows of x that the next calls will want, to be fetched early; or nullptr
    std::int64_t
        ahead_pitch;  // bytes from one of them to the next; there are as many as output rows
    bool accumulate;  // out += instead of out =
    bool stream;      // store past the caches where alignment allows; the caller fences
    // In `block`, `column` and `paired` only:
    const std::int64_t* offsets = nullptr;
    std::int64_t hop = 1;  // input rows from one output row to the next
};

/// The second half of a sliding window of rows: out[r] = suffix[r] + the sum of all that has
/// entered, times `scale` each.
template <class T>
struct BoxSlide {
    const T* const* entering;
    const T* const* suffix;
    T* const* out;
    T *sum, *excess;  // the running sum, and its compensation; zero where a block of rows starts
    T scale;
    std::int64_t rows, n;
    bool stream;  // as above
};

/// A tap that is not zero: of which plane and row, and how many numbers along it.
template <class T>
struct SparseTap {
    std::int64_t plane, row, offset;
    T value;
};

/// out[r][i] = sum over taps of value * row[plane*row_pitch + row + r][offset + i].
template <class T>
struct SparseCall {
    const T* const* row;
    std::int64_t row_pitch;
    const SparseTap<T>* taps;
    std::int64_t count;
    T* const* out;
    std::int64_t rows;
    std::int64_t n;  // at least one vector
};

template <class T>
using Correlate = void (*)(const CorrelateCall<T>&);

/// Kernels of 3, 5, 7 and 9 taps each way are unrolled.
inline constexpr int squares = 4;
static constexpr int square_index(std::int64_t ky, std::int64_t kx) {
    const bool known = ky == kx && kx % 2 == 1 && kx >= 3 && kx < 3 + 2 * squares;
    return known ? static_cast<int>(kx - 3) / 2 : -1;
}

/// So are the rows of kernels of any width and 2 to 5 rows.
inline constexpr int low_heights = 4;
static constexpr int low_index(std::int64_t ky) {
    return ky >= 2 && ky < 2 + low_heights ? static_cast<int>(ky - 2) : -1;
}

template <class T>
struct CorrelateTable {
    int lanes;  // numbers per vector
    /// Blocks of any kernel with ky > (rows - 1) * hop, from many rows to one.
    struct Block {
        int rows;
        Correlate<T> run;
    };
    static constexpr int blocks = 4;
    Block block[blocks];
    Block column[blocks];    // the same for kx == 1
    Block low[low_heights];  // kernels of two rows and more; the blocks above serve what rows are
                             // left
    Block square[squares];   // ky == kx, tap_pitch == kx
    /// Complex samples by a complex kernel in one go: out = sum with taps + i * sum with taps_imag.
    /// Not `accumulate`. No rows where the level or the arithmetic gains nothing by it.
    static constexpr int paired_blocks = 3;
    Block paired[paired_blocks];
    Block paired_square[squares];
    /// One output row, depth == ky == 1. Sums the taps in an order of its own, so it must serve all
    /// rows or none.
    Correlate<T> line;
    void (*sparse)(const SparseCall<T>& call);
    /// Takes a row of `positions` positions, `numbers` numbers each, apart: position i becomes
    /// position i / step of phase i % step. Phases start `pitch` numbers apart.
    void (*split)(const T* row, T* out, std::int64_t pitch, std::int64_t step, std::int64_t numbers,
                  std::int64_t positions);
    /// Whether numbers hold no NaN and no infinity.
    bool (*finite)(const T* numbers, std::int64_t n);
    /// out[r] = scale times the sum of row[r] and all rows after it; out[r] may be row[r].
    void (*box_suffix)(const T* const* row, T* const* out, std::int64_t count, T scale,
                       std::int64_t n);
    void (*box_slide)(const BoxSlide<T>& call);
    /// out = a + i*b, for n interleaved complex numbers.
    void (*combine)(const T* a, const T* b, T* out, std::int64_t n);
    /// Makes streamed stores visible to other threads.
    void (*fence)();
};

}  // namespace faltung::microkernels
