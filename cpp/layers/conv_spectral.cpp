// Layers by transforms of tiles. A lane holds a channel, so that every lane is a transform of its
// own and nothing is transposed; two tiles go through one transform as its real and imaginary
// parts, which kernels of real numbers never mix.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "layers/channel_lines.hpp"
#include "layers/conv.hpp"
#include "parallel/parallel_for.hpp"
#include "spectral/tile_length.hpp"

namespace faltung::layers {

namespace {

// Transformed samples of a block of tiles. policy/choose_conv.cpp counts with the same number.
constexpr Index samples_bytes = Index{1280} << 10;

/// Tiles that are transformed before their frequencies are spread: neighbouring numbers are written
/// together.
constexpr Index held_tiles = 4;

/// One axis of a tile.
template <class T>
struct TileAxis {
    Index n = 1, valid = 1;
    const microkernels::TransformLength* length = nullptr;  // nullptr: one point
    std::vector<T> factors;
    std::vector<Index> partner{0};  // the place of minus the frequency at each place

    TileAxis(const Axis& axis, Index points, const microkernels::TransformTable<T>& table) {
        if (points == 1) return;
        n = points;
        valid = n - axis.reach() + 1;
        length = find_length(table, n);
        factors = pass_factors<T>(*length);
        const std::vector<Index> frequency = frequency_at(*length);
        std::vector<Index> place(frequency.size());
        for (std::size_t i = 0; i < place.size(); ++i)
            place[static_cast<std::size_t>(frequency[i])] = static_cast<Index>(i);
        partner.resize(place.size());
        for (std::size_t i = 0; i < place.size(); ++i)
            partner[i] = place[static_cast<std::size_t>((n - frequency[i]) % n)];
    }
};

/// A tile: rows of elements, each a vector of real and a vector of imaginary parts.
template <class T>
class Tile {
public:
    Tile(const ConvLayer& layer, const TileLengths& lengths, const microkernels::Table& table)
        : table_(&transforms_of<T>(table)),
          height_(layer.axes[1], lengths.height, *table_),
          width_(layer.axes[2], lengths.width, *table_),
          element_(2 * table_->lanes),
          row_((width_.n + 1) * element_) {}  // not a power of two

    const TileAxis<T>& height() const { return height_; }
    const TileAxis<T>& width() const { return width_; }
    Index element() const { return element_; }
    Index row() const { return row_; }
    Index numbers() const { return height_.n * row_; }
    Index points() const { return height_.n * width_.n; }

    /// Rows outside [first, last) are zero.
    void forward(T* tile, Index first, Index last) const {
        if (width_.length)
            table_->forward(tile + first * row_, element_, last - first, row_, *width_.length,
                            width_.factors.data());
        if (height_.length)
            table_->forward(tile, row_, width_.n, element_, *height_.length,
                            height_.factors.data());
    }

    /// Only the first row and the last `tail` rows are not zero.
    void forward_wrapped(T* tile, Index tail) const {
        if (width_.length) {
            table_->forward(tile, element_, 1, row_, *width_.length, width_.factors.data());
            table_->forward(tile + (height_.n - tail) * row_, element_, tail, row_, *width_.length,
                            width_.factors.data());
        }
        if (height_.length)
            table_->forward(tile, row_, width_.n, element_, *height_.length,
                            height_.factors.data());
    }

    /// Only the first `rows` rows are wanted. Not divided by the number of points.
    void inverse(T* tile, Index rows) const {
        if (height_.length)
            table_->inverse(tile, row_, width_.n, element_, *height_.length,
                            height_.factors.data());
        if (width_.length)
            table_->inverse(tile, element_, rows, row_, *width_.length, width_.factors.data());
    }

private:
    const microkernels::TransformTable<T>* table_;
    TileAxis<T> height_, width_;
    Index element_, row_;
};

/// What dense and depthwise layers share: tiles in and out, taps in their places.
template <class T>
class SpectralConv : public Conv {
protected:
    SpectralConv(const ConvLayer& layer, const WeightView<T>& weights, const TileLengths& lengths,
                 const microkernels::Table& table)
        : layer_(layer),
          table_(&table),
          loops_(&layer_loops<T>(table)),
          tile_(layer, lengths, table),
          kept_(layer, weights) {
        rows_of_tiles_ = (layer.axes[1].out - 1) / tile_.height().valid + 1;
        columns_of_tiles_ = (layer.axes[2].out - 1) / tile_.width().valid + 1;
        tiles_ = layer.batch * layer.axes[0].out * rows_of_tiles_ * columns_of_tiles_;
    }

    struct Place {
        Index sample, depth, row, column, rows, columns;  // of outputs
    };

    Place place_of(Index tile) const {
        Place place{};
        place.column = tile % columns_of_tiles_ * tile_.width().valid;
        tile /= columns_of_tiles_;
        place.row = tile % rows_of_tiles_ * tile_.height().valid;
        tile /= rows_of_tiles_;
        place.depth = tile % layer_.axes[0].out;
        place.sample = tile / layer_.axes[0].out;
        place.rows = std::min(tile_.height().valid, layer_.axes[1].out - place.row);
        place.columns = std::min(tile_.width().valid, layer_.axes[2].out - place.column);
        return place;
    }

    Index line_numbers() const {
        return tile_.width().n *
                   (loops_->lanes + std::max<Index>(layer_.groups * layer_.inputs, 16)) +
               tile_.width().n * loops_->lanes;
    }

    /// The transform of two tiles of a few channels, the second one as imaginary part.
    void load_pair(const ChannelReader<T>& reader, Index first_tile, Index channel, Index channels,
                   T* tile, T* line) const {
        const Axis &depth = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
        const Index lanes = loops_->lanes;
        T* const scratch = line + tile_.width().n * lanes;
        Index first = tile_.height().n, last = 0;  // rows that are not zero
        const auto rows_of = [&](const Place& place, Index& begin, Index& end) {
            const Index top = height.first + place.row;
            begin = 0;
            end = place.rows + height.reach() - 1;
            if (layer_.boundary != Boundary::zero) return;
            begin = std::clamp<Index>(-top, 0, end);
            end = std::clamp<Index>(height.x - top, begin, end);
        };
        Place places[2];
        Index begin[2] = {0, 0}, end[2] = {0, 0};
        for (Index i = 0; i < 2 && first_tile + i < tiles_; ++i) {
            places[i] = place_of(first_tile + i);
            rows_of(places[i], begin[i], end[i]);
            if (begin[i] == end[i]) continue;
            first = std::min(first, begin[i]);
            last = std::max(last, end[i]);
        }
        first = std::min(first, last);
        std::fill_n(tile, tile_.numbers(), T{0});
        for (Index i = 0; i < 2 && first_tile + i < tiles_; ++i) {
            const Place& place = places[i];
            const Index left = width.first + place.column;
            const Index columns = place.columns + width.reach() - 1;
            for (Index r = begin[i]; r < end[i]; ++r) {
                reader.read(place.sample, channel, channels, depth.first + place.depth * depth.step,
                            height.first + place.row + r, left, left + columns, line, lanes, 1,
                            scratch);
                T* to = tile + r * tile_.row() + i * lanes;
                for (Index c = 0; c < columns; ++c)
                    std::memcpy(to + c * tile_.element(), line + c * lanes,
                                static_cast<std::size_t>(channels) * sizeof(T));
            }
        }
        tile_.forward(tile, first, last);
    }

    /// Outputs of two tiles for the channels of a vector; calls repair(place) for a tile with
    /// numbers that are not finite.
    template <class Repair>
    void store_pair(const ChannelWriter<T>& writer, Index first_tile, Index channel, Index channels,
                    const Ending& ending, T* tile, T* line, Repair&& repair) const {
        const Index lanes = loops_->lanes;
        tile_.inverse(tile, tile_.height().valid);
        // whatever is not finite reaches every output of a tile, and of its partner
        bool finite = true;
        for (Index c = 0; c < std::min(tile_.width().valid, layer_.axes[2].out); ++c)
            for (Index l = 0; l < channels; ++l)
                finite = finite && std::isfinite(tile[c * tile_.element() + l]) &&
                         std::isfinite(tile[c * tile_.element() + lanes + l]);
        for (Index i = 0; i < 2 && first_tile + i < tiles_; ++i) {
            const Place place = place_of(first_tile + i);
            if (!finite) {
                repair(place);
                continue;
            }
            for (Index r = 0; r < place.rows; ++r)
                writer.write(
                    {.from = tile + r * tile_.row() + i * lanes,
                     .pitch = tile_.element(),
                     .places = place.columns,
                     .channels = channels,
                     .bias = ending.bias ? static_cast<const T*>(ending.bias) + channel : nullptr,
                     .relu = ending.relu},
                    place.sample, channel, place.depth, place.row + r, place.column, line);
        }
    }

    /// The spectrum of kernels, one per lane; number(tap, lane) gives their taps. A correlation
    /// wants them at minus their own offset.
    template <class Number>
    void kernel_spectrum(T* tile, Index lanes, Number&& number) const {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        const T scale = T{1} / static_cast<T>(tile_.points());
        std::fill_n(tile, tile_.numbers(), T{0});
        for (Index y = 0; y < height.k; ++y)
            for (Index x = 0; x < width.k; ++x) {
                const Index row = (tile_.height().n - y * height.dilation) % tile_.height().n;
                const Index column = (tile_.width().n - x * width.dilation) % tile_.width().n;
                T* to = tile + row * tile_.row() + column * tile_.element();
                for (Index l = 0; l < lanes; ++l) to[l] = scale * number(y * width.k + x, l);
            }
        tile_.forward_wrapped(tile, height.reach() - 1);
    }

    ConvLayer layer_;
    const microkernels::Table* table_;
    const microkernels::LayerTable<T>* loops_;
    Tile<T> tile_;
    KeptWeights<T> kept_;
    Index rows_of_tiles_ = 1, columns_of_tiles_ = 1, tiles_ = 1;
};

/// A channel meets its own kernel only: spectra are multiplied element by element.
template <class T>
class DepthwiseSpectral final : public SpectralConv<T> {
    using Base = SpectralConv<T>;
    using Base::kept_, Base::layer_, Base::loops_, Base::table_, Base::tile_, Base::tiles_;

public:
    DepthwiseSpectral(const ConvLayer& layer, const WeightView<T>& weights,
                      const TileLengths& lengths, const microkernels::Table& table,
                      const Context& context)
        : Base(layer, weights, lengths, table), blocks_((layer.groups - 1) / loops_->lanes + 1) {
        spectra_.emplace(static_cast<std::size_t>(blocks_ * tile_.numbers()) * sizeof(T));
        parallel_for(blocks_, context, [&](Index block, int) {
            const Index first = block * loops_->lanes, taps = layer_.taps();
            const T* w = kept_.view().data;
            Base::kernel_spectrum(
                spectra_->template as<T>() + block * tile_.numbers(),
                std::min<Index>(loops_->lanes, layer_.groups - first),
                [&](Index tap, Index lane) { return w[(first + lane) * taps + tap]; });
        });
    }

    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const override {
        const ChannelReader<T> reader(x, layer_.boundary, *table_);
        const ChannelWriter<T> writer(out, *table_);
        const Index pairs = (tiles_ + 1) / 2;
        parallel_for(blocks_ * pairs, context, [&](Index task, int) {
            const Index block = task / pairs, pair = task % pairs;
            const Index first = block * loops_->lanes;
            const Index channels = std::min<Index>(loops_->lanes, layer_.groups - first);
            const Workspace workspace(workspace_bytes());
            T* const tile = workspace.as<T>();
            T* const line = tile + tile_.numbers();
            Base::load_pair(reader, 2 * pair, first, channels, tile, line);
            const T* spectrum = spectra_->template as<T>() + block * tile_.numbers();
            for (Index r = 0; r < tile_.height().n; ++r)
                loops_->complex.multiply(tile + r * tile_.row(), spectrum + r * tile_.row(),
                                         tile + r * tile_.row(), tile_.width().n, false, false);
            Base::store_pair(
                writer, 2 * pair, first, channels, ending, tile, line, [&](const auto& place) {
                    for (Index c = 0; c < channels; ++c)
                        run_direct_part(layer_, kept_.view(), *table_, x, out, ending,
                                        {.sample = place.sample,
                                         .group = first + c,
                                         .output = 0,
                                         .outputs = 1,
                                         .start = {place.depth, place.row, place.column},
                                         .count = {1, place.rows, place.columns}});
                });
        });
    }

    std::size_t workspace_bytes() const override {
        return static_cast<std::size_t>(tile_.numbers() + Base::line_numbers()) * sizeof(T);
    }

private:
    Index blocks_;  // of channels
    std::optional<Workspace> spectra_;
};

/// At every frequency a product of matrices: tiles × input channels by input × output channels. The
/// kernels are real, so minus a frequency wants the conjugate of the same matrix: its samples are
/// conjugated in place of it, and share the block.
template <class T>
class DenseSpectral final : public SpectralConv<T> {
    using Base = SpectralConv<T>;
    using Base::kept_, Base::layer_, Base::loops_, Base::table_, Base::tile_, Base::tiles_;

public:
    DenseSpectral(const ConvLayer& layer, const WeightView<T>& weights, const TileLengths& lengths,
                  const microkernels::Table& table, const Context& context)
        : Base(layer, weights, lengths, table),
          input_vectors_((layer.inputs - 1) / loops_->lanes + 1) {
        const auto& height = tile_.height();
        const auto& width = tile_.width();
        for (Index r = 0; r < height.n; ++r)
            for (Index c = 0; c < width.n; ++c) {
                const Index r2 = height.partner[static_cast<std::size_t>(r)];
                const Index c2 = width.partner[static_cast<std::size_t>(c)];
                if (r2 * width.n + c2 < r * width.n + c) continue;
                frequencies_.push_back({r * tile_.row() + c * tile_.element(),
                                        r2 * tile_.row() + c2 * tile_.element()});
            }
        const Index lanes = loops_->lanes;
        for (Index first = 0; first < layer.outputs;) {
            const Index left = layer.outputs - first, bank = left > lanes ? 2 * lanes : lanes;
            banks_.push_back({first, std::min(left, bank), bank, packed_});
            packed_ += count() * layer.inputs * 2 * bank;
            first += bank;
        }
        for (Index v = 0; v < input_vectors_; ++v) offsets_.push_back(v * tile_.element());
        const Index pair_bytes =
            count() * 2 * input_vectors_ * tile_.element() * static_cast<Index>(sizeof(T));
        const Index all = (tiles_ + 1) / 2;
        pairs_ = std::clamp<Index>(samples_bytes / pair_bytes, 1, (all - 1) / 8 + 1);
        transform_kernels(context);
    }

    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const override {
        const ChannelReader<T> reader(x, layer_.boundary, *table_);
        const ChannelWriter<T> writer(out, *table_);
        const Index all = (tiles_ + 1) / 2, blocks = (all - 1) / pairs_ + 1;
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
    struct Frequency {
        Index place, partner;  // in the tile, in numbers
    };

    Index count() const { return static_cast<Index>(frequencies_.size()); }
    Index sample_pace() const { return (2 * pairs_ * input_vectors_ + 1) * tile_.element(); }
    Index sum_pace() const { return (2 * pairs_ * 2 + 1) * tile_.element(); }

    void transform_kernels(const Context& context) {
        const Index lanes = loops_->lanes, taps = layer_.taps();
        spectra_.emplace(static_cast<std::size_t>(layer_.groups * packed_) * sizeof(T));
        const auto banks = static_cast<Index>(banks_.size());
        const Index blocks = (layer_.inputs - 1) / held_tiles + 1;
        parallel_for(layer_.groups * banks * blocks, context, [&](Index task, int) {
            const Index group = task / blocks / banks;
            const Bank& bank = banks_[static_cast<std::size_t>(task / blocks % banks)];
            const Index first = task % blocks * held_tiles;
            const Index inputs = std::min(held_tiles, layer_.inputs - first);
            const Workspace space(static_cast<std::size_t>(2 * held_tiles * tile_.numbers()) *
                                  sizeof(T));
            T* const tiles = space.as<T>();  // [input][vector]
            const Index vectors = bank.width / lanes;
            for (Index i = 0; i < inputs; ++i)
                for (Index v = 0; v < vectors; ++v) {
                    const T* w =
                        kept_.view().data +
                        ((group * layer_.outputs + bank.first + v * lanes) * layer_.inputs + first +
                         i) *
                            taps;
                    Base::kernel_spectrum(tiles + (i * vectors + v) * tile_.numbers(),
                                          std::min(lanes, bank.count - v * lanes),
                                          [&](Index tap, Index lane) {
                                              return w[lane * layer_.inputs * taps + tap];
                                          });
                }
            T* to =
                spectra_->template as<T>() + group * packed_ + bank.packed + first * 2 * bank.width;
            for (const Frequency& frequency : frequencies_) {
                const T* from = tiles + frequency.place;
                T* u = to;
                for (Index i = 0; i < inputs; ++i, u += 2 * bank.width)
                    for (Index v = 0; v < vectors; ++v, from += tile_.numbers()) {
                        std::copy_n(from, lanes, u + v * lanes);
                        std::copy_n(from + lanes, lanes, u + bank.width + v * lanes);
                    }
                to += layer_.inputs * 2 * bank.width;
            }
        });
    }

    void transform_samples(const ChannelReader<T>& reader, Index group, Index first, Index pairs,
                           T* tile, T* samples, T* line) const {
        const Index lanes = loops_->lanes, slot = input_vectors_ * tile_.element();
        for (Index p = 0; p < pairs; ++p)
            for (Index v = 0; v < input_vectors_; v += held_tiles) {
                const Index vectors = std::min(held_tiles, input_vectors_ - v);
                for (Index i = 0; i < vectors; ++i) {
                    const Index channel = (v + i) * lanes;
                    Base::load_pair(reader, 2 * (first + p), group * layer_.inputs + channel,
                                    std::min(lanes, layer_.inputs - channel),
                                    tile + i * tile_.numbers(), line);
                }
                T* to = samples + p * slot + v * tile_.element();
                for (const Frequency& frequency : frequencies_) {
                    for (Index i = 0; i < vectors; ++i) {
                        const T* from = tile + i * tile_.numbers();
                        T* at = to + i * tile_.element();
                        std::copy_n(from + frequency.place, tile_.element(), at);
                        conjugate(from + frequency.partner, lanes, at + pairs * slot, lanes);
                    }
                    to += sample_pace();
                }
            }
    }

    static void conjugate(const T* from, Index lanes, T* to, Index imaginary) {
        for (Index l = 0; l < lanes; ++l) to[l] = from[l];
        for (Index l = 0; l < lanes; ++l) to[imaginary + l] = -from[lanes + l];
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
                    .accumulate = false};
                if (whole > 0) products[end - begin - 1](call);
                if (rest == 0) continue;
                call.a += whole * loops_->lanes * 2 * bank.width;
                call.offset += whole;
                call.runs = 1;
                call.run = rest;
                call.accumulate = whole > 0;
                products[end - begin - 1](call);
            }
            coefficients += layer_.inputs * 2 * bank.width;
        }
    }

    void store(const ChannelWriter<T>& writer, Index group, const Bank& bank, Index first,
               Index pairs, const Ending& ending, const ArrayView& x, const ArrayView& out, T* tile,
               const T* sums, T* line) const {
        const Index lanes = loops_->lanes;
        for (Index p = 0; p < pairs; ++p)
            for (Index v = 0; v < bank.count; v += lanes) {
                const T* from = sums + p * 2 * bank.width + v;
                const Index partner = pairs * 2 * bank.width;
                for (const Frequency& frequency : frequencies_) {
                    T* const to = tile + frequency.place;
                    std::copy_n(from, lanes, to);
                    std::copy_n(from + bank.width, lanes, to + lanes);
                    if (frequency.partner != frequency.place) {
                        T* const other = tile + frequency.partner;
                        for (Index l = 0; l < lanes; ++l) other[l] = from[partner + l];
                        for (Index l = 0; l < lanes; ++l)
                            other[lanes + l] = -from[partner + bank.width + l];
                    }
                    from += sum_pace();
                }
                const Index channels = std::min(lanes, bank.count - v);
                Base::store_pair(writer, 2 * (first + p), group * layer_.outputs + bank.first + v,
                                 channels, ending, tile, line, [&](const auto& place) {
                                     run_direct_part(
                                         layer_, kept_.view(), *table_, x, out, ending,
                                         {.sample = place.sample,
                                          .group = group,
                                          .output = bank.first + v,
                                          .outputs = channels,
                                          .start = {place.depth, place.row, place.column},
                                          .count = {1, place.rows, place.columns}});
                                 });
            }
    }

    Index input_vectors_;
    std::vector<Frequency> frequencies_;  // one of each pair of opposite ones
    std::vector<Bank> banks_;
    Index packed_ = 0;  // coefficients of a group
    std::vector<std::int64_t> offsets_;
    Index pairs_ = 1;  // of tiles in a block
    std::optional<Workspace> spectra_;
};

}  // namespace

template <class T>
std::unique_ptr<Conv> make_spectral(const ConvLayer& layer, const WeightView<T>& weights,
                                    const TileLengths& lengths, const microkernels::Table& table,
                                    const Context& context) {
    if (layer.depthwise(layer_loops<T>(table).lanes) && layer.outputs == 1)
        return std::make_unique<DepthwiseSpectral<T>>(layer, weights, lengths, table, context);
    return std::make_unique<DenseSpectral<T>>(layer, weights, lengths, table, context);
}

template std::unique_ptr<Conv> make_spectral(const ConvLayer&, const WeightView<float>&,
                                             const TileLengths&, const microkernels::Table&,
                                             const Context&);
template std::unique_ptr<Conv> make_spectral(const ConvLayer&, const WeightView<double>&,
                                             const TileLengths&, const microkernels::Table&,
                                             const Context&);

}  // namespace faltung::layers
