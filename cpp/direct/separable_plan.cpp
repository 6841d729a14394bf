#include "direct/separable_plan.hpp"

#include <algorithm>

#include "core/even_piece.hpp"

namespace faltung::direct {

namespace {

/// Scratch of one box; part of a second-level cache, which the arrays themselves pass through as
/// well. With more than one level a larger box pays, since it computes less twice.
constexpr Index box_bytes = 320 * 1024, deep_box_bytes = 640 * 1024;
/// Of a line that no other pass follows; its input and output are in the first-level cache or on
/// the way.
constexpr Index lone_line_bytes = 16 * 1024;
/// Work below which a task is not worth a thread's while, and above which an interrupt would wait
/// too long.
constexpr Index least_work = Index{1} << 19, most_work = Index{1} << 28;
/// Enough tasks for many cores.
constexpr Index good_task_count = 24;

Index divide_up(Index a, Index b) { return (a + b - 1) / b; }

}  // namespace

SeparableLayout plan_separable(const Problem& problem, Index terms, int vector_lanes) {
    SeparableLayout layout;
    const PerAxis<Axis>& axes = problem.axes;
    const int last = axes.size() - 1;
    const Index bytes = static_cast<Index>(size_of(problem.arithmetic)), lanes = problem.lanes();
    for (int a = 0; a < last; ++a) (axes[a].k > 1 ? layout.rows : layout.batch).push_back(a);
    const int levels = layout.levels();

    for (const Axis& axis : axes) layout.extent.push_back(std::max<Index>(axis.out, 1));
    for (int a : layout.batch) layout.extent[a] = 1;
    for (int j = 0; j < levels; ++j)
        layout.slots.push_back(axes[layout.rows[j]].reach() + most_rows - 1);

    // 1. shrink a box along all but its slowest axis until the rings fit; lines are kept long the
    // longest
    const auto ring_numbers = [&] {
        Index row = layout.extent[last] * lanes, total = row;
        for (int j = levels - 1; j >= 0; --j) {
            total += terms * row * layout.slots[j];
            row *= layout.extent[layout.rows[j]];
        }
        return total;
    };
    const auto slack = [&](int a) {  // how much longer than its halo an axis still is
        const Index halo = axes[a].reach() - 1 + (a == last ? 256 / lanes : 4);
        return static_cast<double>(layout.extent[a]) / static_cast<double>(halo);
    };
    while (ring_numbers() * bytes > (levels > 1 ? deep_box_bytes : box_bytes)) {
        int longest = last;
        for (int j = 1; j < levels; ++j)
            if (slack(layout.rows[j]) > slack(longest)) longest = layout.rows[j];
        if (slack(longest) <= 1.0) break;
        layout.extent[longest] = divide_up(layout.extent[longest], 2);
    }
    if (levels == 0)
        layout.extent[last] =
            std::min(layout.extent[last], std::max<Index>(1, lone_line_bytes / bytes / lanes));
    const Index block = std::max<Index>(1, 4 * vector_lanes / lanes);
    layout.extent[last] =
        even_piece(std::max<Index>(axes[last].out, 1), layout.extent[last], block);
    for (int j = 1; j < levels; ++j)
        layout.extent[layout.rows[j]] =
            even_piece(std::max<Index>(axes[layout.rows[j]].out, 1), layout.extent[layout.rows[j]]);

    // 2. cut the slowest axis into bands: enough of them for many workers, but long against their
    // halo
    Index others = 1;
    for (int a = 0; a <= last; ++a) {
        if (levels > 0 && a == layout.rows[0]) continue;
        others *= divide_up(std::max<Index>(axes[a].out, 1), layout.extent[a]);
    }
    Index work_per_output = 2;
    for (const Axis& axis : axes) work_per_output += axis.k > 1 ? terms * axis.k : 0;
    if (levels > 0) {
        const int slowest = layout.rows[0];
        const Index out = std::max<Index>(axes[slowest].out, 1);
        Index work_per_row = work_per_output * lanes;
        for (int a = 0; a <= last; ++a)
            if (a != slowest) work_per_row *= layout.extent[a];
        Index band = std::max(divide_up(out, divide_up(good_task_count, others)),
                              8 * (axes[slowest].reach() - 1));
        band = std::max(band, divide_up(least_work, work_per_row));
        band = std::min(band, std::max(most_work / work_per_row, axes[slowest].reach()));
        layout.extent[slowest] = even_piece(out, band);
    }

    // 3. what follows
    Index box_work = work_per_output * lanes;
    for (int a = 0; a <= last; ++a) {
        layout.boxes.push_back(divide_up(std::max<Index>(axes[a].out, 1), layout.extent[a]));
        layout.box_count *= layout.boxes[a];
        box_work *= layout.extent[a];
    }
    layout.boxes_per_task = std::max<Index>(1, least_work / box_work);
    const Index cache_line = 64 / bytes;
    layout.numbers = std::max<Index>(layout.extent[last] * lanes, vector_lanes);
    layout.pitch = (divide_up(layout.numbers, cache_line) | 1) * cache_line;
    layout.line =
        divide_up(layout.numbers + (axes[last].reach() - 1) * lanes, cache_line) * cache_line;
    for (int j = 0; j < levels; ++j) {
        Index rows = 1;
        for (int i = j + 1; i < levels; ++i) rows *= layout.extent[layout.rows[i]];
        layout.slab_rows.push_back(rows);
    }
    return layout;
}

}  // namespace faltung::direct
