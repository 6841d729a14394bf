#include "spectral/block.hpp"

#include "spectral/column_tile.hpp"
#include "spectral/grid.hpp"
#include "spectral/long_row.hpp"
#include "spectral/long_tile.hpp"
#include "spectral/whole_tile.hpp"

namespace faltung {

Index GridShape::row_points() const {
    switch (row) {
        case Row::real: return upright ? span.length : span.length / 2;
        case Row::complex: return span.length;
        default: return width;
    }
}

Index GridShape::numbers_in() const {
    switch (row) {
        case Row::real: return span.have;
        case Row::complex: return 2 * span.have;
        default: return 2 * width;
    }
}

Index GridShape::numbers_out() const {
    switch (row) {
        case Row::real: return span.out;
        case Row::complex: return 2 * span.out;
        default: return 2 * width;
    }
}

Index GridShape::pitch(std::size_t size) const {
    const Index per_line = static_cast<Index>(64 / size);
    Index lines = (row_points() + per_line - 1) / per_line;
    // An odd number of cache lines spreads a column over all sets.
    if (lines > 8 && lines % 2 == 0) ++lines;
    return lines * per_line;
}

Index GridShape::rows() const {
    Index total = 1;
    for (const Span& axis : columns) total *= axis.length;
    return upright && row != Row::flat ? total / 2 : total;
}

Index GridShape::kernel_points() const {
    Index total = row == Row::flat ? 1 : span.kernel_points();
    for (const Span& axis : columns) total *= axis.kernel_points();
    return total;
}

bool GridShape::is_line_over(Index most) const {
    return columns.empty() && row != Row::flat && row_points() > most;
}

double GridShape::points() const {
    double total = static_cast<double>(row_points() * inner);
    for (const Span& axis : columns) total *= static_cast<double>(axis.length);
    return upright && row != Row::flat ? total / 2 : total;
}

template <class T>
std::unique_ptr<const BlockTransform<T>> make_block_transform(const GridShape& shape,
                                                              const microkernels::Table& table,
                                                              TransformEngine engine) {
    if (engine == TransformEngine::own) {
        const TilePlan plan = plan_whole_tile(shape, table);
        if (plan.good) return std::make_unique<WholeTile<T>>(shape, plan, table);
        const TilePlan columns = plan_column_tile(shape, table);
        if (columns.good) return std::make_unique<ColumnTile<T>>(shape, columns, table);
        const TilePlan line = plan_line_tile(shape, table);
        if (line.good) return std::make_unique<LongTile<T>>(shape, line, table);
    }
    if (!shape.is_line_over(long_line)) return std::make_unique<Grid<T>>(shape, loops_of<T>(table));
    return std::make_unique<LongRow<T>>(shape, loops_of<T>(table));
}

template std::unique_ptr<const BlockTransform<float>> make_block_transform(
    const GridShape&, const microkernels::Table&, TransformEngine);
template std::unique_ptr<const BlockTransform<double>> make_block_transform(
    const GridShape&, const microkernels::Table&, TransformEngine);

}  // namespace faltung
