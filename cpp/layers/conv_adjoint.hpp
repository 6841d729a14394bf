// The adjoint of a layer: gradients with respect to x, transposed convolution.
#pragma once

#include <vector>

#include "layers/conv.hpp"

namespace faltung::layers {

/// The layers that an adjoint consists of.
std::vector<ConvLayer> adjoint_layers(const ConvLayer& layer);

/// x from out: with a stride, every residue of positions is an ordinary layer of stride one over
/// the taps that reach it, written with that stride. Boundaries other than zero are folded back.
template <class T>
class Adjoint {
public:
    Adjoint(const ConvLayer& layer, const WeightView<T>& weights, const microkernels::Table& table,
            const MakeConv<T>& make);

    /// Five-dimensional arrays: `out` is given, `x` is written.
    void run(const ArrayView& out, const ArrayView& x, const Ending& ending,
             const Context& context) const;
    std::size_t workspace_bytes() const;

private:
    struct Part {
        Index start[layer_axes];
        ConvLayer layer;
        std::unique_ptr<Conv> conv;
    };

    void run_parts(const ArrayView& out, const ArrayView& x, const Ending& ending,
                   const Context& context) const;
    void fill(const ArrayView& x, const Ending& ending) const;
    void fold(const ArrayView& extended, const ArrayView& x, const Context& context) const;

    ConvLayer layer_;     // with x as long as its windows reach, where the boundary is not zero
    ConvLayer original_;  // as it was asked
    const microkernels::Table* table_;
    std::vector<Part> parts_;
    bool every_sample_ = true;  // of x is reached by a tap
};

extern template class Adjoint<float>;
extern template class Adjoint<double>;

}  // namespace faltung::layers
