// Blocks of outputs: a few rows of a plane, short enough for their lines to stay in the nearest
// cache.
#pragma once

#include <algorithm>

#include "core/workspace.hpp"
#include "layers/pool_frame.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

/// Outputs [h_begin, h_end) x [w_begin, w_end) of one plane at depth d.
struct Block {
    Index sample, group, d, h_begin, h_end, w_begin, w_end;
};

/// How a plane is cut, and what the lines of a block need.
struct BlockShape {
    BlockShape() = default;
    /// `direct`: no row of x is kept for the next rows of outputs. `bytes` of a number.
    /// `pieces`: windows along whole rows may be taken by pieces.
    BlockShape(const PoolFrame& frame, bool direct, Index bytes, bool pieces = true);

    Index h_out = 1, w_out = 1;  // outputs per block
    Index pitch = 0;             // numbers from one line of the block to the next
    Index numbers = 0;           // in the lines above each other; for the rows of x, tall_numbers
    Index tall_numbers = 0;
    Index work = 1;  // numbers read, about
    /// Windows that run along whole rows are not laid out side by side, but taken piece by piece.
    Index piece = 0;  // positions; 0: no such windows
};

/// All blocks of a pooling, in the order of memory.
struct Blocks {
    Blocks(const PoolFrame& frame, const BlockShape& shape);

    Index count() const { return planes * per_plane; }
    Block operator[](Index i) const;

    const PoolFrame& frame;
    const BlockShape& shape;
    Index rows, columns, per_plane, planes;  // blocks down and along; of one plane; planes in all
};

/// Channels of one position that are pooled together at most.
inline constexpr Index most_lanes = 512;

/// Numbers that one task reads: tens of microseconds, long against starting it, short against an
/// interrupt.
inline constexpr Index task_numbers = 1 << 15;

/// Calls body(block, scratch) for every block, with `scratch_bytes` for each worker.
template <class Body>
void for_each_block(const PoolFrame& frame, const BlockShape& shape, std::size_t scratch_bytes,
                    const Context& context, Body&& body) {
    const Blocks blocks(frame, shape);
    const Index count = blocks.count();
    const Index together = std::max<Index>(1, task_numbers / std::max<Index>(1, shape.work));
    const Index tasks = (count + together - 1) / together;
    const Index workers = std::clamp<Index>(context.workers, 1, std::max<Index>(1, tasks));
    const std::size_t each = (scratch_bytes + 4095) / 4096 * 4096;
    const Workspace scratch(each * static_cast<std::size_t>(workers));
    parallel_for(tasks, context, [&](Index task, int worker) {
        std::byte* const mine = scratch.data() + static_cast<std::size_t>(worker) * each;
        const Index end = std::min(count, (task + 1) * together);
        for (Index i = task * together; i < end; ++i) body(blocks[i], mine);
    });
}

}  // namespace faltung::layers
