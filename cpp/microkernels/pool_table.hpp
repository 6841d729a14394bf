// The inner loops of pooling, as one instruction-set level offers them: rows of numbers combined
// element by element. A window along a row is a combination too, of the row with itself moved on.
#pragma once

#include <cstdint>

namespace faltung::microkernels {

/// What becomes of the numbers under a window.
enum class Combine : std::uint8_t {
    max,         // NaN wins over everything
    sum,         // in the order of the rows, sixteen at a time
    sum_sizes,   // of |v|
    sum_squares  // of v * v
};
inline constexpr int combines = 4;

/// Where a maximum was found: as wide as the number that it belongs to.
template <class T>
struct PlaceOf {
    using type = std::int64_t;
};
template <>
struct PlaceOf<float> {
    using type = std::int32_t;
};
template <class T>
using Place = typename PlaceOf<T>::type;

template <class T>
struct PoolTable {
    using Rows = void (*)(const T* const* rows, std::int64_t count, std::int64_t n, T* out);

    /// out[i] = rows[0][i], rows[1][i], ... combined, i < n. `out` does not overlap the rows.
    Rows combine[combines];

    /// The same for whole vectors, as many as hold n: rows and out have room for that. Rows may be
    /// `out` moved on by any number of places.
    Rows combine_whole[combines];

    /// out[r] = row[r*pitch], row[r*pitch + 1], ... combined, r < rows: n numbers each, at least
    /// one. nullptr for integers.
    void (*fold[combines])(const T* row, std::int64_t pitch, std::int64_t rows, std::int64_t n,
                           T* out);

    /// The maximum and where it is: place[i] = bases[r] + column[i] for the first row r that holds
    /// it. A NaN is larger than every number; the first one counts. `bases` ascend. out and place
    /// have room for whole vectors; neither overlaps anything.
    void (*find)(const T* const* rows, const Place<T>* bases, std::int64_t count, std::int64_t n,
                 const Place<T>* column, T* out, Place<T>* place);

    /// The maximum of `count` pairs of value and place, and among equals the lowest place; whole
    /// vectors, as in combine_whole.
    void (*find_whole)(const T* const* values, const Place<T>* const* places, std::int64_t count,
                       std::int64_t n, T* out, Place<T>* place);

    /// to[i] = from[i * step], i < n; reads no further than from[(n - 1) * step] and to the end of
    /// the vector that holds it.
    void (*pick)(const T* from, std::int64_t step, std::int64_t n, T* to);

    /// line[i] /= divisor, i < n.
    void (*divide)(T* line, std::int64_t n, std::int64_t divisor);
};

}  // namespace faltung::microkernels
