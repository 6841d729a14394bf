// Direct layers: a box of outputs at a time, its samples packed once, then blocks of places ×
// output channels that stay in registers.
#include <algorithm>
#include <mutex>
#include <optional>
#include <vector>

#include "core/error.hpp"

#include "layers/box_grid.hpp"
#include "layers/channel_lines.hpp"
#include "layers/conv.hpp"
#include "layers/conv_planar.hpp"
#include "layers/conv_pointwise.hpp"
#include "layers/conv_pointwise_inside.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

// Measured plateau of both is wide: 128 KiB to 1 MiB per core of second-level cache.
constexpr Index packed_bytes = Index{384} << 10;
constexpr Index sums_bytes = Index{256} << 10;
/// Steps that are summed before they are added to the rest: the coefficients of a block stay in the
/// first-level cache, and the error of a long sum stays small.
constexpr Index block_steps = 256;
/// Multiply-adds of a task, at least and at most: a few hundred microseconds, and well under 50 ms.
constexpr double least_work = 4e6, most_work = 4e8;
/// Fewer channels than this are packed as planes, which needs no transposition.
constexpr Index few_channels = 8;

template <class T>
class DirectConv final : public Conv {
public:
    DirectConv(const ConvLayer& layer, const WeightView<T>& weights, Lifetime lifetime,
               const microkernels::Table& table, const Context& context)
        : layer_(layer), table_(&table), loops_(&layer_loops<T>(table)) {
        order_ = layer.inputs < few_channels ? SumOrder::taps_inside : SumOrder::channels_inside;
        const Index lanes = loops_->lanes;
        for (Index first = 0; first < layer.outputs;) {
            const Index left = layer.outputs - first, width = left > lanes ? 2 * lanes : lanes;
            banks_.push_back({first, std::min(left, width), width, packed_});
            packed_ += width * layer.steps();
            first += width;
        }
        choose_box();
        lay_out();
        cut_sums();
        if (Pointwise<T>::suits(layer)) {
            pointwise_.emplace(layer, weights, lifetime, table);
            if (layer.pointwise()) inside_.emplace(layer, table);
        } else if (layer.few_channels()) {
            planar_.emplace(layer, weights, table);
        } else {
            pack(weights, context);
        }
    }

    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const override {
        if (pointwise_ && pointwise_->serves(x, out))
            return pointwise_->run(x, out, ending, context);
        if (inside_ && PointwiseInside<T>::serves(x, out))
            return inside_->run(x, out, pointwise_->weights(), ending, context);
        if (planar_ && Planar<T>::serves(x, out)) return planar_->run(x, out, ending, context);
        if (pointwise_ || planar_)
            std::call_once(packed_late_, [&] {
                pack(pointwise_ ? pointwise_->weights() : planar_->weights(), context);
            });
        const ChannelReader<T> reader(x, layer_.boundary, *table_);
        const ChannelWriter<T> writer(out, *table_, ending.stream_from);
        const BoxGrid grid{.samples = layer_.batch,
                           .groups = layer_.groups,
                           .depths = layer_.axes[0].out,
                           .rows = layer_.axes[1].out,
                           .box_rows = rows_,
                           .columns = layer_.axes[2].out,
                           .box_columns = columns_,
                           .parts = bank_parts_};
        parallel_for(grid.tasks(), context, [&](Index task, int) {
            const OutputBox box = grid.at(task);
            const auto count = static_cast<Index>(banks_.size());
            run_box(reader, writer, ending, box, count * box.part / bank_parts_,
                    count * (box.part + 1) / bank_parts_);
        });
    }

    std::size_t workspace_bytes() const override {
        std::size_t most =
            static_cast<std::size_t>(samples_numbers_ + sums_numbers() + scratch_numbers()) *
            sizeof(T);
        if (pointwise_) most = std::max(most, pointwise_->workspace_bytes());
        if (inside_) most = std::max(most, inside_->workspace_bytes());
        if (planar_) most = std::max(most, planar_->workspace_bytes());
        return most;
    }

private:
    /// A block of output channels, and where its coefficients stand.
    struct Bank {
        Index first, count, width, packed;
    };
    /// Steps that are summed in one go.
    struct Block {
        Index offset;  // of its first run among offsets_
        Index runs, run;
    };

    Index in_rows() const { return (rows_ - 1) * layer_.axes[1].step + layer_.axes[1].reach(); }
    Index in_columns() const {
        return (columns_ - 1) * layer_.axes[2].step + layer_.axes[2].reach();
    }
    Index sums_numbers() const { return rows_ * columns_ * 2 * loops_->lanes; }
    Index scratch_numbers() const {
        return std::max(in_columns() * std::max<Index>(layer_.groups * layer_.inputs, 16),
                        columns_ * 2 * loops_->lanes);
    }

    /// The largest box whose samples and sums stay in cache, in parts of about equal size.
    void choose_box() {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        const Index deep = layer_.axes[0].k * layer_.inputs * static_cast<Index>(sizeof(T));
        const Index sums = 2 * loops_->lanes * static_cast<Index>(sizeof(T));
        rows_ = height.out;
        columns_ = width.out;
        const auto fits = [&] {
            return static_cast<double>(in_rows()) * static_cast<double>(in_columns()) *
                           static_cast<double>(deep) <=
                       packed_bytes &&
                   static_cast<double>(rows_) * static_cast<double>(columns_ * sums) <= sums_bytes;
        };
        while (!fits() && rows_ > 1) rows_ = (rows_ + 1) / 2;
        while (!fits() && columns_ > loops_->places)
            columns_ = std::max<Index>(loops_->places, (columns_ + 1) / 2);

        // Enough tasks to go round, none of them too long for an interrupt.
        const double per_place =
            static_cast<double>(layer_.outputs) * static_cast<double>(layer_.steps());
        const double all = layer_.products();
        const double wanted = std::clamp(all / 16, least_work, most_work);
        const auto work = [&] { return per_place * static_cast<double>(rows_ * columns_); };
        const auto banks = static_cast<Index>(banks_.size());
        // Output channels are divided where their coefficients outweigh the samples.
        if (static_cast<double>(packed_) * sizeof(T) > packed_bytes)
            while (work() > wanted * static_cast<double>(bank_parts_) && bank_parts_ * 2 <= banks)
                bank_parts_ *= 2;
        while (work() > wanted * static_cast<double>(bank_parts_) && rows_ > 1)
            rows_ = (rows_ + 1) / 2;
        while (work() > most_work * static_cast<double>(bank_parts_) && columns_ > loops_->places)
            columns_ = std::max<Index>(loops_->places, (columns_ + 1) / 2);
        rows_ = even_piece(height.out, rows_);
        columns_ = even_piece(width.out, columns_);
    }

    /// Where samples stand in a packed box, and where every run of steps starts.
    void lay_out() {
        const Axis &depth = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
        const Index taps = depth.k * height.k;
        const double span = static_cast<double>(in_rows()) * static_cast<double>(in_columns());
        if (span * static_cast<double>(depth.k * layer_.inputs) > 0x1p40)
            throw TooLarge("the samples behind one output reach too far apart: " +
                           std::to_string(height.reach()) + " rows of " +
                           std::to_string(width.reach()));
        if (order_ == SumOrder::channels_inside) {
            // an odd number of vectors from place to place: neighbours must not share cache sets
            place_ = layer_.inputs;
            if (place_ * static_cast<Index>(sizeof(T)) % 512 == 0)
                place_ += 64 / static_cast<Index>(sizeof(T));
            row_ = in_columns() * place_;
            plane_ = in_rows() * row_;
            channel_ = 1;
            samples_numbers_ = depth.k * plane_;
            const bool joined = place_ == layer_.inputs && width.dilation == 1;
            run_ = joined ? width.k * layer_.inputs : layer_.inputs;
            run_step_ = 1;
            for (Index t = 0; t < taps; ++t)
                for (Index b = 0; b < (joined ? 1 : width.k); ++b)
                    offsets_.push_back(t / height.k * plane_ +
                                       t % height.k * height.dilation * row_ +
                                       b * width.dilation * place_);
        } else {
            place_ = 1;
            row_ = in_columns();
            plane_ = in_rows() * row_;
            channel_ = depth.k * plane_;
            samples_numbers_ = layer_.inputs * channel_;
            run_ = width.k;
            run_step_ = width.dilation;
            for (Index c = 0; c < layer_.inputs; ++c)
                for (Index t = 0; t < taps; ++t)
                    offsets_.push_back(c * channel_ + t / height.k * plane_ +
                                       t % height.k * height.dilation * row_);
        }
    }

    void cut_sums() {
        const auto runs = static_cast<Index>(offsets_.size());
        if (run_ <= block_steps) {
            const Index most = block_steps / run_;
            const Index blocks = (runs - 1) / most + 1;
            for (Index b = 0; b < blocks; ++b) {
                const Index first = runs * b / blocks;
                blocks_.push_back({first, runs * (b + 1) / blocks - first, run_});
            }
            return;
        }
        const Index parts = (run_ - 1) / block_steps + 1;
        std::vector<Index> split;
        for (const Index offset : offsets_)
            for (Index p = 0; p < parts; ++p) {
                const Index first = run_ * p / parts;
                blocks_.push_back(
                    {static_cast<Index>(split.size()), 1, run_ * (p + 1) / parts - first});
                split.push_back(offset + first * run_step_);
            }
        offsets_ = std::move(split);
    }

    void pack(const WeightView<T>& weights, const Context& context) const {
        coefficients_.emplace(static_cast<std::size_t>(layer_.groups * packed_) * sizeof(T));
        const auto banks = static_cast<Index>(banks_.size());
        parallel_for(layer_.groups * banks, context, [&](Index task, int) {
            const Bank& bank = banks_[static_cast<std::size_t>(task % banks)];
            const Index group = task / banks;
            const Workspace scratch(static_cast<std::size_t>(bank.width * layer_.steps()) *
                                    sizeof(T));
            pack_weights(layer_, weights, order_, group, bank.first, bank.count, bank.width,
                         *loops_, scratch.as<T>(),
                         coefficients_->as<T>() + group * packed_ + bank.packed);
        });
    }

    void run_box(const ChannelReader<T>& reader, const ChannelWriter<T>& writer,
                 const Ending& ending, const OutputBox& box, Index first_bank,
                 Index last_bank) const {
        const Workspace workspace(
            static_cast<std::size_t>(samples_numbers_ + sums_numbers() + scratch_numbers()) *
            sizeof(T));
        T* const sums = workspace.as<T>();
        T* const samples = sums + sums_numbers();
        T* const scratch = samples + samples_numbers_;
        read_box(reader, box, samples, scratch);
        for (Index b = first_bank; b < last_bank; ++b) {
            const Bank& bank = banks_[static_cast<std::size_t>(b)];
            const Index channel = box.group * layer_.outputs + bank.first;
            const bool at_once =
                blocks_.size() == 1;  // a row's sums are written while they are near
            if (!at_once) sum_bank(bank, box, 0, box.rows, samples, sums);
            for (Index r = 0; r < box.rows; ++r) {
                if (at_once) sum_bank(bank, box, r, r + 1, samples, sums);
                writer.write(
                    {.from = sums + (at_once ? 0 : r) * columns_ * bank.width,
                     .pitch = bank.width,
                     .places = box.columns,
                     .channels = bank.count,
                     .bias = ending.bias ? static_cast<const T*>(ending.bias) + channel : nullptr,
                     .relu = ending.relu},
                    box.sample, channel, box.depth, box.row + r, box.column, scratch);
            }
        }
        writer.fence();
    }

    void read_box(const ChannelReader<T>& reader, const OutputBox& box, T* samples,
                  T* scratch) const {
        const Axis &depth = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
        const Index begin = width.first + box.column * width.step;
        const Index end = begin + (box.columns - 1) * width.step + width.reach();
        const Index rows = (box.rows - 1) * height.step + height.reach();
        const Index first_row = height.first + box.row * height.step;
        const Index together = reader.together(layer_.inputs);
        for (Index c = 0; c < layer_.inputs; c += together)
            for (Index d = 0; d < depth.k; ++d)
                for (Index r = 0; r < rows; ++r)
                    reader.read(box.sample, box.group * layer_.inputs + c,
                                std::min(together, layer_.inputs - c),
                                depth.first + box.depth * depth.step + d * depth.dilation,
                                first_row + r, begin, end,
                                samples + d * plane_ + r * row_ + c * channel_, place_, channel_,
                                scratch);
    }

    /// Rows [first_row, last_row) of the box; sums of the first one come first.
    void sum_bank(const Bank& bank, const OutputBox& box, Index first_row, Index last_row,
                  const T* samples, T* sums) const {
        const T* coefficients = coefficients_->as<T>() + box.group * packed_ + bank.packed;
        const auto& products = loops_->product[bank.width / loops_->lanes - 1];
        const Index tiles = (box.columns - 1) / loops_->places + 1;
        bool accumulate = false;
        for (const Block& block : blocks_) {
            for (Index r = first_row; r < last_row; ++r)
                for (Index t = 0; t < tiles; ++t) {
                    const Index first = box.columns * t / tiles;
                    const Index places = box.columns * (t + 1) / tiles - first;
                    products[places - 1](
                        {.a = coefficients,
                         .b = samples + r * layer_.axes[1].step * row_ +
                              first * layer_.axes[2].step * place_,
                         .offset = offsets_.data() + block.offset,
                         .runs = block.runs,
                         .run = block.run,
                         .step = run_step_,
                         .place = layer_.axes[2].step * place_,
                         .c = sums + ((r - first_row) * columns_ + first) * bank.width,
                         .accumulate = accumulate});
                }
            coefficients += block.runs * block.run * bank.width;
            accumulate = true;
        }
    }

    ConvLayer layer_;
    const microkernels::Table* table_;
    const microkernels::LayerTable<T>* loops_;
    SumOrder order_ = SumOrder::channels_inside;
    std::vector<Bank> banks_;
    Index packed_ = 0;              // coefficients of one group
    Index bank_parts_ = 1;          // tasks that divide the output channels between them
    Index rows_ = 1, columns_ = 1;  // outputs of a box
    // numbers between neighbours in a packed box
    Index place_ = 1, row_ = 1, plane_ = 1, channel_ = 1, samples_numbers_ = 0;
    Index run_ = 1, run_step_ = 1;
    std::vector<std::int64_t> offsets_;
    std::vector<Block> blocks_;
    mutable std::optional<Workspace> coefficients_;
    std::optional<Pointwise<T>> pointwise_;     // one tap, for arrays whose planes are contiguous
    std::optional<PointwiseInside<T>> inside_;  // the same, for channels that lie side by side
    std::optional<Planar<T>> planar_;
    mutable std::once_flag packed_late_;  // coefficients_, for arrays of other kinds
};

}  // namespace

template <class T>
std::unique_ptr<Conv> make_direct(const ConvLayer& layer, const WeightView<T>& weights,
                                  Lifetime lifetime, const microkernels::Table& table,
                                  const Context& context) {
    return std::make_unique<DirectConv<T>>(layer, weights, lifetime, table, context);
}

template <class T>
void run_direct_part(const ConvLayer& layer, const WeightView<T>& weights,
                     const microkernels::Table& table, const ArrayView& x, const ArrayView& out,
                     const Ending& ending, const OutputPart& part) {
    ConvLayer one = layer;
    one.batch = one.groups = 1;
    one.outputs = part.outputs;
    ArrayView from = x, to = out;
    from.data += part.sample * x.strides[0] + part.group * layer.inputs * x.strides[1];
    from.shape[0] = 1;
    from.shape[1] = layer.inputs;
    const Index channel = part.group * layer.outputs + part.output;
    to.data += part.sample * out.strides[0] + channel * out.strides[1];
    to.shape[0] = 1;
    to.shape[1] = part.outputs;
    for (int a = 0; a < layer_axes; ++a) {
        Axis& axis = one.axes[static_cast<std::size_t>(a)];
        axis.first += part.start[a] * axis.step;
        axis.out = part.count[a];
        to.data += part.start[a] * out.strides[2 + a];
        to.shape[2 + a] = part.count[a];
    }
    WeightView<T> banks = weights;
    banks.data += part.group * weights.group + part.output * weights.output;
    const Ending same{.bias = ending.bias ? static_cast<const T*>(ending.bias) + channel : nullptr,
                      .relu = ending.relu};
    const Context alone{.workers = 1, .interrupt = nullptr};
    DirectConv<T>(one, banks, Lifetime::call, table, alone).run(from, to, same, alone);
}

template std::unique_ptr<Conv> make_direct(const ConvLayer&, const WeightView<float>&, Lifetime,
                                           const microkernels::Table&, const Context&);
template std::unique_ptr<Conv> make_direct(const ConvLayer&, const WeightView<double>&, Lifetime,
                                           const microkernels::Table&, const Context&);
template void run_direct_part(const ConvLayer&, const WeightView<float>&,
                              const microkernels::Table&, const ArrayView&, const ArrayView&,
                              const Ending&, const OutputPart&);
template void run_direct_part(const ConvLayer&, const WeightView<double>&,
                              const microkernels::Table&, const ArrayView&, const ArrayView&,
                              const Ending&, const OutputPart&);

}  // namespace faltung::layers
