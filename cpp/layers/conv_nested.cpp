// Layers by Winograd's F(2, 2) nested in itself: outputs in tiles of 4 × 4, kernels in pieces of
// 4 × 4 taps, each a product of 9 × 9 points. A stride s makes s phases of the samples, which are
// as many channels to a layer of stride 1, with every s-th tap. The transformed samples of a tile
// serve every piece of a kernel, four taps further on being the next tile.
#include <algorithm>
#include <optional>
#include <vector>

#include "core/nested_cut.hpp"
#include "layers/box_grid.hpp"
#include "layers/channel_lines.hpp"
#include "layers/conv.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Transformed samples of a block of tiles, which stay in the second-level cache beside
/// coefficients.
constexpr Index samples_bytes = Index{384} << 10;
/// Steps that are summed before they are added to the rest: keeps the error of long sums small.
constexpr Index block_channels = 64;
/// Channels that are read together where they lie side by side.
constexpr Index channels_together = 4;
constexpr double wanted_tasks = 16;

template <class T>
class NestedConv final : public Conv {
public:
    NestedConv(const ConvLayer& layer, const WeightView<T>& weights, Lifetime lifetime,
               const microkernels::Table& table, const Context& context)
        : layer_(layer),
          table_(&table),
          loops_(&layer_loops<T>(table)),
          down_(layer.axes[1], layer.axes[1].k > 1),
          across_(layer.axes[2], true),
          filter_(down_.points > 1 ? loops_->nested_planes : loops_->nested_lines),
          points_(down_.points * across_.points),
          channels_(layer.axes[0].k * layer.inputs),
          kept_(layer, weights, lifetime) {
        choose_block();
        lay_out();
        for (Index first = 0; first < layer.outputs;) {
            const Index left = layer.outputs - first, lanes = loops_->lanes;
            const Index width = left > lanes ? 2 * lanes : lanes;
            banks_.push_back({first, std::min(left, width), width, packed_});
            packed_ += steps_ * width;
            first += width;
        }
        transform(context);
    }

    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const override {
        const ChannelReader<T> reader(x, layer_.boundary, *table_);
        const ChannelWriter<T> writer(out, *table_, ending.stream_from);
        const BoxGrid grid{.samples = layer_.batch,
                           .groups = layer_.groups,
                           .depths = layer_.axes[0].out,
                           .rows = tile_rows(),
                           .box_rows = rows_,
                           .columns = tile_columns(),
                           .box_columns = columns_};
        parallel_for(grid.tasks(), context, [&](Index task, int) {
            run_block(reader, writer, x, out, ending, grid.at(task));
        });
    }

    std::size_t workspace_bytes() const override {
        return static_cast<std::size_t>(loops_->lanes + result_numbers() + column_numbers() +
                                        sum_numbers() + points_ * sample_point() + lines_numbers() +
                                        scratch_numbers()) *
               sizeof(T);
    }

private:
    struct Bank {
        Index first, count, width, packed;
    };
    /// Runs of steps at one point, for a part of the channels.
    struct Sum {
        Index point;
        Index offset;  // of its first run among offsets_
        Index runs, run;
    };

    Index tile_rows() const { return (layer_.axes[1].out - 1) / down_.outputs + 1; }
    Index tile_columns() const { return (layer_.axes[2].out - 1) / across_.outputs + 1; }
    // Transformed tiles of samples, beyond those of outputs for the later pieces of the kernel.
    Index grid_rows() const { return rows_ + down_.blocks - 1; }
    Index grid_columns() const { return columns_ + across_.blocks - 1; }
    Index whole_vectors(Index numbers) const {
        return (numbers + loops_->lanes - 1) / loops_->lanes * loops_->lanes;
    }
    Index grid_row() const { return whole_vectors(grid_columns()); }
    Index plane() const { return grid_rows() * grid_row(); }
    /// From one point to the next: an odd number of cache lines.
    Index odd_lines(Index numbers) const {
        const Index line = 64 / static_cast<Index>(sizeof(T));
        return (numbers + line - 1) / line / 2 * 2 * line + line;
    }
    Index sample_point() const {
        return odd_lines(plane() * channels_ * down_.phases() * across_.phases());
    }
    // Tiles are summed a strip at a time: at the points of a column, [row point][tile][channel];
    // then, transformed back down, [row of outputs][column point][tile][channel].
    Index strip() const { return even_piece(columns_, loops_->places); }
    Index sum_point() const { return odd_lines(strip() * 2 * loops_->lanes); }
    Index sum_numbers() const { return down_.points * sum_point(); }
    Index column_numbers() const { return down_.outputs * across_.points * sum_point(); }
    /// Outputs of a row of tiles.
    Index result_numbers() const {
        return columns_ * down_.outputs * across_.outputs * 2 * loops_->lanes;
    }
    // Lines of samples: [row][phase and place within a tile][tile].
    Index line_phase() const { return grid_row() + loops_->lanes; }
    Index line_row() const { return across_.outputs * across_.step * line_phase(); }
    Index line_rows(Index tile_rows) const {
        return ((tile_rows + down_.blocks - 2) * down_.outputs + down_.inputs - 1) * down_.step +
               down_.phases();
    }
    Index together() const { return std::min(layer_.inputs, channels_together); }
    Index lines_numbers() const { return together() * line_rows(rows_) * line_row(); }
    Index line_positions() const { return (grid_columns() + 1) * across_.outputs * across_.step; }
    Index scratch_numbers() const {
        return std::max(
            line_positions() * (together() + std::max<Index>(layer_.groups * layer_.inputs, 16)),
            columns_ * across_.outputs * 2 * loops_->lanes);
    }

    void choose_block() {
        const Index tile =
            points_ * channels_ * down_.phases() * across_.phases() * static_cast<Index>(sizeof(T));
        const Index most = std::max<Index>(loops_->places, samples_bytes / (tile * down_.blocks));
        columns_ = even_piece(tile_columns(), most);
        const Index row = tile * (columns_ + across_.blocks - 1);
        rows_ = std::clamp<Index>(samples_bytes / row - down_.blocks + 1, 1, tile_rows());
        const auto tasks = [&] {
            return static_cast<double>(layer_.batch * layer_.groups * layer_.axes[0].out) *
                   static_cast<double>((tile_rows() - 1) / rows_ + 1) *
                   static_cast<double>((tile_columns() - 1) / columns_ + 1);
        };
        while (tasks() < wanted_tasks && rows_ > 1) rows_ = (rows_ + 1) / 2;
        rows_ = even_piece(tile_rows(), rows_);
    }

    /// Which samples meet which coefficients: point by point, the pieces that reach it.
    void lay_out() {
        const Index pairs = static_cast<Index>(down_.pieces.size() * across_.pieces.size());
        where_.assign(static_cast<std::size_t>(points_ * channels_ * pairs), -1);
        // Few channels and several pieces along a line: the pieces are the run.
        along_line_ = channels_ < 4 && across_.step == 1 && across_.blocks > 1;
        parts_ = (channels_ - 1) / block_channels + 1;
        for (Index i = 0; i < points_; ++i) {  // column by column
            const Index column_point = i / down_.points, row_point = i % down_.points;
            const Index point = row_point * across_.points + column_point;
            const std::vector<Index> rows = down_.reaching(row_point);
            const std::vector<Index> columns = across_.reaching(column_point);
            for (Index part = 0; part < parts_; ++part) {
                const Index first = channels_ * part / parts_;
                const Index some = channels_ * (part + 1) / parts_ - first;
                Sum sum{point, static_cast<Index>(offsets_.size()), 0, 0};
                const auto count = [](const std::vector<Index>& which) {
                    return static_cast<Index>(which.size());
                };
                if (along_line_) {
                    sum.runs = some * count(rows);
                    sum.run = count(columns);
                    for (Index c = first; c < first + some; ++c)
                        for (const Index row : rows) {
                            offsets_.push_back(offset(c, row, columns.empty() ? 0 : columns[0]));
                            for (const Index column : columns) add_step(point, c, row, column);
                        }
                } else {
                    sum.runs = count(rows) * count(columns);
                    sum.run = some;
                    for (const Index row : rows)
                        for (const Index column : columns) {
                            offsets_.push_back(offset(first, row, column));
                            for (Index c = first; c < first + some; ++c)
                                add_step(point, c, row, column);
                        }
                }
                sums_.push_back(sum);
            }
        }
    }

    Index offset(Index channel, Index row, Index column) const {
        const NestedPiece& y = down_.pieces[static_cast<std::size_t>(row)];
        const NestedPiece& x = across_.pieces[static_cast<std::size_t>(column)];
        return ((y.phase * across_.phases() + x.phase) * channels_ + channel) * plane() +
               y.block * grid_row() + x.block;
    }

    std::size_t step_index(Index point, Index channel, Index row, Index column) const {
        const auto across = static_cast<Index>(across_.pieces.size());
        const auto down = static_cast<Index>(down_.pieces.size());
        return static_cast<std::size_t>(((channel * down + row) * across + column) * points_ +
                                        point);
    }
    void add_step(Index point, Index channel, Index row, Index column) {
        where_[step_index(point, channel, row, column)] = static_cast<std::int32_t>(steps_++);
    }

    void transform(const Context& context) {
        coefficients_.emplace(static_cast<std::size_t>(layer_.groups * packed_) * sizeof(T));
        const auto banks = static_cast<Index>(banks_.size());
        parallel_for(layer_.groups * banks, context, [&](Index task, int) {
            const Index group = task / banks;
            const Bank& bank = banks_[static_cast<std::size_t>(task % banks)];
            const Index taps = down_.taps * across_.taps;
            const Workspace scratch(static_cast<std::size_t>((taps + points_) * bank.width) *
                                    sizeof(T));
            T* const w = scratch.as<T>();
            T* const u = w + taps * bank.width;
            T* const to = coefficients_->as<T>() + group * packed_ + bank.packed;
            for (Index c = 0; c < channels_; ++c)
                for (std::size_t y = 0; y < down_.pieces.size(); ++y)
                    for (std::size_t x = 0; x < across_.pieces.size(); ++x) {
                        gather(bank, group, c, down_.pieces[y], across_.pieces[x], w);
                        filter_.kernels(w, bank.width, u);
                        for (Index p = 0; p < points_; ++p) {
                            const Index step = where_[step_index(p, c, static_cast<Index>(y),
                                                                 static_cast<Index>(x))];
                            if (step >= 0)
                                std::copy_n(u + p * bank.width, bank.width, to + step * bank.width);
                        }
                    }
        });
    }

    /// The taps of one piece, zeros where it has fewer: [tap][output channel].
    void gather(const Bank& bank, Index group, Index channel, const NestedPiece& down,
                const NestedPiece& across, T* to) const {
        const WeightView<T>& view = kept_.view();
        std::fill_n(to, down_.taps * across_.taps * bank.width, T{0});
        const T* from = view.data + group * view.group + bank.first * view.output +
                        channel % layer_.inputs * view.input +
                        channel / layer_.inputs * view.tap[0];
        for (Index i = 0; i < down.taps; ++i)
            for (Index j = 0; j < across.taps; ++j) {
                const Index y = (down.block * down_.taps + i) * down_.step + down.phase;
                const Index x = (across.block * across_.taps + j) * across_.step + across.phase;
                for (Index o = 0; o < bank.count; ++o)
                    to[(i * across_.taps + j) * bank.width + o] =
                        from[o * view.output + y * view.tap[1] + x * view.tap[2]];
            }
    }

    void run_block(const ChannelReader<T>& reader, const ChannelWriter<T>& writer,
                   const ArrayView& x, const ArrayView& out, const Ending& ending,
                   const OutputBox& block) const {
        const Workspace workspace(workspace_bytes());
        const Scratch scratch = divide(workspace.as<T>());
        transform_samples(reader, block, scratch);
        for (const Bank& bank : banks_)
            for (Index r = 0; r < block.rows; ++r) {
                std::fill_n(scratch.watch, loops_->lanes, T{0});
                for (Index first = 0; first < block.columns; first += strip())
                    sum_strip(bank, block.group, r, first, std::min(strip(), block.columns - first),
                              scratch);
                write_row(writer, x, out, ending, bank, block, r, scratch);
            }
        writer.fence();
    }

    /// Where things stand in a worker's scratch.
    struct Scratch {
        T *watch, *results, *columns, *sums, *samples, *lines, *lent;
    };
    Scratch divide(T* from) const {
        Scratch s{};
        s.watch = from;  // one vector
        s.results = s.watch + loops_->lanes;
        s.columns = s.results + result_numbers();
        s.sums = s.columns + column_numbers();
        s.samples = s.sums + sum_numbers();
        s.lines = s.samples + points_ * sample_point();
        s.lent = s.lines + lines_numbers();
        return s;
    }

    void write_row(const ChannelWriter<T>& writer, const ArrayView& x, const ArrayView& out,
                   const Ending& ending, const Bank& bank, const OutputBox& block, Index tile_row,
                   const Scratch& scratch) const {
        const Index first_row = (block.row + tile_row) * down_.outputs;
        const Index first_column = block.column * across_.outputs;
        const Index rows = std::min(down_.outputs, layer_.axes[1].out - first_row);
        const Index places =
            std::min(block.columns * across_.outputs, layer_.axes[2].out - first_column);
        const Index channel = block.group * layer_.outputs + bank.first;
        if (!std::all_of(scratch.watch, scratch.watch + loops_->lanes,
                         [](T sum) { return sum == 0; }))
            // NaN and infinity stay with the outputs whose windows hold them
            return run_direct_part(layer_, kept_.view(), *table_, x, out, ending,
                                   {.sample = block.sample,
                                    .group = block.group,
                                    .output = bank.first,
                                    .outputs = bank.count,
                                    .start = {block.depth, first_row, first_column},
                                    .count = {1, rows, places}});
        for (Index r = 0; r < rows; ++r)
            writer.write(
                {.from = scratch.results + r * columns_ * across_.outputs * bank.width,
                 .pitch = bank.width,
                 .places = places,
                 .channels = bank.count,
                 .bias = ending.bias ? static_cast<const T*>(ending.bias) + channel : nullptr,
                 .relu = ending.relu},
                block.sample, channel, block.depth, first_row + r, first_column, scratch.lent);
    }

    void transform_samples(const ChannelReader<T>& reader, const OutputBox& block,
                           const Scratch& scratch) const {
        const Index most = reader.inside() ? together() : 1;
        for (Index d = 0; d < layer_.axes[0].k; ++d)
            for (Index c = 0; c < layer_.inputs; c += most) {
                const Index some = std::min(most, layer_.inputs - c);
                read_lines(reader, block, d, c, some, scratch.lines, scratch.lent);
                for (Index i = 0; i < some; ++i)
                    transform_channel(scratch.lines + i * line_rows(rows_) * line_row(),
                                      scratch.samples + (d * layer_.inputs + c + i) * plane(),
                                      block.rows);
            }
    }

    void read_lines(const ChannelReader<T>& reader, const OutputBox& block, Index tap,
                    Index channel, Index count, T* lines, T* scratch) const {
        const Axis &depth = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
        const Index begin = width.first + block.column * across_.outputs * across_.step;
        const Index positions = line_positions(), period = across_.outputs * across_.step;
        T* const read = scratch + positions * std::max<Index>(layer_.groups * layer_.inputs, 16);
        for (Index r = 0; r < line_rows(block.rows); ++r) {
            reader.read(block.sample, block.group * layer_.inputs + channel, count,
                        depth.first + block.depth * depth.step + tap * depth.dilation,
                        height.first + block.row * down_.outputs * down_.step + r, begin,
                        begin + positions, read, 1, positions, scratch);
            for (Index c = 0; c < count; ++c)
                loops_->transpose(read + c * positions, period, grid_columns() + 1, period,
                                  lines + (c * line_rows(rows_) + r) * line_row(), line_phase());
        }
    }

    void transform_channel(const T* lines, T* samples, Index tile_rows) const {
        for (Index y = 0; y < down_.phases(); ++y)
            for (Index x = 0; x < across_.phases(); ++x)
                for (Index r = 0; r < tile_rows + down_.blocks - 1; ++r)
                    filter_.samples(
                        lines + (r * down_.outputs * down_.step + y) * line_row() +
                            x * line_phase(),
                        down_.step * line_row(), across_.step * line_phase(), grid_columns(),
                        samples + (y * across_.phases() + x) * channels_ * plane() + r * grid_row(),
                        sample_point());
    }

    /// A few neighbouring tiles of a row: products, and both ways back.
    void sum_strip(const Bank& bank, Index group, Index tile_row, Index first, Index tiles,
                   const Scratch& scratch) const {
        const auto& products = loops_->product[bank.width / loops_->lanes - 1][tiles - 1];
        const T* a = coefficients_->as<T>() + group * packed_ + bank.packed;
        const T* const b = scratch.samples + tile_row * grid_row() + first;
        const Index width = bank.width, point = sum_point();
        const bool lines = down_.points == 1;
        auto sum = sums_.begin();
        for (Index column = 0; column < across_.points; ++column) {
            T* const to = scratch.columns + column * point;
            for (Index row = 0; row < down_.points; ++row)
                for (Index part = 0; part < parts_; ++part, ++sum) {
                    T* const c = lines ? to : scratch.sums + row * point;
                    if (sum->runs * sum->run == 0) {
                        std::fill_n(c, tiles * width, T{0});
                        continue;
                    }
                    products({.a = a,
                              .b = b + sum->point * sample_point(),
                              .offset = offsets_.data() + sum->offset,
                              .runs = sum->runs,
                              .run = sum->run,
                              .step = along_line_ ? 1 : plane(),
                              .place = 1,
                              .c = c,
                              .accumulate = part > 0});
                    a += sum->runs * sum->run * width;
                }
            if (!lines)
                filter_.results(scratch.sums, point, tiles, width, to, across_.points * point,
                                width, scratch.watch);
        }
        const Index tile = across_.outputs * width;
        for (Index row = 0; row < down_.outputs; ++row)
            filter_.results(scratch.columns + row * across_.points * point, point, tiles, width,
                            scratch.results + (row * columns_ + first) * tile, width, tile,
                            scratch.watch);
    }

    ConvLayer layer_;
    const microkernels::Table* table_;
    const microkernels::LayerTable<T>* loops_;
    NestedCut down_, across_;
    microkernels::NestedTable<T> filter_;
    Index points_, channels_;       // of a tile; per phase, over planes of taps
    Index rows_ = 1, columns_ = 1;  // tiles of a block
    bool along_line_ = false;
    Index parts_ = 1;  // of the channels
    std::vector<std::int64_t> offsets_;
    std::vector<Sum> sums_;
    std::vector<std::int32_t> where_;  // the step of a coefficient, -1 where it is zero
    Index steps_ = 0;
    std::vector<Bank> banks_;
    Index packed_ = 0;
    KeptWeights<T> kept_;
    std::optional<Workspace> coefficients_;
};

}  // namespace

template <class T>
std::unique_ptr<Conv> make_nested(const ConvLayer& layer, const WeightView<T>& weights,
                                  Lifetime lifetime, const microkernels::Table& table,
                                  const Context& context) {
    return std::make_unique<NestedConv<T>>(layer, weights, lifetime, table, context);
}

template std::unique_ptr<Conv> make_nested(const ConvLayer&, const WeightView<float>&, Lifetime,
                                           const microkernels::Table&, const Context&);
template std::unique_ptr<Conv> make_nested(const ConvLayer&, const WeightView<double>&, Lifetime,
                                           const microkernels::Table&, const Context&);

}  // namespace faltung::layers
