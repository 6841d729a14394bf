// Kernels of 3 × 3 by Winograd's minimal filtering: samples and weights are transformed, multiplied
// point by point as matrices of tiles × channels, and transformed back.
#include <algorithm>
#include <optional>
#include <vector>

#include "layers/box_grid.hpp"
#include "layers/channel_lines.hpp"
#include "layers/conv.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Transformed samples of a block of tiles: they are read once per block of output channels.
constexpr Index samples_bytes = Index{1280} << 10;
/// Channels that are summed before they are added to the rest: keeps the error of long sums small.
constexpr Index block_channels = 64;
constexpr double least_work = 4e6, most_work = 4e8;  // products of a task
constexpr Index wanted_tasks = 12;

template <class T>
class WinogradConv final : public Conv {
public:
    WinogradConv(const ConvLayer& layer, const WeightView<T>& weights, int outputs,
                 Lifetime lifetime, const microkernels::Table& table, const Context& context)
        : layer_(layer),
          table_(&table),
          loops_(&layer_loops<T>(table)),
          filter_(outputs == 4 ? loops_->winograd4 : loops_->winograd2),
          outputs_(outputs),
          points_(filter_.points * filter_.points),
          planes_(layer.axes[0].k),
          kept_(layer, weights, lifetime) {
        const Index lanes = loops_->lanes;
        for (Index first = 0; first < layer.outputs;) {
            const Index left = layer.outputs - first, width = left > lanes ? 2 * lanes : lanes;
            banks_.push_back({first, std::min(left, width), width, packed_});
            packed_ += points_ * weight_point(width);
            first += width;
        }
        // an odd number of cache lines from place to place
        pitch_ = (layer.inputs + lanes - 1) / lanes * lanes;
        if (pitch_ * static_cast<Index>(sizeof(T)) % 128 == 0)
            pitch_ += 64 / static_cast<Index>(sizeof(T));
        choose_block();
        for (Index p = 0; p < planes_; ++p)
            for (Index c = 0; c < layer.inputs;) {
                const Index blocks = (layer.inputs - c - 1) / block_channels + 1;
                const Index run = (layer.inputs - c - 1) / blocks + 1;
                runs_.push_back({p * pitch_ + c, run});
                c += run;
            }
        transform(context);
    }

    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const override {
        const ChannelReader<T> reader(x, layer_.boundary, *table_);
        const ChannelWriter<T> writer(out, *table_);
        const BoxGrid grid{.samples = layer_.batch,
                           .groups = layer_.groups,
                           .depths = layer_.axes[0].out,
                           .rows = tile_rows(),
                           .box_rows = rows_,
                           .columns = tile_columns(),
                           .box_columns = columns_,
                           .parts = bank_parts_};
        parallel_for(grid.tasks(), context, [&](Index task, int) {
            const OutputBox block = grid.at(task);
            const auto count = static_cast<Index>(banks_.size());
            run_block(reader, writer, x, out, ending, block, count * block.part / bank_parts_,
                      count * (block.part + 1) / bank_parts_);
        });
    }

    std::size_t workspace_bytes() const override {
        return static_cast<std::size_t>(points_ * sample_point() + points_ * sum_point() +
                                        box_numbers() + result_numbers() + scratch_numbers() +
                                        loops_->lanes) *
               sizeof(T);
    }

private:
    struct Bank {
        Index first, count, width, packed;
    };
    struct Run {
        Index offset, length;
    };

    Index tile_rows() const { return (layer_.axes[1].out - 1) / outputs_ + 1; }
    Index tile_columns() const { return (layer_.axes[2].out - 1) / outputs_ + 1; }
    Index tiles() const { return rows_ * columns_; }
    /// Numbers from one point to the next: an odd number of cache lines.
    Index sample_point() const {
        return tiles() * planes_ * pitch_ + 64 / static_cast<Index>(sizeof(T));
    }
    Index sum_point() const {
        return tiles() * 2 * loops_->lanes + 64 / static_cast<Index>(sizeof(T));
    }
    Index weight_point(Index width) const {
        return planes_ * layer_.inputs * width + 64 / static_cast<Index>(sizeof(T));
    }
    Index box_columns() const { return columns_ * outputs_ + 2; }
    Index box_numbers() const { return (rows_ * outputs_ + 2) * box_columns() * pitch_; }
    Index result_numbers() const { return tiles() * outputs_ * outputs_ * 2 * loops_->lanes; }
    Index scratch_numbers() const {
        return std::max(box_columns() * std::max<Index>(layer_.groups * layer_.inputs, 16),
                        columns_ * outputs_ * 2 * loops_->lanes);
    }

    void choose_block() {
        const Index bytes = points_ * planes_ * pitch_ * static_cast<Index>(sizeof(T));
        const Index most = std::max<Index>(loops_->places, samples_bytes / bytes);
        columns_ = even_piece(tile_columns(), std::min(most, tile_columns()));
        rows_ = even_piece(tile_rows(), std::clamp<Index>(most / columns_, 1, tile_rows()));
        const double per_tile = static_cast<double>(points_) *
                                static_cast<double>(planes_ * layer_.inputs) *
                                static_cast<double>(layer_.outputs);
        const double all = per_tile * static_cast<double>(layer_.batch * layer_.groups) *
                           static_cast<double>(layer_.axes[0].out * tile_rows() * tile_columns());
        const double wanted = std::clamp(all / 16, least_work, most_work);
        const auto banks = static_cast<Index>(banks_.size());
        const auto work = [&] { return per_tile * static_cast<double>(tiles()); };
        const auto tasks = [&] {
            return layer_.batch * layer_.groups * layer_.axes[0].out *
                   ((tile_rows() - 1) / rows_ + 1) * ((tile_columns() - 1) / columns_ + 1) *
                   bank_parts_;
        };
        // Weights that outweigh the samples are read once per block of tiles: large blocks, whose
        // output channels are divided among tasks.
        if (static_cast<double>(packed_) * sizeof(T) > static_cast<double>(samples_bytes)) {
            while (tasks() < wanted_tasks && bank_parts_ * 2 <= banks) bank_parts_ *= 2;
        } else {
            while (work() > wanted && rows_ > 1 && (rows_ + 1) / 2 * columns_ >= loops_->places)
                rows_ = (rows_ + 1) / 2;
        }
        rows_ = even_piece(tile_rows(), rows_);
    }

    /// The weights, a few input channels at a time: their kernels stay in the nearest cache.
    void transform(const Context& context) {
        constexpr Index some = 16;
        coefficients_.emplace(static_cast<std::size_t>(layer_.groups * packed_) * sizeof(T));
        const auto banks = static_cast<Index>(banks_.size());
        const Index parts = (layer_.inputs - 1) / some + 1;
        parallel_for(layer_.groups * banks * planes_ * parts, context, [&](Index task, int) {
            KernelPart part{};
            part.input = task % parts * some;
            part.inputs = std::min(some, layer_.inputs - part.input);
            task /= parts;
            part.depth = task % planes_;
            task /= planes_;
            const Bank& bank = banks_[static_cast<std::size_t>(task % banks)];
            part.group = task / banks;
            part.first = bank.first;
            part.count = bank.count;
            const Workspace kernels(static_cast<std::size_t>(some * 9 * bank.width) * sizeof(T));
            pack_kernels(layer_, kept_.view(), part, bank.width, *loops_, kernels.as<T>());
            filter_.kernels(kernels.as<T>(), part.inputs, bank.width,
                            coefficients_->as<T>() + part.group * packed_ + bank.packed +
                                (part.depth * layer_.inputs + part.input) * bank.width,
                            weight_point(bank.width));
        });
    }

    void run_block(const ChannelReader<T>& reader, const ChannelWriter<T>& writer,
                   const ArrayView& x, const ArrayView& out, const Ending& ending,
                   const OutputBox& block, Index first_bank, Index last_bank) const {
        const Workspace workspace(workspace_bytes());
        T* const watch = workspace.as<T>();  // one vector
        T* const results = watch + loops_->lanes;
        T* const sums = results + result_numbers();
        T* const samples = sums + points_ * sum_point();
        T* const box = samples + points_ * sample_point();
        T* const scratch = box + box_numbers();
        transform_samples(reader, block, box, samples, scratch);
        for (Index b = first_bank; b < last_bank; ++b) {
            const Bank& bank = banks_[static_cast<std::size_t>(b)];
            multiply(bank, block, samples, sums);
            std::fill_n(watch, loops_->lanes, T{0});
            const Index row = columns_ * outputs_ * bank.width;
            for (Index r = 0; r < block.rows; ++r)
                for (Index c = 0; c < block.columns; ++c)
                    filter_.results(sums + (r * block.columns + c) * bank.width, sum_point(),
                                    bank.width,
                                    results + r * outputs_ * row + c * outputs_ * bank.width, row,
                                    bank.width, watch);
            const Index first_row = block.row * outputs_, first_column = block.column * outputs_;
            const Index rows = std::min(block.rows * outputs_, layer_.axes[1].out - first_row);
            const Index places =
                std::min(block.columns * outputs_, layer_.axes[2].out - first_column);
            const Index channel = block.group * layer_.outputs + bank.first;
            if (!std::all_of(watch, watch + loops_->lanes, [](T sum) { return sum == 0; })) {
                // NaN and infinity stay with the outputs whose windows hold them
                run_direct_part(layer_, kept_.view(), *table_, x, out, ending,
                                {.sample = block.sample,
                                 .group = block.group,
                                 .output = bank.first,
                                 .outputs = bank.count,
                                 .start = {block.depth, first_row, first_column},
                                 .count = {1, rows, places}});
                continue;
            }
            for (Index r = 0; r < rows; ++r)
                writer.write(
                    {.from = results + r * row,
                     .pitch = bank.width,
                     .places = places,
                     .channels = bank.count,
                     .bias = ending.bias ? static_cast<const T*>(ending.bias) + channel : nullptr,
                     .relu = ending.relu},
                    block.sample, channel, block.depth, first_row + r, first_column, scratch);
        }
    }

    void transform_samples(const ChannelReader<T>& reader, const OutputBox& block, T* box,
                           T* samples, T* scratch) const {
        const Axis &depth = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
        const Index begin = width.first + block.column * outputs_;
        const Index end = begin + block.columns * outputs_ + 2;
        const Index row = box_columns() * pitch_;
        const Index together = reader.together(layer_.inputs);
        for (Index p = 0; p < planes_; ++p) {
            for (Index c = 0; c < layer_.inputs; c += together)
                for (Index r = 0; r < block.rows * outputs_ + 2; ++r)
                    reader.read(block.sample, block.group * layer_.inputs + c,
                                std::min(together, layer_.inputs - c),
                                depth.first + block.depth * depth.step + p * depth.dilation,
                                height.first + block.row * outputs_ + r, begin, end,
                                box + r * row + c, pitch_, 1, scratch);
            for (Index r = 0; r < block.rows; ++r)
                for (Index c = 0; c < block.columns; ++c)
                    filter_.samples(box + r * outputs_ * row + c * outputs_ * pitch_, row, pitch_,
                                    layer_.inputs,
                                    samples + ((r * block.columns + c) * planes_ + p) * pitch_,
                                    sample_point());
        }
    }

    void multiply(const Bank& bank, const OutputBox& block, const T* samples, T* sums) const {
        const auto& products = loops_->product[bank.width / loops_->lanes - 1];
        const Index tiles = block.rows * block.columns;
        const Index parts = (tiles - 1) / loops_->places + 1;
        const T* coefficients = coefficients_->as<T>() + block.group * packed_ + bank.packed;
        for (Index p = 0; p < points_; ++p)
            for (Index t = 0; t < parts; ++t) {
                const Index first = tiles * t / parts, places = tiles * (t + 1) / parts - first;
                const T* a = coefficients + p * weight_point(bank.width);
                bool accumulate = false;
                for (const Run& run : runs_) {
                    const std::int64_t offset = run.offset;
                    products[places - 1](
                        {.a = a,
                         .b = samples + p * sample_point() + first * planes_ * pitch_,
                         .offset = &offset,
                         .runs = 1,
                         .run = run.length,
                         .step = 1,
                         .place = planes_ * pitch_,
                         .c = sums + p * sum_point() + first * bank.width,
                         .accumulate = accumulate});
                    a += run.length * bank.width;
                    accumulate = true;
                }
            }
    }

    ConvLayer layer_;
    const microkernels::Table* table_;
    const microkernels::LayerTable<T>* loops_;
    microkernels::WinogradTable<T> filter_;
    Index outputs_, points_, planes_;  // of a tile along each axis; products; taps along depth
    std::vector<Bank> banks_;
    Index packed_ = 0, bank_parts_ = 1;
    Index rows_ = 1, columns_ = 1, pitch_ = 1;  // tiles of a block; numbers from place to place
    std::vector<Run> runs_;
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
