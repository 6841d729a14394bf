// The gradient of a depthwise layer's weights: a channel per lane, a few taps of a line at a time.
#include <algorithm>

#include "core/workspace.hpp"
#include "layers/channel_lines.hpp"
#include "layers/conv_weight_gradient.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

constexpr Index band_bytes = Index{32}
                             << 10;  // gradients of a band: they stay in first-level cache
constexpr Index slices_bytes = Index{8} << 20, wanted_tasks = 16;

template <class T>
class DepthwiseGradient {
public:
    DepthwiseGradient(const ConvLayer& layer, const microkernels::Table& table)
        : layer_(layer),
          table_(&table),
          loops_(&layer_loops<T>(table)),
          blocks_((layer.groups - 1) / loops_->lanes + 1) {
        const Axis &height = layer.axes[1], &width = layer.axes[2];
        const Index line = loops_->lanes * static_cast<Index>(sizeof(T));
        columns_ = std::min<Index>(width.out, 256);
        rows_ = std::clamp<Index>(band_bytes / (line * columns_), 1, height.out);
        rows_ = std::min(height.out, std::max(rows_, std::min<Index>(8, height.k)));
        in_rows_ = (rows_ - 1) * height.step + height.reach();
        in_columns_ = (columns_ - 1) * width.step + width.reach();
        row_bands_ = (height.out - 1) / rows_ + 1;
        column_bands_ = (width.out - 1) / columns_ + 1;
        bands_ = layer.batch * layer.axes[0].out * row_bands_ * column_bands_;
        const Index tasks = blocks_ * layer.outputs;
        const Index whole = tasks * sums() * static_cast<Index>(sizeof(T));
        slices_ = std::clamp<Index>(std::min((wanted_tasks - 1) / tasks + 1, slices_bytes / whole),
                                    1, bands_);
    }

    void run(const ArrayView& grad, const ArrayView& x, const ArrayView& dw,
             const Context& context) const {
        const ChannelReader<T> x_reader(x, layer_.boundary, *table_);
        const Index tasks = blocks_ * layer_.outputs;
        const Workspace partial(static_cast<std::size_t>(slices_ * tasks * sums()) * sizeof(T));
        parallel_for(slices_ * tasks, context, [&](Index task, int) {
            sum_slice(grad, x_reader, task / tasks, task % tasks / layer_.outputs,
                      task % layer_.outputs, partial.as<T>() + task * sums());
        });
        parallel_for(tasks, context, [&](Index task, int) {
            write(partial.as<T>(), task / layer_.outputs, task % layer_.outputs, dw);
        });
    }

private:
    Index sums() const { return layer_.taps() * loops_->lanes; }

    void sum_slice(const ArrayView& grad, const ChannelReader<T>& x, Index slice, Index block,
                   Index output, T* to) const {
        const Axis &depth = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
        const Index lanes = loops_->lanes, channel = block * lanes;
        const Index channels = std::min(lanes, layer_.groups - channel);
        ArrayView of_output = grad;  // one output channel of every group
        of_output.data += output * grad.strides[1];
        of_output.shape[1] = layer_.groups;
        of_output.strides[1] *= layer_.outputs;
        const ChannelReader<T> gradients(of_output, Boundary::zero, *table_);

        const Index grad_numbers = rows_ * columns_ * lanes;
        const Index x_numbers = in_rows_ * in_columns_ * lanes;
        const Workspace space(static_cast<std::size_t>(grad_numbers + x_numbers +
                                                       x.scratch_numbers(in_columns_) +
                                                       gradients.scratch_numbers(columns_)) *
                              sizeof(T));
        T* const g = space.as<T>();
        T* const samples = g + grad_numbers;
        T* const scratch = samples + x_numbers;
        std::fill_n(to, sums(), T{0});
        if (channels < lanes) std::fill_n(g, grad_numbers + x_numbers, T{0});
        for (Index b = bands_ * slice / slices_; b < bands_ * (slice + 1) / slices_; ++b) {
            Index rest = b;
            const Index column = rest % column_bands_ * columns_;
            rest /= column_bands_;
            const Index row = rest % row_bands_ * rows_;
            rest /= row_bands_;
            const Index place = rest % depth.out, sample = rest / depth.out;
            const Index rows = std::min(rows_, height.out - row);
            const Index columns = std::min(columns_, width.out - column);
            const Index begin = width.first + column * width.step;
            const Index in_columns = (columns - 1) * width.step + width.reach();
            const Index first_row = height.first + row * height.step;
            for (Index r = 0; r < rows; ++r)
                gradients.read(sample, channel, channels, place, row + r, column, column + columns,
                               g + r * columns * lanes, lanes, 1, scratch);
            for (Index d = 0; d < depth.k; ++d) {
                for (Index r = 0; r < (rows - 1) * height.step + height.reach(); ++r)
                    x.read(sample, channel, channels,
                           depth.first + place * depth.step + d * depth.dilation, first_row + r,
                           begin, begin + in_columns, samples + r * in_columns * lanes, lanes, 1,
                           scratch);
                sum_band(g, samples, rows, columns, in_columns, first_row,
                         to + d * height.k * width.k * lanes);
            }
        }
    }

    void sum_band(const T* grad, const T* samples, Index rows, Index columns, Index in_columns,
                  Index first_row, T* to) const {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        const Index lanes = loops_->lanes, row = height.step * in_columns * lanes;
        const Index parts = (width.k - 1) / loops_->depthwise_places + 1;
        for (Index a = 0; a < height.k; ++a) {
            // rows of the band that meet nothing but zeros at this line of taps are left out
            Index first = 0, last = rows;
            if (layer_.boundary == Boundary::zero) {
                const Index top = first_row + a * height.dilation;
                while (first < last && top + first * height.step < 0) ++first;
                while (last > first && top + (last - 1) * height.step >= height.x) --last;
            }
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
    Index blocks_;                                                 // of channels
    Index rows_ = 1, columns_ = 1, in_rows_ = 1, in_columns_ = 1;  // of a band
    Index row_bands_ = 1, column_bands_ = 1, bands_ = 1, slices_ = 1;
};

}  // namespace

template <class T>
void depthwise_weight_gradient(const ConvLayer& layer, const ArrayView& grad, const ArrayView& x,
                               const ArrayView& dw, const microkernels::Table& table,
                               const Context& context) {
    DepthwiseGradient<T>(layer, table).run(grad, x, dw, context);
}

template void depthwise_weight_gradient<float>(const ConvLayer&, const ArrayView&, const ArrayView&,
                                               const ArrayView&, const microkernels::Table&,
                                               const Context&);
template void depthwise_weight_gradient<double>(const ConvLayer&, const ArrayView&,
                                                const ArrayView&, const ArrayView&,
                                                const microkernels::Table&, const Context&);

}  // namespace faltung::layers
