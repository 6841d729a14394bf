#include "spectral/whole.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "core/error.hpp"
#include "lines/line_reader.hpp"
#include "lines/line_writer.hpp"
#include "parallel/parallel_for.hpp"
#include "spectral/block_levels.hpp"
#include "spectral/column_tile.hpp"
#include "spectral/kernel_feed.hpp"
#include "spectral/long_tile.hpp"
#include "spectral/place_kernel.hpp"
#include "spectral/poison.hpp"
#include "spectral/survey.hpp"
#include "spectral/whole_layout.hpp"
#include "spectral/whole_tile.hpp"

namespace faltung {
namespace {

constexpr std::size_t small_block = std::size_t{4} << 20;  // blocks up to this are one task each
constexpr Index task_points = Index{1} << 15;
constexpr Index large_kernel = Index{1} << 16, large_block = Index{1} << 21;  // points

template <class T>
class Whole final : public Executor {
public:
    Whole(const Problem& problem, std::shared_ptr<const Kernel> kernel, OtherWay by_tiles,
          const microkernels::Table& table, TransformEngine engine, double memory)
        : problem_(problem),
          kernel_(std::move(kernel)),
          by_tiles_(std::move(by_tiles)),
          table_(table),
          engine_(engine),
          layout_(lay_out(problem, table, engine, memory)),
          transform_(make_block_transform<T>(layout_.shape, table, engine)),
          together_(all_lanes_together(memory)) {}

    void run(const ArrayView& x, const ArrayView& out, const Context& context) const override {
        if (layout_.blocks == 0) return;
        if (together_ && transformed_together(x, out, context)) return;
        if (!transformed(x, out, context)) tiles()->run(x, out, context);
    }

    std::size_t workspace_bytes() const override {
        const BlockTransform<T>& larger = together_ ? *together_ : *transform_;
        return larger.block_bytes() + larger.worker_bytes();
    }

private:
    class BlockFeed;
    class BlockDrain;

    using Levels = std::vector<MagnitudeLevel<T>>;

    /// A transform for all lanes of a block at once, where they fit into memory and caches: lanes
    /// that lie side by side are not sorted apart then.
    std::unique_ptr<const BlockTransform<T>> all_lanes_together(double memory) const {
        constexpr double most_row_bytes = 2 << 20;  // of a group of rows
        const Index inner = problem_.inner;
        GridShape shape = layout_.shape;
        if (inner == 1 || shape.row == Row::flat || engine_ != TransformEngine::own) return nullptr;
        for (int a = 0; a < problem_.axes.size(); ++a) {
            const Axis& axis = problem_.axes[a];
            if (axis.k > 1 && (axis.step > 1 || layout_.hop[a] < axis.out)) return nullptr;
        }
        for (const Span& axis : shape.columns)
            if (axis.out > axis.length) return nullptr;
        if (shape.span.step > 1 || shape.span.out > shape.span.length) return nullptr;
        // of all lanes, and of the kernel
        const double points = shape.points() * static_cast<double>(inner + 1);
        if (points * 2 * sizeof(T) > memory) return nullptr;
        shape.inner = inner;
        const TilePlan plan = plan_whole_tile(shape, table_);
        const double row = static_cast<double>(plan.width * inner * transforms_of<T>(table_).lanes);
        if (!plan.good || row * 2 * sizeof(T) > most_row_bytes) return nullptr;
        return std::make_unique<WholeTile<T>>(shape, plan, table_);
    }

    /// False where the results do not stand: some lane is not finite, or spans too much, or they
    /// cannot be written where they belong.
    bool transformed_together(const ArrayView& x, const ArrayView& out,
                              const Context& context) const {
        const Index blocks = layout_.blocks / layout_.lanes;
        const auto spans = [&](Index block, const Context& mine) {
            if (problem_.sample_bound > 0 || !reaches_further()) return false;
            BlockFeed feed(*this, block, x, nullptr);
            const GridShape inside = feed.keep_inside();
            return spans_too_much(inside, 0, feed, loops_of<T>(table_), mine) || feed.immoderate();
        };
        const auto run_one = [&](Index block, const Spectrum<T>& spectrum, const Context& mine) {
            Poison<T> none(layout_.shape, table_);
            BlockFeed feed(*this, block, x, nullptr);
            BlockDrain drain(*this, block, out, none, true);
            const Extents first(layout_.shape.columns.size(), 0);
            Index stride = 0;
            if (!drain.plane_in_place(first.data(), stride)) return false;
            together_->run(spectrum, feed, drain, mine);
            return !feed.immoderate();
        };
        if (blocks >= std::max(2, context.workers) &&
            together_->block_bytes() + together_->worker_bytes() <= small_block) {
            const Spectrum<T>& spectrum = prepared(context);
            std::atomic<bool> good{true};
            parallel_for(blocks, context, [&](Index block, int) {
                if (good && (spans(block, Context{}) || !run_one(block, spectrum, Context{})))
                    good = false;
            });
            return good;
        }
        for (Index block = 0; block < blocks; ++block)
            if (spans(block, context)) return false;
        const Spectrum<T>& spectrum = prepared(context);
        for (Index block = 0; block < blocks; ++block)
            if (!run_one(block, spectrum, context)) return false;
        return true;
    }

    /// False where the results do not stand, because some block has more levels than tiles are
    /// worth.
    bool transformed(const ArrayView& x, const ArrayView& out, const Context& context) const {
        // Blocks large enough for all workers come one after the other.
        const bool by_block = layout_.blocks >= std::max(2, context.workers) &&
                              transform_->block_bytes() + transform_->worker_bytes() <= small_block;
        if (!by_block) {
            // Large blocks are looked at before anything is transformed, the kernel included.
            std::vector<Levels> levels;
            for (Index block = 0; block < layout_.blocks; ++block) {
                levels.push_back(levels_of(block, x, context));
                if (too_many(levels.back())) return false;
            }
            const KeptWorkspaces kept;  // the kernel's block is the first one's of the array
            const Spectrum<T>& spectrum = prepared(context);
            for (Index block = 0; block < layout_.blocks; ++block)
                run_block(block, levels[static_cast<std::size_t>(block)], spectrum, x, out,
                          context);
            return true;
        }
        const Spectrum<T>& spectrum = prepared(context);
        std::atomic<bool> good{true};
        const Index group = std::max<Index>(
            1, static_cast<Index>(static_cast<double>(task_points) / layout_.shape.points()));
        parallel_for((layout_.blocks + group - 1) / group, context, [&](Index task, int) {
            for (Index block = task * group;
                 good && block < std::min(layout_.blocks, (task + 1) * group); ++block) {
                const Levels levels = levels_of(block, x, Context{});
                if (too_many(levels))
                    good = false;
                else
                    run_block(block, levels, spectrum, x, out, Context{});
            }
        });
        return good;
    }

    bool too_many(const Levels& levels) const {
        return by_tiles_.make && static_cast<double>(levels.size()) > by_tiles_.cost;
    }

    const Spectrum<T>& prepared(const Context& context) const {
        const std::lock_guard lock(mutex_);
        if (!spectrum_) {
            // A small kernel is transformed in float64 and rounded once. One about as large as the
            // array costs as much as the array, and is no worse off in float32 than the samples
            // are; nor may a large block be there twice.
            if (std::is_same_v<T, double> || layout_.shape.kernel_points() > large_kernel ||
                layout_.shape.points() > large_block) {
                spectrum_.emplace(spectrum_by(*transform_, context));
            } else {
                const auto precise = make_block_transform<double>(layout_.shape, table_, engine_);
                spectrum_.emplace(transform_->rounded(spectrum_by(*precise, context), context));
            }
        }
        return *spectrum_;
    }

    template <class E>
    Spectrum<E> spectrum_by(const BlockTransform<E>& transform, const Context& context) const {
        const GridShape& shape = layout_.shape;
        if (!folds(shape)) {
            KernelFeed<E, T> feed(shape, kernel_->stored<T>());
            return transform.spectrum(feed, context);
        }
        const KernelPlanes<T>& planes = kernel_->planes<T>();
        const std::size_t bytes = static_cast<std::size_t>(shape.kernel_points()) * sizeof(double);
        const Workspace real(bytes), imag(planes.imag.empty() ? 0 : bytes);
        const auto place = [&](const Taps<T>& plane, const Workspace& to) {
            place_kernel(
                shape,
                [&](Index t) { return static_cast<double>(plane[static_cast<std::size_t>(t)]); },
                to.as<double>(), context);
        };
        place(planes.real, real);
        if (!planes.imag.empty()) place(planes.imag, imag);
        PlacedFeed<E> feed(shape, real.as<double>(),
                           planes.imag.empty() ? nullptr : imag.as<double>());
        return transform.spectrum(feed, context);
    }

    /// The levels of a block whose samples span too much for one transform; else none.
    Levels levels_of(Index block, const ArrayView& x, const Context& context) const {
        if (problem_.sample_bound > 0 || !reaches_further()) return {};  // integers are rounded
        Poison<T> unused(layout_.shape, table_);
        BlockFeed feed(*this, block, x, &unused);
        const GridShape inside = feed.keep_inside();
        if (!spans_too_much(inside, feed.numbers(), feed, loops_of<T>(table_), context)) return {};
        return BlockLevels<T>(inside, problem_.complex_samples).of(feed, feed.numbers(), context);
    }

    void run_block(Index block, Levels levels, const Spectrum<T>& spectrum, const ArrayView& x,
                   const ArrayView& out, const Context& context) const {
        Poison<T> poison(layout_.shape, table_);
        BlockFeed feed(*this, block, x, &poison);
        BlockDrain drain(*this, block, out, poison);
        const BlockLevels<T> by_level(layout_.shape, problem_.complex_samples);
        if (levels.empty()) {
            transform_->run(spectrum, feed, drain, context);
            if (!poison.huge()) return;
            levels = by_level.of(feed, feed.numbers(), context);  // which are scaled
        }
        by_level.run(levels, *transform_, spectrum, feed, drain, context);
    }

    /// Whether the transform is so long that its noise leaves a window's surroundings.
    bool reaches_further() const {
        const GridShape& shape = layout_.shape;
        const Index beside = surroundings(shape);
        const auto further = [&](const Span& axis) {
            return axis.have > axis.reach + std::max(axis.reach, beside);
        };
        return (shape.row != Row::flat && further(shape.span)) ||
               std::any_of(shape.columns.begin(), shape.columns.end(), further);
    }

    const Executor* tiles() const {
        const std::lock_guard lock(mutex_);
        if (!tiles_) tiles_ = by_tiles_.make();
        return tiles_.get();
    }

    /// The problem and a view of one lane.
    Problem lane_problem() const {
        Problem one = problem_;
        if (layout_.shape.row != Row::flat) one.inner = 1;
        return one;
    }
    ArrayView lane_view(ArrayView view, Index lane) const {
        if (layout_.shape.row != Row::flat)
            view.data += lane * static_cast<Index>(size_of(view.dtype));
        return view;
    }

    Problem problem_;
    std::shared_ptr<const Kernel> kernel_;
    OtherWay by_tiles_;
    const microkernels::Table& table_;
    TransformEngine engine_;
    Layout layout_;
    std::unique_ptr<const BlockTransform<T>> transform_, together_;
    mutable std::mutex mutex_;
    mutable std::optional<Spectrum<T>> spectrum_;
    mutable std::unique_ptr<Executor> tiles_;
};

template <class T>
class Whole<T>::BlockFeed final : public Feed<T> {
public:
    /// Without `poison`, of all lanes together.
    BlockFeed(const Whole& whole, Index block, const ArrayView& x, Poison<T>* poison)
        : whole_(whole),
          place_(
              whole.layout_.place_of(poison ? block : block * whole.layout_.lanes, whole.problem_)),
          reader_(poison ? whole.lane_problem() : whole.problem_, whole.lane_view(x, place_.lane),
                  whole.table_),
          poison_(poison),
          inner_(poison ? 1 : whole.problem_.inner),
          origin_(place_.output) {
        const PerAxis<Axis>& axes = whole.problem_.axes;
        const Layout& layout = whole.layout_;
        for (int a = 0; a < axes.size(); ++a) origin_[a] *= axes[a].step;
        for (const int a : layout.batch_axes) origin_[a] += axes[a].first;
        for (int c = 0; c < layout.column_axes.size(); ++c)
            origin_[layout.column_axes[c]] += layout.shape.columns[c].low;
        origin_.back() += layout.shape.span.low;
    }

    const T* line(const Index* at, Index begin, Index end, T* numbers) override {
        const Layout& layout = whole_.layout_;
        const Extents where = coordinates(at);
        Index count;
        if (layout.shape.row == Row::flat) {
            count = piece(where.begin(), numbers);
        } else {
            count = (end - begin) * (layout.shape.row == Row::real ? 1 : 2) * inner_;
            const Index from = origin_.back() + begin, to = origin_.back() + end;
            const T* here = reader_.in_place(where.begin(), from, to);
            if (here && loops_of<T>(whole_.table_).moderate(here, count)) return here;
            reader_.read(where.begin(), from, to, numbers);
        }
        if (poison_)
            poison_->scrub(at, begin, numbers, count);
        else if (!loops_of<T>(whole_.table_).moderate(numbers, count))
            immoderate_ = true;
        return numbers;
    }

    /// From here on only lines and samples of the array itself are given, not the zeros around it.
    /// Answers what the block looks like then.
    GridShape keep_inside() {
        GridShape shape = whole_.layout_.shape;
        shape.inner = inner_;
        if (whole_.problem_.boundary != Boundary::zero) return shape;
        const auto clip = [&](int axis, Span& span) {
            Index& begin = origin_[axis];
            const Index x = whole_.problem_.axes[axis].x;
            const Index end = std::clamp<Index>(begin + span.have, 0, x);
            begin = std::clamp<Index>(begin, 0, end);
            span.have = end - begin;
        };
        for (int c = 0; c < shape.columns.size(); ++c)
            clip(whole_.layout_.column_axes[c], shape.columns[c]);
        if (shape.row != Row::flat) clip(origin_.size() - 1, shape.span);
        return shape;
    }

    /// That a flat line holds.
    Index numbers() const {
        const Layout& layout = whole_.layout_;
        const Index begin = place_.lane * layout.piece;
        const Index end = std::min(whole_.problem_.axes.back().out, begin + layout.piece);
        return layout.shape.row == Row::flat ? (end - begin) * whole_.problem_.lanes() : 0;
    }

    void restart() override { poison_->forget(); }

    /// Of all lanes together: whether some number was not finite, or too large.
    bool immoderate() const { return immoderate_; }

    const T* in_place() override { return row_in_place(origin_); }

    const T* plane_in_place(const Index* at, Index& stride) override {
        const Layout& layout = whole_.layout_;
        const int axis = layout.column_axes.back();
        const Index rows = layout.shape.columns.back().have;
        Extents where = coordinates(at);
        where[axis] = origin_[axis];
        if (layout.shape.row == Row::flat &&
            (whole_.problem_.axes.back().step > 1 || numbers() < 2 * layout.shape.width))
            return nullptr;
        if (rows < 1 || where[axis] < 0 || where[axis] + rows > whole_.problem_.axes[axis].x)
            return nullptr;
        const T* const first = row_in_place(where);
        where[axis] += rows - 1;
        const T* const last = row_in_place(where);
        if (!first || !last) return nullptr;
        stride = rows > 1 ? (last - first) / (rows - 1) : 0;
        return first;
    }

private:
    Extents coordinates(const Index* at) const {
        const Layout& layout = whole_.layout_;
        Extents where = origin_;
        for (int c = 0; c < layout.column_axes.size(); ++c) where[layout.column_axes[c]] += at[c];
        return where;
    }

    const T* row_in_place(const Extents& where) const {
        const Layout& layout = whole_.layout_;
        Index begin = origin_.back(), have = layout.shape.span.have;
        if (layout.shape.row == Row::flat) {
            begin = whole_.problem_.axes.back().first + place_.lane * layout.piece;
            have = layout.piece;
        }
        return reader_.in_place(where.begin(), begin, begin + have);
    }

    Index piece(const Index* where, T* numbers) {
        const Layout& layout = whole_.layout_;
        const Axis& row = whole_.problem_.axes.back();
        const Index lanes = whole_.problem_.lanes();
        const Index begin = place_.lane * layout.piece,
                    end = std::min(row.out, begin + layout.piece);
        if (row.step == 1)
            reader_.read(where, row.first + begin, row.first + end, numbers);
        else
            for (Index j = begin; j < end; ++j) {
                const Index at = row.first + j * row.step;
                reader_.read(where, at, at + 1, numbers + (j - begin) * lanes);
            }
        const Index count = (end - begin) * lanes;
        std::fill(numbers + count, numbers + 2 * layout.shape.width, T(0));
        return count;
    }

    const Whole& whole_;
    Layout::Place place_;
    LineReader<T> reader_;
    Poison<T>* poison_;
    Index inner_;
    std::atomic<bool> immoderate_{false};
    Extents origin_;  // of the block's samples
};

template <class T>
class Whole<T>::BlockDrain final : public Drain<T> {
public:
    BlockDrain(const Whole& whole, Index block, const ArrayView& out, Poison<T>& poison,
               bool together = false)
        : whole_(whole),
          place_(whole.layout_.place_of(together ? block * whole.layout_.lanes : block,
                                        whole.problem_)),
          writer_(together ? whole.problem_ : whole.lane_problem(),
                  whole.lane_view(out, place_.lane), whole.table_, true),
          poison_(poison) {}

    void begin(const Context& context) override { poison_.spread(*whole_.kernel_, context); }

    void line(const Index* at, Index begin, Index end, T* numbers) override {
        const Layout& layout = whole_.layout_;
        const PerAxis<Axis>& axes = whole_.problem_.axes;
        poison_.apply(at, begin, end, numbers);
        Extents where = place_.output;
        for (int c = 0; c < layout.column_axes.size(); ++c) {
            const int a = layout.column_axes[c];
            where[a] += at[c];
            if (where[a] >= axes[a].out) return;  // of the last part
        }
        const Index out = axes.back().out;
        if (layout.shape.row == Row::flat) {
            begin = place_.lane * layout.piece;
            end = std::min(out, begin + layout.piece);
        } else {
            begin += place_.output.back();
            end = std::min(out, end + place_.output.back());
        }
        if (begin < end) writer_.write(where.begin(), begin, end, numbers);
    }

    T* in_place() override { return row_in_place(place_.output); }

    T* plane_in_place(const Index* at, Index& stride) override {
        const Layout& layout = whole_.layout_;
        const int axis = layout.column_axes.back();
        const Index rows = layout.shape.columns.back().out;
        Extents where = place_.output;
        for (int c = 0; c + 1 < layout.column_axes.size(); ++c) {
            const int a = layout.column_axes[c];
            where[a] += at[c];
            if (where[a] >= whole_.problem_.axes[a].out) return nullptr;
        }
        if (where[axis] + rows > whole_.problem_.axes[axis].out) return nullptr;
        T* const first = row_in_place(where);
        where[axis] += rows - 1;
        T* const last = row_in_place(where);
        if (!first || !last) return nullptr;
        stride = rows > 1 ? (last - first) / (rows - 1) : 0;
        return first;
    }

    bool keeps_lines() const override {
        for (int a = 0; a < place_.output.size(); ++a) {
            const Index end = place_.output[a] + whole_.layout_.hop[a];
            if (end > whole_.problem_.axes[a].out) return false;
        }
        return whole_.layout_.shape.row != Row::flat && kept_row(place_.output) != nullptr;
    }

    T* kept_line(const Index* at) override {
        if (!keeps_lines()) return nullptr;
        Extents where = place_.output;
        for (int c = 0; c < whole_.layout_.column_axes.size(); ++c)
            where[whole_.layout_.column_axes[c]] += at[c];
        return kept_row(where);
    }

private:
    T* kept_row(const Extents& where) const {
        const Index begin = place_.output.back();
        return writer_.in_place(where.begin(), begin, begin + whole_.layout_.shape.span.out);
    }

    T* row_in_place(const Extents& where) const {
        const Layout& layout = whole_.layout_;
        const bool flat = layout.shape.row == Row::flat;
        const Index begin = flat ? place_.lane * layout.piece : place_.output.back();
        const Index end = begin + (flat ? layout.piece : layout.shape.span.out);
        if (flat && layout.piece * whole_.problem_.lanes() < 2 * layout.shape.width) return nullptr;
        if (!poison_.empty() || end > whole_.problem_.axes.back().out) return nullptr;
        return writer_.in_place(where.begin(), begin, end);
    }

    const Whole& whole_;
    Layout::Place place_;
    LineWriter<T> writer_;
    Poison<T>& poison_;
};

}  // namespace

WholeWork whole_work(const Problem& problem, const microkernels::Table& table, double memory) try {
    const Layout layout = lay_out(problem, table, TransformEngine::own, memory);
    WholeWork work;
    work.own = plan_whole_tile(layout.shape, table).good ||
               plan_column_tile(layout.shape, table).good ||
               (layout.shape.is_long() && plan_long_tile(layout.shape.row_points(), table).good);
    work.blocks = static_cast<double>(layout.blocks);
    work.points = layout.shape.points();
    const auto add = [&](Index length) {
        work.steps += std::log2(static_cast<double>(length));
        work.lines += work.points / static_cast<double>(length);
    };
    if (layout.shape.row != Row::flat) add(layout.shape.row_points());
    for (const Span& axis : layout.shape.columns) add(axis.length);
    return work;
} catch (const TooLarge& error) {
    return {.objection = error.what()};
}

std::unique_ptr<Executor> make_whole(const Problem& problem, std::shared_ptr<const Kernel> kernel,
                                     OtherWay by_tiles, const microkernels::Table& table,
                                     double memory, TransformEngine engine) {
    switch (problem.arithmetic) {
        case Arithmetic::f32:
            return std::make_unique<Whole<float>>(problem, std::move(kernel), std::move(by_tiles),
                                                  table, engine, memory);
        case Arithmetic::f64:
            return std::make_unique<Whole<double>>(problem, std::move(kernel), std::move(by_tiles),
                                                   table, engine, memory);
        default: throw std::logic_error("transforms do not compute in integers");
    }
}

}  // namespace faltung
