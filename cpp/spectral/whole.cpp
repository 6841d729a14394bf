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
#include "spectral/block.hpp"
#include "spectral/good_size.hpp"
#include "spectral/long_tile.hpp"
#include "spectral/place_kernel.hpp"
#include "spectral/poison.hpp"
#include "spectral/survey.hpp"

namespace faltung {
namespace {

constexpr Index flat_bytes = Index{1} << 19;               // of a flat row's columns in one block
constexpr std::size_t small_block = std::size_t{4} << 20;  // blocks up to this are one task each
constexpr Index task_points = Index{1} << 15;
constexpr Index large_kernel = Index{1} << 16;  // points

/// How the problem falls into blocks, all of one shape.
struct Layout {
    GridShape shape;
    PerAxis<int> column_axes;  // of the problem, slowest first
    PerAxis<int> batch_axes;   // walked entry by entry; never the last axis
    Index lanes = 1;           // blocks per batch entry: inner lanes, or pieces of a flat row
    Index piece = 0;           // Row::flat: positions per piece
    Index blocks = 1;
};

/// The points of a long line's transform: at least `n`.
Index long_points(Index n, const microkernels::Table& table, TransformEngine engine) {
    if (engine == TransformEngine::own) {
        const TilePlan plan = plan_long_tile(n, table);
        if (plan.good) return plan.column_lengths[0] * plan.width;
    }
    return good_split(n).length();
}

Layout lay_out(const Problem& problem, const microkernels::Table& table, TransformEngine engine) {
    Layout layout;
    const int last = problem.axes.size() - 1;
    bool convolved = false;
    for (int a = 0; a < last; ++a) {
        const Axis& axis = problem.axes[a];
        if (axis.k > 1) {
            layout.column_axes.push_back(a);
            layout.shape.columns.push_back(make_span(axis, problem.boundary, true));
            convolved = true;
        } else {
            layout.batch_axes.push_back(a);
            layout.blocks *= axis.out;
        }
    }
    const Axis& row = problem.axes[last];
    if (row.k > 1 || !convolved) {
        const bool real = !problem.complex_samples;
        layout.shape.row = real ? Row::real : Row::complex;
        const Index multiple = real ? 2 : 1;
        Span& span = layout.shape.span;
        span = make_span(row, problem.boundary, !real, multiple);
        if (layout.shape.is_long() && !span.periodic)
            span = make_span(row, problem.boundary, false, multiple,
                             [&](Index n) { return long_points(n, table, engine); });
        layout.lanes = problem.inner;
    } else {
        layout.shape.row = Row::flat;
        double column = static_cast<double>(size_of(problem.arithmetic));
        for (const Span& axis : layout.shape.columns) column *= static_cast<double>(axis.length);
        // Pieces of less than 512 bytes would be all latency.
        const Index least = static_cast<Index>(512 / size_of(problem.arithmetic));
        const Index numbers =
            std::max(least, static_cast<Index>(static_cast<double>(flat_bytes) / column));
        layout.piece = std::clamp<Index>(numbers / problem.lanes(), 1, row.out);
        layout.lanes = (row.out + layout.piece - 1) / layout.piece;
        layout.shape.width = (layout.piece * problem.lanes() + 1) / 2;
    }
    layout.blocks *= layout.lanes;
    return layout;
}

template <class T>
class Whole final : public Executor {
public:
    Whole(const Problem& problem, std::shared_ptr<const Kernel> kernel,
          std::shared_ptr<const Dense> dense, std::function<std::unique_ptr<Executor>()> by_tiles,
          const microkernels::Table& table, TransformEngine engine)
        : problem_(problem),
          kernel_(std::move(kernel)),
          dense_(std::move(dense)),
          by_tiles_(std::move(by_tiles)),
          table_(table),
          engine_(engine),
          layout_(lay_out(problem, table, engine)),
          transform_(make_block_transform<T>(layout_.shape, table, engine)) {}

    void run(const ArrayView& x, const ArrayView& out, const Context& context) const override {
        if (layout_.blocks == 0) return;
        switch (transformed(x, out, context)) {
            case Outcome::good: break;
            case Outcome::wide: tiles()->run(x, out, context); break;
            case Outcome::huge: dense_->run(x, out, context); break;
        }
    }

    std::size_t workspace_bytes() const override {
        return transform_->block_bytes() + transform_->worker_bytes();
    }

private:
    class BlockFeed;
    class BlockDrain;

    /// Whether the results stand; else samples were so large that a transform may overflow, or
    /// spanned so much that it would drown the faint ones. The last, because tiles cope with both.
    enum class Outcome : std::uint8_t { good, huge, wide };

    Outcome transformed(const ArrayView& x, const ArrayView& out, const Context& context) const {
        std::atomic<Outcome> worst = Outcome::good;
        const auto note = [&](Outcome outcome) {
            Outcome known = worst;
            while (known < outcome && !worst.compare_exchange_weak(known, outcome)) {
            }
        };
        const Spectrum<T>& spectrum = prepared(context);
        const bool by_block = layout_.blocks >= std::max(2, context.workers) &&
                              transform_->block_bytes() + transform_->worker_bytes() <= small_block;
        if (!by_block) {
            for (Index block = 0; block < layout_.blocks && worst == Outcome::good; ++block)
                note(run_block(block, spectrum, x, out, context));
            return worst;
        }
        const Index group = std::max<Index>(
            1, static_cast<Index>(static_cast<double>(task_points) / layout_.shape.points()));
        parallel_for((layout_.blocks + group - 1) / group, context, [&](Index task, int) {
            for (Index block = task * group; block < std::min(layout_.blocks, (task + 1) * group);
                 ++block)
                note(run_block(block, spectrum, x, out, Context{}));
        });
        return worst;
    }

    const Spectrum<T>& prepared(const Context& context) const {
        const std::lock_guard lock(mutex_);
        if (!spectrum_) {
            const KernelPlanes<T>& planes = kernel_->planes<T>();
            const std::size_t bytes =
                static_cast<std::size_t>(layout_.shape.kernel_points()) * sizeof(double);
            const Workspace real(bytes), imag(planes.imag.empty() ? 0 : bytes);
            const auto place = [&](const Taps<T>& plane, const Workspace& to) {
                place_kernel(
                    layout_.shape,
                    [&](Index t) {
                        return static_cast<double>(plane[static_cast<std::size_t>(t)]);
                    },
                    to.as<double>(), context);
            };
            place(planes.real, real);
            if (!planes.imag.empty()) place(planes.imag, imag);
            const PlacedKernel kernel{real.as<double>(),
                                      planes.imag.empty() ? nullptr : imag.as<double>()};
            // A small kernel is transformed in float64 and rounded once. One about as large as the
            // array costs as much as the array, and is no worse off in float32 than the samples
            // are.
            if (std::is_same_v<T, double> || layout_.shape.kernel_points() > large_kernel) {
                spectrum_.emplace(transform_->spectrum(kernel, context));
            } else {
                const auto precise = make_block_transform<double>(layout_.shape, table_, engine_);
                spectrum_.emplace(transform_->rounded(precise->spectrum(kernel, context), context));
            }
        }
        return *spectrum_;
    }

    Outcome run_block(Index block, const Spectrum<T>& spectrum, const ArrayView& x,
                      const ArrayView& out, const Context& context) const {
        if (by_tiles_ && reaches_further()) {
            Poison<T> unused(layout_.shape, table_);
            BlockFeed feed(*this, block, x, unused);
            if (spans_too_much(layout_.shape, feed.numbers(), feed, loops_of<T>(table_), context))
                return Outcome::wide;
        }
        Poison<T> poison(layout_.shape, table_);
        BlockFeed feed(*this, block, x, poison);
        BlockDrain drain(*this, block, out, poison);
        transform_->run(spectrum, feed, drain, context);
        return poison.huge() ? Outcome::huge : Outcome::good;
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
        if (!tiles_) tiles_ = by_tiles_();
        return tiles_.get();
    }

    /// Coordinates of a block on the batch axes, and its lane or piece.
    Index locate(Index block, Extents& entry) const {
        const Index lane = block % layout_.lanes;
        block /= layout_.lanes;
        entry = Extents(problem_.axes.size(), 0);
        for (int b = layout_.batch_axes.size() - 1; b >= 0; --b) {
            const int a = layout_.batch_axes[b];
            entry[a] = block % problem_.axes[a].out;
            block /= problem_.axes[a].out;
        }
        return lane;
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
    std::shared_ptr<const Dense> dense_;
    std::function<std::unique_ptr<Executor>()> by_tiles_;
    const microkernels::Table& table_;
    TransformEngine engine_;
    Layout layout_;
    std::unique_ptr<const BlockTransform<T>> transform_;
    mutable std::mutex mutex_;
    mutable std::optional<Spectrum<T>> spectrum_;
    mutable std::unique_ptr<Executor> tiles_;
};

template <class T>
class Whole<T>::BlockFeed final : public Feed<T> {
public:
    BlockFeed(const Whole& whole, Index block, const ArrayView& x, Poison<T>& poison)
        : whole_(whole),
          lane_(whole.locate(block, entry_)),
          reader_(whole.lane_problem(), whole.lane_view(x, lane_), whole.table_),
          poison_(poison) {
        for (const int a : whole.layout_.batch_axes) {
            const Axis& axis = whole.problem_.axes[a];
            entry_[a] = axis.first + entry_[a] * axis.step;
        }
    }

    const T* line(const Index* at, Index begin, Index end, T* numbers) override {
        const Layout& layout = whole_.layout_;
        Index where[max_rank];
        std::copy_n(entry_.begin(), entry_.size(), where);
        for (int c = 0; c < layout.column_axes.size(); ++c)
            where[layout.column_axes[c]] = layout.shape.columns[c].low + at[c];
        Index count;
        if (layout.shape.row == Row::flat) {
            count = piece(where, numbers);
        } else {
            count = (end - begin) * (layout.shape.row == Row::real ? 1 : 2);
            const Index from = layout.shape.span.low + begin, to = layout.shape.span.low + end;
            const T* here = reader_.in_place(where, from, to);
            if (here && loops_of<T>(whole_.table_).moderate(here, count)) return here;
            reader_.read(where, from, to, numbers);
        }
        poison_.scrub(at, begin, numbers, count);
        return numbers;
    }

    /// That a flat line holds.
    Index numbers() const {
        const Layout& layout = whole_.layout_;
        const Index begin = lane_ * layout.piece;
        const Index end = std::min(whole_.problem_.axes.back().out, begin + layout.piece);
        return layout.shape.row == Row::flat ? (end - begin) * whole_.problem_.lanes() : 0;
    }

    const T* in_place() override {
        const Span& span = whole_.layout_.shape.span;
        return reader_.in_place(entry_.data(), span.low, span.low + span.have);
    }

private:
    Index piece(const Index* where, T* numbers) {
        const Layout& layout = whole_.layout_;
        const Axis& row = whole_.problem_.axes.back();
        const Index lanes = whole_.problem_.lanes();
        const Index begin = lane_ * layout.piece, end = std::min(row.out, begin + layout.piece);
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
    Extents entry_;
    Index lane_;
    LineReader<T> reader_;
    Poison<T>& poison_;
};

template <class T>
class Whole<T>::BlockDrain final : public Drain<T> {
public:
    BlockDrain(const Whole& whole, Index block, const ArrayView& out, Poison<T>& poison)
        : whole_(whole),
          lane_(whole.locate(block, entry_)),
          writer_(whole.lane_problem(), whole.lane_view(out, lane_), whole.table_),
          poison_(poison) {}

    void begin(const Context& context) override { poison_.spread(*whole_.kernel_, context); }

    void line(const Index* at, Index begin, Index end, T* numbers) override {
        const Layout& layout = whole_.layout_;
        poison_.apply(at, begin, end, numbers);
        Index where[max_rank];
        std::copy_n(entry_.begin(), entry_.size(), where);
        for (int c = 0; c < layout.column_axes.size(); ++c) where[layout.column_axes[c]] = at[c];
        if (layout.shape.row == Row::flat) {
            const Index out = whole_.problem_.axes.back().out;
            begin = lane_ * layout.piece;
            end = std::min(out, begin + layout.piece);
        }
        writer_.write(where, begin, end, numbers);
    }

    T* in_place() override {
        if (!poison_.empty()) return nullptr;
        return writer_.in_place(entry_.data(), 0, whole_.layout_.shape.span.out);
    }

private:
    const Whole& whole_;
    Extents entry_;
    Index lane_;
    LineWriter<T> writer_;
    Poison<T>& poison_;
};

}  // namespace

WholeWork whole_work(const Problem& problem, const microkernels::Table& table) {
    const Layout layout = lay_out(problem, table, TransformEngine::own);
    WholeWork work;
    work.own = layout.shape.is_long() && plan_long_tile(layout.shape.row_points(), table).good;
    work.blocks = static_cast<double>(layout.blocks);
    work.points = layout.shape.points();
    const auto add = [&](Index length) {
        work.steps += std::log2(static_cast<double>(length));
        work.lines += work.points / static_cast<double>(length);
    };
    if (layout.shape.row != Row::flat) add(layout.shape.row_points());
    for (const Span& axis : layout.shape.columns) add(axis.length);
    return work;
}

std::unique_ptr<Executor> make_whole(const Problem& problem, std::shared_ptr<const Kernel> kernel,
                                     std::shared_ptr<const Dense> dense,
                                     std::function<std::unique_ptr<Executor>()> by_tiles,
                                     const microkernels::Table& table, TransformEngine engine) {
    switch (problem.arithmetic) {
        case Arithmetic::f32:
            return std::make_unique<Whole<float>>(problem, std::move(kernel), std::move(dense),
                                                  std::move(by_tiles), table, engine);
        case Arithmetic::f64:
            return std::make_unique<Whole<double>>(problem, std::move(kernel), std::move(dense),
                                                   std::move(by_tiles), table, engine);
        default: throw std::logic_error("transforms do not compute in integers");
    }
}

}  // namespace faltung
