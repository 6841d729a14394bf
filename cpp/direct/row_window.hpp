// The input rows that a group of output rows needs, as pointers: into x where a row stands there as
// it is, else into a ring of buffers filled by the reader. Moving on to the next group keeps the
// rows that both need.
#pragma once

#include <algorithm>
#include <cstring>

#include "lines/line_reader.hpp"

namespace faltung::direct {

/// What stays the same for all windows of one strip of outputs.
template <class T>
struct WindowShape {
    Index depth;   // planes of rows; plane d starts at coordinates + offset[d * outer ...]
    Index rows;    // rows per plane at most
    Index begin;   // first position along the last axis
    Index exact;   // positions that count
    Index padded;  // positions that the microkernel may touch
    Index lanes;   // numbers per position
    Index pitch;   // numbers from one ring buffer to the next

    // Rows that are taken apart: into how many phases, and by what. A row that does not stand in x
    // is read into one more buffer first.
    Index step = 1;
    void (*split)(const T* row, T* out, Index pitch, Index step, Index lanes,
                  Index positions) = nullptr;

    Index pointers() const { return depth * rows; }
    Index numbers() const { return depth * rows * pitch + whole_row(); }
    Index whole_row() const { return split == nullptr ? 0 : (exact * lanes / 16 + 2) * 16; }
};

/// Tells whether numbers hold no NaN and no infinity.
template <class T>
using Finite = bool (*)(const T* numbers, std::int64_t n);

/// Hands out one row: where it stands in x, or read into a buffer.
template <class T>
struct RowSource {
    const LineReader<T>* reader = nullptr;
    WindowShape<T> shape{};
    Finite<T> finite = nullptr;  // where it matters
    T* whole = nullptr;          // room for a row before it is taken apart, behind the ring

    RowSource() = default;
    RowSource(const LineReader<T>& from, const WindowShape<T>& with, Finite<T> check, T* ring)
        : reader(&from),
          shape(with),
          finite(check),
          whole(ring + with.depth * with.rows * with.pitch) {}

    bool clean(const T* row) const {
        return finite == nullptr || finite(row, shape.exact * shape.lanes);
    }

    /// The row at `place`, from `shift` positions further along the last axis than the shape says.
    const T* fetch(const Index* place, Index shift, T* slot) const {
        if (shape.split == nullptr) return fetch_whole(place, shift, slot);
        const T* row = fetch_whole(place, shift, whole);
        shape.split(row, slot, shape.pitch / shape.step, shape.step, shape.lanes, shape.exact);
        return slot;
    }

    /// Asks memory for a row that will be read soon.
    void expect(const Index* place, Index shift) const {
        const Index begin = shape.begin + shift;
        reader->prefetch(place, begin, begin + shape.exact);
    }

    const T* fetch_whole(const Index* place, Index shift, T* slot) const {
        const Index begin = shape.begin + shift;
        if (const T* found = reader->in_place(place, begin, begin + shape.padded)) return found;
        reader->read(place, begin, begin + shape.exact, slot);
        const Index rest = (shape.padded - shape.exact) * shape.lanes;
        if (rest > 0)
            std::memset(slot + shape.exact * shape.lanes, 0,
                        static_cast<std::size_t>(rest) * sizeof(T));
        return slot;
    }
};

/// Which of the planes are wanted, and from how much further along the last axis.
struct WindowPart {
    Index plane = 0, planes = 1, shift = 0;
};

template <class T>
class RowWindow {
public:
    RowWindow() = default;
    /// `pointers` and `ring` have room for what the shape says. `offsets`: `outer` coordinates for
    /// each plane.
    RowWindow(const LineReader<T>& reader, const WindowShape<T>& shape, const Index* offsets,
              int outer, int row_axis, const T** pointers, T* ring, Finite<T> finite)
        : source_(reader, shape, finite, ring),
          offsets_(offsets),
          outer_(outer),
          row_axis_(row_axis),
          pointers_(pointers),
          ring_(ring) {}

    const T* const* rows() const { return pointers_; }
    Index row_pitch() const { return source_.shape.rows; }

    /// Rows of another place come next.
    void reset() {
        base_ = have_ = 0;
        tainted_ = -1;
    }

    /// Whether one of these rows is not finite, where that was asked for.
    bool tainted() const { return tainted_ >= base_; }

    /// Makes rows [from, to) of a sequence available as rows()[0 ...]; row i has coordinate
    /// at[row_axis] + i * spacing. `at` are the coordinates of plane zero. Since reset() the part
    /// stays the same and neither end may move back.
    void move_to(Index from, Index to, const Index* at, Index spacing, const WindowPart& part) {
        const Index keep = have_ > from ? have_ - from : 0;
        Index place[max_rank];
        for (Index d = 0; d < part.planes; ++d) {
            const Index* offset = offsets_ + (part.plane + d) * outer_;
            for (int a = 0; a < outer_; ++a) place[a] = at[a] + offset[a];
            const Index row0 = row_axis_ >= 0 ? place[row_axis_] : 0;
            const T** plane = pointers_ + d * source_.shape.rows;
            if (keep > 0)
                std::memmove(plane, plane + (from - base_),
                             static_cast<std::size_t>(keep) * sizeof(T*));
            for (Index i = from + keep; i < to; ++i) {
                if (row_axis_ >= 0) place[row_axis_] = row0 + i * spacing;
                T* const slot =
                    ring_ + (d * source_.shape.rows + i % source_.shape.rows) * source_.shape.pitch;
                const T* const row = plane[i - from] = source_.fetch(place, part.shift, slot);
                if (!source_.clean(row)) tainted_ = std::max(tainted_, i);
                if (row == slot && row_axis_ >= 0) {
                    // while this move's rows are summed, memory can bring the next one's
                    place[row_axis_] += (to - from - keep) * spacing;
                    source_.expect(place, part.shift);
                }
            }
        }
        base_ = from;
        have_ = to;
    }

private:
    RowSource<T> source_;
    const Index* offsets_ = nullptr;
    int outer_ = 0, row_axis_ = -1;
    const T** pointers_ = nullptr;
    T* ring_ = nullptr;
    Index base_ = 0, have_ = 0;
    Index tainted_ = -1;  // the last row that was not finite
};

}  // namespace faltung::direct
