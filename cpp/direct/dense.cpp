#include "direct/dense.hpp"

#include "direct/dense_pass.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung {

namespace {

/// Multiplications in one task: a millisecond or so, long against starting it, short against an
/// interrupt.
constexpr double task_work = 6e7;
/// Less than this is not worth a second thread.
constexpr double shared_work = 4e5;
/// Tasks per worker, so that they finish together.
constexpr double tasks_per_worker = 4;
/// Samples that several kernels meet in turn: a part of a common second-level cache, in which
/// results pass through as well.
constexpr double part_bytes = 256 << 10;

Index divide_up(Index a, Index b) { return (a + b - 1) / b; }

/// Box number `number` of those that cut an array of `extents` into parts.
Box part_of(const Extents& extents, const Extents& part, Index number) {
    Box box{part, part};
    for (int a = extents.size() - 1; a >= 0; --a) {
        const Index count = divide_up(extents[a], part[a]);
        box.begin[a] = number % count * part[a];
        box.end[a] = std::min(extents[a], box.begin[a] + part[a]);
        number /= count;
    }
    return box;
}

Index count_parts(const Extents& extents, const Extents& part) {
    Index count = 1;
    for (int a = 0; a < extents.size(); ++a) count *= divide_up(extents[a], part[a]);
    return count;
}

template <class T>
class DenseOf final : public Dense {
public:
    DenseOf(direct::DensePlan<T> plan, std::size_t far_from)
        : plan_(std::move(plan)), far_from_(far_from) {}

    void run(const ArrayView& x, const ArrayView& out, const Context& context) const override {
        const Far far = what_is_far();
        const direct::DensePass<T> pass(plan_, x, out, far);
        const Extents all = extents(), piece = pieces(context.workers);
        parallel_for(count_parts(all, piece), context, [&](Index task, int) {
            pass.run(part_of(all, piece, task));
            if (far.results) plan_.micro->fence();
        });
    }

    void run_box(const ArrayView& x, const ArrayView& out, const Box& box) const override {
        direct::DensePass<T>(plan_, x, out, {}).run(box);
    }

    void run_part(const ArrayView& x, const ArrayView& out, const Box& box) const override {
        const Far far = what_is_far();
        direct::DensePass<T>(plan_, x, out, far).run(box);
        if (far.results) plan_.micro->fence();
    }

    /// Slow axes are cut first. Parts that are short against their windows would fetch most samples
    /// twice.
    Extents part() const override {
        Extents part = extents();
        double bytes = static_cast<double>(sizeof(T)) * static_cast<double>(plan_.problem.lanes());
        for (const Index length : part) bytes *= static_cast<double>(length);
        for (int a = 0; a <= plan_.outer && bytes > part_bytes; ++a) {
            const Axis& axis = plan_.problem.axes[a];
            const Index group = a == plan_.outer ? 1024 : a == plan_.row_axis ? plan_.group : 1;
            const Index unit = divide_up(2 * axis.reach(), group) * group;
            const double all = static_cast<double>(part[a]);
            const Index wanted = static_cast<Index>(all * part_bytes / bytes);
            part[a] = std::clamp<Index>(wanted / unit * unit, std::min(unit, part[a]), part[a]);
            bytes *= static_cast<double>(part[a]) / all;
        }
        return part;
    }

    std::size_t workspace_bytes() const override {
        return direct::DensePass<T>::scratch_bytes(plan_);
    }

private:
    using Far = typename direct::DensePass<T>::Far;

    Index extent(int axis) const { return plan_.problem.axes[axis].out; }

    Extents extents() const {
        Extents all;
        for (const Axis& axis : plan_.problem.axes) all.push_back(axis.out);
        return all;
    }

    Far what_is_far() const {
        const Problem& problem = plan_.problem;
        double samples = static_cast<double>(problem.inner), results = samples;
        for (const Axis& axis : problem.axes) {
            samples *= static_cast<double>(axis.x);
            results *= static_cast<double>(axis.out);
        }
        const auto bytes = [](DType dtype, double numbers) {
            return numbers * static_cast<double>(size_of(dtype));
        };
        const auto far_from = static_cast<double>(far_from_);
        return {.results = bytes(problem.out_dtype, results) >= far_from,
                .samples = bytes(problem.x_dtype, samples) > far_from};
    }

    /// How far one task goes along each axis: slow axes are split first, so that a task's outputs
    /// lie together.
    Extents pieces(int workers) const {
        Extents piece;
        double work = plan_.work() * static_cast<double>(plan_.problem.lanes());
        for (int a = 0; a <= plan_.outer; ++a) {
            piece.push_back(extent(a));
            work *= static_cast<double>(extent(a));
        }
        double most = task_work;
        if (workers > 1 && work > shared_work)
            most = std::min(most, work / (workers * tasks_per_worker));
        most = std::max(most, shared_work / 4);
        for (int a = 0; a <= plan_.outer && work > most; ++a) {
            // Rows go in whole groups; a piece of a line should be many vectors long, unless its
            // taps are so many that an interrupt would have to wait for it.
            const Index line = plan_.work() > 65536 ? 128 : 1024;
            const Index unit = a == plan_.outer ? line : a == plan_.row_axis ? plan_.group : 1;
            const Index wanted = static_cast<Index>(static_cast<double>(extent(a)) * most / work);
            const Index length =
                std::clamp<Index>(wanted / unit * unit, std::min(unit, extent(a)), extent(a));
            work *= static_cast<double>(length) / static_cast<double>(extent(a));
            piece[a] = length;
        }
        return piece;
    }

    direct::DensePlan<T> plan_;
    const std::size_t far_from_;
};

}  // namespace

void run_together(const std::vector<const Dense*>& kernels, const ArrayView& x,
                  const std::vector<ArrayView>& outs, const Context& context) {
    const Extents &all = outs.front().shape, part = kernels.front()->part();
    const auto count = static_cast<Index>(kernels.size());
    const Index parts = count_parts(all, part);
    // few parts are shared among the workers kernel by kernel
    const auto wanted = static_cast<Index>(tasks_per_worker) * context.workers;
    const Index slice = divide_up(count, std::clamp<Index>(divide_up(wanted, parts), 1, count));
    const Index slices = divide_up(count, slice);
    parallel_for(parts * slices, context, [&](Index task, int) {
        const Box box = part_of(all, part, task / slices);
        const Index begin = task % slices * slice, end = std::min(count, begin + slice);
        for (Index k = begin; k < end; ++k) {
            const auto at = static_cast<std::size_t>(k);
            kernels[at]->run_part(x, outs[at], box);
        }
    });
}

std::unique_ptr<Dense> make_dense(const Problem& problem, std::shared_ptr<const Kernel> kernel,
                                  const microkernels::Table& table, std::size_t far_from) {
    using direct::DensePlan;
    if (auto taps = direct::byte_taps(problem, *kernel, table))
        return std::make_unique<DenseOf<std::byte>>(
            DensePlan<std::byte>(problem, std::move(kernel), table, *std::move(taps)), far_from);
    return with_arithmetic(problem.arithmetic, [&]<class T>(T) -> std::unique_ptr<Dense> {
        return std::make_unique<DenseOf<T>>(DensePlan<T>(problem, std::move(kernel), table),
                                            far_from);
    });
}

double byte_products(const Problem& problem, const Kernel& kernel,
                     const microkernels::Table& table) {
    const auto taps = direct::byte_taps(problem, kernel, table);
    return taps ? static_cast<double>(taps->words.size()) : 0;
}

}  // namespace faltung
