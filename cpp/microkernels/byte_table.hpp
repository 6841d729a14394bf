// Direct correlation of 8-bit samples with whole taps, exact in 32 bits: what a level with products
// of bytes offers beside the loops of the level below it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "microkernels/correlate_table.hpp"

namespace faltung::microkernels {

/// What becomes of a 32-bit sum on its way into an output.
enum class ByteStore : std::uint8_t {
    positive,  // a bool: whether it is above zero
    nonzero,   // a bool: whether it is not zero
    u8,        // saturated
    s8,
    u16,
    s16,
    u32,
    u64,
    low8,  // its lowest bits
    low16,
    s32,  // as it is
    s64,
    f16,  // rounded
    f32,
    f64,
};

/// A few output rows from a few input rows, as CorrelateCall says, modulo 2^32:
///
///     out[r][i] = sum over d, y, t of tap[d][y][t] * (row[d*row_pitch + r + y][i + t*step]
///     ^ flip)
///
/// with bytes of rows read as unsigned numbers. Taps are signed bytes, four neighbouring ones of a
/// row in a word; of wider taps the words of the upper bytes come first, then those of the lower.
/// Rows may have any length: nothing outside [0, n + (kx - 1)*step) is touched.
struct ByteCall {
    const std::byte* const* row;  // input rows, at the first byte of the first window
    std::byte* const* out;        // output rows, of what `store` says
    const std::int32_t* words;    // digits * depth * ky * groups
    std::int64_t n;               // numbers per output row
    std::int64_t depth;           // planes of rows that are summed
    std::int64_t row_pitch;       // pointers from one plane to the next
    std::int64_t ky, kx;          // taps per plane: rows, and along a row
    std::int64_t groups;          // words per row of taps
    std::int64_t step;            // bytes between neighbouring taps of a row, at most most_step
    std::int64_t digits;          // bytes per tap
    std::int32_t start[2];        // what the sums of each digit begin with
    std::uint8_t flip;
    ByteStore store;
    bool stream;               // store past the caches where alignment allows; the caller fences
    const void* ahead;         // rows of x that the next calls will want; or nullptr
    std::int64_t ahead_pitch;  // bytes from one of them to the next

    static constexpr std::int64_t most_step = 10;  // two vectors of sums out of 64 bytes
};

struct ByteTable {
    /// Blocks of any kernel with ky >= rows, from many rows to one.
    struct Block {
        int rows;
        void (*run)(const ByteCall& call);
    };
    static constexpr int blocks = 4;
    /// Kernels of 3, 5, 7 and 9 rows with as many taps in each are unrolled.
    static constexpr int squares = 4;

    int lanes;  // strips of so many numbers suit the loops
    Block block[blocks];
    Block low[low_heights];  // as in CorrelateTable
    Block square[squares];
    /// Makes streamed stores visible to other threads.
    void (*fence)();

    static constexpr int square_index(std::int64_t ky, std::int64_t groups) {
        const bool known = ky % 2 == 1 && ky >= 3 && ky < 3 + 2 * squares;
        return known && groups == (ky + 3) / 4 ? static_cast<int>(ky - 3) / 2 : -1;
    }
};

}  // namespace faltung::microkernels
