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

template <class T>
class DenseOf final : public Dense {
public:
    DenseOf(direct::DensePlan<T> plan, const FarFrom& far_from)
        : plan_(std::move(plan)), far_from_(far_from) {}

    void run(const ArrayView& x, const ArrayView& out, const Context& context) const override {
        const Far far = what_is_far();
        const direct::DensePass<T> pass(plan_, x, out, far);
        const Extents piece = pieces(context.workers);
        Extents counts;
        for (int a = 0; a <= plan_.outer; ++a)
            counts.push_back((extent(a) + piece[a] - 1) / piece[a]);
        parallel_for(product(counts), context, [&](Index task, int) {
            Box box{piece, piece};
            for (int a = plan_.outer; a >= 0; --a) {
                box.begin[a] = task % counts[a] * piece[a];
                box.end[a] = std::min(extent(a), box.begin[a] + piece[a]);
                task /= counts[a];
            }
            pass.run(box);
            if (far.results) plan_.micro->fence();
        });
    }

    void run_box(const ArrayView& x, const ArrayView& out, const Box& box) const override {
        direct::DensePass<T>(plan_, x, out, {}).run(box);
    }

    std::size_t workspace_bytes() const override {
        return direct::DensePass<T>::scratch_bytes(plan_);
    }

private:
    using Far = typename direct::DensePass<T>::Far;

    Index extent(int axis) const { return plan_.problem.axes[axis].out; }

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
        return {
            .results = bytes(problem.out_dtype, results) >= static_cast<double>(far_from_.results),
            .samples = bytes(problem.x_dtype, samples) > static_cast<double>(far_from_.samples)};
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
    const FarFrom far_from_;
};

}  // namespace

std::unique_ptr<Dense> make_dense(const Problem& problem, std::shared_ptr<const Kernel> kernel,
                                  const microkernels::Table& table, const FarFrom& far_from) {
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
