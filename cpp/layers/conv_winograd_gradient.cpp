// Gradients of 3 × 3 weights by the adjoint of Winograd's minimal filtering: with
//
//     out = A'[(G w G') . (B' x B)]A    the gradient is    dw = G'[(A grad A') . (B' x B)]G,
//
// where the products of all tiles are summed before the last transform (Lavin and Gray, 2016, state
// the filter; its adjoint follows from the bilinear form). Per point this is a product of matrices,
// input channels × tiles by tiles × output channels.
#include <algorithm>
#include <atomic>
#include <vector>

#include "core/workspace.hpp"
#include "layers/channel_lines.hpp"
#include "layers/conv_weight_gradient.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Tiles whose products start at zero before they are added to the rest.
constexpr Index block_tiles = 64;
/// Sums that stay in second-level cache beside a box of tiles: then every task has its own.
constexpr Index own_sums_bytes = Index{1} << 20;
/// Transformed samples and gradients of a box, and of all the boxes that are multiplied together
/// where the sums are shared.
constexpr Index box_bytes = Index{512} << 10, chunk_bytes = Index{12} << 20;
constexpr Index slices_bytes = Index{8} << 20, most_slices = 16;

template <class T>
class WinogradGradient {
public:
    WinogradGradient(const ConvLayer& layer, int outputs, const microkernels::Table& table)
        : layer_(layer),
          table_(&table),
          loops_(&layer_loops<T>(table)),
          filter_(outputs == 4 ? loops_->winograd4 : loops_->winograd2),
          outputs_(outputs),
          points_(filter_.points * filter_.points),
          planes_(layer.axes[0].k) {
        const Index lanes = loops_->lanes, number = static_cast<Index>(sizeof(T));
        width_ = layer.outputs > lanes ? 2 * lanes : lanes;
        banks_ = (layer.outputs - 1) / width_ + 1;
        pitch_ = (layer.inputs + lanes - 1) / lanes * lanes;
        if (pitch_ * number % 128 == 0) pitch_ += 64 / number;

        tile_rows_ = (layer.axes[1].out - 1) / outputs + 1;
        tile_columns_ = (layer.axes[2].out - 1) / outputs + 1;
        const Index tile = points_ * (planes_ * pitch_ + width_) * number;
        const Index most = std::clamp<Index>(box_bytes / tile, 4, 64);
        const auto level = [](Index extent, Index piece) {
            const Index pieces = (extent - 1) / piece + 1;
            return (extent - 1) / pieces + 1;
        };
        columns_ = level(tile_columns_, std::clamp<Index>(most, 1, 16));
        rows_ = level(tile_rows_, std::clamp<Index>(most / columns_, 1, 4));
        row_boxes_ = (tile_rows_ - 1) / rows_ + 1;
        column_boxes_ = (tile_columns_ - 1) / columns_ + 1;
        boxes_ = layer.batch * layer.axes[0].out * row_boxes_ * column_boxes_;

        own_sums_ = banks_ * sums() * number <= own_sums_bytes;
        const Index whole = layer.groups * banks_ * weights() * number;
        const Index all = points_ * (planes_ * pitch_ + banks_ * width_) * number * tiles();
        slices_ = own_sums_
                      ? std::clamp<Index>(slices_bytes / whole, 1, std::min(most_slices, boxes_))
                      : 1;
        together_ = own_sums_ ? 1 : std::clamp<Index>(chunk_bytes / all, 1, boxes_);
    }

    /// False where a number on the way is not finite: then dw means nothing.
    bool run(const ArrayView& grad, const ArrayView& x, const ArrayView& dw,
             const Context& context) const {
        const ChannelReader<T> gradients(grad, Boundary::zero, *table_);
        const ChannelReader<T> samples(x, layer_.boundary, *table_);
        const Workspace partial(
            static_cast<std::size_t>(slices_ * layer_.groups * banks_ * weights()) * sizeof(T));
        std::atomic<bool> finite{true};
        if (own_sums_)
            sum_apart(gradients, samples, partial.as<T>(), finite, context);
        else
            sum_together(gradients, samples, partial.as<T>(), finite, context);
        if (!finite.load()) return false;
        parallel_for(layer_.groups * banks_, context, [&](Index task, int) {
            write(partial.as<T>() + task * weights(), task / banks_, task % banks_, dw);
        });
        return true;
    }

private:
    /// Tiles: from where, and how many.
    struct Box {
        Index sample, depth, row, column, rows, columns;
    };
    /// Transformed tiles, point by point.
    struct Tiles {
        T *samples, *gradients;              // of the first bank
        Index sample_point, gradient_point;  // numbers from one point to the next
        Index bank;                          // and from one bank's gradients to the next
    };

    Index channels() const { return planes_ * layer_.inputs; }
    Index tiles() const { return rows_ * columns_; }
    /// Numbers from one point of the sums to the next: an odd number of cache lines.
    Index sum_point() const { return channels() * width_ + 64 / static_cast<Index>(sizeof(T)); }
    Index sums() const { return points_ * sum_point(); }       // of one bank
    Index weights() const { return channels() * 9 * width_; }  // of one bank
    Index box_columns() const { return columns_ * outputs_ + 2; }
    Index box_numbers(Index channels_read) const {
        return (rows_ * outputs_ + 2) * box_columns() * std::max(width_, channels_read);
    }
    Index scratch_numbers(Index channels_read) const {
        return box_numbers(channels_read) +
               box_columns() *
                   std::max<Index>(layer_.groups * std::max(layer_.inputs, layer_.outputs), 16);
    }
    /// Room for `count` boxes of tiles with the gradients of `banks` banks.
    Index tile_numbers(Index count, Index banks) const {
        const Tiles room = tiles_in(nullptr, count);
        return points_ * room.sample_point + banks * room.bank;
    }
    Tiles tiles_in(T* memory, Index count) const {
        const Index line = 64 / static_cast<Index>(sizeof(T)), all = count * tiles();
        Tiles to{};
        to.sample_point = all * planes_ * pitch_ + line;
        to.gradient_point = all * width_ + line;
        to.bank = points_ * to.gradient_point;
        to.samples = memory;
        to.gradients = memory + points_ * to.sample_point;
        return to;
    }

    Box box_at(Index index) const {
        Box box{};
        box.column = index % column_boxes_ * columns_;
        index /= column_boxes_;
        box.row = index % row_boxes_ * rows_;
        index /= row_boxes_;
        box.depth = index % layer_.axes[0].out;
        box.sample = index / layer_.axes[0].out;
        box.rows = std::min(rows_, tile_rows_ - box.row);
        box.columns = std::min(columns_, tile_columns_ - box.column);
        return box;
    }

    void sum_apart(const ChannelReader<T>& gradients, const ChannelReader<T>& samples, T* partial,
                   std::atomic<bool>& finite, const Context& context) const {
        const Index read = read_together(samples);
        parallel_for(slices_ * layer_.groups, context, [&](Index task, int) {
            const Index group = task % layer_.groups, slice = task / layer_.groups;
            const Workspace space(static_cast<std::size_t>(banks_ * sums() + tile_numbers(1, 1) +
                                                           scratch_numbers(read)) *
                                  sizeof(T));
            T* const to = space.as<T>();
            const Tiles room = tiles_in(to + banks_ * sums(), 1);
            T* const scratch = to + banks_ * sums() + tile_numbers(1, 1);
            const Index begin = boxes_ * slice / slices_, end = boxes_ * (slice + 1) / slices_;
            for (Index b = begin; b < end; ++b) {
                const Box box = box_at(b);
                transform_samples(samples, group, box, room, scratch);
                for (Index bank = 0; bank < banks_; ++bank) {
                    transform_gradients(gradients, group, bank, box, room.gradients,
                                        room.gradient_point, scratch);
                    for (Index p = 0; p < points_; ++p)
                        multiply(room, room.gradients, p, box.rows * box.columns, b > begin,
                                 to + bank * sums());
                }
            }
            T* weights_of = partial + task * banks_ * weights();
            for (Index bank = 0; bank < banks_; ++bank, weights_of += weights())
                finish(to + bank * sums(), 0, channels(), weights_of, finite);
        });
    }

    void sum_together(const ChannelReader<T>& gradients, const ChannelReader<T>& samples,
                      T* partial, std::atomic<bool>& finite, const Context& context) const {
        const Index read = read_together(samples);
        const Workspace space(
            static_cast<std::size_t>(banks_ * sums() + tile_numbers(together_, banks_)) *
            sizeof(T));
        T* const to = space.as<T>();
        const Tiles all = tiles_in(to + banks_ * sums(), together_);
        const Index chunks = (boxes_ - 1) / together_ + 1;
        for (Index group = 0; group < layer_.groups; ++group) {
            for (Index chunk = 0; chunk < chunks; ++chunk) {
                const Index begin = boxes_ * chunk / chunks, end = boxes_ * (chunk + 1) / chunks;
                std::vector<Index> first(static_cast<std::size_t>(end - begin + 1), 0);
                for (Index b = begin; b < end; ++b) {
                    const Box box = box_at(b);
                    const auto at = static_cast<std::size_t>(b - begin);
                    first[at + 1] = first[at] + box.rows * box.columns;
                }
                parallel_for(end - begin, context, [&](Index i, int) {
                    const Workspace scratch(static_cast<std::size_t>(scratch_numbers(read)) *
                                            sizeof(T));
                    const Box box = box_at(begin + i);
                    Tiles room = all;
                    const Index tile = first[static_cast<std::size_t>(i)];
                    room.samples += tile * planes_ * pitch_;
                    transform_samples(samples, group, box, room, scratch.as<T>());
                    for (Index bank = 0; bank < banks_; ++bank)
                        transform_gradients(gradients, group, bank, box,
                                            all.gradients + bank * all.bank + tile * width_,
                                            all.gradient_point, scratch.as<T>());
                });
                parallel_for(points_ * banks_, context, [&](Index task, int) {
                    const Index point = task / banks_, bank = task % banks_;
                    multiply(all, all.gradients + bank * all.bank, point, first.back(), chunk > 0,
                             to + bank * sums());
                });
            }
            const Index blocks = (channels() - 1) / block_tiles + 1;
            parallel_for(banks_ * blocks, context, [&](Index task, int) {
                const Index bank = task / blocks, block = task % blocks;
                finish(to + bank * sums(), channels() * block / blocks,
                       channels() * (block + 1) / blocks,
                       partial + (group * banks_ + bank) * weights(), finite);
            });
        }
    }

    /// Channels that are read before they are transformed: whole vectors of them.
    Index read_together(const ChannelReader<T>& reader) const {
        const Index lanes = loops_->lanes;
        return (reader.together(layer_.inputs) + lanes - 1) / lanes * lanes;
    }

    void transform_samples(const ChannelReader<T>& reader, Index group, const Box& box,
                           const Tiles& to, T* scratch) const {
        const Axis &depth = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
        const Index together = reader.together(layer_.inputs), place = read_together(reader);
        const Index row = box_columns() * place;
        const Index begin = width.first + box.column * outputs_;
        const Index end = begin + box.columns * outputs_ + 2;
        T* const line = scratch + box_numbers(place);
        for (Index p = 0; p < planes_; ++p)
            for (Index c = 0; c < layer_.inputs; c += together) {
                const Index count = std::min(together, layer_.inputs - c);
                for (Index r = 0; r < box.rows * outputs_ + 2; ++r)
                    reader.read(box.sample, group * layer_.inputs + c, count,
                                depth.first + box.depth * depth.step + p * depth.dilation,
                                height.first + box.row * outputs_ + r, begin, end,
                                scratch + r * row, place, 1, line);
                for (Index r = 0; r < box.rows; ++r)
                    for (Index q = 0; q < box.columns; ++q)
                        filter_.samples(
                            scratch + r * outputs_ * row + q * outputs_ * place, row, place, count,
                            to.samples + ((r * box.columns + q) * planes_ + p) * pitch_ + c,
                            to.sample_point);
            }
    }

    /// Beyond the outputs there are zeros.
    void transform_gradients(const ChannelReader<T>& reader, Index group, Index bank,
                             const Box& box, T* to, Index point, T* scratch) const {
        const Index first = bank * width_, count = std::min(width_, layer_.outputs - first);
        const Index row = box_columns() * width_, begin = box.column * outputs_;
        T* const line = scratch + box_numbers(width_);
        if (count < width_) std::fill_n(scratch, box.rows * outputs_ * row, T{0});
        for (Index r = 0; r < box.rows * outputs_; ++r)
            reader.read(box.sample, group * layer_.outputs + first, count, box.depth,
                        box.row * outputs_ + r, begin, begin + box.columns * outputs_,
                        scratch + r * row, width_, 1, line);
        for (Index r = 0; r < box.rows; ++r)
            for (Index q = 0; q < box.columns; ++q)
                filter_.gradients(scratch + r * outputs_ * row + q * outputs_ * width_, row, width_,
                                  width_, to + (r * box.columns + q) * width_, point);
    }

    /// The sums of one point and bank over `count` tiles.
    void multiply(const Tiles& tiles_of, const T* gradients, Index point, Index count,
                  bool accumulate, T* to) const {
        const auto& products = loops_->product[width_ / loops_->lanes - 1];
        const Index parts = (layer_.inputs - 1) / loops_->places + 1;
        const Index blocks = (count - 1) / block_tiles + 1;
        const std::int64_t offset = 0;
        for (Index d = 0, channel = 0; d < planes_; ++d, channel += layer_.inputs)
            for (Index i = 0; i < parts; ++i) {
                const Index first = layer_.inputs * i / parts;
                const Index places = layer_.inputs * (i + 1) / parts - first;
                for (Index b = 0; b < blocks; ++b) {
                    const Index begin = count * b / blocks, end = count * (b + 1) / blocks;
                    products[places - 1](
                        {.a = gradients + point * tiles_of.gradient_point + begin * width_,
                         .b = tiles_of.samples + point * tiles_of.sample_point +
                              (begin * planes_ + d) * pitch_ + first,
                         .offset = &offset,
                         .runs = 1,
                         .run = end - begin,
                         .step = planes_ * pitch_,
                         .place = 1,
                         .c = to + point * sum_point() + (channel + first) * width_,
                         .accumulate = accumulate || b > 0});
                }
            }
    }

    /// Sums of channels [first, last) to the weights of a bank.
    void finish(const T* from, Index first, Index last, T* to, std::atomic<bool>& finite) const {
        alignas(64) T watch[64 / sizeof(T)] = {};
        filter_.weights(from + first * width_, last - first, width_, sum_point(),
                        to + first * 9 * width_, watch);
        if (!std::all_of(watch, watch + loops_->lanes, [](T sum) { return sum == 0; }))
            finite.store(false, std::memory_order_relaxed);
    }

    /// Adds the slices up, in their order, and puts every sum into its place in dw.
    void write(T* total, Index group, Index bank, const ArrayView& dw) const {
        const Index pace = layer_.groups * banks_ * weights();
        for (Index s = 1; s < slices_; ++s)
            for (Index i = 0; i < weights(); ++i) total[i] += total[s * pace + i];
        const Index first = bank * width_, count = std::min(width_, layer_.outputs - first);
        std::byte* const banks_of = dw.data + (group * layer_.outputs + first) * dw.strides[0];
        const auto number = static_cast<Index>(sizeof(T));
        const bool dense = dw.dtype == dtype_of<T> && dw.strides[4] == number &&
                           dw.strides[3] == 3 * number &&
                           (layer_.inputs == 1 || dw.strides[1] == 9 * number);
        if (dense && planes_ == 1)
            return loops_->transpose(total, width_, layer_.inputs * 9, count,
                                     reinterpret_cast<T*>(banks_of), dw.strides[0] / number);
        const auto store = conversions<T>(*table_).store[static_cast<int>(dw.dtype)];
        for (Index c = 0; c < channels(); ++c)
            for (Index t = 0; t < 9; ++t)
                for (Index o = 0; o < count; ++o)
                    store(total + (c * 9 + t) * width_ + o,
                          banks_of + o * dw.strides[0] + c % layer_.inputs * dw.strides[1] +
                              c / layer_.inputs * dw.strides[2] + t / 3 * dw.strides[3] +
                              t % 3 * dw.strides[4],
                          1);
    }

    ConvLayer layer_;
    const microkernels::Table* table_;
    const microkernels::LayerTable<T>* loops_;
    microkernels::WinogradTable<T> filter_;
    Index outputs_, points_, planes_;  // of a tile along each axis; products; taps along depth
    Index width_ = 1, banks_ = 1;      // lanes of a bank of output channels, and how many
    Index pitch_ = 1;                  // numbers from tile to tile of a plane's samples
    Index tile_rows_ = 1, tile_columns_ = 1;
    Index rows_ = 1, columns_ = 1;  // tiles of a box
    Index row_boxes_ = 1, column_boxes_ = 1, boxes_ = 1;
    bool own_sums_ = true;
    Index slices_ = 1, together_ = 1;  // of the boxes; boxes that are multiplied together
};

}  // namespace

template <class T>
bool winograd_weight_gradient(const ConvLayer& layer, int outputs, const ArrayView& grad,
                              const ArrayView& x, const ArrayView& dw,
                              const microkernels::Table& table, const Context& context) {
    return WinogradGradient<T>(layer, outputs, table).run(grad, x, dw, context);
}

template bool winograd_weight_gradient<float>(const ConvLayer&, int, const ArrayView&,
                                              const ArrayView&, const ArrayView&,
                                              const microkernels::Table&, const Context&);
template bool winograd_weight_gradient<double>(const ConvLayer&, int, const ArrayView&,
                                               const ArrayView&, const ArrayView&,
                                               const microkernels::Table&, const Context&);

}  // namespace faltung::layers
