// Gradients of pooling. A maximum hands the gradient to the sample that it was found at; a sum
// hands it to all, which is a sum again, over the windows that hold a sample.
#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.hpp"
#include "layers/pool_find.hpp"
#include "layers/pool_passes.hpp"
#include "lines/conversion.hpp"
#include "lines/line_writer.hpp"

namespace faltung::layers {

namespace {

/// Lanes that one task scatters to: planes of a sample are shared out among workers by them.
constexpr Index scattered_lanes = 32;

/// Windows of one axis that hold the sample at `position`, and which taps do.
struct Holders {
    Index first, last;  // windows [first, last), some of which may step over the sample

    static Holders of(const Axis& axis, Index begin, Index end) {
        const Index reach = axis.reach();
        const auto floor_div = [](Index a, Index b) { return a / b - (a % b < 0 ? 1 : 0); };
        const Index low = -floor_div(-(begin - axis.first - (reach - 1)), axis.step);
        const Index high = floor_div(end - 1 - axis.first, axis.step) + 1;
        const Index first = std::clamp<Index>(low, 0, axis.out);
        return {first, std::clamp(high, first, axis.out)};
    }

    static bool holds(const Axis& axis, Index window, Index position) {
        const Index offset = position - axis.first - window * axis.step;
        return offset >= 0 && offset < axis.reach() && offset % axis.dilation == 0;
    }
};

/// Blocks of dx: gradients are summed through the depth and down the height, then spread along the
/// rows.
template <class T>
class SumGradient {
public:
    SumGradient(const PoolSpec& spec, const PoolFrame& frame, const ArrayView& grad,
                const ArrayView& x, const ArrayView* y, const ArrayView& dx,
                const microkernels::Table& table)
        : spec_(spec),
          frame_(frame),
          loops_(pool_loops<T>(table)),
          grads_(lines_of(frame.planes_of_result(grad), table)),
          xs_(lines_of(frame.planes_of_x(x), table)),
          ys_(lines_of(frame.planes_of_result(y ? *y : grad), table)),
          writer_(frame.lines(frame.planes_of_x(dx), arithmetic_of<T>, {}), frame.planes_of_x(dx),
                  table),
          apart_(frame.width.dilation == 1 && frame.width.step >= frame.width.k),
          along_(apart_ ? 1 : frame.width.k),
          blocks_(adjoint(frame, apart_)),
          shape_(blocks_, true, static_cast<Index>(sizeof(T)), false) {
        const Axis &h = frame.height, &w = frame.width;
        gathered_rows_ = std::min(h.out, (shape_.h_out + h.reach()) / h.step + 2);
        gathered_ = (std::min(w.out, (shape_.w_out + w.reach()) / w.step + 2) * frame.lanes + 127) /
                    64 * 64;
    }

    const PoolFrame& blocks() const { return blocks_; }
    const BlockShape& shape() const { return shape_; }

    std::size_t scratch_bytes() const {
        return sizeof(T) * static_cast<std::size_t>(shape_.numbers * (along_.levels + 2) +
                                                    (gathered_rows_ + 3) * gathered_);
    }

    void run(const Block& block, std::byte* scratch) const {
        const Axis &h = frame_.height, &w = frame_.width;
        const Holders rows = Holders::of(h, block.h_begin, block.h_end);
        const Holders columns = Holders::of(w, block.w_begin, block.w_end);
        const Index lanes = frame_.lanes, n = (columns.last - columns.first) * lanes;
        T* const spread = reinterpret_cast<T*>(scratch);
        T* const gathered = spread + shape_.numbers * (along_.levels + 2);
        for (Index o = rows.first; o < rows.last && n > 0; ++o)
            gather(block, o, columns, gathered + (o - rows.first) * gathered_,
                   gathered + gathered_rows_ * gathered_);

        T* const sum = gathered + (gathered_rows_ + 2) * gathered_;
        std::vector<const T*> holding;
        for (Index y = block.h_begin; y < block.h_end; ++y) {
            holding.clear();
            for (Index o = rows.first; o < rows.last; ++o)
                if (Holders::holds(h, o, y))
                    holding.push_back(gathered + (o - rows.first) * gathered_);
            if (n == 0 || holding.empty())
                std::fill_n(sum, n, T{0});
            else
                add(holding, n, sum);
            T* const row = spread + (y - block.h_begin) * shape_.pitch;
            if (apart_)
                repeat(block, columns, sum, row);
            else
                place(block, columns, sum, row);
        }
        along(block, spread);
    }

private:
    /// dx as the outputs of a pooling of its own, along rows only.
    static PoolFrame adjoint(const PoolFrame& frame, bool apart) {
        PoolFrame made = frame;
        made.depth = Axis{.x = frame.depth.x, .out = frame.depth.x};
        made.height = Axis{.x = frame.height.x, .out = frame.height.x};
        made.width = Axis{.x = frame.width.x,
                          .k = apart ? 1 : frame.width.k,
                          .out = frame.width.x,
                          .dilation = frame.width.dilation};
        return made;
    }

    LineReader<T> lines_of(const ArrayView& planes, const microkernels::Table& table) const {
        return {frame_.lines(planes, arithmetic_of<T>, {}), planes, table};
    }

    void add(const std::vector<const T*>& rows, Index n, T* out) const {
        loops_.combine[static_cast<int>(microkernels::Combine::sum)](
            rows.data(), static_cast<Index>(rows.size()), n, out);
    }

    /// One row of gradients, summed through the depth, each in the share that a sample gets of it.
    void gather(const Block& block, Index o, const Holders& columns, T* to, T* spare) const {
        const Axis& d = frame_.depth;
        const Index n = (columns.last - columns.first) * frame_.lanes;
        const Holders planes = Holders::of(d, block.d, block.d + 1);
        bool empty = true;
        for (Index z = planes.first; z < planes.last; ++z) {
            if (!Holders::holds(d, z, block.d)) continue;
            const Index at[4] = {block.sample, block.group, z, o};
            T* const line = empty ? to : spare;
            grads_.read(at, columns.first, columns.last, line);
            if (spec_.kind == Pool::norm) {
                T* const y = spare + gathered_;
                ys_.read(at, columns.first, columns.last, y);
                for (Index i = 0; i < n; ++i)
                    line[i] = y[i] == 0 ? T{0} : line[i] * power(y[i], 1 - spec_.power);
            } else if (spec_.divisor != Divisor::one) {
                divide_by_taps(spec_, frame_, loops_, at, columns.first, columns.last, line);
            }
            if (!empty)
                for (Index i = 0; i < n; ++i) to[i] += spare[i];
            empty = false;
        }
        if (empty) std::fill_n(to, n, T{0});
    }

    static T power(T base, double exponent) {
        if (exponent == 0) return T{1};
        if (exponent == 1) return base;
        if (exponent == -1) return T{1} / base;
        return std::pow(base, static_cast<T>(exponent));
    }

    /// Windows that do not meet: each sample gets what its window has.
    void repeat(const Block& block, const Holders& columns, const T* sum, T* row) const {
        const Axis& w = frame_.width;
        const Index lanes = frame_.lanes;
        std::fill_n(row, (block.w_end - block.w_begin) * lanes, T{0});
        for (Index o = columns.first; o < columns.last; ++o) {
            const Index start = w.first + o * w.step;
            const Index from = std::max(start, block.w_begin),
                        to = std::min(start + w.k, block.w_end);
            const T* const value = sum + (o - columns.first) * lanes;
            T* const first = row + (from - block.w_begin) * lanes;
            if (lanes == 1)
                for (Index i = 0; i < to - from; ++i) first[i] = *value;
            else
                for (Index i = 0; i < to - from; ++i) std::copy_n(value, lanes, first + i * lanes);
        }
    }

    /// At the start of each window its gradient, zero between: what a sample gets is the sum over
    /// one reach back.
    void place(const Block& block, const Holders& columns, const T* sum, T* row) const {
        const Axis& w = frame_.width;
        const Index lanes = frame_.lanes, begin = block.w_begin - (w.reach() - 1);
        std::fill_n(row, (block.w_end - begin) * lanes, T{0});
        T* const first = row + (w.first + columns.first * w.step - begin) * lanes;
        for (Index i = 0; i < columns.last - columns.first; ++i)
            std::copy_n(sum + i * lanes, lanes, first + i * w.step * lanes);
    }

    void along(const Block& block, T* rows) const {
        const Index lanes = frame_.lanes, step = frame_.width.dilation * lanes;
        const Index n = (block.w_end - block.w_begin) * lanes;
        const Index height = block.h_end - block.h_begin;
        for (int level = 1; level <= along_.levels; ++level) {
            const T* const below = rows + (level - 1) * shape_.numbers;
            const Index part = Ladder::span(level - 1) * step;
            const T* const four[4] = {below, below + part, below + 2 * part, below + 3 * part};
            loops_.combine_whole[static_cast<int>(microkernels::Combine::sum)](
                four, 4,
                Ladder::numbers((height - 1) * shape_.pitch + n, level, frame_.width.k, step),
                rows + level * shape_.numbers);
        }
        T* const spare = rows + (along_.levels + 1) * shape_.numbers;
        std::vector<const T*> under(along_.terms.size());
        for (Index r = 0; r < height; ++r) {
            const Index at[4] = {block.sample, block.group, block.d, block.h_begin + r};
            for (std::size_t i = 0; i < under.size(); ++i)
                under[i] = rows + along_.terms[i].level * shape_.numbers + r * shape_.pitch +
                           along_.terms[i].tap * step;
            T* const there = writer_.in_place(at, block.w_begin, block.w_end);
            T* const line = there ? there : spare;
            add(under, n, line);
            if (spec_.kind == Pool::norm) slope(block, at, line, rows + r * shape_.pitch);
            if (!there) writer_.write(at, block.w_begin, block.w_end, line);
        }
    }

    /// The derivative of |x|^power, but for the factor that the root cancels.
    void slope(const Block& block, const Index* at, T* line, T* samples) const {
        xs_.read(at, block.w_begin, block.w_end, samples);
        for (Index i = 0; i < (block.w_end - block.w_begin) * frame_.lanes; ++i) {
            const T x = samples[i];
            const T size = x == 0 ? (spec_.power == 1 ? T{0} : power(T{0}, spec_.power - 1))
                                  : power(std::abs(x), spec_.power - 1);
            line[i] *= x < 0 ? -size : size;
        }
    }

    const PoolSpec& spec_;
    const PoolFrame& frame_;
    const microkernels::PoolTable<T>& loops_;
    LineReader<T> grads_, xs_, ys_;
    LineWriter<T> writer_;
    bool apart_;
    Ladder along_;
    PoolFrame blocks_;
    BlockShape shape_;
    Index gathered_rows_, gathered_;
};

}  // namespace

namespace {

void check_places(const Index* place, Index n, Index plane) {
    bool inside = true;
    for (Index i = 0; i < n; ++i) inside &= place[i] >= 0 && place[i] < plane;
    if (inside) return;
    while (*place >= 0 && *place < plane) ++place;
    throw ValueError("indices holds " + std::to_string(*place) + "; allowed are 0 to " +
                     std::to_string(plane - 1) + ", the positions of one channel of x");
}

}  // namespace

template <class T>
void max_gradient(const PoolSpec& spec, const ArrayView& grad, const ArrayView& x,
                  const ArrayView* places, const ArrayView& dx, const microkernels::Table& table,
                  const Context& context) {
    const PoolFrame frame(spec, x, true, scattered_lanes);
    const FindPass<T> pass(spec, frame, x, table);
    const ArrayView grads = frame.planes_of_result(grad), planes = frame.planes_of_x(dx);
    const LineReader<T> reader(frame.lines(grads, arithmetic_of<T>, {}), grads, table);
    const LineWriter<T> writer(frame.lines(planes, arithmetic_of<T>, {}), planes, table);

    const ArrayView known = frame.planes_of_result(places ? *places : grad);
    const LineReader<Index> indices(frame.lines(known, Arithmetic::i64, {}), known, table);

    // windows meet, so a plane belongs to one task; sums stay in T, beside a dx of less precision
    const bool in_place = dx.dtype == dtype_of<T>;
    const Index lanes = frame.lanes, plane_numbers = frame.plane * lanes;
    const Index position = in_place ? planes.strides[4] / static_cast<Index>(sizeof(T)) : lanes;
    const auto up = [](std::size_t bytes) { return (bytes + 4095) / 4096 * 4096; };
    const std::size_t found = up(pass.scratch_bytes());
    const std::size_t line = up(static_cast<std::size_t>(pass.shape().numbers) * sizeof(T));
    const std::size_t line_of_places =
        up(static_cast<std::size_t>(pass.shape().numbers) * sizeof(Index));
    const std::size_t each =
        found + line + line_of_places +
        (in_place ? 0 : up(static_cast<std::size_t>(plane_numbers) * sizeof(T)));
    const Index tasks = frame.samples * frame.groups;
    const Workspace scratch(each * static_cast<std::size_t>(std::clamp<Index>(
                                       context.workers, 1, std::max<Index>(1, tasks))));
    const Blocks blocks(frame, pass.shape());
    parallel_for(tasks, context, [&](Index task, int worker) {
        std::byte* const mine = scratch.data() + static_cast<std::size_t>(worker) * each;
        T* const staged = reinterpret_cast<T*>(mine + found);
        Index* const staged_places = reinterpret_cast<Index*>(mine + found + line);
        const Index first[4] = {task / frame.groups, task % frame.groups, 0, 0};
        T* const plane = in_place
                             ? reinterpret_cast<T*>(planes.data + first[0] * planes.strides[0] +
                                                    first[1] * planes.strides[1])
                             : reinterpret_cast<T*>(mine + found + line + line_of_places);
        if (position == lanes)
            std::fill_n(plane, plane_numbers, T{0});
        else
            for (Index p = 0; p < frame.plane; ++p) std::fill_n(plane + p * position, lanes, T{0});
        const auto hand = [&](const Index* at, const Block& block, T*, const auto* place) {
            const T* g = reader.in_place(at, block.w_begin, block.w_end);
            if (g == nullptr) {
                reader.read(at, block.w_begin, block.w_end, staged);
                g = staged;
            }
            const Index outputs = block.w_end - block.w_begin;
            if (lanes == 1) {
                for (Index o = 0; o < outputs; ++o) plane[place[o] * position] += g[o];
                return;
            }
            for (Index o = 0; o < outputs; ++o)
                for (Index lane = 0; lane < lanes; ++lane)
                    plane[place[o * lanes + lane] * position + lane] += g[o * lanes + lane];
        };
        for (Index i = task * blocks.per_plane; i < (task + 1) * blocks.per_plane; ++i) {
            const Block block = blocks[i];
            if (places == nullptr) {
                pass.run(block, mine, hand);
                continue;
            }
            for (Index y = block.h_begin; y < block.h_end; ++y) {
                const Index at[4] = {block.sample, block.group, block.d, y};
                const Index* place = indices.in_place(at, block.w_begin, block.w_end);
                if (place == nullptr) {
                    indices.read(at, block.w_begin, block.w_end, staged_places);
                    place = staged_places;
                }
                check_places(place, (block.w_end - block.w_begin) * lanes, frame.plane);
                hand(at, block, nullptr, place);
            }
        }
        if (in_place) return;
        for (Index z = 0; z < frame.depth.x; ++z)
            for (Index y = 0; y < frame.height.x; ++y) {
                const Index at[4] = {first[0], first[1], z, y};
                writer.write(at, 0, frame.width.x,
                             plane + (z * frame.height.x + y) * frame.width.x * lanes);
            }
    });
}

template <class T>
void sum_gradient(const PoolSpec& spec, const ArrayView& grad, const ArrayView& x,
                  const ArrayView* y, const ArrayView& dx, const microkernels::Table& table,
                  const Context& context) {
    const PoolFrame frame(spec, x, true, most_lanes);
    const SumGradient<T> pass(spec, frame, grad, x, y, dx, table);
    for_each_block(pass.blocks(), pass.shape(), pass.scratch_bytes(), context,
                   [&](const Block& block, std::byte* scratch) { pass.run(block, scratch); });
}

template void max_gradient<float>(const PoolSpec&, const ArrayView&, const ArrayView&,
                                  const ArrayView*, const ArrayView&, const microkernels::Table&,
                                  const Context&);
template void max_gradient<double>(const PoolSpec&, const ArrayView&, const ArrayView&,
                                   const ArrayView*, const ArrayView&, const microkernels::Table&,
                                   const Context&);
template void sum_gradient<float>(const PoolSpec&, const ArrayView&, const ArrayView&,
                                  const ArrayView*, const ArrayView&, const microkernels::Table&,
                                  const Context&);
template void sum_gradient<double>(const PoolSpec&, const ArrayView&, const ArrayView&,
                                   const ArrayView*, const ArrayView&, const microkernels::Table&,
                                   const Context&);

}  // namespace faltung::layers
