// Kernels of one tap on arrays whose channels lie apart: a product of matrices in place, with lanes
// over positions. Adjoints of windows that tile x are such layers too, with a channel per tap.
#pragma once

#include <memory>

#include "layers/conv.hpp"
#include "layers/place_runs.hpp"

namespace faltung::layers {

/// Whether the windows of a layer tile x, so that its adjoint is a layer of one tap: the channels
/// of its result, flat_adjoint(layer).outputs, are those of x and, within each, the taps.
bool tiled_adjoint(const ConvLayer& layer);
ConvLayer flat_adjoint(const ConvLayer& layer);

template <class T>
class Pointwise {
public:
    /// One tap, no padding.
    static bool suits(const ConvLayer& layer);

    /// With `taps` every output channel is a tap of a window, and outputs tile `out`.
    Pointwise(const ConvLayer& layer, const WeightView<T>& weights, Lifetime lifetime,
              const microkernels::Table& table, const WindowTaps& taps = {});

    /// The adjoint of a layer, from its weights; nullptr where windows do not tile x, or their taps
    /// are not neighbours in memory. Its x is the layer's out, its out the layer's x.
    static std::unique_ptr<Pointwise> of_adjoint(const ConvLayer& layer,
                                                 const WeightView<T>& weights,
                                                 const microkernels::Table& table);

    /// Whether these arrays hold T, and not channels side by side.
    bool serves(const ArrayView& x, const ArrayView& out) const;
    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const;
    std::size_t workspace_bytes() const;

    const WeightView<T>& weights() const { return weights_.view(); }

private:
    struct Arrays;
    struct Block;
    struct Channels;
    struct Bank;
    struct Steps;

    /// How the outputs are cut: blocks of places of a task, and its output channels.
    struct Cut {
        Index blocks, channels;
    };
    Cut cut() const;

    /// Two vectors of places.
    Index width() const { return 2 * loops_->lanes; }
    /// Places of all samples, one sample's after the other's.
    Index all_places() const { return layer_.batch * layer_.places(); }

    Arrays arrays_of(const ArrayView& x, const ArrayView& out, const Ending& ending) const;
    Block block_at(const Arrays& arrays, Index first, Index last) const;
    Bank bank_of(const Channels& channels, Index bank) const;
    void run_piece(const Arrays& arrays, const Channels& channels, Index first, Index last) const;
    void pack(const Channels& channels, Steps& steps, T* to) const;
    void gather(const Arrays& arrays, const Block& block, Index channel, Index steps, T* to) const;
    void run_block(const Arrays& arrays, const Block& block, const Channels& channels,
                   const Steps& steps, T* copied, T* staged) const;
    void put(const Arrays& arrays, const Block& block, const Channels& channels,
             const T* staged) const;

    ConvLayer layer_;
    WindowTaps taps_;
    const microkernels::LayerTable<T>* loops_;
    KeptWeights<T> weights_;
};

extern template class Pointwise<float>;
extern template class Pointwise<double>;

}  // namespace faltung::layers
