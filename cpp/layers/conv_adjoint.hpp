// The adjoint of a layer: gradients with respect to x, transposed convolution.
#pragma once

#include <memory>
#include <vector>

#include "layers/conv.hpp"
#include "layers/conv_pointwise.hpp"

namespace faltung::layers {

/// The layers that an adjoint consists of.
std::vector<ConvLayer> adjoint_layers(const ConvLayer& layer);

/// x from out: with a stride, every residue of positions is an ordinary layer of stride one over
/// the taps that reach it, written with that stride. Where windows tile x, all of them are one
/// layer of one tap. Boundaries other than zero are folded back.
template <class T>
class Adjoint {
public:
    /// `at_once`: residues may go together, and `make` is not asked for them.
    Adjoint(const ConvLayer& layer, const WeightView<T>& weights, const microkernels::Table& table,
            MakeConv<T> make, bool at_once);

    /// Five-dimensional arrays: `out` is given, `x` is written.
    void run(const ArrayView& out, const ArrayView& x, const Ending& ending,
             const Context& context) const;

private:
    void run_parts(const ArrayView& out, const ArrayView& x, const Ending& ending,
                   const Context& context) const;
    bool run_at_once(const ArrayView& out, const ArrayView& x, const Ending& ending,
                     const Context& context) const;
    void run_inside(const ArrayView& out, const ArrayView& x, const Ending& ending,
                    const Context& context) const;
    void fill(const ArrayView& x, const Ending& ending) const;
    void fold(const ArrayView& extended, const ArrayView& x, const Context& context) const;

    ConvLayer layer_;     // with x as long as its windows reach, where the boundary is not zero
    ConvLayer original_;  // as it was asked
    WeightView<T> weights_;
    const microkernels::Table* table_;
    MakeConv<T> make_;
    std::unique_ptr<Pointwise<T>> tiles_;  // where windows tile x, for channels that lie apart
};

extern template class Adjoint<float>;
extern template class Adjoint<double>;

}  // namespace faltung::layers
