// Gradients of dense weights by transforms of tiles: at every frequency a product of matrices,
// input channels × tiles by tiles × output channels, summed over all tiles before the one transform
// back.
#include <algorithm>
#include <atomic>
#include <vector>

#include "core/workspace.hpp"
#include "layers/conv_weight_gradient.hpp"
#include "layers/spectral_frame.hpp"
#include "layers/spectral_taps.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Transforms of samples and gradients that are multiplied together.
constexpr Index chunk_bytes = Index{12} << 20;
/// Tiles whose products start at zero before they are added to the rest.
constexpr Index block_slots = 64;

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
bool dense_spectral_gradient(const ConvLayer& layer, const TileLengths& lengths,
                             const ArrayView& grad, const ArrayView& x, const ArrayView& dw,
                             const microkernels::Table& table, const Context& context) {
    return DenseSpectralGradient<T>(layer, lengths, table).run(grad, x, dw, context);
}

template bool dense_spectral_gradient<float>(const ConvLayer&, const TileLengths&, const ArrayView&,
                                             const ArrayView&, const ArrayView&,
                                             const microkernels::Table&, const Context&);
template bool dense_spectral_gradient<double>(const ConvLayer&, const TileLengths&,
                                              const ArrayView&, const ArrayView&, const ArrayView&,
                                              const microkernels::Table&, const Context&);

}  // namespace faltung::layers
