// A block of several axes as one tile of the microkernels' transforms, whose panels of columns and
// groups of rows are shared by the workers: columns on the way in (and other slow axes), rows there
// and back between them, columns on the way out. Only panels and slabs that hold samples are read
// and transformed, only those that hold outputs are transformed back. A real block is folded along
// the axis of the columns: its second half becomes the imaginary part of the first. Folding makes
// that axis negacyclic, so where it is periodic, pairs of columns are made complex ones instead.
#pragma once

#include "spectral/block.hpp"
#include "spectral/tile_frame.hpp"

namespace faltung {

template <class T>
class WholeTile final : public BlockTransform<T> {
public:
    using Complex = std::complex<T>;

    WholeTile(const GridShape& shape, const TilePlan& plan, const microkernels::Table& table);

    std::size_t block_bytes() const override { return frame_.tile_numbers() * sizeof(T); }
    std::size_t worker_bytes() const override;
    Spectrum<T> spectrum(Feed<T>& feed, const Context& context) const override;
    Spectrum<T> rounded(const Spectrum<double>& exact, const Context& context) const override;
    void run(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
             const Context& context) const override;

private:
    using Pass = BlockPass<T>;
    /// Some panels of one slab.
    struct Piece {
        T* data;                // of its first panel
        Index first, panels;    // which they are
        Index column, columns;  // samples along the row
        T *a, *b;               // scratch for a row of them each
        microkernels::TileLayout layout;
    };
    struct Source;
    struct Run;

    bool real() const { return shape_.row == Row::real; }
    bool folded() const { return real() && !shape_.paired; }
    Index per() const { return real() ? 1 : 2; }  // numbers per sample
    Index row_samples(Index positions) const { return positions * shape_.inner; }
    Index scratch_row() const;  // numbers
    const Span& upright() const { return shape_.columns.back(); }
    int slab_axes() const { return shape_.columns.size() - 1; }
    Index panels_of(Index positions) const {
        return (row_samples(positions) + frame_.panel_columns() - 1) / frame_.panel_columns();
    }
    microkernels::PanelRange panels_back() const;
    T* tile(const Pass& pass) const { return reinterpret_cast<T*>(pass.block); }
    T* slab(const Pass& pass, Index number) const {
        return tile(pass) + number * frame_.slab_stride();
    }

    template <class Body>
    void for_pieces(Index slabs, microkernels::PanelRange panels, Index at_once, const Pass& pass,
                    Body&& body) const;
    bool forward(Feed<T>& feed, const Extents& have, Index row_have, bool in_place,
                 const Pass& pass) const;
    bool gather(const Source& source, const Piece& piece) const;
    bool put_rows(const Piece& piece, Index y, Index rows, const T* a, const T* b,
                  Index stride) const;
    void along_slabs(int axis, bool forward, const Extents& begin, const Extents& end,
                     microkernels::PanelRange panels, const Pass& pass) const;
    Index slab_block(int axis) const;
    template <class Body>
    void for_row_groups(const Pass& pass, Body&& body) const;
    void backward(Drain<T>& drain, const Pass& pass) const;
    void scatter(Drain<T>& drain, const Extents& at, const Piece& piece) const;
    bool scatter_in_place(Drain<T>& drain, const Extents& at, const Piece& piece) const;
    void take_rows(const Piece& piece, Index panel, Index panels, Index y, Index rows, T* a, T* b,
                   Index stride) const;

    GridShape shape_;
    const microkernels::Table& levels_;
    TileFrame<T> frame_;
    Index panels_at_once_, panels_apart_;  // of a piece whose lines stand in memory, and of others
    std::vector<Index> slab_step_;         // slabs from one index of an axis to the next
    std::vector<T> twist_;                 // of a real block: a pair per row
};

/// The tile of such a block; `good` is false where transforms of our own do not serve it.
TilePlan plan_whole_tile(const GridShape& shape, const microkernels::Table& table);

/// The least length from n on that they serve, in whole registers if asked for (as the axis of the
/// columns must be); 0 where there is none.
Index own_length(Index n, bool whole_panels, const microkernels::Table& table);

extern template class WholeTile<float>;
extern template class WholeTile<double>;

}  // namespace faltung
