// What a tile holds, sample by sample, and how it meets a transform.
#pragma once

#include <cmath>

#include "core/array_view.hpp"
#include "lines/line_reader.hpp"
#include "lines/line_writer.hpp"
#include "matching/window_sums.hpp"
#include "spectral/tile_grid.hpp"

namespace faltung::matching {

/// The axis whose rows lie in one block of a tile: the innermost before the last with more than one
/// row, or -1.
int row_axis(const TileShape& shape);

/// The block of a tile and its windows, axes of one sample left out.
WindowShape windows_of(const Problem& problem, const TileShape& shape, const TilePlace& place);

/// The same of any tile, save that there may be fewer windows.
WindowShape windows_at_start(const Problem& problem, const TileShape& shape);

/// Calls body(row, coordinates, needed) for every row of a tile; coordinates are those of the
/// array, on all axes but the last. Rows that no output needs may lie anywhere.
template <class Body>
void for_each_tile_row(const TileShape& shape, const TilePlace& place, Body&& body) {
    const int last = shape.length.size() - 1;
    Extents offset(last, 0), at = place.start;
    bool needed = true;
    for (Index row = 0;; ++row) {
        body(row, at, needed);
        int a = last - 1;
        for (; a >= 0; --a) {
            if (++offset[a] < shape.length[a]) break;
            offset[a] = 0;
        }
        if (a < 0) return;
        needed = true;
        for (int b = 0; b < last; ++b) {
            at[b] = place.start[b] + offset[b];
            needed = needed && offset[b] < place.need[b];
        }
    }
}

/// The rows of a box in C order, one after the other.
class BoxRows {
public:
    BoxRows(const Extents& start, const Extents& length)
        : start_(start), length_(length), at_(start) {}

    const Extents& at() const { return at_; }
    /// Where this row is in a block of so many samples per axis that begins where the box does.
    Index row_in(const Extents& block) const {
        Index row = 0;
        for (int a = 0; a + 1 < at_.size(); ++a) row = row * block[a] + at_[a] - start_[a];
        return row;
    }
    /// Whether it is one of the first `extents` rows along every axis.
    bool within(const Extents& extents) const {
        for (int a = 0; a + 1 < at_.size(); ++a)
            if (at_[a] - start_[a] >= extents[a]) return false;
        return true;
    }
    void next() {
        for (int a = at_.size() - 2; a >= 0; --a) {
            if (++at_[a] < start_[a] + length_[a]) return;
            at_[a] = start_[a];
        }
    }

private:
    const Extents &start_, &length_;
    Extents at_;
};

/// Products with 2^exponent, which no double may be able to hold. Finite samples that become at
/// most 2 are rounded only where they vanish.
class PowerOfTwo {
public:
    explicit PowerOfTwo(int exponent)
        : half_(std::ldexp(1.0, exponent / 2)), rest_(std::ldexp(1.0, exponent - exponent / 2)) {}
    double operator()(double x) const { return x * half_ * rest_; }

private:
    double half_, rest_;
};

/// What is needed of a tile, scaled, into a block in C order.
void read_tile(const LineReader<double>& x, const TileShape& shape, const TilePlace& place,
               PowerOfTwo scale, double* to);

/// Blocks in C order into a tile, `re` and `im` (or null) as its two planes.
template <class T>
void load_tile(const TileTransform<T>& transform, const TileShape& shape, const T* re, const T* im,
               T* tile);

/// The first `outputs` results along each axis, in C order without gaps.
template <class T>
void store_tile(const TileTransform<T>& transform, const TileShape& shape, const Extents& outputs,
                int part, const T* tile, T* to);

}  // namespace faltung::matching
