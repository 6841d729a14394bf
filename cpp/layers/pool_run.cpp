#include "layers/pool_run.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace faltung::layers {

namespace {

/// Lines of a block: with what is read and written beside them, within 32 KiB.
constexpr Index line_bytes = 16 << 10;
/// Numbers beyond the end of lines that loops over whole vectors may touch.
constexpr Index slack = 64;
/// A window along a row that is longer is taken by pieces if it is the only one.
constexpr Index long_row = 2048;

Index times(Index a, Index b) {
    Index product;
    if (__builtin_mul_overflow(a, b, &product) || product > Index{1} << 60)
        throw TooLarge("the windows span more numbers than any memory holds");
    return product;
}

/// Outputs whose windows span about `samples`.
Index outputs_in(const Axis& axis, Index samples) {
    const Index reach = axis.reach();
    const Index room = std::max(samples, 3 * reach) - reach;
    return std::clamp<Index>(room / axis.step + 1, 1, axis.out);
}

Index spanned(const Axis& axis, Index outputs) {
    return times(outputs - 1, axis.step) + axis.reach();
}

}  // namespace

BlockShape::BlockShape(const PoolFrame& frame, bool direct, Index bytes, bool pieces) {
    const Axis &d = frame.depth, &h = frame.height, &w = frame.width;
    const Index budget = line_bytes / bytes;
    if (pieces && w.out == 1 && w.dilation == 1 && w.k > long_row / frame.lanes) {
        piece = std::max<Index>(8, long_row / 2 / frame.lanes);
        pitch = (piece + 8) * frame.lanes;
        numbers = tall_numbers = pitch + slack;
        work = times(times(d.k, h.k), times(w.x, frame.lanes));
        return;
    }
    w_out = outputs_in(w, budget / frame.lanes);
    pitch = (times(spanned(w, w_out), frame.lanes) + 15) / 16 * 16;
    if (pitch * bytes % 4096 == 0) pitch += 16;  // rows must not all fall into the same cache sets
    if (direct) {
        h_out = std::clamp<Index>(budget / pitch, 1, h.out);
    } else {
        h_out = outputs_in(h, 4 * budget / pitch);
        tall_numbers = times(spanned(h, h_out), pitch) + slack;
    }
    numbers = times(h_out, pitch) + slack;
    work = std::max(numbers, tall_numbers);
}

Blocks::Blocks(const PoolFrame& of, const BlockShape& cut)
    : frame(of),
      shape(cut),
      rows((of.height.out + cut.h_out - 1) / cut.h_out),
      columns((of.width.out + cut.w_out - 1) / cut.w_out),
      per_plane(of.depth.out * rows * columns),
      planes(of.samples * of.groups) {}

Block Blocks::operator[](Index i) const {
    const Index plane = i / per_plane;
    i %= per_plane;
    const Index column = i % columns, row = i / columns % rows;
    return {.sample = plane / frame.groups,
            .group = plane % frame.groups,
            .d = i / columns / rows,
            .h_begin = row * shape.h_out,
            .h_end = std::min(frame.height.out, (row + 1) * shape.h_out),
            .w_begin = column * shape.w_out,
            .w_end = std::min(frame.width.out, (column + 1) * shape.w_out)};
}

}  // namespace faltung::layers
