// A flat block (columns alone, Row::flat) by the microkernels' transforms: every number of a row
// has a column of its own, folded to half its length, so that a real kernel is all that it can
// take.
#pragma once

#include "spectral/block.hpp"
#include "spectral/tile_frame.hpp"

namespace faltung {

template <class T>
class ColumnTile final : public BlockTransform<T> {
public:
    using Complex = std::complex<T>;

    ColumnTile(const GridShape& shape, const TilePlan& plan, const microkernels::Table& table);

    std::size_t block_bytes() const override { return frame_.tile_numbers() * sizeof(T); }
    std::size_t worker_bytes() const override {
        return static_cast<std::size_t>(2 * row_numbers()) * sizeof(T);
    }
    Spectrum<T> spectrum(Feed<T>& kernel, const Context& context) const override;
    void run(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
             const Context& context) const override;

private:
    using Pass = BlockPass<T>;

    const Span& column() const { return shape_.columns.back(); }
    Index row_numbers() const { return frame_.layout().panels * frame_.lanes(); }
    T* row(const Pass& pass, Index y) const {
        return frame_.row(reinterpret_cast<T*>(pass.block), y);
    }
    bool gather(Feed<T>& feed, Index have, bool in_place, const Pass& pass) const;
    void scatter(Drain<T>& drain, const Pass& pass) const;
    template <class Body>
    void for_rows(Index rows, const Pass& pass, Body&& body) const;

    GridShape shape_;
    TileFrame<T> frame_;
    std::vector<T> twist_;  // a pair per row
};

/// The tile of a flat block of one column axis whose span has an even length; `good` is false where
/// transforms of our own do not serve it.
TilePlan plan_column_tile(const GridShape& shape, const microkernels::Table& table);

extern template class ColumnTile<float>;
extern template class ColumnTile<double>;

}  // namespace faltung
