// Kernels of 3 × 3 by Winograd's minimal filtering: samples and weights are transformed, multiplied
// point by point as matrices of tiles × channels, and transformed back.
//
// Light weights stay in second-level cache while blocks of tiles pass by, each block a task. Heavy
// ones, four times as many once they are transformed, would be read from farther away for every
// block. Then all tiles are transformed first, and every bank of output channels is a task, which
// transforms its weights a few channels at a time: they never leave that cache, and it is quicker
// than to keep them (512 to 512 channels on 14 x 14: 1.1 ms against 1.8; 256 on 56 x 56: 2.4, 2.3).
// The samples come from the last cache then, whose other users may take it: each product fetches
// those of the next one.
#include <optional>
#include <vector>

#include "layers/winograd_tiles.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Transformed samples of a block of tiles: they are read once per bank of output channels.
constexpr Index samples_bytes = Index{1280} << 10;
/// Heavy weights, and the samples that meet them at a time.
constexpr Index heavy_bytes = Index{4} << 20, chunk_bytes = Index{12} << 20;
/// Beside heavy weights, samples leave the second-level cache: the memory that they go to is
/// fetched while tiles before them are transformed.
constexpr Index tiles_ahead = 2;
/// Sums of a bank over tiles, beside heavy weights: the fewer pieces, the fewer times these are
/// transformed (256 to 256 on 56 x 56: 2.40 ms in one piece, 2.62 in two, 2.72 in four).
constexpr Index sums_bytes = Index{1} << 20;
/// Channels that are summed before they are added to the rest: keeps the error of long sums small
/// (256 channels, relative to the largest output: 1.5e-6 in runs of 64, 2.0e-6 in these, 3.4e-6 in
/// one), and costs a pass over the sums.
constexpr Index run_channels = 128;
constexpr double least_work = 4e6, most_work = 4e8;  // products of a task

template <class T>
class WinogradConv final : public Conv, WinogradTiles<T> {
    using Tiles = WinogradTiles<T>;
    using Tiles::axis, Tiles::filter_, Tiles::layer_, Tiles::line, Tiles::loops_, Tiles::number,
        Tiles::outputs_, Tiles::planes_, Tiles::points_, Tiles::table_;
    using typename Tiles::Block;

public:
    WinogradConv(const ConvLayer& layer, const WeightView<T>& weights, int outputs,
                 Lifetime lifetime, const microkernels::Table& table, const Context& context)
        : Tiles(layer, outputs, table), kept_(layer, weights, lifetime) {
        const Index lanes = loops_->lanes;
        for (Index first = 0; first < layer.outputs;) {
            const Index left = layer.outputs - first, width = left > lanes ? 2 * lanes : lanes;
            banks_.push_back({first, std::min(left, width), width, packed_});
            packed_ += points_ * weight_point(width);
            first += width;
        }
        const Index runs = (layer.inputs - 1) / run_channels + 1;
        const Index whole = runs == 1 ? lanes : Tiles::run_start;
        tile_ = ((layer.inputs - 1) / runs / whole + 1) * whole;
        for (Index p = 0; p < planes_; ++p)
            for (Index c = 0; c < layer.inputs; c += tile_)
                runs_.push_back({p, c, std::min(tile_, layer.inputs - c)});
        heavy_ = packed_ * number > heavy_bytes;
        choose_blocks();
        if (!heavy_) transform_weights(context);
    }

    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const override {
        const Arrays arrays{.x = x,
                            .out = out,
                            .ending = ending,
                            .reader = ChannelReader<T>(x, layer_.boundary, *table_),
                            .writer = ChannelWriter<T>(out, *table_)};
        if (heavy_)
            run_heavy(arrays, context);
        else
            parallel_for(Tiles::blocks() * layer_.groups, context, [&](Index task, int) {
                run_block(arrays, task % layer_.groups, Tiles::block_at(task / layer_.groups));
            });
    }

    std::size_t workspace_bytes() const override {
        const Index tiles = heavy_ ? piece_ * Tiles::most_tiles() : Tiles::most_tiles();
        const Index samples = sample_numbers(Tiles::most_tiles());
        const Index held = heavy_ ? points_ * run_point() : samples;
        return static_cast<std::size_t>(held + points_ * sum_point(tiles) + result_numbers() +
                                        box_scratch(layer_.inputs + loops_->lanes)) *
               sizeof(T);
    }

private:
    struct Bank {
        Index first, count, width, packed;
    };
    struct Run {
        Index plane, channel, length;
    };
    struct Arrays {
        const ArrayView &x, &out;
        const Ending& ending;
        ChannelReader<T> reader;
        ChannelWriter<T> writer;
    };

    // Samples of a run stand together, [run][point][tile][channel], so that they are read in the
    // order of memory; from one point to the next an odd number of cache lines.
    Index sample_point(Index tiles) const { return tiles * tile_ + line; }
    Index sample_run(Index tiles) const { return points_ * sample_point(tiles); }
    Index sample_numbers(Index tiles) const {
        return static_cast<Index>(runs_.size()) * sample_run(tiles);
    }
    Index sum_point(Index tiles) const { return tiles * 2 * loops_->lanes + line; }
    Index weight_point(Index width) const { return Tiles::channels() * width + line; }
    Index run_point() const { return run_channels * 2 * loops_->lanes + line; }
    /// Results of a block, one vector to watch them, and a line on its way out.
    Index result_numbers() const {
        const Index lanes = loops_->lanes, row = Tiles::columns_ * outputs_ * 2 * lanes;
        return lanes + Tiles::rows_ * outputs_ * row + row;
    }
    Index box_scratch(Index read) const { return Tiles::box_numbers(read) + Tiles::line_numbers(); }

    void choose_blocks() {
        const Index tile = static_cast<Index>(runs_.size()) * points_ * tile_ * number;
        const Index most = std::max<Index>(loops_->places, samples_bytes / tile);
        const Index columns = std::min(most, Tiles::tile_columns_);
        Tiles::cut(heavy_ ? 1 : most / columns, columns);  // heavy: samples leave the cache anyway
        const double per_tile =
            static_cast<double>(points_ * Tiles::channels()) * static_cast<double>(layer_.outputs);
        if (heavy_) {
            const Index lanes = loops_->lanes;
            together_ =
                std::clamp<Index>(chunk_bytes / (tile * Tiles::most_tiles()), 1, Tiles::blocks());
            const Index sums = points_ * Tiles::most_tiles() * 2 * lanes * number;
            piece_ = std::clamp<Index>(sums_bytes / sums, 1, together_);
            return;
        }
        const double all =
            per_tile * static_cast<double>(layer_.batch * layer_.groups) *
            static_cast<double>(axis(0).out * Tiles::tile_rows_ * Tiles::tile_columns_);
        const double wanted = std::clamp(all / 16, least_work, most_work);
        while (per_tile * static_cast<double>(Tiles::most_tiles()) > wanted && Tiles::rows_ > 1 &&
               (Tiles::rows_ + 1) / 2 * Tiles::columns_ >= loops_->places)
            Tiles::cut((Tiles::rows_ + 1) / 2, Tiles::columns_);
    }

    /// All weights, a few input channels at a time: their kernels stay in the nearest cache.
    void transform_weights(const Context& context) {
        coefficients_.emplace(static_cast<std::size_t>(layer_.groups * packed_) * sizeof(T));
        const auto banks = static_cast<Index>(banks_.size());
        const auto runs = static_cast<Index>(runs_.size());
        parallel_for(layer_.groups * banks * runs, context, [&](Index task, int) {
            const Bank& bank = banks_[static_cast<std::size_t>(task / runs % banks)];
            const Run& run = runs_[static_cast<std::size_t>(task % runs)];
            const Index group = task / runs / banks;
            transform_run(group, bank, run, weights_of(group, bank, run), weight_point(bank.width));
        });
    }

    T* weights_of(Index group, const Bank& bank, const Run& run) const {
        return coefficients_->template as<T>() + group * packed_ + bank.packed +
               (run.plane * layer_.inputs + run.channel) * bank.width;
    }

    void transform_run(Index group, const Bank& bank, const Run& run, T* to, Index point) const {
        constexpr Index some = 16;
        const Workspace kernels(static_cast<std::size_t>(some * 9 * bank.width) * sizeof(T));
        for (Index c = 0; c < run.length; c += some) {
            const KernelPart part{.group = group,
                                  .first = bank.first,
                                  .count = bank.count,
                                  .depth = run.plane,
                                  .input = run.channel + c,
                                  .inputs = std::min(some, run.length - c)};
            pack_kernels(layer_, kept_.view(), part, bank.width, *loops_, kernels.as<T>());
            filter_.kernels(kernels.as<T>(), part.inputs, bank.width, to + c * bank.width, point);
        }
    }

    void run_block(const Arrays& arrays, Index group, const Block& block) const {
        const Index read = Tiles::read_together(arrays.reader), tiles = Tiles::most_tiles();
        const Workspace workspace(
            static_cast<std::size_t>(result_numbers() + points_ * sum_point(tiles) +
                                     sample_numbers(tiles) + box_scratch(read)) *
            sizeof(T));
        T* const results = workspace.as<T>();
        T* const sums = results + result_numbers();
        T* const samples = sums + points_ * sum_point(tiles);
        T* const box = samples + sample_numbers(tiles);
        transform_block(arrays.reader, group, block, Tiles::all_samples(), samples, tiles, box);
        for (const Bank& bank : banks_) {
            for (Index p = 0; p < points_; ++p)
                for (std::size_t r = 0; r < runs_.size(); ++r)
                    multiply(runs_[r], bank.width, block.tiles(),
                             weights_of(group, bank, runs_[r]) + p * weight_point(bank.width),
                             samples + static_cast<Index>(r) * sample_run(tiles) +
                                 p * sample_point(tiles),
                             r > 0, sums + p * sum_point(tiles));
            store(arrays, group, bank, block, sums, sum_point(tiles), results);
        }
    }

    void run_heavy(const Arrays& arrays, const Context& context) const {
        const Index read = Tiles::read_together(arrays.reader);
        const Index chunks = (Tiles::blocks() - 1) / together_ + 1;
        const Index room = together_ * Tiles::most_tiles();  // for tiles
        const Workspace space(static_cast<std::size_t>(sample_numbers(room)) * sizeof(T));
        for (Index group = 0; group < layer_.groups; ++group)
            for (Index chunk = 0; chunk < chunks; ++chunk) {
                const Index begin = Tiles::blocks() * chunk / chunks;
                const Index end = Tiles::blocks() * (chunk + 1) / chunks;
                const std::vector<Index> first = Tiles::tiles_before(begin, end);
                // a run of all tiles before the next one: the products begin with the last
                const auto runs = static_cast<Index>(runs_.size());
                parallel_for(runs * (end - begin), context, [&](Index task, int) {
                    const Index i = task % (end - begin);
                    const Run& run = runs_[static_cast<std::size_t>(task / (end - begin))];
                    const Workspace box(static_cast<std::size_t>(box_scratch(read)) * sizeof(T));
                    transform_block(
                        arrays.reader, group, Tiles::block_at(begin + i),
                        {run.plane, run.plane + 1, run.channel, run.channel + run.length},
                        space.as<T>() + first[static_cast<std::size_t>(i)] * tile_, room,
                        box.as<T>());
                });
                const Index pieces = (end - begin - 1) / piece_ + 1;
                const auto banks = static_cast<Index>(banks_.size());
                parallel_for(banks * pieces, context, [&](Index task, int) {
                    const Index piece = task % pieces;
                    run_piece(arrays, group, banks_[static_cast<std::size_t>(task / pieces)], begin,
                              (end - begin) * piece / pieces, (end - begin) * (piece + 1) / pieces,
                              first, space.as<T>(), room);
                });
            }
    }

    /// One bank and the blocks begin + [from, to), whose tiles start at first[i].
    void run_piece(const Arrays& arrays, Index group, const Bank& bank, Index begin, Index from,
                   Index to, const std::vector<Index>& first, const T* samples, Index room) const {
        const Index start = first[static_cast<std::size_t>(from)];
        const Index tiles = first[static_cast<std::size_t>(to)] - start;
        const Workspace workspace(static_cast<std::size_t>(result_numbers() +
                                                           points_ * sum_point(tiles) +
                                                           points_ * run_point()) *
                                  sizeof(T));
        T* const results = workspace.as<T>();
        T* const sums = results + result_numbers();
        T* const weights = sums + points_ * sum_point(tiles);
        samples += start * tile_;
        for (std::size_t r = runs_.size(); r-- > 0;) {
            const Run& run = runs_[r];
            const T* const here = samples + static_cast<Index>(r) * sample_run(room);
            transform_run(group, bank, run, weights, run_point());
            for (Index p = 0; p < points_; ++p)
                multiply(run, bank.width, tiles, weights + p * run_point(),
                         here + p * sample_point(room), r + 1 < runs_.size(),
                         sums + p * sum_point(tiles));
        }
        for (Index i = from; i < to; ++i)
            store(arrays, group, bank, Tiles::block_at(begin + i),
                  sums + (first[static_cast<std::size_t>(i)] - start) * bank.width,
                  sum_point(tiles), results);
    }

    /// Samples behind a block of tiles; there is room for `tiles` at every point.
    void transform_block(const ChannelReader<T>& reader, Index group, const Block& block,
                         const typename Tiles::Part& part, T* samples, Index tiles,
                         T* scratch) const {
        const auto runs = static_cast<Index>(runs_.size()) / planes_;  // of a plane
        const auto run_of = [&](Index plane, Index channel) {
            const Index run = channel / tile_, first = run * tile_;
            return typename Tiles::Run{
                samples + (plane * runs + run) * sample_run(tiles) + channel - first,
                std::min(first + tile_, layer_.inputs)};
        };
        Tiles::transform_samples(reader, group, block, part, run_of, sample_point(tiles), tile_,
                                 heavy_ ? tiles_ahead : 0, scratch);
    }

    /// One run of channels at one point, whose coefficients begin there.
    void multiply(const Run& run, Index width, Index tiles, const T* coefficients, const T* samples,
                  bool accumulate, T* sums) const {
        const auto& products = loops_->product[width / loops_->lanes - 1];
        const Index parts = (tiles - 1) / loops_->places + 1;
        const std::int64_t offset = 0;
        for (Index t = 0; t < parts; ++t) {
            const Index first = tiles * t / parts, end = tiles * (t + 1) / parts;
            products[end - first - 1]({.a = coefficients,
                                       .b = samples + first * tile_,
                                       .offset = &offset,
                                       .runs = 1,
                                       .run = run.length,
                                       .step = 1,
                                       .place = tile_,
                                       .c = sums + first * width,
                                       .accumulate = accumulate,
                                       .fetch = samples + end * tile_});
        }
    }

    /// The sums of a block and a bank, transformed back, to their places.
    void store(const Arrays& arrays, Index group, const Bank& bank, const Block& block,
               const T* sums, Index point, T* results) const {
        T* const watch = results;  // one vector
        T* const places_of = watch + loops_->lanes;
        const Index row = block.columns * outputs_ * bank.width;
        T* const scratch = places_of + block.rows * outputs_ * row;
        std::fill_n(watch, loops_->lanes, T{0});
        for (Index r = 0; r < block.rows; ++r)
            for (Index c = 0; c < block.columns; ++c)
                filter_.results(sums + (r * block.columns + c) * bank.width, point, bank.width,
                                places_of + r * outputs_ * row + c * outputs_ * bank.width, row,
                                bank.width, watch);
        const Index first_row = block.row * outputs_, first_column = block.column * outputs_;
        const Index rows = std::min(block.rows * outputs_, axis(1).out - first_row);
        const Index places = std::min(block.columns * outputs_, axis(2).out - first_column);
        if (!std::all_of(watch, watch + loops_->lanes, [](T sum) { return sum == 0; })) {
            // NaN and infinity stay with the outputs whose windows hold them
            run_direct_part(layer_, kept_.view(), *table_, arrays.x, arrays.out, arrays.ending,
                            {.sample = block.sample,
                             .group = group,
                             .output = bank.first,
                             .outputs = bank.count,
                             .start = {block.depth, first_row, first_column},
                             .count = {1, rows, places}});
            return;
        }
        const Index channel = group * layer_.outputs + bank.first;
        const T* const bias = static_cast<const T*>(arrays.ending.bias);
        for (Index r = 0; r < rows; ++r)
            arrays.writer.write({.from = places_of + r * row,
                                 .pitch = bank.width,
                                 .places = places,
                                 .channels = bank.count,
                                 .bias = bias ? bias + channel : nullptr,
                                 .relu = arrays.ending.relu},
                                block.sample, channel, block.depth, first_row + r, first_column,
                                scratch);
    }

    std::vector<Bank> banks_;
    Index packed_ = 0;  // coefficients of a group
    bool heavy_ = false;
    Index together_ = 1, piece_ = 1;  // blocks that are transformed, and multiplied, together
    std::vector<Run> runs_;
    Index tile_ = 0;  // channels of a run: numbers from tile to tile of its samples
    KeptWeights<T> kept_;
    std::optional<Workspace> coefficients_;
};

}  // namespace

template <class T>
std::unique_ptr<Conv> make_winograd(const ConvLayer& layer, const WeightView<T>& weights,
                                    int outputs, Lifetime lifetime,
                                    const microkernels::Table& table, const Context& context) {
    return std::make_unique<WinogradConv<T>>(layer, weights, outputs, lifetime, table, context);
}

template std::unique_ptr<Conv> make_winograd(const ConvLayer&, const WeightView<float>&, int,
                                             Lifetime, const microkernels::Table&, const Context&);
template std::unique_ptr<Conv> make_winograd(const ConvLayer&, const WeightView<double>&, int,
                                             Lifetime, const microkernels::Table&, const Context&);

}  // namespace faltung::layers
