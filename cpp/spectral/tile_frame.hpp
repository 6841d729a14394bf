// Where the numbers of a tile stand when the microkernels transform it, and the transforms in
// order.
//
// The innermost axis of columns ("y") and the last axis ("x") make slabs; further axes count slabs.
// In a slab, panel p holds `lanes` columns of x, element y in each. A single line is folded: n = y
// * x, with a twist between the two transforms. A tile of columns has no transform along x.
#pragma once

#include <optional>
#include <vector>

#include "core/executor.hpp"
#include "core/workspace.hpp"
#include "spectral/tile_length.hpp"
#include "spectral/tile_transform.hpp"

namespace faltung {

/// How a shape maps onto lengths of our own; `good` is false where it does not.
struct TilePlan {
    bool good = false;
    bool fold = false, columns = false;
    bool paired = false;   // real columns, two in a complex one; the rows are whole all the same
    bool quarter = false;  // of a fold: convolved modulo x^n = i, as a real line of 2 n samples is
    std::vector<Index> column_lengths;  // slabs' axes first, y last
    std::vector<Index> column_valid;
    Index width = 0;  // of x
    Index inner = 1;  // rows in each row, number by number in turn, when it is convolved
    Index width_valid = 0;
};

template <class T>
TilePlan plan_tile(const TileShape& shape, const microkernels::TransformTable<T>& table);

/// A spectrum of `rows` x `width` points as TileFrame<E> leaves it, times `scale`, as TileFrame<T>
/// would. They may differ in how many rows a vector holds; the last of `from_rows`, if told, stands
/// for those behind it.
template <class E, class T>
void round_spectrum(const E* from, Index from_lanes, T* to, Index to_lanes, Index rows, Index width,
                    double scale, const Context& context, Index from_rows = 0);

template <class T>
class TileFrame {
public:
    TileFrame(const TilePlan& plan, const microkernels::TransformTable<T>& table);

    const TilePlan& plan() const { return plan_; }
    std::size_t tile_numbers() const {
        return static_cast<std::size_t>(slab_stride_ * slabs_ + spare);
    }
    std::size_t buffer_numbers() const {
        return static_cast<std::size_t>(2 * lanes() * plan_.width * plan_.inner + spare);
    }
    /// Places of the spectrum: [slab][y][x], or [slab][y] for columns; [pair][x] of paired ones.
    Index spectrum_places() const {
        return slabs_in_rows() * rows_in_slab() * (plan_.columns ? 1 : plan_.width);
    }
    /// Numbers that the microkernels want of it: the rows in groups of `lanes`, of each group the
    /// real and the imaginary parts of place after place; of columns, pairs.
    std::size_t spectrum_numbers() const { return 2 * static_cast<std::size_t>(spectrum_places()); }

    T* row(T* tile, Index row) const {
        return tile + row / height_ * slab_stride_ + row % height_ * element();
    }
    const T* row(const T* tile, Index row) const {
        return tile + row / height_ * slab_stride_ + row % height_ * element();
    }
    T* sample(T* tile, Index y_row, Index x) const {
        return row(tile, y_row) + x / lanes() * layout_.panel + x % lanes();
    }
    Index height() const { return height_; }
    /// Columns of the array that a panel holds.
    Index panel_columns() const { return plan_.paired ? 2 * lanes() : lanes(); }
    Index lanes() const { return table_.lanes; }
    Index element() const { return 2 * lanes(); }
    const microkernels::TileLayout& layout() const { return layout_; }
    const microkernels::TransformTable<T>& table() const { return table_; }

    /// Where a place's real part stands in a spectrum; the imaginary part is `imag_offset()`
    /// further.
    Index spectrum_at(Index slab_row, Index x) const {
        if (plan_.columns) return 2 * slab_row;
        return slab_row / lanes() * element() * plan_.width + x * element() + slab_row % lanes();
    }
    Index imag_offset() const { return plan_.columns ? 1 : lanes(); }

    void convolve(T* tile, const T* spectrum, T* buffer, const TileAhead& ahead) const;
    /// Forward only, by several workers; destroys the tile.
    void forward(T* tile, T* spectrum, const Context& context = {}) const;
    /// From the product of two spectra of that kind to a tile. Not for columns.
    void back(const T* image, const T* spectrum, T* tile, T* buffer) const;

    // The steps of convolve() for some panels, or some rows (whole groups of `lanes`), of a slab.
    // Rows: only the first `there` panels hold anything, only the panels `back` are wanted. Paired
    // columns have one slab of rows, as many as there are pairs of opposite frequencies.
    void columns_forward(T* slab, Index begin, Index end) const;
    void columns_back(T* slab, Index begin, Index end) const;
    void columns_convolve(T* slab, Index begin, Index end, const T* spectrum) const;
    void rows_convolve(T* slab, Index begin, Index end, Index there, microkernels::PanelRange back,
                       const T* spectrum, T* buffer, const microkernels::Ahead& ahead) const;
    void rows_forward(const T* slab, Index begin, Index end, Index there, T* spectrum) const;

    Index slabs_in_rows() const { return plan_.paired ? 1 : slabs_; }
    Index rows_in_slab() const {
        return plan_.paired ? static_cast<Index>(pairs_.size()) / 2 : height_;
    }

    // Of the axes that count slabs, slowest first.
    Index slabs() const { return slabs_; }
    Index slab_stride() const { return slab_stride_; }
    /// A transform along one of them: `count` of them, `distance` numbers apart, each with elements
    /// `stride` numbers apart.
    void slabs_forward(int axis, T* data, Index stride, Index count, Index distance) const;
    void slabs_back(int axis, T* data, Index stride, Index count, Index distance) const;

private:
    static constexpr Index spare = 64;
    struct AxisPlan {
        const microkernels::TransformLength* length;
        std::vector<T> factors;
        Index valid;
    };

    void transform_slabs(T* tile, bool forward) const;
    void lay_twist();
    void lay_pairs();
    Index twist_numbers() const { return (lanes() + layout_.panels) * element(); }
    const T* twist_of(Index row) const {
        return twist_ ? twist_->template as<T>() + row / lanes() * twist_numbers() : nullptr;
    }

    TilePlan plan_;
    const microkernels::TransformTable<T>& table_;
    std::vector<AxisPlan> columns_;  // as in the plan
    AxisPlan rows_{};
    Index slabs_ = 1, height_ = 0, slab_stride_ = 0, panels_back_ = 0;
    microkernels::TileLayout layout_{};
    std::vector<std::ptrdiff_t> pairs_;  // places of rows of opposite frequencies
    std::optional<Workspace> twist_;     // for the rows; transform_table.hpp has its layout
};

}  // namespace faltung
