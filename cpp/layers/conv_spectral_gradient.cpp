// Gradients of weights by transforms of tiles: samples times the conjugate of gradients, summed
// over all tiles before the one transform back. Two tiles go through one transform as its real and
// imaginary parts; what they have in common is the real part of the sum. Where one tile holds all
// outputs of a depthwise layer, the gradient of x comes from the same transforms of gradients.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <vector>

#include "core/workspace.hpp"
#include "layers/conv_weight_gradient.hpp"
#include "layers/spectral_frame.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Transforms of samples and gradients that are multiplied together.
constexpr Index chunk_bytes = Index{12} << 20;
/// Tiles whose products start at zero before they are added to the rest.
constexpr Index block_slots = 64;
constexpr Index wanted_tasks = 8, slices_bytes = Index{32} << 20;

/// Where the taps of one output channel of every lane lie in dw: input channel and group fixed.
template <class T>
class TapWriter {
public:
    TapWriter(const ConvLayer& layer, const Tile<T>& tile, const ArrayView& dw,
              const microkernels::Table& table)
        : layer_(layer),
          tile_(tile),
          dw_(dw),
          store_(conversions<T>(table).store[static_cast<int>(dw.dtype)]) {}

    /// Lanes [0, count) go to `to`, `pace` bytes apart, times `scale`; false if one is not finite.
    bool write(const T* tile, Index count, T scale, std::byte* to, Index pace) const {
        bool finite = true;
        for (Index d = 0; d < layer_.axes[0].k; ++d)
            for (Index y = 0; y < layer_.axes[1].k; ++y)
                for (Index x = 0; x < layer_.axes[2].k; ++x) {
                    const T* from = tile + d * layer_.axes[0].dilation * tile_.plane() +
                                    y * layer_.axes[1].dilation * tile_.row() +
                                    x * layer_.axes[2].dilation * tile_.element();
                    std::byte* at =
                        to + d * dw_.strides[2] + y * dw_.strides[3] + x * dw_.strides[4];
                    for (Index l = 0; l < count; ++l) {
                        const T value = scale * from[l];
                        finite = finite && std::isfinite(value);
                        store_(&value, at + l * pace, 1);
                    }
                }
        return finite;
    }

    void inverse(T* tile) const {
        tile_.inverse(tile, layer_.axes[0].reach(), layer_.axes[1].reach());
    }

private:
    const ConvLayer& layer_;
    const Tile<T>& tile_;
    const ArrayView& dw_;
    typename microkernels::ConvertRows<T>::Store store_;
};

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

/// At every frequency a product of matrices: input channels × tiles by tiles × output channels.
template <class T>
class DenseSpectralGradient : SpectralFrame<T> {
    using Frame = SpectralFrame<T>;
    using Frame::layer_, Frame::loops_, Frame::table_, Frame::tile_;

public:
    DenseSpectralGradient(const ConvLayer& layer, const TileLengths& lengths,
                          const microkernels::Table& table)
        : Frame(layer, lengths, table), frequencies_(tile_.frequencies()) {
        const Index lanes = loops_->lanes;
        width_ = layer.outputs > lanes ? 2 * lanes : lanes;
        banks_ = (layer.outputs - 1) / width_ + 1;
        input_vectors_ = (layer.inputs - 1) / lanes + 1;
        const Index pair = count() * 2 * (input_vectors_ * tile_.element() + banks_ * 2 * width_) *
                           static_cast<Index>(sizeof(T));
        together_ = std::clamp<Index>(chunk_bytes / pair, 1, Frame::pairs());
    }

    bool run(const ArrayView& grad, const ArrayView& x, const ArrayView& dw,
             const Context& context) const {
        const ChannelReader<T> gradients(grad, Boundary::zero, *table_);
        const ChannelReader<T> samples(x, layer_.boundary, *table_);
        const Workspace space(
            static_cast<std::size_t>(count() * (sample_pace() + gradient_pace() + sum_pace())) *
            sizeof(T));
        T* const sums = space.as<T>();
        T* const xs = sums + count() * sum_pace();
        T* const gs = xs + count() * sample_pace();
        const TapWriter<T> writer(layer_, tile_, dw, *table_);
        std::atomic<bool> finite{true};
        const Index chunks = (Frame::pairs() - 1) / together_ + 1;
        for (Index group = 0; group < layer_.groups; ++group) {
            for (Index chunk = 0; chunk < chunks; ++chunk) {
                const Index begin = Frame::pairs() * chunk / chunks;
                const Index pairs = Frame::pairs() * (chunk + 1) / chunks - begin;
                parallel_for(2 * pairs, context, [&](Index task, int) {
                    if (task % 2 == 0)
                        transform_samples(samples, group, begin, task / 2, pairs, xs);
                    else
                        transform_gradients(gradients, group, begin, task / 2, pairs, gs);
                });
                parallel_for(count(), context, [&](Index f, int) {
                    multiply(xs + f * sample_pace(), gs + f * gradient_pace(), 2 * pairs, chunk > 0,
                             sums + f * sum_pace());
                });
            }
            const Index twos = rows() / 2;
            parallel_for(banks_ * twos, context, [&](Index task, int) {
                if (!finish(writer, sums, group, task / twos, task % twos, dw))
                    finite.store(false, std::memory_order_relaxed);
            });
        }
        return finite.load();
    }

private:
    Index count() const { return static_cast<Index>(frequencies_.size()); }
    Index rows() const { return (layer_.inputs + 1) / 2 * 2; }  // of the sums
    Index slot() const { return input_vectors_ * tile_.element(); }
    Index gradient_bank() const { return 2 * together_ * 2 * width_; }
    /// Numbers from one frequency to the next: odd numbers of cache lines.
    Index sample_pace() const { return 2 * together_ * slot() + line(); }
    Index gradient_pace() const { return banks_ * gradient_bank() + line(); }
    Index sum_pace() const { return banks_ * rows() * 2 * width_ + line(); }
    static Index line() { return 64 / static_cast<Index>(sizeof(T)); }

    void transform_samples(const ChannelReader<T>& reader, Index group, Index first, Index pair,
                           Index pairs, T* to) const {
        const Index lanes = loops_->lanes;
        const Workspace space = tiles();
        T* const tile = space.as<T>();
        for (Index v = 0; v < input_vectors_; v += held_tiles) {
            const Index vectors = std::min(held_tiles, input_vectors_ - v);
            for (Index i = 0; i < vectors; ++i) {
                const Index channel = (v + i) * lanes;
                Frame::load_samples(reader, 2 * (first + pair), group * layer_.inputs + channel,
                                    std::min(lanes, layer_.inputs - channel),
                                    tile + i * tile_.numbers(),
                                    tile + held_tiles * tile_.numbers());
            }
            loops_->complex.spread(call(tile, vectors, to + pair * slot() + v * tile_.element(),
                                        sample_pace(), tile_.element(), lanes, pairs * slot()),
                                   false);
        }
    }

    void transform_gradients(const ChannelReader<T>& reader, Index group, Index first, Index pair,
                             Index pairs, T* to) const {
        const Index lanes = loops_->lanes, vectors = width_ / lanes;
        const Workspace space = tiles();
        T* const tile = space.as<T>();
        for (Index bank = 0; bank < banks_; ++bank) {
            for (Index v = 0; v < vectors; ++v) {
                const Index channel = bank * width_ + v * lanes;
                const Index channels = std::min(lanes, layer_.outputs - channel);
                T* const at = tile + v * tile_.numbers();
                if (channels > 0)
                    Frame::load_gradients(reader, 2 * (first + pair),
                                          group * layer_.outputs + channel, channels, at,
                                          tile + held_tiles * tile_.numbers());
                else
                    std::fill_n(at, tile_.numbers(), T{0});
            }
            loops_->complex.spread(
                call(tile, vectors, to + bank * gradient_bank() + pair * 2 * width_,
                     gradient_pace(), lanes, width_, pairs * 2 * width_),
                true);
        }
    }

    /// One frequency.
    void multiply(const T* x, const T* grad, Index slots, bool accumulate, T* to) const {
        const auto& complex = loops_->complex;
        const auto& products = complex.product[width_ / loops_->lanes - 1];
        const Index blocks = (slots - 1) / block_slots + 1;
        const std::int64_t offset = 0;
        for (Index bank = 0; bank < banks_; ++bank)
            for (Index v = 0; v < input_vectors_; ++v) {
                const Index channel = v * loops_->lanes;
                const Index channels = std::min<Index>(loops_->lanes, layer_.inputs - channel);
                const Index parts = (channels - 1) / complex.places + 1;
                for (Index i = 0; i < parts; ++i) {
                    const Index first = channels * i / parts;
                    const Index places = channels * (i + 1) / parts - first;
                    for (Index b = 0; b < blocks; ++b) {
                        const Index begin = slots * b / blocks, end = slots * (b + 1) / blocks;
                        products[places - 1](
                            {.a = grad + bank * gradient_bank() + begin * 2 * width_,
                             .b = x + begin * slot() + v * tile_.element() + first,
                             .offset = &offset,
                             .runs = 1,
                             .run = end - begin,
                             .step = slot(),
                             .place = 1,
                             .c = to + (bank * rows() + channel + first) * 2 * width_,
                             .accumulate = accumulate || b > 0});
                    }
                }
            }
        if (rows() == layer_.inputs) return;
        for (Index bank = 0; bank < banks_; ++bank)
            std::fill_n(to + (bank * rows() + layer_.inputs) * 2 * width_, 2 * width_, T{0});
    }

    /// The weights between two input channels and a bank.
    bool finish(const TapWriter<T>& writer, T* sums, Index group, Index bank, Index two,
                const ArrayView& dw) const {
        const Index lanes = loops_->lanes, vectors = width_ / lanes;
        const Workspace space = tiles();
        T* const tile = space.as<T>();
        microkernels::FrequencyCall<T> from =
            call(tile, vectors, sums + (bank * rows() + 2 * two) * 2 * width_, sum_pace(), lanes,
                 width_, 0);
        from.item = 2 * 2 * width_;
        loops_->complex.join(from);
        const T scale = T{1} / static_cast<T>(2 * tile_.points());
        bool finite = true;
        for (Index v = 0; v < vectors; ++v) {
            const Index output = bank * width_ + v * lanes;
            if (output >= layer_.outputs) break;
            T* const at = tile + v * tile_.numbers();
            writer.inverse(at);
            for (Index i = 0; i < std::min<Index>(2, layer_.inputs - 2 * two); ++i)
                finite =
                    writer.write(at + i * lanes, std::min(lanes, layer_.outputs - output), scale,
                                 dw.data + (group * layer_.outputs + output) * dw.strides[0] +
                                     (2 * two + i) * dw.strides[1],
                                 dw.strides[0]) &&
                    finite;
        }
        return finite;
    }

    Workspace tiles() const {
        return Workspace(
            static_cast<std::size_t>(held_tiles * tile_.numbers() + Frame::line_numbers()) *
            sizeof(T));
    }

    microkernels::FrequencyCall<T> call(T* tile, Index vectors, T* matrix, Index pace, Index vector,
                                        Index imaginary, Index partner) const {
        return {.frequencies = frequencies_.data(),
                .count = count(),
                .tiles = tile,
                .tile = tile_.numbers(),
                .items = 1,
                .vectors = vectors,
                .matrix = matrix,
                .pace = pace,
                .item = 0,
                .vector = vector,
                .imaginary = imaginary,
                .partner = partner,
                .scale = 1};
    }

    std::vector<microkernels::FrequencyPlace> frequencies_;  // one of each pair of opposite ones
    Index width_ = 1, banks_ = 1;  // lanes of a bank of output channels, and how many
    Index input_vectors_ = 1;
    Index together_ = 1;  // pairs of tiles that are multiplied together
};

}  // namespace

template <class T>
bool spectral_weight_gradient(const ConvLayer& layer, const TileLengths& lengths,
                              const ArrayView& grad, const ArrayView& x, const ArrayView& dw,
                              const microkernels::Table& table, const Context& context) {
    if (layer.depthwise(layer_loops<T>(table).lanes) && layer.outputs == 1)
        return DepthwiseSpectralGradient<T>(layer, lengths, table)
            .run(grad, x, dw, nullptr, context);
    return DenseSpectralGradient<T>(layer, lengths, table).run(grad, x, dw, context);
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
