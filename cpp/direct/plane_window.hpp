// The input rows of a band of a volume, plane by plane: moving on by one plane fetches one plane
// and keeps the rest, so that every row is converted, or its border made, once per band.
#pragma once

#include "direct/row_window.hpp"

namespace faltung::direct {

template <class T>
class PlaneWindow {
public:
    PlaneWindow() = default;
    /// `shape.depth` planes, `taps` neighbouring ones of which lie along the axis that is walked;
    /// `shape.rows` rows each.
    PlaneWindow(const LineReader<T>& reader, const WindowShape<T>& shape, Index taps,
                const Index* offsets, int outer, int row_axis, const T** pointers, T* ring,
                Finite<T> finite)
        : source_(reader, shape, finite, ring),
          taps_(taps),
          offsets_(offsets),
          outer_(outer),
          row_axis_(row_axis),
          pointers_(pointers),
          ring_(ring) {}

    /// Row r of plane d is rows()[d * row_pitch() + r].
    const T* const* rows() const { return pointers_; }
    Index row_pitch() const { return source_.shape.rows; }

    /// Planes of another place come next.
    void reset() {
        base_ = have_ = 0;
        tainted_ = -1;
    }

    /// Whether a row of these planes is not finite, where that was asked for.
    bool tainted() const { return tainted_ >= base_; }

    /// Makes `rows` rows of the planes [number, number + taps) of a sequence available. `at` are
    /// the coordinates of the first row of plane `number`.
    void move_to(Index number, Index rows, const Index* at) {
        const WindowShape<T>& shape = source_.shape;
        const Index keep = have_ > number ? have_ - number : 0;
        Index place[max_rank];
        for (Index first = 0; first < shape.depth; first += taps_) {
            const T** group = pointers_ + first * shape.rows;
            if (keep > 0)
                std::memmove(group, group + (number - base_) * shape.rows,
                             static_cast<std::size_t>(keep * shape.rows) * sizeof(T*));
            for (Index i = keep; i < taps_; ++i) {
                const Index* offset = offsets_ + (first + i) * outer_;
                for (int a = 0; a < outer_; ++a) place[a] = at[a] + offset[a];
                T* slots = ring_ + (first + (number + i) % taps_) * shape.rows * shape.pitch;
                for (Index r = 0; r < rows; ++r, ++place[row_axis_]) {
                    const T*& row = group[i * shape.rows + r];
                    row = source_.fetch(place, 0, slots + r * shape.pitch);
                    if (!source_.clean(row)) tainted_ = std::max(tainted_, number + i);
                }
            }
        }
        base_ = number;
        have_ = number + taps_;
    }

private:
    RowSource<T> source_;
    Index taps_ = 1;
    const Index* offsets_ = nullptr;
    int outer_ = 0, row_axis_ = 0;
    const T** pointers_ = nullptr;
    T* ring_ = nullptr;
    Index base_ = 0, have_ = 0;
    Index tainted_ = -1;  // the last plane that was not finite
};

}  // namespace faltung::direct
