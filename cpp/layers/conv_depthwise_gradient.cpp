// The gradient of a depthwise layer's weights: a channel per lane, a few taps of a line at a time.
#include <algorithm>
#include <utility>

#include "core/workspace.hpp"
#include "layers/box_grid.hpp"
#include "layers/channel_lines.hpp"
#include "layers/conv_depthwise_rows.hpp"
#include "layers/conv_weight_gradient.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

constexpr Index band_bytes = Index{32}
                             << 10;  // gradients of a band: they stay in first-level cache
constexpr Index near_bytes = Index{12} << 10;  // the same where samples stay where they are
constexpr Index slices_bytes = Index{8} << 20, wanted_tasks = 16;

template <class T>
class DepthwiseGradient {
public:
    /// `inside`: the channels of grad and x lie side by side.
    DepthwiseGradient(const ConvLayer& layer, bool inside, const microkernels::Table& table)
        : layer_(layer),
          table_(&table),
          loops_(&layer_loops<T>(table)),
          blocks_((layer.groups - 1) / loops_->lanes + 1),
          kernel_(depthwise_rows_kernel(layer)) {
        const Axis &height = layer.axes[1], &width = layer.axes[2];
        const Index line = loops_->lanes * static_cast<Index>(sizeof(T));
        columns_ = std::min<Index>(width.out, 256);
        rows_ = std::clamp<Index>(
            (inside && kernel_ >= 0 ? near_bytes : band_bytes) / (line * columns_), 1, height.out);
        rows_ = std::min(height.out, std::max(rows_, std::min<Index>(8, height.k)));
        in_rows_ = (rows_ - 1) * height.step + height.reach();
        in_columns_ = (columns_ - 1) * width.step + width.reach();
        bands_ = {.samples = layer.batch,
                  .groups = 1,
                  .depths = layer.axes[0].out,
                  .rows = height.out,
                  .box_rows = rows_,
                  .columns = width.out,
                  .box_columns = columns_};
        const Index tasks = blocks_ * layer.outputs;
        const Index whole = tasks * sums() * static_cast<Index>(sizeof(T));
        slices_ = std::clamp<Index>(std::min((wanted_tasks - 1) / tasks + 1, slices_bytes / whole),
                                    1, bands_.tasks());
        // channels that lie side by side are best dealt with together
        chunk_ = std::clamp<Index>(blocks_ * slices_ / wanted_tasks, 1, blocks_);
    }

    void run(const ArrayView& grad, const ArrayView& x, const ArrayView& dw,
             const Context& context) const {
        const ChannelReader<T> x_reader(x, layer_.boundary, *table_);
        const Index tasks = blocks_ * layer_.outputs;
        const Workspace partial(static_cast<std::size_t>(slices_ * tasks * sums()) * sizeof(T));
        const Index chunks = (blocks_ - 1) / chunk_ + 1;
        parallel_for(slices_ * layer_.outputs * chunks, context, [&](Index task, int) {
            const Index chunk = task % chunks, output = task / chunks % layer_.outputs;
            const Index slice = task / chunks / layer_.outputs;
            T* const to = partial.as<T>() + (slice * tasks + output) * sums();
            sum_slice(grad, x_reader, slice, chunk * chunk_,
                      std::min(blocks_, (chunk + 1) * chunk_), output, to);
        });
        parallel_for(tasks, context, [&](Index task, int) {
            write(partial.as<T>(), task / layer_.outputs, task % layer_.outputs, dw);
        });
    }

private:
    Index sums() const { return layer_.taps() * loops_->lanes; }

    /// Vectors of channels, and where those of neighbouring rows and positions stand.
    struct Numbers {
        const T* data;
        Index row, place;
    };

    /// Blocks of channels [first, last); `to` is for block 0, and the next ones are as far apart as
    /// their outputs are many.
    void sum_slice(const ArrayView& grad, const ChannelReader<T>& x, Index slice, Index first,
                   Index last, Index output, T* to) const {
        ArrayView of_output = grad;  // one output channel of every group
        of_output.data += output * grad.strides[1];
        of_output.shape[1] = layer_.groups;
        of_output.strides[1] *= layer_.outputs;
        const ChannelReader<T> gradients(of_output, Boundary::zero, *table_);
        const Index lanes = loops_->lanes;
        const Index grad_numbers = rows_ * columns_ * lanes;
        const Index x_numbers = in_rows_ * in_columns_ * lanes;
        const Workspace space(static_cast<std::size_t>(grad_numbers + x_numbers +
                                                       x.scratch_numbers(in_columns_) +
                                                       gradients.scratch_numbers(columns_)) *
                              sizeof(T));
        T* const g = space.as<T>();
        T* const samples = g + grad_numbers;
        T* const scratch = samples + x_numbers;
        const Index pace = layer_.outputs * sums();
        for (Index block = first; block < last; ++block)
            std::fill_n(to + block * pace, sums(), T{0});
        for (Index b = bands_.tasks() * slice / slices_; b < bands_.tasks() * (slice + 1) / slices_;
             ++b) {
            const OutputBox band = bands_.at(b);
            for (Index block = first; block < last; ++block) {
                const Index channels = std::min(lanes, layer_.groups - block * lanes);
                if (channels < lanes) std::fill_n(g, grad_numbers + x_numbers, T{0});
                const Numbers of_grad =
                    read_grad(gradients, band, block * lanes, channels, g, scratch);
                if (kernel_ >= 0)
                    sum_rows(of_grad, x, band, block * lanes, channels, samples, scratch,
                             to + block * pace);
                else
                    sum_planes(g, x, band, block * lanes, channels, samples, scratch,
                               to + block * pace);
            }
        }
    }

    /// The gradients of a band; where they stand, if the loops take them so.
    Numbers read_grad(const ChannelReader<T>& grad, const OutputBox& band, Index channel,
                      Index channels, T* to, T* scratch) const {
        const Index lanes = loops_->lanes;
        if (kernel_ >= 0 && grad.in_place() && grad.inside() && channels == lanes)
            return {grad.in_place() + band.sample * grad.stride(0) + channel +
                        band.depth * grad.stride(2) + band.row * grad.stride(3) +
                        band.column * grad.stride(4),
                    grad.stride(3), grad.stride(4)};
        grad.read_rows(band.sample, channel, channels, band.depth, band.row, band.rows, band.column,
                       band.column + band.columns, to, lanes, scratch);
        return {to, band.columns * lanes, lanes};
    }

    /// By loops that know of columns outside.
    void sum_rows(const Numbers& grad, const ChannelReader<T>& x, const OutputBox& band,
                  Index channel, Index channels, T* samples, T* scratch, T* to) const {
        const Axis &depth = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
        const Index lanes = loops_->lanes, plane = depth.first + band.depth * depth.step;
        const Index top = height.first + band.row * height.step;
        const Index left = width.first + band.column * width.step;
        const Index row = std::max<Index>(0, top), column = std::max<Index>(0, left);
        const Index rows = std::max<Index>(
            0, std::min(height.x, top + (band.rows - 1) * height.step + height.reach()) - row);
        const Index columns =
            std::min(width.x, left + (band.columns - 1) * width.step + width.k) - column;
        Numbers inside{samples, columns * lanes, lanes};
        if (x.in_place() && x.inside() && channels == lanes)
            inside = {x.in_place() + band.sample * x.stride(0) + channel + plane * x.stride(2) +
                          row * x.stride(3) + column * x.stride(4),
                      x.stride(3), x.stride(4)};
        else
            x.read_rows(band.sample, channel, channels, plane, row, rows, column, column + columns,
                        samples, lanes, scratch);
        for (Index a = 0; a < height.k; ++a) {
            const auto [first, last] = rows_inside(band.rows, top + a * height.dilation);
            const Index line = top + a * height.dilation + first * height.step - row;
            loops_->depthwise_rows.gradient[width.step - 1][kernel_](
                {.x = inside.data + line * inside.row + (left - column) * inside.place,
                 .x_row = height.step * inside.row,
                 .column = inside.place,
                 .before = column - left,
                 .last = column - left + columns,
                 .grad = grad.data + first * grad.row,
                 .grad_row = grad.row,
                 .grad_place = grad.place,
                 .rows = last - first,
                 .places = band.columns,
                 .out = to + a * width.k * lanes});
        }
    }

    /// By padded copies of samples.
    void sum_planes(const T* grad, const ChannelReader<T>& x, const OutputBox& band, Index channel,
                    Index channels, T* samples, T* scratch, T* to) const {
        const Axis &depth = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
        const Index lanes = loops_->lanes;
        const Index begin = width.first + band.column * width.step;
        const Index in_columns = (band.columns - 1) * width.step + width.reach();
        const Index first_row = height.first + band.row * height.step;
        for (Index d = 0; d < depth.k; ++d) {
            for (Index r = 0; r < (band.rows - 1) * height.step + height.reach(); ++r)
                x.read(band.sample, channel, channels,
                       depth.first + band.depth * depth.step + d * depth.dilation, first_row + r,
                       begin, begin + in_columns, samples + r * in_columns * lanes, lanes, 1,
                       scratch);
            sum_band(grad, samples, band.rows, band.columns, in_columns, first_row,
                     to + d * height.k * width.k * lanes);
        }
    }

    /// Rows of a band that meet more than zeros at a line of taps, `top` being where its first one
    /// meets x.
    std::pair<Index, Index> rows_inside(Index rows, Index top) const {
        const Axis& height = layer_.axes[1];
        Index first = 0, last = rows;
        if (layer_.boundary == Boundary::zero) {
            while (first < last && top + first * height.step < 0) ++first;
            while (last > first && top + (last - 1) * height.step >= height.x) --last;
        }
        return {first, last};
    }

    void sum_band(const T* grad, const T* samples, Index rows, Index columns, Index in_columns,
                  Index first_row, T* to) const {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        const Index lanes = loops_->lanes, row = height.step * in_columns * lanes;
        const Index parts = (width.k - 1) / loops_->depthwise_places + 1;
        for (Index a = 0; a < height.k; ++a) {
            const auto [first, last] = rows_inside(rows, first_row + a * height.dilation);
            const T* x = samples + a * height.dilation * in_columns * lanes + first * row;
            for (Index p = 0; p < parts; ++p) {
                const Index tap = width.k * p / parts, taps = width.k * (p + 1) / parts - tap;
                loops_->depthwise_gradient[taps - 1]({.x = x + tap * width.dilation * lanes,
                                                      .x_row = row,
                                                      .place = width.step * lanes,
                                                      .tap = width.dilation * lanes,
                                                      .grad = grad + first * columns * lanes,
                                                      .grad_row = columns * lanes,
                                                      .rows = last - first,
                                                      .columns = columns,
                                                      .out = to + (a * width.k + tap) * lanes});
            }
        }
    }

    /// Adds the slices up in their order.
    void write(T* partial, Index block, Index output, const ArrayView& dw) const {
        const Index lanes = loops_->lanes, pace = blocks_ * layer_.outputs * sums();
        T* total = partial + (block * layer_.outputs + output) * sums();
        for (Index s = 1; s < slices_; ++s)
            for (Index i = 0; i < sums(); ++i) total[i] += total[s * pace + i];
        const auto store = conversions<T>(*table_).store[static_cast<int>(dw.dtype)];
        for (Index l = 0; l < std::min(lanes, layer_.groups - block * lanes); ++l) {
            std::byte* bank =
                dw.data + ((block * lanes + l) * layer_.outputs + output) * dw.strides[0];
            Index tap = 0;
            for (Index d = 0; d < layer_.axes[0].k; ++d)
                for (Index y = 0; y < layer_.axes[1].k; ++y)
                    for (Index x = 0; x < layer_.axes[2].k; ++x, ++tap)
                        store(total + tap * lanes + l,
                              bank + d * dw.strides[2] + y * dw.strides[3] + x * dw.strides[4], 1);
        }
    }

    ConvLayer layer_;
    const microkernels::Table* table_;
    const microkernels::LayerTable<T>* loops_;
    Index blocks_, chunk_ = 1;  // of channels, and of a task
    Index kernel_;              // which loops for neighbouring taps, or -1
    Index rows_ = 1, columns_ = 1, in_rows_ = 1, in_columns_ = 1;  // of a band
    BoxGrid bands_{};  // outputs of one sample that are dealt with together
    Index slices_ = 1;
};

}  // namespace

template <class T>
void depthwise_weight_gradient(const ConvLayer& layer, const ArrayView& grad, const ArrayView& x,
                               const ArrayView& dw, const microkernels::Table& table,
                               const Context& context) {
    const auto inside = [](const ArrayView& view) {
        return view.strides[1] == static_cast<Index>(size_of(view.dtype));
    };
    DepthwiseGradient<T>(layer, inside(grad) && inside(x), table).run(grad, x, dw, context);
}

template void depthwise_weight_gradient<float>(const ConvLayer&, const ArrayView&, const ArrayView&,
                                               const ArrayView&, const microkernels::Table&,
                                               const Context&);
template void depthwise_weight_gradient<double>(const ConvLayer&, const ArrayView&,
                                                const ArrayView&, const ArrayView&,
                                                const microkernels::Table&, const Context&);

}  // namespace faltung::layers
