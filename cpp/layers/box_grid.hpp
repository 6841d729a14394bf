// The outputs of a layer cut into boxes, one task each: what a task's number stands for.
#pragma once

#include <algorithm>

#include "core/conv_layer.hpp"
#include "core/even_piece.hpp"

namespace faltung::layers {

/// One box: where it starts and how much it holds.
struct OutputBox {
    Index sample, group, depth, row, column, rows, columns;
    Index part;  // of those that share the box, by output channels
};

/// Counts from the slowest to the fastest. Rows and columns may be outputs or tiles of them.
struct BoxGrid {
    Index samples, groups, depths;
    Index rows, box_rows;  // altogether, and of a box
    Index columns, box_columns;
    Index parts = 1;

    Index row_boxes() const { return (rows - 1) / box_rows + 1; }
    Index column_boxes() const { return (columns - 1) / box_columns + 1; }
    Index tasks() const { return samples * groups * depths * row_boxes() * column_boxes() * parts; }

    OutputBox at(Index task) const {
        const auto next = [&task](Index count) {
            const Index i = task % count;
            task /= count;
            return i;
        };
        OutputBox box{};
        box.part = next(parts);
        box.column = next(column_boxes()) * box_columns;
        box.row = next(row_boxes()) * box_rows;
        box.depth = next(depths);
        box.group = next(groups);
        box.sample = task;
        box.rows = std::min(box_rows, rows - box.row);
        box.columns = std::min(box_columns, columns - box.column);
        return box;
    }
};

}  // namespace faltung::layers
