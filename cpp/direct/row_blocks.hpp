// Which blocks of the inner loops take the rows of a group: those made for a kernel, then any.
#pragma once

#include "core/types.hpp"
#include "microkernels/correlate_table.hpp"

namespace faltung::direct {

/// The block that is made for a kernel of ky rows; nullptr where none is. `square`: its place among
/// the squares, or -1.
template <class Table>
const typename Table::Block* known_block(const Table& micro, int square, Index ky) {
    if (square >= 0) return &micro.square[square];
    const int low = microkernels::low_index(ky);
    return low >= 0 ? &micro.low[low] : nullptr;
}

/// All rows of a group, each `hop` input rows after the one before, by `known` as far as they fill
/// it, then by the blocks that fit them.
template <class Call, class Block>
void run_blocks(Call& call, const Block* known, const Block* blocks, Index rows, Index hop = 1) {
    while (rows > 0) {
        const Block* block = blocks;
        if (known != nullptr && rows >= known->rows)
            block = known;
        else
            while (block->rows > rows || (block->rows - 1) * hop >= call.ky) ++block;
        block->run(call);
        call.row += block->rows * hop;
        call.out += block->rows;
        call.ahead = nullptr;
        rows -= block->rows;
    }
}

}  // namespace faltung::direct
