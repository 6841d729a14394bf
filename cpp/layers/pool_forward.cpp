// The values of a pooling, a block of outputs at a time: rows are combined down the depth, then
// down the height, then along themselves.
#include <algorithm>

#include "layers/pool_ladder.hpp"
#include "layers/pool_passes.hpp"
#include "layers/pool_planes.hpp"
#include "layers/pool_run.hpp"
#include "layers/pool_source.hpp"
#include "layers/pool_turned.hpp"
#include "lines/line_writer.hpp"

namespace faltung::layers {

namespace {

using microkernels::Combine;

/// Samples that are combined in one go, if windows do not meet.
constexpr Index most_together = 32;

template <class T>
class ForwardPass {
public:
    ForwardPass(const PoolSpec& spec, const PoolFrame& frame, const ArrayView& x,
                const ArrayView& out, const microkernels::Table& table)
        : spec_(spec),
          frame_(frame),
          loops_(pool_loops<T>(table)),
          source_(frame, spec, frame.planes_of_x(x), table),
          writer_(frame.lines(frame.planes_of_result(out), arithmetic_of<T>, {}),
                  frame.planes_of_result(out), table),
          flips_(out.dtype == DType::uint64 && std::is_same_v<T, std::int64_t>),
          along_(frame.width.k),
          down_(frame.height.k),
          neutral_(neutral<T>(spec.kind)),
          join_(spec.kind == Pool::max ? Combine::max : Combine::sum) {
        const Index at[4] = {0, 0, 0, 0};
        const bool in_place = source_.in_place(at, 0, 1) != nullptr;
        const Axis &d = frame.depth, &h = frame.height;
        // each row of x is read by one window only, or there are few of them
        direct_ = in_place && (d.k * h.k <= 8 || h.step >= h.reach());
        apart_ = direct_ && frame.lanes > 1 && frame.width.step >= frame.width.reach() &&
                 d.k * h.k * frame.width.k <= most_together;
        shape_ = BlockShape(frame, direct_, static_cast<Index>(sizeof(T)));
    }

    const BlockShape& shape() const { return shape_; }

    std::size_t scratch_bytes() const {
        Index numbers = shape_.numbers * (along_.levels + 2);
        if (!direct_) numbers += shape_.tall_numbers * (down_.levels + 2);
        return sizeof(T) * static_cast<std::size_t>(numbers);
    }

    void run(const Block& block, std::byte* scratch) const {
        if (shape_.piece > 0) return by_pieces(block, reinterpret_cast<T*>(scratch));
        if (apart_) return by_windows(block, reinterpret_cast<T*>(scratch));
        const Axis& w = frame_.width;
        Lines lines;
        lines.begin = w.first + block.w_begin * w.step;
        lines.end = w.first + (block.w_end - 1) * w.step + w.reach();
        lines.inside_begin = std::max<Index>(0, lines.begin);
        lines.inside_end = std::min(w.x, lines.end);

        T* const rows = reinterpret_cast<T*>(scratch);
        T* const more = rows + shape_.numbers * (along_.levels + 2);
        if (direct_)
            down_direct(block, lines, rows);
        else
            down_by_steps(block, lines, rows, more);
        along(block, rows);
    }

private:
    /// Columns of x under the windows of a block; some may lie outside.
    struct Lines {
        Index begin, end, inside_begin, inside_end;
    };

    /// The rows of a block, each at the start of `pitch` numbers: what lies outside x is neutral.
    T* fill_sides(const Lines& lines, T* row) const {
        T* const inside = row + (lines.inside_begin - lines.begin) * frame_.lanes;
        std::fill(row, inside, neutral_);
        std::fill(row + (lines.inside_end - lines.begin) * frame_.lanes,
                  row + (lines.end - lines.begin) * frame_.lanes, neutral_);
        return inside;
    }

    Index inside_numbers(const Lines& lines) const {
        return (lines.inside_end - lines.inside_begin) * frame_.lanes;
    }

    void down_direct(const Block& block, const Lines& lines, T* rows) const {
        const Axis &d = frame_.depth, &h = frame_.height;
        Rows<T> under;
        for (Index o = block.h_begin; o < block.h_end; ++o) {
            under.clear();
            for (Index td = 0; td < d.k; ++td) {
                const Index z = d.first + block.d * d.step + td * d.dilation;
                if (z < 0 || z >= d.x) continue;
                for (Index th = 0; th < h.k; ++th) {
                    const Index y = h.first + o * h.step + th * h.dilation;
                    if (y < 0 || y >= h.x) continue;
                    const Index at[4] = {block.sample, block.group, z, y};
                    under.push_back(source_.in_place(at, lines.inside_begin, lines.inside_end));
                }
            }
            T* const inside = fill_sides(lines, rows + (o - block.h_begin) * shape_.pitch);
            combine(source_.how, under, inside_numbers(lines), inside);
        }
    }

    /// Windows of few samples that do not meet along their rows: all samples of one at once.
    void by_windows(const Block& block, T* spare) const {
        const Axis &d = frame_.depth, &h = frame_.height, &w = frame_.width;
        const Index lanes = frame_.lanes;
        const auto whole = loops_.combine[static_cast<int>(source_.how)];
        struct {
            Index begin, end;
        } inside{};  // outputs whose windows lie inside along their rows
        inside.begin = std::clamp((-w.first + w.step - 1) / w.step, block.w_begin, block.w_end);
        inside.end =
            w.x < w.reach() + w.first
                ? inside.begin
                : std::clamp((w.x - w.reach() - w.first) / w.step + 1, inside.begin, block.w_end);
        Rows<T> lines, under;
        for (Index o = block.h_begin; o < block.h_end; ++o) {
            lines.clear();
            for (Index td = 0; td < d.k; ++td) {
                const Index z = d.first + block.d * d.step + td * d.dilation;
                for (Index th = 0; th < h.k; ++th) {
                    const Index y = h.first + o * h.step + th * h.dilation;
                    if (z < 0 || z >= d.x || y < 0 || y >= h.x) continue;
                    const Index at[4] = {block.sample, block.group, z, y};
                    lines.push_back(source_.in_place(at, 0, w.x));
                }
            }
            const Index at[4] = {block.sample, block.group, block.d, o};
            T* const there = writer_.in_place(at, block.w_begin, block.w_end);
            T* const line = there ? there : spare;
            const auto edge = [&](Index begin, Index end) {
                for (Index c = begin; c < end; ++c) {
                    under.clear();
                    for (Index i = 0; i < lines.size(); ++i)
                        for (Index t = 0; t < w.k; ++t) {
                            const Index column = w.first + c * w.step + t * w.dilation;
                            if (column >= 0 && column < w.x)
                                under.push_back(lines.data()[i] + column * lanes);
                        }
                    T* const to = line + (c - block.w_begin) * lanes;
                    if (under.empty())
                        std::fill_n(to, lanes, neutral_);
                    else
                        combine(source_.how, under, lanes, to);
                }
            };
            if (lines.empty()) {
                std::fill_n(line, (block.w_end - block.w_begin) * lanes, neutral_);
            } else {
                edge(block.w_begin, inside.begin);
                const T* taps[most_together];
                Index count = 0;
                for (Index i = 0; i < lines.size(); ++i)
                    for (Index t = 0; t < w.k; ++t)
                        taps[count++] = lines.data()[i] +
                                        (w.first + inside.begin * w.step + t * w.dilation) * lanes;
                for (Index c = inside.begin; c < inside.end; ++c) {
                    whole(taps, count, lanes, line + (c - block.w_begin) * lanes);
                    for (Index i = 0; i < count; ++i) taps[i] += w.step * lanes;
                }
                edge(inside.end, block.w_end);
            }
            finish(block, at, line);
            if (!there) writer_.write(at, block.w_begin, block.w_end, line);
        }
    }

    /// Every row of x that the block needs once, then the ladder over the height.
    void down_by_steps(const Block& block, const Lines& lines, T* rows, T* tall) const {
        const Axis& h = frame_.height;
        const Index pitch = shape_.pitch, n = inside_numbers(lines);
        const Index first = h.first + block.h_begin * h.step;
        const Index count = (block.h_end - 1 - block.h_begin) * h.step + h.reach();
        T* const spare = tall + shape_.tall_numbers * (down_.levels + 1);
        for (Index r = 0; r < count; ++r) {
            const bool used = down_.levels > 0 || r % h.step < h.reach() || h.step == 1;
            if (used) through_depth(block, first + r, lines, tall + r * pitch, spare);
        }
        climb(down_, h.k, h.dilation * pitch,
              ((block.h_end - 1 - block.h_begin) * h.step + 1) * pitch, tall, shape_.tall_numbers);
        Rows<T> under;
        for (Index o = block.h_begin; o < block.h_end; ++o) {
            const Index start = (o - block.h_begin) * h.step;
            under.clear();
            for (const Ladder::Term& term : down_.terms)
                under.push_back(tall + term.level * shape_.tall_numbers +
                                (start + term.tap * h.dilation) * pitch);
            T* const inside = fill_sides(lines, rows + (o - block.h_begin) * pitch);
            combine(join_, under, n, inside);
        }
    }

    /// One row of the height, combined through the depth; `to` has room for whole vectors.
    void through_depth(const Block& block, Index y, const Lines& lines, T* to, T* spare) const {
        const Axis& d = frame_.depth;
        const Index n = inside_numbers(lines);
        bool empty = true;
        for (Index t = 0; t < d.k && y >= 0 && y < frame_.height.x; ++t) {
            const Index z = d.first + block.d * d.step + t * d.dilation;
            if (z < 0 || z >= d.x) continue;
            const Index at[4] = {block.sample, block.group, z, y};
            T* const line = empty ? to : spare;
            const T* const read = source_.read(at, lines.inside_begin, lines.inside_end, line);
            if (read != line)
                loops_.combine[static_cast<int>(source_.how)](&read, 1, n, line);
            else if (source_.how != join_)
                loops_.combine_whole[static_cast<int>(source_.how)](&read, 1, n, line);
            const T* const both[2] = {to, spare};
            if (!empty) loops_.combine_whole[static_cast<int>(join_)](both, 2, n, to);
            empty = false;
        }
        if (empty) std::fill_n(to, n, neutral_);
    }

    /// The levels of a ladder above `line`, each `pitch` numbers further on.
    void climb(const Ladder& ladder, Index taps, Index step, Index n, T* line, Index pitch) const {
        for (int level = 1; level <= ladder.levels; ++level) {
            const T* const below = line + (level - 1) * pitch;
            const Index part = Ladder::span(level - 1) * step;
            const T* const four[4] = {below, below + part, below + 2 * part, below + 3 * part};
            loops_.combine_whole[static_cast<int>(join_)](
                four, 4, Ladder::numbers(n, level, taps, step), line + level * pitch);
        }
    }

    void along(const Block& block, T* rows) const {
        const Axis& w = frame_.width;
        const Index lanes = frame_.lanes, step = w.dilation * lanes, pitch = shape_.pitch;
        const Index outputs = block.w_end - block.w_begin;
        const Index span = ((outputs - 1) * w.step + 1) * lanes;  // of the windows' first taps
        const Index height = block.h_end - block.h_begin;
        climb(along_, w.k, step, (height - 1) * pitch + span, rows, shape_.numbers);
        Rows<T> under;
        const auto window = [&](Index start) {
            under.clear();
            for (const Ladder::Term& term : along_.terms)
                under.push_back(rows + term.level * shape_.numbers + start + term.tap * step);
        };
        T* const spare = rows + shape_.numbers * (along_.levels + 1);
        for (Index r = 0; r < height; ++r) {
            const Index at[4] = {block.sample, block.group, block.d, block.h_begin + r};
            T* const there = flips_ ? nullptr : writer_.in_place(at, block.w_begin, block.w_end);
            T* const line = there ? there : spare;
            if (w.step == 1) {
                window(r * pitch);
                combine(join_, under, outputs * lanes, line);
            } else if (lanes == 1) {
                if (r == 0) {  // all rows at once: they may be short
                    window(0);
                    loops_.combine_whole[static_cast<int>(join_)](
                        under.data(), under.size(), (height - 1) * pitch + span, rows);
                }
                loops_.pick(rows + r * pitch, w.step, outputs, line);
            } else {
                for (Index o = 0; o < outputs; ++o) {
                    window(r * pitch + o * w.step * lanes);
                    combine(join_, under, lanes, line + o * lanes);
                }
            }
            finish(block, at, line);
            if (!there) writer_.write(at, block.w_begin, block.w_end, line);
        }
    }

    void combine(Combine how, const Rows<T>& rows, Index n, T* out) const {
        loops_.combine[static_cast<int>(how)](rows.data(), rows.size(), n, out);
    }

    /// One window per row, longer than a line: pieces are laid upon each other, then folded.
    void by_pieces(const Block& block, T* line) const {
        const Axis &d = frame_.depth, &h = frame_.height, &w = frame_.width;
        const Index lanes = frame_.lanes, n = shape_.piece * lanes;
        const Index begin = std::max<Index>(0, w.first), end = std::min(w.x, w.last());
        T* const spare = line + shape_.numbers;
        bool fresh = true;  // nothing is in the line yet
        Rows<T> under;
        const auto join = [&](Index numbers) {  // the spare line to the line
            if (fresh) std::fill_n(line, n, neutral_);
            fresh = false;
            const T* const both[2] = {line, spare};
            loops_.combine_whole[static_cast<int>(join_)](both, 2, numbers, line);
        };
        const auto flush = [&] {
            if (under.empty()) return;
            combine(source_.how, under, n, fresh ? line : spare);
            if (!fresh) join(n);
            fresh = false;
            under.clear();
        };
        const auto row = [&](const Index* at) {
            for (Index i = begin; i < end; i += shape_.piece) {
                const Index some = std::min(shape_.piece, end - i);
                const T* const part = source_.read(at, i, i + some, spare);
                if (part != spare && some == shape_.piece) {
                    under.push_back(part);
                    if (under.size() == 64) flush();
                    continue;
                }
                if (part != spare) {
                    flush();
                    combine(source_.how, {part}, some * lanes, spare);
                } else if (source_.how != join_) {
                    loops_.combine_whole[static_cast<int>(source_.how)](&part, 1, some * lanes,
                                                                        spare);
                }
                // whole vectors are joined, of any level
                const Index whole = std::min(n, (some * lanes + 15) / 16 * 16);
                std::fill(spare + some * lanes, spare + whole, neutral_);
                join(whole);
            }
        };
        Index at[4] = {block.sample, block.group, 0, 0};
        for (Index td = 0; td < d.k; ++td) {
            at[2] = d.first + block.d * d.step + td * d.dilation;
            if (at[2] < 0 || at[2] >= d.x) continue;
            for (Index th = 0; th < h.k; ++th) {
                at[3] = h.first + block.h_begin * h.step + th * h.dilation;
                if (at[3] >= 0 && at[3] < h.x) row(at);
            }
        }
        flush();
        for (Index left = shape_.piece; left > 1;) {
            const Index part = (left + 7) / 8;
            std::fill(line + left * lanes, line + 8 * part * lanes, neutral_);
            const T* eight[8];
            for (Index i = 0; i < 8; ++i) eight[i] = line + i * part * lanes;
            loops_.combine_whole[static_cast<int>(join_)](eight, 8, part * lanes, line);
            left = part;
        }
        const Index to[4] = {block.sample, block.group, block.d, block.h_begin};
        finish(block, to, line);
        writer_.write(to, 0, 1, line);
    }

    /// What is done to sums at last: roots, divisors.
    void finish(const Block& block, const Index* at, T* line) const {
        const Index outputs = block.w_end - block.w_begin, lanes = frame_.lanes;
        if constexpr (std::is_same_v<T, std::int64_t>) {
            if (flips_) flip_signs(line, outputs * lanes);
        } else if (spec_.kind == Pool::norm) {
            take_roots(line, outputs * lanes);
        } else if (spec_.kind == Pool::sum && spec_.divisor != Divisor::one) {
            divide_by_taps(spec_, frame_, loops_, at, block.w_begin, block.w_end, line);
        }
    }

    void take_roots(T* line, Index n) const {
        if (spec_.power == 1) return;
        if (spec_.power == 2) {
            for (Index i = 0; i < n; ++i) line[i] = std::sqrt(line[i]);
        } else {
            const T inverse = static_cast<T>(1 / spec_.power);
            for (Index i = 0; i < n; ++i) line[i] = std::pow(line[i], inverse);
        }
    }

    const PoolSpec& spec_;
    const PoolFrame& frame_;
    const microkernels::PoolTable<T>& loops_;
    PoolSource<T> source_;
    LineWriter<T> writer_;
    bool flips_, direct_, apart_;
    Ladder along_, down_;
    T neutral_;
    Combine join_;
    BlockShape shape_;
};

}  // namespace

template <class T>
void pool_values(const PoolSpec& spec, const ArrayView& x, const ArrayView& out,
                 const microkernels::Table& table, const Context& context) {
    const PoolFrame frame(spec, x, false, most_lanes);
    if constexpr (!std::is_same_v<T, std::int64_t>) {
        if (SingleWindow::suits(frame) && (fold_planes<T>(spec, frame, x, out, table, context) ||
                                           join_positions<T>(spec, frame, x, out, table, context)))
            return;
        if (frame.lanes == 1 && can_turn<T>(x, out, table))
            if (const Index outputs = turned_outputs<T>(spec, x, table)) {
                const Context alone{.workers = 1, .interrupt = nullptr};
                return for_each_piece<T>(
                    spec, x, outputs, false, table, [&](const PoolPiece& piece, Index together) {
                        for_each_turned<T>(
                            piece.of_x(x), piece.of_result(out), together, table, context,
                            [&](const ArrayView& samples, const ArrayView& results) {
                                pool_values<T>(piece.spec, samples, results, table, alone);
                            });
                    });
            }
    }
    const ForwardPass<T> pass(spec, frame, x, out, table);
    for_each_block(frame, pass.shape(), pass.scratch_bytes(), context,
                   [&](const Block& block, std::byte* scratch) { pass.run(block, scratch); });
}

template void pool_values<float>(const PoolSpec&, const ArrayView&, const ArrayView&,
                                 const microkernels::Table&, const Context&);
template void pool_values<double>(const PoolSpec&, const ArrayView&, const ArrayView&,
                                  const microkernels::Table&, const Context&);
template void pool_values<std::int64_t>(const PoolSpec&, const ArrayView&, const ArrayView&,
                                        const microkernels::Table&, const Context&);

}  // namespace faltung::layers
