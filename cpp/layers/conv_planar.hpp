// Direct layers on arrays whose channels lie apart, with lanes over places: samples are packed as
// they stand, and results need not be turned.
#pragma once

#include <vector>

#include "layers/conv.hpp"

namespace faltung::layers {

template <class T>
class Planar {
public:
    /// For layers of few channels.
    Planar(const ConvLayer& layer, const WeightView<T>& weights, const microkernels::Table& table);

    /// Whether the channels of these arrays lie apart.
    static bool serves(const ArrayView& x, const ArrayView& out);
    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const;
    std::size_t workspace_bytes() const;

    const WeightView<T>& weights() const { return view_; }

private:
    struct Target;
    struct Bank;

    /// Numbers of a line of one phase of the stride, and of its lines in a box of `rows` outputs.
    Index line() const {
        return layer_.axes[2].out + (layer_.axes[2].reach() - 1) / layer_.axes[2].step;
    }
    Index lines(Index rows) const {
        return rows + (layer_.axes[1].reach() - 1) / layer_.axes[1].step;
    }
    Index phases(int axis) const;
    Index channel() const;  // numbers of a channel in a packed box
    Index packed_numbers() const;
    Index staged_pitch() const;
    Index scratch_numbers() const;

    void choose_box();
    void lay_out();
    void pack(const WeightView<T>& weights);
    void run_box(const Target& target, Index sample, Index group, Index depth, Index row,
                 Index rows) const;
    void sum_line(const Target& target, const Bank& bank, const T* packed, Index places, T* out,
                  Index out_channel, T* staged) const;
    void sum_short_lines(const Target& target, const Bank& bank, const T* packed, Index rows,
                         T* out, T* staged) const;
    void sum_block(const Target& target, const Bank& bank, const T* packed, Index vectors, T* to,
                   Index to_channel) const;
    void read(const Target& target, Index sample, Index group, Index depth, Index row, Index rows,
              T* to, T* scratch) const;

    ConvLayer layer_;
    const microkernels::Table* table_;
    const microkernels::LayerTable<T>* loops_;
    Index rows_ = 1;                     // outputs of a box
    std::vector<std::int64_t> offsets_;  // of the steps of a sum in a packed box
    Workspace coefficients_;             // [group][output][channel][tap]
    WeightView<T> view_;
};

extern template class Planar<float>;
extern template class Planar<double>;

}  // namespace faltung::layers
