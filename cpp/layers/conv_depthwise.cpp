// Depthwise layers, and those with a few outputs per input: a channel per lane, positions in
// blocks.
#include <algorithm>
#include <optional>
#include <vector>

#include "layers/box_grid.hpp"
#include "layers/channel_lines.hpp"
#include "layers/conv.hpp"
#include "layers/conv_depthwise_rows.hpp"
#include "layers/depthwise_parts.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

constexpr Index box_bytes = Index{256} << 10;        // samples of a box
constexpr double least_work = 2e6, most_work = 2e8;  // multiply-adds of a task

template <class T>
class DepthwiseConv final : public Conv {
public:
    DepthwiseConv(const ConvLayer& layer, const WeightView<T>& weights,
                  const microkernels::Table& table)
        : layer_(layer),
          table_(&table),
          loops_(&layer_loops<T>(table)),
          blocks_((layer.groups - 1) / loops_->lanes + 1),
          coefficients_(
              static_cast<std::size_t>(blocks_ * layer.outputs * layer.taps() * loops_->lanes) *
              sizeof(T)) {
        choose_box();
        pack_depthwise(layer, weights, *loops_, coefficients_.as<T>());
    }

    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const override {
        const ChannelReader<T> reader(x, layer_.boundary, *table_);
        const std::vector<ChannelWriter<T>> writers =
            depthwise_writers<T>(layer_, out, ending, *table_);
        const std::vector<T> bias = sorted_bias<T>(layer_, ending);
        const BoxGrid grid{.samples = layer_.batch,
                           .groups = blocks_,
                           .depths = layer_.axes[0].out,
                           .rows = layer_.axes[1].out,
                           .box_rows = rows_,
                           .columns = layer_.axes[2].out,
                           .box_columns = columns_};
        parallel_for(grid.tasks(), context, [&](Index task, int) {
            run_box(reader, writers, bias, ending.relu, grid.at(task));
        });
    }

    std::size_t workspace_bytes() const override {
        return static_cast<std::size_t>(box_numbers() + out_numbers() + scratch_numbers()) *
               sizeof(T);
    }

private:
    Index in_rows() const { return (rows_ - 1) * layer_.axes[1].step + layer_.axes[1].reach(); }
    Index in_columns() const {
        return (columns_ - 1) * layer_.axes[2].step + layer_.axes[2].reach();
    }
    Index box_numbers() const { return in_rows() * in_columns() * loops_->lanes; }
    Index out_numbers() const { return columns_ * loops_->lanes; }
    Index scratch_numbers() const {
        return std::max(in_columns() * std::max<Index>(layer_.groups, 16), out_numbers());
    }

    void choose_box() {
        rows_ = layer_.axes[1].out;
        columns_ = layer_.axes[2].out;
        const auto fits = [&] {
            return static_cast<double>(in_rows()) * static_cast<double>(in_columns()) *
                       static_cast<double>(loops_->lanes) * sizeof(T) <=
                   box_bytes;
        };
        const double line = static_cast<double>(layer_.taps() * loops_->lanes);
        const auto work = [&] { return line * static_cast<double>(rows_ * columns_); };
        const double wanted = std::clamp(
            layer_.products() * static_cast<double>(loops_->lanes) / 16, least_work, most_work);
        const Index few = std::max<Index>(1, layer_.axes[1].reach() / 2);  // rows read twice cost
        while ((!fits() && rows_ > few) || (work() > wanted && rows_ > few))
            rows_ = (rows_ + 1) / 2;
        while (!fits() && columns_ > 8 * loops_->depthwise_places) columns_ = (columns_ + 1) / 2;
        rows_ = even_piece(layer_.axes[1].out, rows_);
        columns_ = even_piece(layer_.axes[2].out, columns_);
    }

    void run_box(const ChannelReader<T>& reader, const std::vector<ChannelWriter<T>>& writers,
                 const std::vector<T>& bias, bool relu, const OutputBox& box) const {
        const Axis &depth = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
        const Index lanes = loops_->lanes, channel = box.group * lanes;
        const Index channels = std::min(lanes, layer_.groups - channel);
        const Workspace workspace(workspace_bytes());
        T* const samples = workspace.as<T>();
        T* const out = samples + box_numbers();
        T* const scratch = out + out_numbers();
        const Index begin = width.first + box.column * width.step;
        const Index in_columns = (box.columns - 1) * width.step + width.reach();
        const Index line = in_columns * lanes;
        const Index rows = (box.rows - 1) * height.step + height.reach();
        const Index first_row = height.first + box.row * height.step;
        if (channels < lanes) std::fill_n(samples, rows * line, T{0});

        std::optional<Workspace> planes;  // sums over more than one plane of taps
        const Index all = box.rows * box.columns * lanes;
        if (depth.k > 1) planes.emplace(static_cast<std::size_t>(all * layer_.outputs) * sizeof(T));
        for (Index d = 0; d < depth.k; ++d) {
            for (Index r = 0; r < rows; ++r)
                reader.read(box.sample, channel, channels,
                            depth.first + box.depth * depth.step + d * depth.dilation,
                            first_row + r, begin, begin + in_columns, samples + r * line, lanes, 1,
                            scratch);
            for (Index o = 0; o < layer_.outputs; ++o)
                for (Index r = 0; r < box.rows; ++r) {
                    T* const to =
                        planes ? planes->as<T>() + o * all + r * box.columns * lanes : out;
                    sum_line(box, o, d, r, samples + r * height.step * line, line, to, d > 0);
                    if (d + 1 < depth.k) continue;
                    writers[static_cast<std::size_t>(o)].write(
                        {.from = to,
                         .pitch = lanes,
                         .places = box.columns,
                         .channels = channels,
                         .bias = bias.empty() ? nullptr : bias.data() + o * layer_.groups + channel,
                         .relu = relu},
                        box.sample, channel, box.depth, box.row + r, box.column, scratch);
                }
        }
        for (const ChannelWriter<T>& writer : writers) writer.fence();
    }

    void sum_line(const OutputBox& box, Index output, Index plane, Index row, const T* samples,
                  Index line, T* to, bool accumulate) const {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        const Index lanes = loops_->lanes, taps = height.k * width.k;
        const T* w =
            coefficients_.as<T>() +
            ((box.group * layer_.outputs + output) * layer_.axes[0].k + plane) * taps * lanes;
        // Lines of taps that meet nothing but zeros are left out.
        Index first = 0, last = height.k;
        if (layer_.boundary == Boundary::zero) {
            const Index top = height.first + (box.row + row) * height.step;
            while (first < last && top + first * height.dilation < 0) ++first;
            while (last > first && top + (last - 1) * height.dilation >= height.x) --last;
        }
        const Index tiles = (box.columns - 1) / loops_->depthwise_places + 1;
        for (Index t = 0; t < tiles; ++t) {
            const Index begin = box.columns * t / tiles, end = box.columns * (t + 1) / tiles;
            loops_->depthwise[end - begin - 1](
                {.x = samples + first * height.dilation * line + begin * width.step * lanes,
                 .line = height.dilation * line,
                 .tap = width.dilation * lanes,
                 .place = width.step * lanes,
                 .lines = last - first,
                 .taps = width.k,
                 .w = w + first * width.k * lanes,
                 .out = to + begin * lanes,
                 .accumulate = accumulate});
        }
    }

    ConvLayer layer_;
    const microkernels::Table* table_;
    const microkernels::LayerTable<T>* loops_;
    Index blocks_;                  // of channels
    Index rows_ = 1, columns_ = 1;  // outputs of a box
    Workspace coefficients_;
};

}  // namespace

template <class T>
std::unique_ptr<Conv> make_depthwise(const ConvLayer& layer, const WeightView<T>& weights,
                                     const microkernels::Table& table) {
    if (depthwise_rows_kernel(layer) >= 0) return make_depthwise_rows(layer, weights, table);
    return std::make_unique<DepthwiseConv<T>>(layer, weights, table);
}

template std::unique_ptr<Conv> make_depthwise(const ConvLayer&, const WeightView<float>&,
                                              const microkernels::Table&);
template std::unique_ptr<Conv> make_depthwise(const ConvLayer&, const WeightView<double>&,
                                              const microkernels::Table&);

}  // namespace faltung::layers
