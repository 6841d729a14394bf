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
    DenseOf(const Problem& problem, std::shared_ptr<const Kernel> kernel,
            const microkernels::Table& table, std::size_t stream_from)
        : plan_(problem, std::move(kernel), table),
          stream_from_(static_cast<double>(stream_from)) {}

    void run(const ArrayView& x, const ArrayView& out, const Context& context) const override {
        const bool stream = streams();
        const direct::DensePass<T> pass(plan_, x, out, stream);
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
            if (stream) plan_.micro->fence();
        });
    }

    void run_box(const ArrayView& x, const ArrayView& out, const Box& box) const override {
        direct::DensePass<T>(plan_, x, out, false).run(box);
    }

    std::size_t workspace_bytes() const override {
        return direct::DensePass<T>::scratch_bytes(plan_);
    }

private:
    Index extent(int axis) const { return plan_.problem.axes[axis].out; }

    bool streams() const {
        double bytes = static_cast<double>(size_of(plan_.problem.out_dtype)) *
                       static_cast<double>(plan_.problem.inner);
        for (int a = 0; a <= plan_.outer; ++a) bytes *= static_cast<double>(extent(a));
        return bytes >= stream_from_;
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
    double stream_from_;
};

}  // namespace

std::unique_ptr<Dense> make_dense(const Problem& problem, std::shared_ptr<const Kernel> kernel,
                                  const microkernels::Table& table, std::size_t stream_from) {
    return with_arithmetic(problem.arithmetic, [&](auto zero) -> std::unique_ptr<Dense> {
        return std::make_unique<DenseOf<decltype(zero)>>(problem, std::move(kernel), table,
                                                         stream_from);
    });
}

}  // namespace faltung
