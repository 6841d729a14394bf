// Poolings with one window on each plane: rows that become one number each, many at a time.
#pragma once

#include <algorithm>
#include <type_traits>

#include "layers/pool_frame.hpp"
#include "lines/conversion.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

/// The one window of every plane, as a run of positions.
struct SingleWindow {
    /// Whether the frame, whose axes are merged as far as can be, has no other windows.
    static bool suits(const PoolFrame& frame) {
        const auto alone = [](const Axis& axis) { return axis.out == 1 && axis.x == 1; };
        return alone(frame.depth) && alone(frame.height) && frame.width.out == 1 &&
               frame.width.dilation == 1;
    }

    explicit SingleWindow(const PoolFrame& frame)
        : begin(std::max<Index>(0, frame.width.first)),
          end(std::min(frame.width.x, frame.width.last())) {}

    Index begin, end;
    Index size() const { return end - begin; }
};

/// Whether positions of `planes`, and the planes of a sample, follow one another as numbers of T.
template <class T>
bool in_rows(const ArrayView& planes, const PoolFrame& frame) {
    const Index bytes = static_cast<Index>(sizeof(T)), extent = planes.shape[4];
    const auto position = frame.lanes == 1 ? bytes : planes.strides[4];
    return planes.dtype == dtype_of<T> && (extent == 1 || planes.strides[4] == position) &&
           (frame.groups == 1 || frame.lanes > 1 || planes.strides[1] == extent * bytes);
}

/// Calls body(sample, first, last) for the planes [first, last) of a sample, as many as make a task
/// of about `numbers`.
template <class Body>
void for_each_planes(const PoolFrame& frame, Index numbers, const Context& context, Body&& body) {
    const Index each = std::max<Index>(1, frame.width.x * frame.lanes);
    const Index together = std::clamp<Index>(numbers / each, 1, frame.groups);
    const Index parts = (frame.groups - 1) / together + 1;
    parallel_for(frame.samples * parts, context, [&](Index task, int) {
        const Index first = task % parts * together;
        body(task / parts, first, std::min(frame.groups, first + together));
    });
}

}  // namespace faltung::layers
