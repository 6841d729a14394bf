// Gradients of weights by transforms of tiles: samples times the conjugate of gradients, summed
// over all tiles before the one transform back. Two tiles go through one transform as its real and
// imaginary parts; what they have in common is the real part of the sum. Where one tile holds all
// outputs of a depthwise layer, the gradient of x comes from the same transforms of gradients.
#include <algorithm>
#include <atomic>

#include "core/workspace.hpp"
#include "layers/conv_weight_gradient.hpp"
#include "layers/spectral_frame.hpp"
#include "layers/spectral_taps.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

constexpr Index wanted_tasks = 8, slices_bytes = Index{12} << 20;

/// The gradient of x beside that of the weights, from the same transforms of gradients.
template <class T>
struct BesideX {
    WeightView<T> weights;
    ArrayView dx;
};

/// A channel meets its own gradient only: spectra are multiplied element by element.
template <class T>
class DepthwiseSpectralGradient : SpectralFrame<T> {
    using Frame = SpectralFrame<T>;
    using Frame::layer_, Frame::loops_, Frame::table_, Frame::tile_;

public:
    DepthwiseSpectralGradient(const ConvLayer& layer, const TileLengths& lengths,
                              const microkernels::Table& table)
        : Frame(layer, lengths, table), blocks_((layer.groups - 1) / loops_->lanes + 1) {
        const Index sums = blocks_ * tile_.numbers() * static_cast<Index>(sizeof(T));
        slices_ = std::clamp<Index>(std::min((wanted_tasks - 1) / blocks_ + 1, slices_bytes / sums),
                                    1, Frame::pairs());
    }

    bool run(const ArrayView& grad, const ArrayView& x, const ArrayView& dw,
             const BesideX<T>* beside, const Context& context) const {
        const ChannelReader<T> gradients(grad, Boundary::zero, *table_);
        const ChannelReader<T> samples(x, layer_.boundary, *table_);
        const Workspace sums(static_cast<std::size_t>(slices_ * blocks_ * tile_.numbers()) *
                             sizeof(T));
        std::atomic<bool> finite{true};
        parallel_for(slices_ * blocks_, context, [&](Index task, int) {
            if (!sum_slice(gradients, samples, task / blocks_, task % blocks_, beside,
                           sums.as<T>() + task * tile_.numbers()))
                finite.store(false, std::memory_order_relaxed);
        });
        const TapWriter<T> writer(layer_, tile_, dw, *table_);
        parallel_for(blocks_, context, [&](Index block, int) {
            T* const total = sums.as<T>() + block * tile_.numbers();
            for (Index s = 1; s < slices_; ++s)
                for (Index i = 0; i < tile_.numbers(); ++i)
                    total[i] += total[s * blocks_ * tile_.numbers() + i];
            writer.inverse(total);
            const Index first = block * loops_->lanes;
            if (!writer.write(total, std::min<Index>(loops_->lanes, layer_.groups - first),
                              T{1} / static_cast<T>(tile_.points()),
                              dw.data + first * dw.strides[0], dw.strides[0]))
                finite.store(false, std::memory_order_relaxed);
        });
        return finite.load();
    }

private:
    /// False where a gradient of x is not finite.
    bool sum_slice(const ChannelReader<T>& gradients, const ChannelReader<T>& samples, Index slice,
                   Index block, const BesideX<T>* beside, T* sums) const {
        const Index first = block * loops_->lanes;
        const Index channels = std::min<Index>(loops_->lanes, layer_.groups - first);
        const Workspace space(
            static_cast<std::size_t>(3 * tile_.numbers() + Frame::line_numbers()) * sizeof(T));
        T* const tile = space.as<T>();
        T* const other = tile + tile_.numbers();
        T* const spectrum = other + tile_.numbers();
        T* const line = spectrum + tile_.numbers();
        std::fill_n(sums, tile_.numbers(), T{0});
        if (beside) depthwise_spectrum(layer_, beside->weights, tile_, first, channels, spectrum);
        const auto multiply = [&](const T* a, const T* b, T* c, bool conjugate, bool accumulate) {
            const Index lines = tile_.axis(0).n * tile_.axis(1).n;
            for (Index r = 0; r < lines; ++r)
                loops_->complex.multiply(a + r * tile_.row(), b + r * tile_.row(),
                                         c + r * tile_.row(), tile_.axis(2).n, conjugate,
                                         accumulate);
        };
        bool finite = true;
        const Index begin = Frame::pairs() * slice / slices_;
        const Index end = Frame::pairs() * (slice + 1) / slices_;
        for (Index pair = begin; pair < end; ++pair) {
            Frame::load_samples(samples, 2 * pair, first, channels, tile, line);
            Frame::load_gradients(gradients, 2 * pair, first, channels, other, line);
            multiply(other, tile, sums, true, true);
            if (!beside) continue;
            multiply(spectrum, other, other, false, false);
            finite = store_dx(2 * pair, first, channels, beside->dx, other, line) && finite;
        }
        return finite;
    }

    /// The full convolution of a tile's gradients with the kernels: position i of x is its position
    /// i - first.
    bool store_dx(Index first_tile, Index channel, Index channels, const ArrayView& dx, T* tile,
                  T* line) const {
        tile_.inverse(tile, tile_.axis(0).n, tile_.axis(1).n);
        const ChannelWriter<T> writer(dx, *table_);
        const Index lanes = loops_->lanes;
        if (!Frame::finite(tile, tile_.axis(2).n, channels)) return false;
        for (Index i = 0; i < 2 && first_tile + i < Frame::tiles_; ++i) {
            const auto place = Frame::place_of(first_tile + i);
            for (Index d = 0; d < Frame::axis(0).x; ++d)
                for (Index r = 0; r < Frame::axis(1).x; ++r)
                    writer.write({.from = tile + (d - Frame::axis(0).first) * tile_.plane() +
                                          (r - Frame::axis(1).first) * tile_.row() -
                                          Frame::axis(2).first * tile_.element() + i * lanes,
                                  .pitch = tile_.element(),
                                  .places = Frame::axis(2).x,
                                  .channels = channels,
                                  .bias = nullptr,
                                  .relu = false},
                                 place.sample, channel, d, r, 0, line);
        }
        return true;
    }

    Index blocks_, slices_ = 1;  // of channels, of pairs of tiles
};

}  // namespace

template <class T>
bool spectral_weight_gradient(const ConvLayer& layer, const TileLengths& lengths,
                              const ArrayView& grad, const ArrayView& x, const ArrayView& dw,
                              const microkernels::Table& table, const Context& context) {
    if (layer.depthwise(layer_loops<T>(table).lanes) && layer.outputs == 1)
        return DepthwiseSpectralGradient<T>(layer, lengths, table)
            .run(grad, x, dw, nullptr, context);
    return dense_spectral_gradient<T>(layer, lengths, grad, x, dw, table, context);
}

bool shares_spectra(const ConvLayer& layer, const TileLengths& lengths,
                    const microkernels::Table& table) {
    const Index lanes =
        layer.arithmetic == Arithmetic::f32 ? table.layer_f32.lanes : table.layer_f64.lanes;
    if (!layer.depthwise(lanes) || layer.outputs != 1) return false;
    if (layer.boundary != Boundary::zero) return false;
    const Index points[layer_axes] = {lengths.depth, lengths.height, lengths.width};
    for (std::size_t a = 0; a < layer_axes; ++a) {
        const Axis& axis = layer.axes[a];
        const Index full = axis.out + axis.reach() - 1;
        // all of x, and nothing that no window reaches
        if (axis.step != 1 || points[a] < full || axis.first > 0 || axis.x - axis.first > full)
            return false;
    }
    return true;
}

template <class T>
bool depthwise_spectral_gradients(const ConvLayer& layer, const TileLengths& lengths,
                                  const ArrayView& grad, const ArrayView& x,
                                  const WeightView<T>& weights, const ArrayView& dx,
                                  const ArrayView& dw, const microkernels::Table& table,
                                  const Context& context) {
    const BesideX<T> beside{weights, dx};
    return DepthwiseSpectralGradient<T>(layer, lengths, table).run(grad, x, dw, &beside, context);
}

template bool depthwise_spectral_gradients(const ConvLayer&, const TileLengths&, const ArrayView&,
                                           const ArrayView&, const WeightView<float>&,
                                           const ArrayView&, const ArrayView&,
                                           const microkernels::Table&, const Context&);
template bool depthwise_spectral_gradients(const ConvLayer&, const TileLengths&, const ArrayView&,
                                           const ArrayView&, const WeightView<double>&,
                                           const ArrayView&, const ArrayView&,
                                           const microkernels::Table&, const Context&);
template bool spectral_weight_gradient<float>(const ConvLayer&, const TileLengths&,
                                              const ArrayView&, const ArrayView&, const ArrayView&,
                                              const microkernels::Table&, const Context&);
template bool spectral_weight_gradient<double>(const ConvLayer&, const TileLengths&,
                                               const ArrayView&, const ArrayView&, const ArrayView&,
                                               const microkernels::Table&, const Context&);

}  // namespace faltung::layers
