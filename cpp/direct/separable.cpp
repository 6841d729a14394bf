// One pass per axis, fused; several outer products are summed in the last pass.
#include "direct/separable.hpp"

#include <stdexcept>

#include "core/workspace.hpp"
#include "direct/separable_walk.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung {

namespace direct {
namespace {

using Numbers = std::vector<std::complex<double>>;

template <class T>
Prepared<T> prepare(const Problem& problem, const Terms& terms, const microkernels::Table& table) {
    const int count = static_cast<int>(terms.size()), last = problem.axes.size() - 1;
    Prepared<T> prepared{.problem = problem,
                         .table = table,
                         .terms = count,
                         .passes = {},
                         .home = {},
                         .layout = plan_separable(problem, count, correlations<T>(table).lanes),
                         // From about half a last-level cache on, fetching what is only overwritten
                         // costs more than it helps.
                         .stream = static_cast<double>(size_of(problem.out_dtype)) *
                                       static_cast<double>(problem.outputs()) >=
                                   static_cast<double>(std::size_t{16} << 20)};
    // scalars of axes that are not convolved over join the pass that comes last
    const int home = prepared.layout.levels() > 0 ? prepared.layout.rows[0] : last;
    const BoxCosts boxes = box_costs(table, problem.arithmetic);
    std::vector<Numbers> summed;
    for (const Factors& term : terms) {
        std::complex<double> scale = 1;
        for (int a = 0; a <= last; ++a)
            if (a != home && problem.axes[a].k == 1)
                scale *= term.per_axis[static_cast<std::size_t>(a)][0];
        for (int a = 0; a <= last; ++a) {
            Numbers numbers = term.per_axis[static_cast<std::size_t>(a)];
            if (a == home) {
                if (scale != 1.0)
                    for (auto& number : numbers) number *= scale;
                summed.push_back(numbers);
            } else if (problem.axes[a].k == 1) {
                numbers = {1.0};
            }
            prepared.passes.emplace_back(numbers, boxes);
            prepared.complex_factors =
                prepared.complex_factors || !prepared.passes.back().imag.empty();
            prepared.most_taps = std::max(prepared.most_taps, problem.axes[a].k);
        }
    }
    prepared.home = count == 1 ? Pass<T>(summed[0], boxes) : Pass<T>(summed);
    return prepared;
}

template <class T>
class Separable final : public Executor {
public:
    Separable(const Problem& problem, const Terms& terms, const microkernels::Table& table)
        : prepared_(prepare<T>(problem, terms, table)) {
        Pieces count(nullptr);
        Scratch<T>(prepared_, count);
        bytes_ = count.used();
    }

    void run(const ArrayView& x, const ArrayView& out, const Context& context) const override {
        const LineReader<T> reader(prepared_.problem, x, prepared_.table);
        const LineWriter<T> writer(prepared_.problem, out, prepared_.table);
        for (const Axis& axis : prepared_.problem.axes)
            if (axis.out == 0) return;
        const Index boxes = prepared_.layout.box_count, group = prepared_.layout.boxes_per_task;
        parallel_for((boxes + group - 1) / group, context, [&](Index task, int) {
            const Workspace workspace(bytes_);
            Pieces pieces(workspace.data());
            const Scratch<T> scratch(prepared_, pieces);
            BoxWalk<T> walk(prepared_, reader, writer, scratch);
            for (Index box = task * group; box < std::min(boxes, (task + 1) * group); ++box)
                walk.run(box);
            if (prepared_.stream) correlations<T>(prepared_.table).fence();
        });
    }

    std::size_t workspace_bytes() const override { return bytes_; }

private:
    Prepared<T> prepared_;
    std::size_t bytes_ = 0;
};

}  // namespace
}  // namespace direct

std::unique_ptr<Executor> make_separable(const Problem& problem, const Terms& terms,
                                         const microkernels::Table& table) {
    for (const Axis& axis : problem.axes)
        if (axis.step != 1 || axis.dilation != 1)
            throw std::logic_error("separable correlation takes every output and every sample");
    return with_arithmetic(problem.arithmetic, [&]<class T>(T) -> std::unique_ptr<Executor> {
        return std::make_unique<direct::Separable<T>>(problem, terms, table);
    });
}

}  // namespace faltung
