// Kernels of one tap on arrays whose planes are contiguous: a product of matrices in place, with
// lanes over positions.
#pragma once

#include <optional>
#include <vector>

#include "layers/conv.hpp"

namespace faltung::layers {

template <class T>
class Pointwise {
public:
    /// One tap, stride one, no padding.
    static bool suits(const ConvLayer& layer);

    Pointwise(const ConvLayer& layer, const WeightView<T>& weights,
              const microkernels::Table& table);

    /// Whether these arrays hold T in contiguous planes.
    bool serves(const ArrayView& x, const ArrayView& out) const;
    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const;
    std::size_t workspace_bytes() const;

private:
    /// Output channels that are summed together.
    struct Bank {
        Index first, count;
    };

    /// Two vectors of neighbouring places, or what is left of them at the end of a plane.
    struct Block {
        const T* x;
        Index x_plane;  // numbers from channel to channel
        T* out;
        Index out_plane, places, group;
    };

    void run_block(const Block& block, const Ending& ending, T* scratch) const;

    ConvLayer layer_;
    const microkernels::LayerTable<T>* loops_;
    std::vector<Bank> banks_;
    Workspace coefficients_;
};

extern template class Pointwise<float>;
extern template class Pointwise<double>;

}  // namespace faltung::layers
