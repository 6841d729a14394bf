// How one axis of a correlation fits into a cyclic transform.
//
// Samples stand at [0, have) and the reversed kernel at [0, reach) of `length` points, so that
// their cyclic convolution holds output j at (offset + j*step) modulo `length`. Unless the boundary
// is periodic by itself, `length` is so large that nothing that wraps around meets an output that
// is wanted, whatever its sign.
#pragma once

#include <functional>

#include "core/problem.hpp"
#include "spectral/good_size.hpp"

namespace faltung {

struct Span {
    Index length = 1;
    Index low = 0;    // the coordinate of sample 0 in x~
    Index have = 1;   // samples
    Index reach = 1;  // points that the kernel spans
    Index taps = 1, dilation = 1;
    Index offset = 0;  // where output 0 stands
    Index out = 1, step = 1;
    bool periodic = false;

    /// Where output j stands.
    Index place(Index j) const { return (offset + j * step) % length; }
    /// The output that stands at `place`, or -1; for a step of one.
    Index output_at(Index place) const {
        const Index j = place - offset + (periodic && place < offset ? length : 0);
        return 0 <= j && j < out ? j : -1;
    }
    /// The points that hold outputs are [offset, wanted_end()); all of them on a periodic axis.
    Index wanted_begin() const { return periodic ? 0 : offset; }
    Index wanted_end() const { return periodic ? length : offset + (out - 1) * step + 1; }
    /// Points that the kernel takes once it is folded into the length.
    Index kernel_points() const { return reach < length ? reach : length; }
};

/// The length is at least what is needed, rounded up to `multiple` times what `round` (good_size,
/// if nothing else) says. With `may_be_periodic`, a wrapped axis of good size is transformed as it
/// is.
Span make_span(const Axis& axis, Boundary boundary, bool may_be_periodic, Index multiple = 1,
               const std::function<Index(Index)>& round = good_size);

}  // namespace faltung
