#include "layers/conv_depthwise_rows.hpp"

#include <algorithm>

#include "layers/box_grid.hpp"
#include "layers/depthwise_parts.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

constexpr Index box_bytes = Index{256} << 10;        // samples of a box
constexpr double least_work = 5e5, most_work = 2e8;  // multiply-adds of a task
constexpr double move_work = 8;  // what reading and storing a number counts as, in multiply-adds
/// Coefficients of the channels whose rows are summed in turn: memory is read in long runs.
constexpr Index coefficient_bytes = Index{16} << 10;

template <class T>
using Rows = microkernels::DepthwiseRowTable<T>;

template <class T>
class DepthwiseRows final : public Conv {
public:
    DepthwiseRows(const ConvLayer& layer, const WeightView<T>& weights,
                  const microkernels::Table& table)
        : layer_(layer),
          table_(&table),
          loops_(&layer_loops<T>(table)),
          blocks_((layer.groups - 1) / loops_->lanes + 1),
          kernel_(depthwise_rows_kernel(layer)),
          coefficients_(
              static_cast<std::size_t>(blocks_ * layer.outputs * layer.taps() * loops_->lanes) *
              sizeof(T)) {
        choose_box();
        pack_depthwise(layer, weights, *loops_, coefficients_.template as<T>());
    }

    void run(const ArrayView& x, const ArrayView& out, const Ending& ending,
             const Context& context) const override {
        const Arrays arrays(*this, x, out, ending);
        const BoxGrid grid{.samples = layer_.batch,
                           .groups = (blocks_ - 1) / chunk_ + 1,
                           .depths = layer_.axes[0].out,
                           .rows = layer_.axes[1].out,
                           .box_rows = rows_,
                           .columns = layer_.axes[2].out,
                           .box_columns = columns_};
        parallel_for(grid.tasks(), context, [&](Index task, int) {
            const OutputBox box = grid.at(task);
            const Index first = box.group * chunk_, last = std::min(blocks_, first + chunk_);
            Index block = first;
            const Index together = std::max<Index>(
                1, coefficient_bytes / (layer_.taps() * loops_->lanes * Index{sizeof(T)}));
            if (arrays.in_place())
                while (block < last && whole(block)) {
                    const Index end = std::min({block + together, last, whole_blocks()});
                    run_in_place(arrays, box, block, end);
                    block = end;
                }
            if (block < last) run_packed(arrays, box, block, last);
            arrays.fence();
        });
    }

    std::size_t workspace_bytes() const override {
        return static_cast<std::size_t>(box_numbers() + out_numbers() + scratch_numbers()) *
               sizeof(T);
    }

private:
    /// The arrays of a call.
    struct Arrays {
        ChannelReader<T> reader;
        std::vector<ChannelWriter<T>> writers;  // one per output of a group
        std::vector<T> sorted;
        bool relu, stream, inside;
        T* out;  // if it holds channels side by side
        Index out_strides[5];

        Arrays(const DepthwiseRows& conv, const ArrayView& x, const ArrayView& to,
               const Ending& ending)
            : reader(x, Boundary::zero, *conv.table_),
              writers(depthwise_writers<T>(conv.layer_, to, ending, *conv.table_)),
              sorted(sorted_bias<T>(conv.layer_, ending)),
              relu(ending.relu) {
            const ConvLayer& layer = conv.layer_;
            const auto bytes = static_cast<Index>(sizeof(T));
            inside = to.dtype == dtype_of<T> && layer.outputs == 1 && to.strides[1] == bytes;
            out = reinterpret_cast<T*>(to.data);
            for (int a = 0; a < 5; ++a) out_strides[a] = to.strides[a] / bytes;
            const Index vector = conv.loops_->lanes * bytes;
            stream =
                static_cast<std::size_t>(product(to.shape)) * sizeof(T) >= ending.stream_from &&
                reinterpret_cast<std::uintptr_t>(to.data) % 64 == 0 && vector == 64;
            for (const int a : {0, 2, 3, 4}) stream = stream && to.strides[a] % 64 == 0;
        }
        bool in_place() const { return reader.in_place() && reader.inside() && inside; }
        const T* bias(Index output, Index groups, Index channel) const {
            return sorted.empty() ? nullptr : sorted.data() + output * groups + channel;
        }
        void fence() const {
            for (const ChannelWriter<T>& writer : writers) writer.fence();
        }
    };

    /// Samples behind a box that lie inside x, and how many columns and lines are missing.
    struct Window {
        Index row, rows, column, columns;
    };

    Index in_rows() const { return (rows_ - 1) * layer_.axes[1].step + layer_.axes[1].reach(); }
    Index in_columns() const {
        return (columns_ - 1) * layer_.axes[2].step + layer_.axes[2].reach();
    }
    Index box_numbers() const { return in_rows() * in_columns() * loops_->lanes; }
    Index out_numbers() const { return rows_ * columns_ * loops_->lanes; }
    Index scratch_numbers() const {
        return std::max(in_columns() * std::max<Index>(layer_.groups, 16), out_numbers());
    }
    Index whole_blocks() const { return layer_.groups / loops_->lanes; }
    bool whole(Index block) const { return block < whole_blocks(); }

    void choose_box() {
        rows_ = layer_.axes[1].out;
        columns_ = layer_.axes[2].out;
        const auto fits = [&] {
            return static_cast<double>(in_rows()) * static_cast<double>(in_columns()) *
                       static_cast<double>(loops_->lanes) * sizeof(T) <=
                   box_bytes;
        };
        const double line =
            (static_cast<double>(layer_.taps() * layer_.outputs) + move_work) * loops_->lanes;
        const auto work = [&] { return line * static_cast<double>(rows_ * columns_ * chunk_); };
        const double all = line * static_cast<double>(layer_.places() * layer_.batch * blocks_);
        const double wanted = std::clamp(all / 16, least_work, most_work);
        // rows read twice cost, and channels that lie side by side are best dealt with together
        const Index few = std::max<Index>(1, layer_.axes[1].reach() / 2);
        chunk_ = blocks_;
        while (!fits() && rows_ > few) rows_ = (rows_ + 1) / 2;
        while (!fits() && columns_ > 8 * loops_->depthwise_places) columns_ = (columns_ + 1) / 2;
        while (work() > wanted && rows_ > 8 * few) rows_ = (rows_ + 1) / 2;
        while (work() > wanted && chunk_ > 1) chunk_ = (chunk_ + 1) / 2;
        while (work() > wanted && rows_ > few) rows_ = (rows_ + 1) / 2;
        rows_ = even_piece(layer_.axes[1].out, rows_);
        columns_ = even_piece(layer_.axes[2].out, columns_);
        chunk_ = even_piece(blocks_, chunk_);
    }

    Window window_of(const OutputBox& box) const {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        const Index row = height.first + box.row * height.step;
        const Index end_row = row + (box.rows - 1) * height.step + height.reach();
        const Index column = width.first + box.column * width.step;
        const Index end_column = column + (box.columns - 1) * width.step + width.reach();
        Window window{.row = std::max<Index>(row, 0),
                      .rows = 0,
                      .column = std::max<Index>(column, 0),
                      .columns = 0};
        window.rows = std::max<Index>(0, std::min(end_row, height.x) - window.row);
        window.columns = std::min(end_column, width.x) - window.column;
        return window;
    }

    /// Where samples stand: those of window.row, window.column first.
    struct Samples {
        const T* data;
        Index line, column;
    };
    /// Where results go: of a row, from the box's first column on.
    struct Target {
        T* to;
        Index place;
        const T* bias;
        bool relu, stream;
    };

    void run_in_place(const Arrays& arrays, const OutputBox& box, Index first, Index last) const {
        const ChannelReader<T>& reader = arrays.reader;
        const Window window = window_of(box);
        const Index plane = layer_.axes[0].first + box.depth * layer_.axes[0].step;
        const Samples samples{.data = reader.in_place() + box.sample * reader.stride(0) +
                                      plane * reader.stride(2) + window.row * reader.stride(3) +
                                      window.column * reader.stride(4),
                              .line = reader.stride(3),
                              .column = reader.stride(4)};
        T* to = arrays.out + box.sample * arrays.out_strides[0] +
                box.depth * arrays.out_strides[2] + box.row * arrays.out_strides[3] +
                box.column * arrays.out_strides[4];
        for (Index r = 0; r < box.rows; ++r, to += arrays.out_strides[3])
            for (Index b = first; b < last; ++b) {
                const Index channel = b * loops_->lanes;
                Samples of_block = samples;
                of_block.data += channel;
                sum_row(box, window, b, r, of_block,
                        {.to = to + channel,
                         .place = arrays.out_strides[4],
                         .bias = arrays.bias(0, layer_.groups, channel),
                         .relu = arrays.relu,
                         .stream = arrays.stream});
            }
    }

    void run_packed(const Arrays& arrays, const OutputBox& box, Index first, Index last) const {
        const Workspace workspace(workspace_bytes());
        const Index lanes = loops_->lanes;
        T* const samples = workspace.as<T>();
        T* const sums = samples + box_numbers();
        T* const scratch = sums + out_numbers();
        const Window window = window_of(box);
        for (Index b = first; b < last; ++b) {
            const Index channels = std::min(lanes, layer_.groups - b * lanes);
            if (channels < lanes) std::fill_n(samples, window.rows * window.columns * lanes, T{0});
            read(arrays.reader, box, window, b, channels, samples, scratch);
            for (Index o = 0; o < layer_.outputs; ++o) {
                for (Index r = 0; r < box.rows; ++r)
                    sum_row(box, window, b * layer_.outputs + o, r,
                            {.data = samples, .line = window.columns * lanes, .column = lanes},
                            {.to = sums + r * box.columns * lanes,
                             .place = lanes,
                             .bias = nullptr,
                             .relu = false,
                             .stream = false});
                arrays.writers[static_cast<std::size_t>(o)].write_rows(
                    {.from = sums,
                     .pitch = lanes,
                     .places = box.columns,
                     .channels = channels,
                     .bias = arrays.bias(o, layer_.groups, b * lanes),
                     .relu = arrays.relu},
                    box.sample, b * lanes, box.depth, box.row, box.rows, box.column, scratch);
            }
        }
    }

    void read(const ChannelReader<T>& reader, const OutputBox& box, const Window& window,
              Index block, Index channels, T* to, T* scratch) const {
        const Index plane = layer_.axes[0].first + box.depth * layer_.axes[0].step;
        reader.read_rows(box.sample, block * loops_->lanes, channels, plane, window.row,
                         window.rows, window.column, window.column + window.columns, to,
                         loops_->lanes, scratch);
    }

    /// Row r of the box, for the coefficients of a block and output.
    void sum_row(const OutputBox& box, const Window& window, Index bank, Index r,
                 const Samples& samples, const Target& target) const {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        const Index lanes = loops_->lanes;
        const Rows<T>& rows = loops_->depthwise_rows;
        // Lines of taps that meet nothing but zeros are left out.
        const Index top = height.first + (box.row + r) * height.step;
        Index first = 0, last = height.k;
        while (first < last && top + first * height.dilation < 0) ++first;
        while (last > first && top + (last - 1) * height.dilation >= height.x) --last;
        const T* const line =
            samples.data + (top + first * height.dilation - window.row) * samples.line;
        const T* const w =
            coefficients_.template as<T>() + (bank * layer_.taps() + first * width.k) * lanes;
        for (Index done = 0; done < box.columns;) {
            // as many as fit, or a block that overlaps the one before, or fewer
            const Index left = box.columns - done;
            int size = 0;
            while (size + 1 < Rows<T>::sizes &&
                   (left <= rows.places[size + 1] || box.columns < rows.places[size]))
                ++size;
            const Index places = rows.places[size];
            const Index begin = std::min(done, box.columns - places);
            const Index column = width.first + (box.column + begin) * width.step;
            const Index end = column + (places - 1) * width.step + width.k;
            rows.row[width.step - 1][kernel_][size](
                {.x = line + (column - window.column) * samples.column,
                 .line = height.dilation * samples.line,
                 .column = samples.column,
                 .lines = last - first,
                 .before = std::max<Index>(0, -column),
                 .after = std::max<Index>(0, end - width.x),
                 .w = w,
                 .bias = target.bias,
                 .relu = target.relu,
                 .stream = target.stream,
                 .out = target.to + begin * target.place,
                 .place = target.place});
            done = begin + places;
        }
    }

    ConvLayer layer_;
    const microkernels::Table* table_;
    const microkernels::LayerTable<T>* loops_;
    Index blocks_;                              // of channels
    Index kernel_;                              // which loops
    Index rows_ = 1, columns_ = 1, chunk_ = 1;  // outputs of a box, and its blocks of channels
    Workspace coefficients_;
};

}  // namespace

Index depthwise_rows_kernel(const ConvLayer& layer) {
    const Axis &depth = layer.axes[0], &width = layer.axes[2];
    const bool suits = layer.boundary == Boundary::zero && depth.k == 1 && depth.inside() &&
                       width.dilation == 1 && width.step <= Rows<float>::steps &&
                       width.first > -width.k &&
                       width.first + (width.out - 1) * width.step < width.x;
    if (!suits) return -1;
    for (Index i = 0; i < Rows<float>::kernels; ++i)
        if (Rows<float>::taps[i] == width.k) return i;
    return -1;
}

template <class T>
std::unique_ptr<Conv> make_depthwise_rows(const ConvLayer& layer, const WeightView<T>& weights,
                                          const microkernels::Table& table) {
    return std::make_unique<DepthwiseRows<T>>(layer, weights, table);
}

template std::unique_ptr<Conv> make_depthwise_rows(const ConvLayer&, const WeightView<float>&,
                                                   const microkernels::Table&);
template std::unique_ptr<Conv> make_depthwise_rows(const ConvLayer&, const WeightView<double>&,
                                                   const microkernels::Table&);

}  // namespace faltung::layers
