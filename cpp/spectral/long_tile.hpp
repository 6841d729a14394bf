// A long line as one tile of the microkernels' transforms.
#pragma once

#include "spectral/long_line.hpp"
#include "spectral/tile_frame.hpp"

namespace faltung {

template <class T>
class LongTile final : public LongLine<T> {
public:
    using Complex = std::complex<T>;

    LongTile(const GridShape& shape, const TilePlan& plan, const microkernels::Table& table);

    std::size_t block_bytes() const override { return frame_.tile_numbers() * sizeof(T); }
    std::size_t worker_bytes() const override;
    Spectrum<T> rounded(const Spectrum<double>& exact, const Context& context) const override;

private:
    using Pass = BlockPass<T>;
    using LongLine<T>::shape_;
    using LongLine<T>::per;

    bool forward(const T* samples, Index have, const Pass& pass) const override;
    void keep(const Spectrum<T>& spectrum, const Pass& pass) const override;
    void middle(const Spectrum<T>& spectrum, const Pass& pass) const override;
    void backward(T* outputs, const Pass& pass) const override;

    struct Piece;
    template <class Body>
    void for_pieces(const Pass& pass, Body&& body) const;
    template <class Body>
    void for_row_groups(const Pass& pass, Body&& body) const;
    bool gather(const T* samples, Index have, const Piece& piece) const;
    void scatter(const Piece& piece, T* outputs) const;
    T* tile(const Pass& pass) const { return reinterpret_cast<T*>(pass.block); }

    const microkernels::Table& levels_;
    TileFrame<T> frame_;
    Index panels_at_once_;
    std::vector<T> twist_;  // Row::real: a pair per row
};

/// How a long line of so many complex points, or the next longer one that is served, is folded into
/// a tile; `good` is false where it is not.
TilePlan plan_long_tile(Index points, const microkernels::Table& table);

/// How a block that is a line over own_line is folded; `good` is false for others, and where its
/// length is no fold's.
TilePlan plan_line_tile(const GridShape& shape, const microkernels::Table& table);

/// Whether a plan is one of exactly so many points.
inline bool serves_exactly(const TilePlan& plan, Index points) {
    return plan.good && plan.column_lengths[0] * plan.width == points;
}

extern template class LongTile<float>;
extern template class LongTile<double>;

}  // namespace faltung
