#include "spectral/whole.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "core/error.hpp"
#include "core/even_piece.hpp"
#include "parallel/parallel_for.hpp"
#include "spectral/block_levels.hpp"
#include "spectral/column_tile.hpp"
#include "spectral/kernel_feed.hpp"
#include "spectral/long_tile.hpp"
#include "spectral/place_kernel.hpp"
#include "spectral/poison.hpp"
#include "spectral/survey.hpp"
#include "spectral/whole_blocks.hpp"
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
            BlockFeed<T> feed(array(), block, x, nullptr);
            const GridShape inside = feed.keep_inside();
            return spans_too_much(inside, 0, feed, loops_of<T>(table_), mine) || feed.immoderate();
        };
        const auto run_one = [&](Index block, const Spectrum<T>& spectrum, const Context& mine) {
            Poison<T> none(layout_.shape, table_);
            BlockFeed<T> feed(array(), block, x, nullptr);
            BlockDrain<T> drain(array(), block, out, none, true);
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
        const Index most = std::max<Index>(
            1, static_cast<Index>(static_cast<double>(task_points) / layout_.shape.points()));
        const Index group = even_piece(layout_.blocks, most);  // lest one worker waits
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
        BlockFeed<T> feed(array(), block, x, &unused);
        const GridShape inside = feed.keep_inside();
        if (!spans_too_much(inside, feed.numbers(), feed, loops_of<T>(table_), context)) return {};
        return BlockLevels<T>(inside, problem_.complex_samples).of(feed, feed.numbers(), context);
    }

    void run_block(Index block, Levels levels, const Spectrum<T>& spectrum, const ArrayView& x,
                   const ArrayView& out, const Context& context) const {
        Poison<T> poison(layout_.shape, table_);
        BlockFeed<T> feed(array(), block, x, &poison);
        BlockDrain<T> drain(array(), block, out, poison);
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

    BlockArray array() const { return {problem_, layout_, *kernel_, table_}; }

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

}  // namespace

WholeWork whole_work(const Problem& problem, const microkernels::Table& table, double memory) try {
    const Layout layout = lay_out(problem, table, TransformEngine::own, memory);
    WholeWork work;
    work.own = plan_whole_tile(layout.shape, table).good ||
               plan_column_tile(layout.shape, table).good ||
               plan_line_tile(layout.shape, table).good;
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
