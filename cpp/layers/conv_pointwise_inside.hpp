// Kernels of one tap on arrays whose channels lie side by side: a product of matrices in place,
// with lanes over output channels. Adjoints of windows that tile x are such layers too.
#pragma once

#include "layers/conv.hpp"
#include "layers/place_runs.hpp"

namespace faltung::layers {

template <class T>
class PointwiseInside {
public:
    /// With `taps` results are windows that tile `out`: a row of taps, each with all channels, is
    /// the outputs of the layer. From one row to the next it is weights.tap[1] numbers.
    PointwiseInside(const ConvLayer& layer, const microkernels::Table& table,
                    const WindowTaps& taps = {});

    /// Whether these arrays hold T at equidistant positions.
    static bool serves(const ArrayView& x, const ArrayView& out);
    /// The same where windows tile out.
    static bool serves_tiles(const ArrayView& x, const ArrayView& out);
    void run(const ArrayView& x, const ArrayView& out, const WeightView<T>& weights,
             const Ending& ending, const Context& context) const;
    std::size_t workspace_bytes() const;

private:
    struct Arrays;
    struct Piece;

    /// Positions and banks of a task.
    struct Cut {
        Index positions, banks;
    };
    Cut cut() const;

    Index positions() const { return layer_.batch * layer_.places(); }
    Index width() const {
        return layer_.outputs > loops_->lanes ? 2 * loops_->lanes : loops_->lanes;
    }
    Index rows() const { return taps_.along[0] * taps_.along[1]; }
    Index banks_of_row() const { return (layer_.outputs - 1) / width() + 1; }
    Index banks() const { return rows() * banks_of_row(); }

    bool bank_by_bank() const;
    void run_banks(const Arrays& arrays, const WeightView<T>& weights, const Piece& piece) const;
    void run_tiles(const Arrays& arrays, const WeightView<T>& weights, const Piece& piece) const;
    void pack(const WeightView<T>& weights, Index group, Index bank, Index first, Index steps,
              T* to) const;
    void sum_tile(const T* coefficients, const T* samples, Index place, Index positions,
                  Index steps, T* sums, bool accumulate) const;
    void finish(const Arrays& arrays, const Piece& piece, Index bank, const T* sums, Index first,
                Index last) const;

    ConvLayer layer_;
    WindowTaps taps_;
    const microkernels::LayerTable<T>* loops_;
};

extern template class PointwiseInside<float>;
extern template class PointwiseInside<double>;

}  // namespace faltung::layers
