// Dense layers by transforms of tiles: at every frequency a product of matrices, tiles × input
// channels by input × output channels. The kernels are real, so minus a frequency wants the
// conjugate of the same matrix: its samples are conjugated in place of it, and share the block.
#include <optional>
#include <vector>

#include "layers/spectral_frame.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Transformed samples of a block of tiles. policy/layer_counts.cpp counts with the same number.
constexpr Index samples_bytes = Index{1280} << 10;

template <class T>
class DenseSpectral final : public SpectralConv<T> {
    using Base = SpectralConv<T>;
    using Base::kept_, Base::layer_, Base::loops_, Base::table_, Base::tile_;

public:
    DenseSpectral(const ConvLayer& layer, const WeightView<T>& weights, const TileLengths& lengths,
                  Lifetime lifetime, const microkernels::Table& table, const Context& context)
        : Base(layer, weights, lengths, lifetime, table),
          input_vectors_((layer.inputs - 1) / loops_->lanes + 1),
          frequencies_(tile_.frequencies()) {
        const Index lanes = loops_->lanes;
        for (Index first = 0; first < layer.outputs;) {
            const Index left = layer.outputs - first, width = left > lanes ? 2 * lanes : lanes;
            banks_.push_back({first, std::min(left, width), width, packed_});
            packed_ += count() * weight_pace(width);
            first += width;
        }
        for (Index v = 0; v < input_vectors_; ++v) offsets_.push_back(v * tile_.element());
        const Index pair_bytes =
            count() * 2 * input_vectors_ * tile_.element() * static_cast<Index>(sizeof(T));
        pairs_ = std::clamp<Index>(samples_bytes / pair_bytes, 1, (Base::pairs() - 1) / 8 + 1);
        transform_kernels(context);
    }

    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const override {
        const ChannelReader<T> reader(x, layer_.boundary, *table_);
        const ChannelWriter<T> writer(out, *table_);
        const Index all = Base::pairs(), blocks = (all - 1) / pairs_ + 1;
        parallel_for(layer_.groups * blocks, context, [&](Index task, int) {
            const Index group = task / blocks, block = task % blocks;
            const Index first = all * block / blocks, last = all * (block + 1) / blocks;
            const Workspace workspace(workspace_bytes());
            T* const tile = workspace.as<T>();
            T* const samples = tile + held_tiles * tile_.numbers();
            T* const sums = samples + count() * sample_pace();
            T* const line = sums + count() * sum_pace();
            transform_samples(reader, group, first, last - first, tile, samples, line);
            for (const Bank& bank : banks_) {
                multiply(group, bank, last - first, samples, sums);
                store(writer, group, bank, first, last - first, ending, x, out, tile, sums, line);
            }
        });
    }

    std::size_t workspace_bytes() const override {
        return static_cast<std::size_t>(held_tiles * tile_.numbers() +
                                        count() * (sample_pace() + sum_pace()) +
                                        Base::line_numbers()) *
               sizeof(T);
    }

private:
    struct Bank {
        Index first, count, width, packed;
    };

    Index count() const { return static_cast<Index>(frequencies_.size()); }
    Index sample_pace() const { return (2 * pairs_ * input_vectors_ + 1) * tile_.element(); }
    Index sum_pace() const { return (2 * pairs_ * 2 + 1) * tile_.element(); }
    /// An even number of channels, an odd one of cache lines.
    Index weight_pace(Index width) const {
        return (layer_.inputs + 1) / 2 * 4 * width + 64 / static_cast<Index>(sizeof(T));
    }

    void transform_kernels(const Context& context) {
        spectra_.emplace(static_cast<std::size_t>(layer_.groups * packed_) * sizeof(T));
        const auto banks = static_cast<Index>(banks_.size());
        constexpr Index some = 4;  // input channels: neighbours are written together
        const Index blocks = (layer_.inputs - 1) / some + 1;
        const Index planes = layer_.axes[0].k, plane = layer_.axes[1].k * layer_.axes[2].k;
        parallel_for(layer_.groups * banks * blocks, context, [&](Index task, int) {
            const Bank& bank = banks_[static_cast<std::size_t>(task / blocks % banks)];
            KernelPart part{.group = task / blocks / banks,
                            .first = bank.first,
                            .count = bank.count,
                            .depth = 0,
                            .input = task % blocks * some,
                            .inputs = 0};
            part.inputs = std::min(some, layer_.inputs - part.input);
            const Index vectors = bank.width / loops_->lanes, twos = (part.inputs + 1) / 2;
            const Index packed = planes * some * plane * bank.width;
            const Workspace space(
                static_cast<std::size_t>(packed + twos * vectors * tile_.numbers()) * sizeof(T));
            T* const kernels = space.as<T>();
            T* const tiles = kernels + packed;
            for (part.depth = 0; part.depth < planes; ++part.depth)
                pack_kernels(layer_, kept_.view(), part, bank.width, *loops_,
                             kernels + part.depth * some * plane * bank.width);
            std::fill_n(tiles, twos * vectors * tile_.numbers(), T{0});
            for (Index d = 0; d < planes; ++d)
                for (Index i = 0; i < part.inputs; ++i)
                    place_kernels(kernels + (d * some + i) * plane * bank.width, bank.width, d,
                                  tiles + i / 2 * vectors * tile_.numbers(), i % 2);
            for (Index t = 0; t < twos * vectors; ++t)
                tile_.forward(
                    tiles + t * tile_.numbers(),
                    {.first = {0, 0}, .last = {layer_.axes[0].reach(), layer_.axes[1].reach()}});
            split(bank, part, tiles);
        });
    }

    /// A plane of taps as real or imaginary parts.
    void place_kernels(const T* from, Index width, Index d, T* tiles, Index imaginary) const {
        const Index lanes = loops_->lanes;
        T* const plane = tiles + d * layer_.axes[0].dilation * tile_.plane() + imaginary * lanes;
        for (Index y = 0; y < layer_.axes[1].k; ++y)
            for (Index x = 0; x < layer_.axes[2].k; ++x, from += width)
                for (Index v = 0; v < width; v += lanes)
                    std::copy_n(from + v, lanes,
                                plane + v / lanes * tile_.numbers() +
                                    y * layer_.axes[1].dilation * tile_.row() +
                                    x * layer_.axes[2].dilation * tile_.element());
    }

    void split(const Bank& bank, const KernelPart& part, T* tiles) const {
        const Index vectors = bank.width / loops_->lanes;
        microkernels::FrequencyCall<T> call{.frequencies = frequencies_.data(),
                                            .count = count(),
                                            .tiles = tiles,
                                            .tile = tile_.numbers(),
                                            .items = (part.inputs + 1) / 2,
                                            .vectors = vectors,
                                            .matrix = spectra_->template as<T>() +
                                                      part.group * packed_ + bank.packed +
                                                      part.input * 2 * bank.width,
                                            .pace = weight_pace(bank.width),
                                            .item = 2 * 2 * bank.width,
                                            .vector = loops_->lanes,
                                            .imaginary = bank.width,
                                            .partner = 0,
                                            .scale = T{1} / static_cast<T>(tile_.points())};
        loops_->complex.split(call);
    }

    void transform_samples(const ChannelReader<T>& reader, Index group, Index first, Index pairs,
                           T* tile, T* samples, T* line) const {
        const Index lanes = loops_->lanes, slot = input_vectors_ * tile_.element();
        for (Index p = 0; p < pairs; ++p)
            for (Index v = 0; v < input_vectors_; v += held_tiles) {
                const Index vectors = std::min(held_tiles, input_vectors_ - v);
                for (Index i = 0; i < vectors; ++i) {
                    const Index channel = (v + i) * lanes;
                    Base::load_samples(reader, 2 * (first + p), group * layer_.inputs + channel,
                                       std::min(lanes, layer_.inputs - channel),
                                       tile + i * tile_.numbers(), line);
                }
                loops_->complex.spread({.frequencies = frequencies_.data(),
                                        .count = count(),
                                        .tiles = tile,
                                        .tile = tile_.numbers(),
                                        .items = 1,
                                        .vectors = vectors,
                                        .matrix = samples + p * slot + v * tile_.element(),
                                        .pace = sample_pace(),
                                        .item = 0,
                                        .vector = tile_.element(),
                                        .imaginary = lanes,
                                        .partner = pairs * slot,
                                        .scale = 1},
                                       false);
            }
    }

    void multiply(Index group, const Bank& bank, Index pairs, const T* samples, T* sums) const {
        const auto& complex = loops_->complex;
        const auto& products = complex.product[bank.width / loops_->lanes - 1];
        const Index slot = input_vectors_ * tile_.element(), slots = 2 * pairs;
        const Index parts = (slots - 1) / complex.places + 1;
        const Index whole = layer_.inputs / loops_->lanes, rest = layer_.inputs % loops_->lanes;
        const T* coefficients = spectra_->template as<T>() + group * packed_ + bank.packed;
        for (Index q = 0; q < count(); ++q) {
            for (Index part = 0; part < parts; ++part) {
                const Index begin = slots * part / parts, end = slots * (part + 1) / parts;
                microkernels::ProductCall<T> call{
                    .a = coefficients,
                    .b = samples + q * sample_pace() + begin * slot,
                    .offset = offsets_.data(),
                    .runs = whole,
                    .run = loops_->lanes,
                    .step = 1,
                    .place = slot,
                    .c = sums + q * sum_pace() + begin * 2 * bank.width,
                    .accumulate = false,
                    // those of the next frequency, from the last cache
                    .fetch = part + 1 == parts && q + 1 < count()
                                 ? coefficients + weight_pace(bank.width)
                                 : nullptr};
                if (whole > 0) products[end - begin - 1](call);
                if (rest == 0) continue;
                const Index done = whole * loops_->lanes * 2 * bank.width;
                call.a += done;
                if (call.fetch) call.fetch += done;
                call.offset += whole;
                call.runs = 1;
                call.run = rest;
                call.accumulate = whole > 0;
                products[end - begin - 1](call);
            }
            coefficients += weight_pace(bank.width);
        }
    }

    void store(const ChannelWriter<T>& writer, Index group, const Bank& bank, Index first,
               Index pairs, const Ending& ending, const ArrayView& x, const ArrayView& out, T* tile,
               T* sums, T* line) const {
        const Index lanes = loops_->lanes;
        for (Index p = 0; p < pairs; ++p)
            for (Index v = 0; v < bank.count; v += lanes) {
                loops_->complex.gather({.frequencies = frequencies_.data(),
                                        .count = count(),
                                        .tiles = tile,
                                        .tile = 0,
                                        .items = 1,
                                        .vectors = 1,
                                        .matrix = sums + p * 2 * bank.width + v,
                                        .pace = sum_pace(),
                                        .item = 0,
                                        .vector = 0,
                                        .imaginary = bank.width,
                                        .partner = pairs * 2 * bank.width,
                                        .scale = 1});
                Base::store_pair(writer, 2 * (first + p), group * layer_.outputs + bank.first + v,
                                 std::min(lanes, bank.count - v), ending, tile, line, x, out);
            }
    }

    Index input_vectors_;
    std::vector<microkernels::FrequencyPlace> frequencies_;  // one of each pair of opposite ones
    std::vector<Bank> banks_;
    Index packed_ = 0;  // coefficients of a group
    std::vector<std::int64_t> offsets_;
    Index pairs_ = 1;  // of tiles in a block
    std::optional<Workspace> spectra_;
};

}  // namespace

template <class T>
std::unique_ptr<Conv> make_dense_spectral(const ConvLayer& layer, const WeightView<T>& weights,
                                          const TileLengths& lengths, Lifetime lifetime,
                                          const microkernels::Table& table,
                                          const Context& context) {
    return std::make_unique<DenseSpectral<T>>(layer, weights, lengths, lifetime, table, context);
}

template std::unique_ptr<Conv> make_dense_spectral(const ConvLayer&, const WeightView<float>&,
                                                   const TileLengths&, Lifetime,
                                                   const microkernels::Table&, const Context&);
template std::unique_ptr<Conv> make_dense_spectral(const ConvLayer&, const WeightView<double>&,
                                                   const TileLengths&, Lifetime,
                                                   const microkernels::Table&, const Context&);

}  // namespace faltung::layers
