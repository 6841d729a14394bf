#include <algorithm>

#include "direct/dense_plan.hpp"
#include "direct/separable.hpp"
#include "direct/separable_pass.hpp"
#include "direct/separable_plan.hpp"

namespace faltung {

namespace {

double as_double(Index n) { return static_cast<double>(n); }

bool is_real(const std::vector<std::complex<double>>& taps) {
    return std::all_of(taps.begin(), taps.end(), [](const auto& tap) { return tap.imag() == 0; });
}

/// Multiply-adds per result of one factor's pass.
double pass_sums(const std::vector<std::complex<double>>& taps, bool along, bool alone,
                 const direct::BoxCosts& boxes) {
    const auto count = static_cast<Index>(taps.size());
    const double all = as_double(count);
    if (!direct::equal_taps(taps)) return all;
    if (along) return std::min(all, direct::box_chain(count, boxes).work(boxes));
    return alone ? std::min(all, boxes.across) : all;
}

}  // namespace

SeparableWork separable_work(const Problem& problem, const Terms& terms,
                             const microkernels::Table& table) {
    SeparableWork work;
    if (terms.empty()) return work;
    const PerAxis<Axis>& axes = problem.axes;
    const int last = axes.size() - 1;
    const Index vector = table.vector_bytes / static_cast<Index>(size_of(problem.arithmetic));
    const direct::BoxCosts boxes = direct::box_costs(table, problem.arithmetic);
    const direct::SeparableLayout layout =
        direct::plan_separable(problem, static_cast<Index>(terms.size()), static_cast<int>(vector));

    const Index row = layout.extent[last] * problem.lanes(), pieces = layout.boxes[last];
    const double numbers = as_double((row + vector - 1) / vector * vector * pieces);
    work.lines = 1;
    for (int a = 0; a < last; ++a) work.lines *= as_double(axes[a].out);

    // from the last pass, across the slowest axis, to the first
    PerAxis<int> order = layout.rows;
    order.push_back(last);
    for (const int a : order) {
        const Index k = axes[a].k;
        const double extent = as_double(layout.extent[a]), halo = as_double(axes[a].reach() - 1);
        if (k > 1 || layout.levels() == 0) {
            for (const Factors& term : terms) {
                const auto& taps = term.per_axis[static_cast<std::size_t>(a)];
                const double sums = pass_sums(taps, a == last, terms.size() == 1, boxes);
                double results = work.lines * numbers * (is_real(taps) ? 1 : 2);
                if (a == last && sums < as_double(k)) {
                    // running sums of half a window on the way
                    work.chained = true;
                    results *= (extent + halo / 2) / extent;
                }
                work.sums += k > 1 ? results * sums : 0;
                if (a == last && k > 1) work.ends += work.lines * as_double(pieces) * sums;
                work.results += a == order[0] ? results / as_double(terms.size()) : results;
            }
        }
        if (a != last) work.lines *= (extent + halo) / extent;
    }
    work.rows = work.lines * as_double(pieces);
    work.tasks = as_double((layout.box_count + layout.boxes_per_task - 1) / layout.boxes_per_task);
    return work;
}

}  // namespace faltung
