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
#include "layers/conv_weight_gradient.hpp"
#include "layers/winograd_tiles.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Tiles whose products start at zero before they are added to the rest.
constexpr Index block_tiles = 64;
/// Sums that stay in second-level cache beside a block of tiles: then every task has its own.
constexpr Index own_sums_bytes = Index{1} << 20;
/// Transformed samples and gradients of a block, and of all the blocks that are multiplied together
/// where the sums are shared.
constexpr Index block_bytes = Index{512} << 10, chunk_bytes = Index{12} << 20;
constexpr Index slices_bytes = Index{8} << 20, most_slices = 16;

template <class T>
class WinogradGradient : WinogradTiles<T> {
    using Tiles = WinogradTiles<T>;
    using Tiles::channels, Tiles::filter_, Tiles::layer_, Tiles::line, Tiles::loops_, Tiles::number,
        Tiles::outputs_, Tiles::pitch_, Tiles::planes_, Tiles::points_, Tiles::table_;
    using typename Tiles::Block;

public:
    WinogradGradient(const ConvLayer& layer, int outputs, const microkernels::Table& table)
        : Tiles(layer, outputs, table) {
        const Index lanes = loops_->lanes;
        width_ = layer.outputs > lanes ? 2 * lanes : lanes;
        banks_ = (layer.outputs - 1) / width_ + 1;
        const Index tile = points_ * (Tiles::tile_numbers() + width_) * number;
        const Index most = std::clamp<Index>(block_bytes / tile, 4, 64);
        const Index columns = std::min<Index>({most, 16, Tiles::tile_columns_});
        Tiles::cut(std::min<Index>(most / columns, 4), columns);

        own_sums_ = banks_ * sums() * number <= own_sums_bytes;
        const Index whole = layer.groups * banks_ * weights() * number;
        const Index all =
            points_ * (Tiles::tile_numbers() + banks_ * width_) * number * Tiles::most_tiles();
        if (own_sums_)
            slices_ =
                std::clamp<Index>(slices_bytes / whole, 1, std::min(most_slices, Tiles::blocks()));
        else
            together_ = std::clamp<Index>(chunk_bytes / all, 1, Tiles::blocks());
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
    /// Transformed tiles, point by point.
    struct Transforms {
        T *samples, *gradients;              // of the first bank
        Index sample_point, gradient_point;  // numbers from one point to the next
        Index bank;                          // and from one bank's gradients to the next
    };

    /// Numbers from one point of the sums to the next: an odd number of cache lines.
    Index sum_point() const { return channels() * width_ + line; }
    Index sums() const { return points_ * sum_point(); }       // of one bank
    Index weights() const { return channels() * 9 * width_; }  // of one bank
    Index scratch_numbers(Index read) const {
        return Tiles::box_numbers(std::max(read, width_)) + Tiles::line_numbers();
    }
    /// Room for `count` blocks of tiles with the gradients of `banks` banks.
    Index room_numbers(Index count, Index banks) const {
        const Transforms room = room_in(nullptr, count);
        return points_ * room.sample_point + banks * room.bank;
    }
    Transforms room_in(T* memory, Index count) const {
        const Index all = count * Tiles::most_tiles();
        Transforms to{};
        to.sample_point = all * Tiles::tile_numbers() + line;
        to.gradient_point = all * width_ + line;
        to.bank = points_ * to.gradient_point;
        to.samples = memory;
        to.gradients = memory ? memory + points_ * to.sample_point : nullptr;
        return to;
    }

    void sum_apart(const ChannelReader<T>& gradients, const ChannelReader<T>& samples, T* partial,
                   std::atomic<bool>& finite, const Context& context) const {
        const Index read = Tiles::read_together(samples);
        parallel_for(slices_ * layer_.groups, context, [&](Index task, int) {
            const Index group = task % layer_.groups, slice = task / layer_.groups;
            const Workspace space(static_cast<std::size_t>(banks_ * sums() + room_numbers(1, 1) +
                                                           scratch_numbers(read)) *
                                  sizeof(T));
            T* const to = space.as<T>();
            const Transforms room = room_in(to + banks_ * sums(), 1);
            T* const scratch = to + banks_ * sums() + room_numbers(1, 1);
            const Index begin = Tiles::blocks() * slice / slices_;
            const Index end = Tiles::blocks() * (slice + 1) / slices_;
            for (Index b = begin; b < end; ++b) {
                const Block block = Tiles::block_at(b);
                Tiles::transform_samples(samples, group, block, room.samples, room.sample_point,
                                         scratch);
                for (Index bank = 0; bank < banks_; ++bank) {
                    transform_gradients(gradients, group, bank, block, room.gradients,
                                        room.gradient_point, scratch);
                    for (Index p = 0; p < points_; ++p)
                        multiply(room, room.gradients, p, block.tiles(), b > begin,
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
        const Index read = Tiles::read_together(samples);
        const Workspace space(
            static_cast<std::size_t>(banks_ * sums() + room_numbers(together_, banks_)) *
            sizeof(T));
        T* const to = space.as<T>();
        const Transforms all = room_in(to + banks_ * sums(), together_);
        const Index chunks = (Tiles::blocks() - 1) / together_ + 1;
        for (Index group = 0; group < layer_.groups; ++group) {
            for (Index chunk = 0; chunk < chunks; ++chunk) {
                const Index begin = Tiles::blocks() * chunk / chunks;
                const Index end = Tiles::blocks() * (chunk + 1) / chunks;
                const std::vector<Index> first = Tiles::tiles_before(begin, end);
                parallel_for(end - begin, context, [&](Index i, int) {
                    const Workspace scratch(static_cast<std::size_t>(scratch_numbers(read)) *
                                            sizeof(T));
                    const Block block = Tiles::block_at(begin + i);
                    const Index tile = first[static_cast<std::size_t>(i)];
                    Tiles::transform_samples(samples, group, block,
                                             all.samples + tile * Tiles::tile_numbers(),
                                             all.sample_point, scratch.as<T>());
                    for (Index bank = 0; bank < banks_; ++bank)
                        transform_gradients(gradients, group, bank, block,
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

    /// Beyond the outputs there are zeros.
    void transform_gradients(const ChannelReader<T>& reader, Index group, Index bank,
                             const Block& block, T* to, Index point, T* scratch) const {
        const Index first = bank * width_, count = std::min(width_, layer_.outputs - first);
        const Index row = Tiles::box_columns() * width_, begin = block.column * outputs_;
        T* const held = scratch + Tiles::box_numbers(width_);
        if (count < width_) std::fill_n(scratch, block.rows * outputs_ * row, T{0});
        for (Index r = 0; r < block.rows * outputs_; ++r)
            reader.read(block.sample, group * layer_.outputs + first, count, block.depth,
                        block.row * outputs_ + r, begin, begin + block.columns * outputs_,
                        scratch + r * row, width_, 1, held);
        for (Index r = 0; r < block.rows; ++r)
            for (Index q = 0; q < block.columns; ++q)
                filter_.gradients(scratch + r * outputs_ * row + q * outputs_ * width_, row, width_,
                                  width_, to + (r * block.columns + q) * width_, point);
    }

    /// The sums of one point and bank over `count` tiles.
    void multiply(const Transforms& tiles, const T* gradients, Index point, Index count,
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
                        {.a = gradients + point * tiles.gradient_point + begin * width_,
                         .b = tiles.samples + point * tiles.sample_point +
                              (begin * planes_ + d) * pitch_ + first,
                         .offset = &offset,
                         .runs = 1,
                         .run = end - begin,
                         .step = Tiles::tile_numbers(),
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

    Index width_ = 1, banks_ = 1;  // lanes of a bank of output channels, and how many
    bool own_sums_ = true;
    Index slices_ = 1, together_ = 1;  // of the blocks; blocks that are multiplied together
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
