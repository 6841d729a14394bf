// Gradients of pooling. A maximum hands the gradient to the sample that it was found at; a sum
// hands it to all, which is a sum again, over the windows that hold a sample.
#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.hpp"
#include "layers/pool_find.hpp"
#include "layers/pool_passes.hpp"
#include "layers/pool_single.hpp"
#include "layers/pool_turned.hpp"
#include "lines/conversion.hpp"
#include "lines/line_writer.hpp"

namespace faltung::layers {

namespace {

/// Lanes that one task scatters to: planes of a sample are shared out among workers by them. Whole
/// cache lines side by side matter more than many tasks: 64 took 0.92 ms where 32 took 3.7 and
/// 16 5.5 (64 x 224 x 224, windows of 2, one core, Zen 5).
constexpr Index scattered_lanes = 64;

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
          repeats_(apart_ && spec.kind == Pool::sum),
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
            const bool one = holding.size() == 1;
            if (n == 0 || holding.empty())
                std::fill_n(sum, n, T{0});
            else if (!one)
                add(holding, n, sum);
            const T* const shares = one ? holding[0] : sum;
            const Index at[4] = {block.sample, block.group, block.d, y};
            T* const there = repeats_ ? writer_.in_place(at, block.w_begin, block.w_end) : nullptr;
            T* const row = there ? there : spread + (y - block.h_begin) * shape_.pitch;
            if (apart_)
                repeat(block, columns, shares, row);
            else
                place(block, columns, shares, row);
            if (repeats_ && !there) writer_.write(at, block.w_begin, block.w_end, row);
        }
        if (!repeats_) along(block, spread);
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
        Index done = block.w_begin;  // columns between windows get nothing
        const auto skip = [&](Index column) {
            std::fill_n(row + (done - block.w_begin) * lanes, (column - done) * lanes, T{0});
        };
        for (Index o = columns.first; o < columns.last; ++o) {
            const Index start = w.first + o * w.step;
            const Index from = std::max(start, block.w_begin),
                        to = std::min(start + w.k, block.w_end);
            if (from >= to) continue;
            skip(from);
            const T* const value = sum + (o - columns.first) * lanes;
            T* const first = row + (from - block.w_begin) * lanes;
            if (lanes == 1)
                for (Index i = 0; i < to - from; ++i) first[i] = *value;
            else
                for (Index i = 0; i < to - from; ++i) std::copy_n(value, lanes, first + i * lanes);
            done = to;
        }
        skip(block.w_end);
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
    bool apart_;    // windows do not meet along a row
    bool repeats_;  // what is repeated along a row is its gradient
    Ladder along_;
    PoolFrame blocks_;
    BlockShape shape_;
    Index gathered_rows_, gathered_;
};

}  // namespace

namespace {

void check_places(const Index* place, Index n, Index plane) {
    Index signs = 0;  // negative if anything is too small or too large
    for (Index i = 0; i < n; ++i) signs |= place[i] | (plane - 1 - place[i]);
    if (signs >= 0) return;
    while (*place >= 0 && *place < plane) ++place;
    throw ValueError("indices holds " + std::to_string(*place) + "; allowed are 0 to " +
                     std::to_string(plane - 1) + ", the positions of one channel of x");
}

/// Gradients of a line of outputs go where the maxima were. Distances count numbers. Every
/// `phases`-th output first, then their neighbours: windows that meet often share their maximum,
/// and a sum that was stored a moment ago is waited for.
template <class T, class P>
void scatter(const T* grad, const P* place, Index outputs, Index distance, Index phases,
             Index lanes, T* plane, Index position) {
    for (Index phase = 0; phase < std::min(phases, outputs); ++phase) {
        if (lanes == 1) {
            for (Index o = phase; o < outputs; o += phases) plane[place[o] * position] += grad[o];
            continue;
        }
        for (Index o = phase; o < outputs; o += phases) {
            const T* const g = grad + o * distance;
            const P* const at = place + o * distance;
            for (Index lane = 0; lane < lanes; ++lane) plane[at[lane] * position + lane] += g[lane];
        }
    }
}

/// Whether the positions of a plane follow one another at equal distances.
bool evenly_spaced(const ArrayView& planes) {
    Index expected = planes.strides[4];
    for (int a = 4; a >= 2; --a) {
        if (planes.shape[a] != 1 && planes.strides[a] != expected) return false;
        expected *= planes.shape[a];
    }
    return true;
}

/// A sum over windows of which each plane has one: every sample gets the same. False where the
/// arrays are of another kind.
template <class T>
bool spread_over_planes(const PoolSpec& spec, const PoolFrame& frame, const ArrayView& grads,
                        const ArrayView& planes, const microkernels::Table& table,
                        const Context& context) {
    if (spec.kind != Pool::sum || grads.dtype != dtype_of<T> || planes.dtype != dtype_of<T> ||
        !in_rows<T>(planes, frame))
        return false;
    const SingleWindow window(frame);
    const microkernels::PoolTable<T>& loops = pool_loops<T>(table);
    const Index lanes = frame.lanes, divisor = frame.divisor(spec, 0, 0, 0);
    const Index position = lanes == 1 ? 1 : planes.strides[4] / static_cast<Index>(sizeof(T));
    for_each_planes(frame, task_numbers, context, [&](Index sample, Index first, Index last) {
        T share[most_lanes];
        for (Index p = first; p < last; ++p) {
            std::copy_n(reinterpret_cast<const T*>(grads.data + sample * grads.strides[0] +
                                                   p * grads.strides[1]),
                        lanes, share);
            if (divisor != 1) loops.divide(share, lanes, divisor);
            T* const to = reinterpret_cast<T*>(planes.data + sample * planes.strides[0] +
                                               p * planes.strides[1]);
            if (lanes == 1) {
                std::fill_n(to, window.begin, T{0});
                std::fill_n(to + window.begin, window.size(), share[0]);
                std::fill(to + window.end, to + frame.width.x, T{0});
                continue;
            }
            for (Index i = 0; i < frame.width.x; ++i) {
                T* const at = to + i * position;
                if (i >= window.begin && i < window.end)
                    std::copy_n(share, lanes, at);
                else
                    std::fill_n(at, lanes, T{0});
            }
        }
    });
    return true;
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
    const Index all = frame.samples * frame.groups;
    const Index together =
        std::clamp<Index>(task_numbers / plane_numbers, 1, std::max<Index>(1, all));
    const Index tasks = (all + together - 1) / together;
    const Workspace scratch(each * static_cast<std::size_t>(std::clamp<Index>(
                                       context.workers, 1, std::max<Index>(1, tasks))));
    const Blocks blocks(frame, pass.shape());
    const Index phases = (frame.width.reach() - 1) / frame.width.step + 1;  // that meet
    // all outputs of a plane in one run, where they stand
    const Index distance = grads.strides[4] / static_cast<Index>(sizeof(T));
    const bool runs = places != nullptr && grads.dtype == dtype_of<T> &&
                      known.dtype == DType::int64 && evenly_spaced(grads) && evenly_spaced(known) &&
                      known.strides[4] == distance * static_cast<Index>(sizeof(Index)) &&
                      (lanes > 1 || distance == 1);
    const auto run_plane = [&](Index number, std::byte* mine) {
        T* const staged = reinterpret_cast<T*>(mine + found);
        Index* const staged_places = reinterpret_cast<Index*>(mine + found + line);
        const Index first[4] = {number / frame.groups, number % frame.groups, 0, 0};
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
            scatter(g, place, block.w_end - block.w_begin, lanes, phases, lanes, plane, position);
        };
        if (runs) {
            const Index rows = frame.depth.out * frame.height.out, row = frame.width.out;
            const auto* g = reinterpret_cast<const T*>(grads.data + first[0] * grads.strides[0] +
                                                       first[1] * grads.strides[1]);
            const auto* place = reinterpret_cast<const Index*>(
                known.data + first[0] * known.strides[0] + first[1] * known.strides[1]);
            for (Index r = 0; r < rows; ++r, g += row * distance, place += row * distance) {
                if (distance == lanes)
                    check_places(place, row * lanes, frame.plane);
                else
                    for (Index o = 0; o < row; ++o)
                        check_places(place + o * distance, lanes, frame.plane);
                scatter(g, place, row, distance, phases, lanes, plane, position);
            }
        } else {
            for (Index i = number * blocks.per_plane; i < (number + 1) * blocks.per_plane; ++i) {
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
        }
        if (in_place) return;
        for (Index z = 0; z < frame.depth.x; ++z)
            for (Index y = 0; y < frame.height.x; ++y) {
                const Index at[4] = {first[0], first[1], z, y};
                writer.write(at, 0, frame.width.x,
                             plane + (z * frame.height.x + y) * frame.width.x * lanes);
            }
    };
    parallel_for(tasks, context, [&](Index task, int worker) {
        std::byte* const mine = scratch.data() + static_cast<std::size_t>(worker) * each;
        for (Index p = task * together; p < std::min(all, (task + 1) * together); ++p)
            run_plane(p, mine);
    });
}

template <class T>
void sum_gradient(const PoolSpec& spec, const ArrayView& grad, const ArrayView& x,
                  const ArrayView* y, const ArrayView& dx, const microkernels::Table& table,
                  const Context& context) {
    const PoolFrame frame(spec, x, true, most_lanes);
    if (SingleWindow::suits(frame) &&
        spread_over_planes<T>(spec, frame, frame.planes_of_result(grad), frame.planes_of_x(dx),
                              table, context))
        return;
    if (spec.kind == Pool::sum && frame.lanes == 1 && can_turn<T>(dx, grad, table)) {
        const Axis& axis = spec.axes[0];
        const Index outputs = turned_outputs<T>(spec, dx, table);
        if (outputs == axis.out || (outputs > 0 && axis.step >= axis.reach())) {
            const Context alone{.workers = 1, .interrupt = nullptr};
            return for_each_piece<T>(
                spec, dx, outputs, true, table, [&](const PoolPiece& piece, Index together) {
                    for_each_turned<T>(piece.of_result(grad), piece.of_x(dx), together, table,
                                       context,
                                       [&](const ArrayView& gradients, const ArrayView& results) {
                                           // x is looked at for its shape only
                                           sum_gradient<T>(piece.spec, gradients, results, nullptr,
                                                           results, table, alone);
                                       });
                });
        }
    }
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
