// What a method for a layer looks like once its weights are prepared, and the methods there are.
#pragma once

#include <functional>
#include <memory>

#include "core/conv_layer.hpp"
#include "core/executor.hpp"
#include "layers/conv_weights.hpp"
#include "microkernels/table.hpp"

namespace faltung::layers {

/// What is done to a sum before it is stored.
struct Ending {
    const void* bias = nullptr;  // one number of the arithmetic per output channel
    bool relu = false;
    /// Results of so many bytes are stored past the caches.
    std::size_t stream_from = std::size_t{8} << 20;
};

/// Owns packed or transformed weights, which the workers of a context prepare. run() is const and
/// thread-safe.
class Conv {
public:
    virtual ~Conv() = default;
    /// Five-dimensional arrays of any dtype and strides that do not overlap.
    virtual void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
                     const Context& context) const = 0;
    virtual std::size_t workspace_bytes() const = 0;  // that one worker borrows
};

/// The sum as it is defined; serves every layer.
template <class T>
std::unique_ptr<Conv> make_direct(const ConvLayer& layer, const WeightView<T>& weights,
                                  Lifetime lifetime, const microkernels::Table& table,
                                  const Context& context);

/// A box of outputs of a few channels of one sample and group.
struct OutputPart {
    Index sample, group, output, outputs;
    Index start[layer_axes], count[layer_axes];
};

/// Only that part, directly: for blocks of outputs that a transform cannot serve. `weights` may be
/// those of the whole layer.
template <class T>
void run_direct_part(const ConvLayer& layer, const WeightView<T>& weights,
                     const microkernels::Table& table, const ArrayView& x, const ArrayView& out,
                     const Ending& ending, const OutputPart& part);

/// The sum as it is defined, for layers with one input channel per group.
template <class T>
std::unique_ptr<Conv> make_depthwise(const ConvLayer& layer, const WeightView<T>& weights,
                                     const microkernels::Table& table);

/// Winograd's minimal filtering F(outputs × outputs, 3 × 3) with 4 or 2 outputs: fewer products,
/// and an error that is larger than that of the sum itself. Serves kernels of 3 × 3 (along height
/// and width) with stride and dilation 1.
template <class T>
std::unique_ptr<Conv> make_winograd(const ConvLayer& layer, const WeightView<T>& weights,
                                    int outputs, Lifetime lifetime,
                                    const microkernels::Table& table, const Context& context);

/// Winograd's F(2, 2) nested in itself: 9 products where the sum has 16, along height and width, or
/// along width where the height has one tap. For any stride and number of taps; transforms only
/// add, so that the error stays near that of the sum. Serves layers of few input channels (see
/// core/nested_cut.hpp), without dilation.
template <class T>
std::unique_ptr<Conv> make_nested(const ConvLayer& layer, const WeightView<T>& weights,
                                  Lifetime lifetime, const microkernels::Table& table,
                                  const Context& context);

/// Points of a tile along each axis; 1 where there is one tap. Lengths of our own transforms.
struct TileLengths {
    Index depth = 1, height = 1, width = 1;
};

/// Transforms of tiles. Serves stride 1, along axes with more than one tap.
template <class T>
std::unique_ptr<Conv> make_spectral(const ConvLayer& layer, const WeightView<T>& weights,
                                    const TileLengths& lengths, Lifetime lifetime,
                                    const microkernels::Table& table, const Context& context);

/// Chooses and prepares the method for a layer whose weights are given; the adjoint asks for its
/// parts through it.
template <class T>
using MakeConv =
    std::function<std::unique_ptr<Conv>(const ConvLayer& layer, const WeightView<T>& weights)>;

}  // namespace faltung::layers
