// Gradients of weights: per tap a product of channels × places with places × channels, by the same
// blocks as direct layers, with lanes over output channels and the places as steps.
#include "layers/conv_weight_gradient.hpp"

#include <algorithm>
#include <vector>

#include "core/workspace.hpp"
#include "layers/box_grid.hpp"
#include "layers/channel_lines.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Places that are summed in one go: their packed gradients stay in the nearer caches.
constexpr Index block_places = 512;
/// Partial sums of all slices together.
constexpr Index slices_bytes = Index{8} << 20;
constexpr Index most_slices = 32, wanted_tasks = 16;

template <class T>
class WeightGradient {
public:
    WeightGradient(const ConvLayer& layer, const microkernels::Table& table)
        : layer_(layer), table_(&table), loops_(&layer_loops<T>(table)) {
        const Axis &height = layer.axes[1], &width = layer.axes[2];
        const Index lanes = loops_->lanes;
        width_ = layer.outputs > lanes ? 2 * lanes : lanes;
        blocks_ = (layer.outputs - 1) / width_ + 1;

        columns_ = even_piece(width.out, block_places);
        rows_ = std::clamp<Index>(block_places / columns_, 1, height.out);
        in_columns_ = (columns_ - 1) * width.step + width.reach();
        in_rows_ = (rows_ - 1) * height.step + height.reach();
        place_ = layer.inputs;
        // taps along a line and channels are one run where nothing stands between them
        const bool joined = width.dilation == 1;
        inner_ = joined ? width.k * layer.inputs : layer.inputs;
        outer_ = layer.axes[0].k * height.k * (joined ? 1 : width.k);
        row_ = in_columns_ * place_;
        plane_ = in_rows_ * row_;

        bands_ = {.samples = layer.batch,
                  .groups = 1,
                  .depths = layer.axes[0].out,
                  .rows = height.out,
                  .box_rows = rows_,
                  .columns = width.out,
                  .box_columns = columns_};
        const Index whole = layer.groups * blocks_ * sums() * static_cast<Index>(sizeof(T));
        slices_ = std::clamp<Index>(slices_bytes / whole, 1, std::min(most_slices, bands_.tasks()));
        const Index tasks = layer.groups * slices_;
        parts_ = std::clamp<Index>((wanted_tasks - 1) / tasks + 1, 1, blocks_);
        for (Index r = 0; r < rows_; ++r) offsets_.push_back(r * height.step * row_);
    }

    void run(const ArrayView& grad, const ArrayView& x, const ArrayView& dw,
             const Context& context) const {
        const ChannelReader<T> grad_reader(grad, Boundary::zero, *table_);
        const ChannelReader<T> x_reader(x, layer_.boundary, *table_);
        const InPlace in_place = place_of(x_reader);
        const Workspace partial(
            static_cast<std::size_t>(slices_ * layer_.groups * blocks_ * sums()) * sizeof(T));
        parallel_for(slices_ * layer_.groups * parts_, context, [&](Index task, int) {
            const Index part = task % parts_, group = task / parts_ % layer_.groups;
            const Index slice = task / parts_ / layer_.groups;
            const Index first = blocks_ * part / parts_, last = blocks_ * (part + 1) / parts_;
            T* to = partial.as<T>() + ((slice * layer_.groups + group) * blocks_ + first) * sums();
            sum_slice(grad_reader, x_reader, in_place, slice, group, first, last, to);
        });
        parallel_for(layer_.groups * blocks_, context, [&](Index task, int) {
            write(partial.as<T>(), task / blocks_, task % blocks_, dw);
        });
    }

private:
    /// Samples that need not be packed, and where their rows start.
    struct InPlace {
        bool possible;
        Index place, step;  // numbers between neighbouring channels, and positions
        std::vector<std::int64_t> rows;
    };

    Index sums() const { return outer_ * inner_ * width_; }  // of one block of output channels

    /// Kernels of one tap find the samples of a block of places where they stand, unless channels
    /// would share cache sets.
    InPlace place_of(const ChannelReader<T>& x) const {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        InPlace found{.possible = x.in_place() && layer_.taps() == 1 && layer_.inside() &&
                                  (x.inside() || x.stride(4) == 1),
                      .place = x.stride(1),
                      .step = width.step * x.stride(4),
                      .rows = {}};
        if (!x.inside() && found.place * static_cast<Index>(sizeof(T)) % 2048 == 0)
            found.possible = false;
        for (Index r = 0; r < rows_; ++r) found.rows.push_back(r * height.step * x.stride(3));
        return found;
    }

    void sum_slice(const ChannelReader<T>& grad, const ChannelReader<T>& x, const InPlace& in_place,
                   Index slice, Index group, Index first, Index last, T* to) const {
        const Index samples = layer_.axes[0].k * plane_;
        const Index gradients = rows_ * columns_ * width_;
        const Workspace space(static_cast<std::size_t>(gradients + samples +
                                                       x.scratch_numbers(in_columns_) +
                                                       grad.scratch_numbers(columns_)) *
                              sizeof(T));
        T* const packed_grad = space.as<T>();
        T* const packed_x = packed_grad + gradients;
        T* const scratch = packed_x + samples;
        const Index begin = bands_.tasks() * slice / slices_,
                    end = bands_.tasks() * (slice + 1) / slices_;
        for (Index b = begin; b < end; ++b) {
            const OutputBox band = bands_.at(b);
            const T* samples_of_band = packed_x;
            if (in_place.possible)
                samples_of_band = address(x, group, band);
            else
                pack_x(x, group, band, packed_x, scratch);
            for (Index block = first; block < last; ++block) {
                pack_grad(grad, group, block, band, packed_grad, scratch);
                sum_block(band, packed_grad, samples_of_band, in_place, b > begin,
                          to + (block - first) * sums());
            }
        }
    }

    const T* address(const ChannelReader<T>& x, Index group, const OutputBox& band) const {
        const auto start = [&](std::size_t axis, Index place) {
            return layer_.axes[axis].first + place * layer_.axes[axis].step;
        };
        return x.in_place() + band.sample * x.stride(0) + group * layer_.inputs * x.stride(1) +
               start(0, band.depth) * x.stride(2) + start(1, band.row) * x.stride(3) +
               start(2, band.column) * x.stride(4);
    }

    void pack_x(const ChannelReader<T>& x, Index group, const OutputBox& band, T* to,
                T* scratch) const {
        const Axis &depth = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
        const Index begin = width.first + band.column * width.step;
        const Index end = begin + (band.columns - 1) * width.step + width.reach();
        const Index rows = (band.rows - 1) * height.step + height.reach();
        for (Index d = 0; d < depth.k; ++d)
            for (Index r = 0; r < rows; ++r)
                x.read(band.sample, group * layer_.inputs, layer_.inputs,
                       depth.first + band.depth * depth.step + d * depth.dilation,
                       height.first + band.row * height.step + r, begin, end,
                       to + d * plane_ + r * row_, place_, 1, scratch);
    }

    void pack_grad(const ChannelReader<T>& grad, Index group, Index block, const OutputBox& band,
                   T* to, T* scratch) const {
        const Index first = block * width_, count = std::min(width_, layer_.outputs - first);
        if (count < width_) std::fill_n(to, band.rows * band.columns * width_, T{0});
        for (Index r = 0; r < band.rows; ++r)
            grad.read(band.sample, group * layer_.outputs + first, count, band.depth, band.row + r,
                      band.column, band.column + band.columns, to + r * band.columns * width_,
                      width_, 1, scratch);
    }

    void sum_block(const OutputBox& band, const T* grad, const T* x, const InPlace& in_place,
                   bool accumulate, T* to) const {
        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        const auto& products = loops_->product[width_ / loops_->lanes - 1];
        const Index tiles = (inner_ - 1) / loops_->places + 1;
        const bool joined = width.dilation == 1;
        const Index lines = joined ? 1 : width.k;
        for (Index t = 0; t < outer_; ++t) {
            const Index b = t % lines, a = t / lines % height.k, d = t / lines / height.k;
            const T* from =
                x + d * plane_ + a * height.dilation * row_ + b * width.dilation * place_;
            for (Index i = 0; i < tiles; ++i) {
                const Index first = inner_ * i / tiles, places = inner_ * (i + 1) / tiles - first;
                const bool stays = in_place.possible;
                products[places - 1]({.a = grad,
                                      .b = from + first * (stays ? in_place.place : 1),
                                      .offset = stays ? in_place.rows.data() : offsets_.data(),
                                      .runs = band.rows,
                                      .run = band.columns,
                                      .step = stays ? in_place.step : width.step * place_,
                                      .place = stays ? in_place.place : 1,
                                      .c = to + (t * inner_ + first) * width_,
                                      .accumulate = accumulate});
            }
        }
    }

    /// Adds the slices up, in their order, and puts every sum into its place in dw.
    void write(T* partial, Index group, Index block, const ArrayView& dw) const {
        T* total = partial + (group * blocks_ + block) * sums();
        const Index pace = layer_.groups * blocks_ * sums();
        for (Index s = 1; s < slices_; ++s)
            for (Index i = 0; i < sums(); ++i) total[i] += total[s * pace + i];

        const Axis &height = layer_.axes[1], &width = layer_.axes[2];
        const bool joined = width.dilation == 1;
        if (is_dense(dw)) return write_dense(total, group, block, dw);
        const auto store = conversions<T>(*table_).store[static_cast<int>(dw.dtype)];
        const Index first = block * width_, count = std::min(width_, layer_.outputs - first);
        for (Index o = 0; o < count; ++o) {
            std::byte* bank = dw.data + (group * layer_.outputs + first + o) * dw.strides[0];
            for (Index t = 0; t < outer_; ++t)
                for (Index p = 0; p < inner_; ++p) {
                    const Index c = p % layer_.inputs;
                    const Index line = joined ? t : t / width.k;
                    const Index b = joined ? p / layer_.inputs : t % width.k;
                    store(total + (t * inner_ + p) * width_ + o,
                          bank + c * dw.strides[1] + line / height.k * dw.strides[2] +
                              line % height.k * dw.strides[3] + b * dw.strides[4],
                          1);
                }
        }
    }

    bool is_dense(const ArrayView& dw) const {
        Index bytes = sizeof(T);
        bool dense = dw.dtype == dtype_of<T>;
        for (const int axis : {4, 3, 2, 1}) {
            dense = dense && (dw.shape[axis] == 1 || dw.strides[axis] == bytes);
            bytes *= dw.shape[axis];
        }
        return dense;
    }

    /// A few channels at a time, in the order of dw, then turned.
    void write_dense(const T* total, Index group, Index block, const ArrayView& dw) const {
        constexpr Index some = 16;
        const Index taps = layer_.taps(), wide = layer_.axes[2].k;
        const bool joined = layer_.axes[2].dilation == 1;
        const Index first = block * width_, count = std::min(width_, layer_.outputs - first);
        const Workspace space(static_cast<std::size_t>(some * taps * width_) * sizeof(T));
        T* const to =
            reinterpret_cast<T*>(dw.data + (group * layer_.outputs + first) * dw.strides[0]);
        for (Index c = 0; c < layer_.inputs; c += some) {
            const Index channels = std::min(some, layer_.inputs - c);
            for (Index i = 0; i < channels; ++i)
                for (Index t = 0; t < taps; ++t) {
                    const Index sum = joined ? t / wide * inner_ + t % wide * layer_.inputs + c + i
                                             : t * inner_ + c + i;
                    std::copy_n(total + sum * width_, width_,
                                space.as<T>() + (i * taps + t) * width_);
                }
            loops_->transpose(space.as<T>(), width_, channels * taps, count, to + c * taps,
                              dw.strides[0] / static_cast<Index>(sizeof(T)));
        }
    }

    ConvLayer layer_;
    const microkernels::Table* table_;
    const microkernels::LayerTable<T>* loops_;
    Index width_ = 1, blocks_ = 1;  // lanes of a block of output channels, and how many
    Index rows_ = 1, columns_ = 1, in_rows_ = 1, in_columns_ = 1;  // of a band
    Index place_ = 1, row_ = 1, plane_ = 1;  // numbers between neighbours in a packed band
    Index inner_ = 1, outer_ = 1;  // sums of a block: what one run of places holds, and runs
    BoxGrid bands_{};              // outputs of one sample that are dealt with together
    Index slices_ = 1, parts_ = 1;
    std::vector<std::int64_t> offsets_;
};

}  // namespace

namespace {

/// Whether the positions of all planes follow one another at the same distance.
bool is_one_line(const ArrayView& view) {
    Index span = 1;
    for (const int axis : {4, 3, 2}) {
        if (view.shape[axis] != 1 && view.strides[axis] != span * view.strides[4]) return false;
        span *= view.shape[axis];
    }
    return true;
}

ArrayView as_one_line(ArrayView view) {
    view.shape[4] *= view.shape[3] * view.shape[2];
    view.shape[3] = view.shape[2] = 1;
    return view;
}

/// A layer of one tap has longer lines where rows follow one another.
ConvLayer as_one_line(ConvLayer layer) {
    layer.axes[2].x = layer.axes[2].out = layer.places();
    for (const std::size_t axis : {0, 1}) layer.axes[axis].x = layer.axes[axis].out = 1;
    return layer;
}

}  // namespace

template <class T>
void weight_gradient(const ConvLayer& layer, const ArrayView& grad, const ArrayView& x,
                     const ArrayView& dw, const microkernels::Table& table,
                     const Context& context) {
    if (layer.batch == 0) {
        const T zero = 0;
        const auto store = conversions<T>(table).store[static_cast<int>(dw.dtype)];
        for_each_element(dw,
                         [&](const std::byte* at) { store(&zero, const_cast<std::byte*>(at), 1); });
        return;
    }
    if (layer.depthwise(layer_loops<T>(table).lanes))
        depthwise_weight_gradient<T>(layer, grad, x, dw, table, context);
    else if (layer.pointwise() && is_one_line(grad) && is_one_line(x))
        WeightGradient<T>(as_one_line(layer), table)
            .run(as_one_line(grad), as_one_line(x), dw, context);
    else
        WeightGradient<T>(layer, table).run(grad, x, dw, context);
}

namespace {

/// Channels side by side: slices of positions, each summed for all channels, then added up in
/// order.
template <class T>
void sum_positions(const ConvLayer& layer, const ChannelReader<T>& reader, double* sums,
                   const Context& context) {
    constexpr Index slice_count = 32, some = 64;  // positions that are read together
    const Index channels = layer.groups * layer.outputs;
    const Index planes = layer.axes[0].out, height = layer.axes[1].out, width = layer.axes[2].out;
    const Index pieces = (width - 1) / some + 1, all = layer.batch * planes * height * pieces;
    const Index slices = std::min(all, slice_count);
    const Workspace space(static_cast<std::size_t>(slices * channels) * sizeof(double));
    parallel_for(slices, context, [&](Index slice, int) {
        double* const partial = space.as<double>() + slice * channels;
        std::fill_n(partial, channels, 0.0);
        for (Index i = all * slice / slices; i < all * (slice + 1) / slices; ++i) {
            const Index row = i / pieces, place = i % pieces * some;
            const T* from = reader.in_place() + row / height / planes * reader.stride(0) +
                            row / height % planes * reader.stride(2) +
                            row % height * reader.stride(3) + place * reader.stride(4);
            reader.loops().sum_lines(from, reader.stride(4), std::min(some, width - place),
                                     channels, partial);
        }
    });
    std::fill_n(sums, channels, 0.0);
    for (Index s = 0; s < slices; ++s)
        for (Index c = 0; c < channels; ++c) sums[c] += space.as<double>()[s * channels + c];
}

/// Channel by channel, line by line.
template <class T>
void sum_planes(const ConvLayer& layer, const ChannelReader<T>& reader, double* sums,
                const Context& context) {
    constexpr Index block = 8;
    const Index channels = layer.groups * layer.outputs, width = layer.axes[2].out;
    const auto& loops = reader.loops();
    const bool in_place = reader.in_place() && reader.stride(4) == 1;
    parallel_for((channels - 1) / block + 1, context, [&](Index task, int) {
        const Index first = task * block, count = std::min(block, channels - first);
        const Workspace space(
            in_place ? 0
                     : static_cast<std::size_t>(width * count + reader.scratch_numbers(width)) *
                           sizeof(T));
        T* const line = space.as<T>();
        std::fill_n(sums + first, count, 0.0);
        for (Index n = 0; n < layer.batch; ++n)
            for (Index d = 0; d < layer.axes[0].out; ++d)
                for (Index h = 0; h < layer.axes[1].out; ++h) {
                    const T* from = line;
                    Index pitch = width;
                    if (in_place) {
                        pitch = reader.stride(1);
                        from = reader.in_place() + n * reader.stride(0) + first * pitch +
                               d * reader.stride(2) + h * reader.stride(3);
                    } else {
                        reader.read(n, first, count, d, h, 0, width, line, 1, width,
                                    line + width * count);
                    }
                    for (Index c = 0; c < count; ++c)
                        sums[first + c] += loops.sum(from + c * pitch, width);
                }
    });
}

}  // namespace

template <class T>
void bias_gradient(const ConvLayer& layer, const ArrayView& grad, const ArrayView& db,
                   const microkernels::Table& table, const Context& context) {
    const bool joined = layer.batch > 0 && is_one_line(grad);
    ConvLayer lines = layer;  // only its results are looked at
    if (joined) lines.axes[2].out = layer.places(), lines.axes[0].out = lines.axes[1].out = 1;
    const ChannelReader<T> reader(joined ? as_one_line(grad) : grad, Boundary::zero, table);
    const Index channels = layer.groups * layer.outputs;
    const Workspace space(static_cast<std::size_t>(channels) * sizeof(double));
    double* const sums = space.as<double>();
    if (reader.in_place() && reader.inside())
        sum_positions(lines, reader, sums, context);
    else
        sum_planes(lines, reader, sums, context);
    const auto store = conversions<T>(table).store[static_cast<int>(db.dtype)];
    for (Index c = 0; c < channels; ++c) {
        const T sum = static_cast<T>(sums[c]);
        store(&sum, db.data + c * db.strides[0], 1);
    }
}

template void weight_gradient<float>(const ConvLayer&, const ArrayView&, const ArrayView&,
                                     const ArrayView&, const microkernels::Table&, const Context&);
template void weight_gradient<double>(const ConvLayer&, const ArrayView&, const ArrayView&,
                                      const ArrayView&, const microkernels::Table&, const Context&);
template void bias_gradient<float>(const ConvLayer&, const ArrayView&, const ArrayView&,
                                   const microkernels::Table&, const Context&);
template void bias_gradient<double>(const ConvLayer&, const ArrayView&, const ArrayView&,
                                    const microkernels::Table&, const Context&);

}  // namespace faltung::layers
