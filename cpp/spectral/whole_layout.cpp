#include "spectral/whole_layout.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/even_piece.hpp"
#include "spectral/good_size.hpp"
#include "spectral/long_tile.hpp"
#include "spectral/whole_tile.hpp"

namespace faltung {
namespace {

constexpr Index flat_bytes = Index{1} << 19;      // of a flat row's columns in one block
constexpr Index flat_own_bytes = Index{1} << 21;  // whose panels are transformed one by one
/// A point of the library's transforms costs so many of our own; of lines no longer than long_line.
constexpr double library_slowdown = 2, short_line_slowdown = 1.4;

/// The points of a long line's transform: at least `n`.
Index long_points(Index n, const microkernels::Table& table, TransformEngine engine) {
    if (engine == TransformEngine::own) {
        const TilePlan plan = plan_long_tile(n, table);
        if (plan.good) return plan.column_lengths[0] * plan.width;
    }
    return good_split(n).length();
}

/// Whether a periodic long line may be one of our own as it is, or is left to the library anyhow.
bool stays_periodic(const Span& span, const microkernels::Table& table, TransformEngine engine) {
    return span.periodic && (engine != TransformEngine::own ||
                             serves_exactly(plan_long_tile(span.length, table), span.length));
}

/// Transforms of our own for several axes, of which blocks hold `hop` outputs each.
class OwnShapes {
public:
    OwnShapes(const Problem& problem, const microkernels::Table& table)
        : problem_(problem), table_(table), real_(!problem.complex_samples) {
        const int last = problem.axes.size() - 1;
        for (int a = 0; a < last; ++a)
            if (problem.axes[a].k > 1) upright_ = a;
        served_ = upright_ >= 0 && problem.axes[last].k > 1;
    }

    /// False where `shape` is not set, because some axis is too long.
    bool find(const Extents& hop, GridShape& shape) const {
        if (!served_) return false;
        shape = GridShape{};
        shape.row = real_ ? Row::real : Row::complex;
        shape.upright = real_;
        for (int a = 0; a < problem_.axes.size(); ++a) {
            const bool last = a + 1 == problem_.axes.size();
            if (problem_.axes[a].k == 1 && !last) continue;
            const bool whole_panels = a == upright_, folded = real_ && a == upright_;
            bool found = true;
            const auto round = [&](Index n) {
                const Index length = own_length(n, whole_panels, table_);
                found = length > 0;
                return std::max<Index>(length, 1);
            };
            Axis axis = problem_.axes[a];
            const bool part = hop[a] < axis.out;
            axis.out = hop[a];
            const bool may_be_periodic =
                !part && own_length(axis.x, whole_panels && !folded, table_) == axis.x;
            // Windows of a part read beyond the array; nothing is cut off there.
            const Boundary boundary = part ? Boundary::edge : problem_.boundary;
            Span span = make_span(axis, boundary, may_be_periodic, 1, round);
            if (folded && !span.periodic) span = make_span(axis, boundary, false, 2, round);
            if (!found) return false;
            if (folded) shape.paired = span.periodic;
            if (last)
                shape.span = span;
            else
                shape.columns.push_back(span);
        }
        return true;
    }

    /// The quickest parts whose transforms take at most `points`; false where there are none.
    bool split(double points, Extents& hop, GridShape& shape) const {
        if (!served_) return false;
        std::vector<PerAxis<Index>> candidates;
        for (int a = 0; a < problem_.axes.size(); ++a) candidates.push_back(hops(a));
        double least = INFINITY;
        PerAxis<int> at(problem_.axes.size(), 0);
        for (bool more = true; more;) {
            Extents parts;
            double blocks = 1;
            for (int a = 0; a < at.size(); ++a) {
                const Index outputs = candidates[static_cast<std::size_t>(a)][at[a]];
                parts.push_back(outputs);
                if (problem_.axes[a].k > 1)
                    blocks *= std::ceil(static_cast<double>(problem_.axes[a].out) /
                                        static_cast<double>(outputs));
            }
            GridShape candidate;
            if (find(parts, candidate) && candidate.points() <= points &&
                blocks * candidate.points() < least) {
                least = blocks * candidate.points();
                hop = parts;
                shape = candidate;
            }
            more = false;
            for (int a = at.size() - 1; a >= 0 && !more; --a) {
                more = ++at[a] < candidates[static_cast<std::size_t>(a)].size();
                if (!more) at[a] = 0;
            }
        }
        return least < INFINITY;
    }

private:
    /// What a block may hold along an axis: all, or what the windows in a good length give.
    PerAxis<Index> hops(int a) const {
        const Axis& axis = problem_.axes[a];
        PerAxis<Index> found;
        found.push_back(axis.out);
        if (axis.k == 1) return found;
        const bool whole_panels = a == upright_;
        const Index multiple = real_ && a == upright_ ? 2 : 1;
        // Shorter lengths would hold too few outputs.
        for (Index n = (axis.reach() + axis.reach() / 4) / multiple + 1; found.size() < max_rank;
             n += n / 8 + 1) {
            n = own_length(n, whole_panels, table_);
            if (n == 0) break;
            const Index outputs = (n * multiple - axis.reach()) / axis.step + 1;
            if (outputs >= axis.out) break;
            if (outputs > 0) found.push_back(outputs);
        }
        return found;
    }

    const Problem& problem_;
    const microkernels::Table& table_;
    bool real_, served_ = false;
    int upright_ = -1;
};

/// A flat shape's only columns, folded to a length of our own, where a real kernel and their length
/// allow it.
void fold_columns(const Problem& problem, const microkernels::Table& table, GridShape& shape) {
    if (shape.columns.size() != 1 || problem.complex_kernel) return;
    for (const Axis& axis : problem.axes) {
        if (axis.k == 1) continue;
        bool found = true;
        const Span span = make_span(axis, problem.boundary, false, 2, [&](Index n) {
            const Index length = own_length(n, false, table);
            found = length > 0;
            return std::max<Index>(length, 1);
        });
        if (!found) return;
        shape.columns[0] = span;
        shape.upright = true;
    }
}

Index parts_of(const Axis& axis, Index hop) { return (axis.out + hop - 1) / hop; }

/// Positions of a row that is cut into as many pieces as `most` make necessary: about equal ones,
/// of whole lines of the cache, without which no piece could be read or written in place.
Index piece_in_lines(Index row, Index most, Index position_bytes) {
    constexpr Index line = 64;
    return even_piece(row, most, line / std::gcd(line, position_bytes));
}

}  // namespace

Layout::Place Layout::place_of(Index block, const Problem& problem) const {
    Place place{Extents(problem.axes.size(), 0), block % lanes};
    block /= lanes;
    for (int a = problem.axes.size() - 1; a >= 0; --a) {
        const Index parts = parts_of(problem.axes[a], hop[a]);
        place.output[a] = block % parts * hop[a];
        block /= parts;
    }
    return place;
}

Layout lay_out(const Problem& problem, const microkernels::Table& table, TransformEngine engine,
               double memory) {
    Layout layout;
    const int last = problem.axes.size() - 1;
    bool convolved = false;
    for (int a = 0; a < last; ++a) {
        const Axis& axis = problem.axes[a];
        layout.hop.push_back(axis.k > 1 ? axis.out : 1);
        if (axis.k > 1) {
            layout.column_axes.push_back(a);
            layout.shape.columns.push_back(make_span(axis, problem.boundary, true));
            convolved = true;
        } else {
            layout.batch_axes.push_back(a);
        }
    }
    const Axis& row = problem.axes[last];
    layout.hop.push_back(row.out);
    if (row.k > 1 || !convolved) {
        const bool real = !problem.complex_samples;
        layout.shape.row = real ? Row::real : Row::complex;
        const Index multiple = real ? 2 : 1;
        Span& span = layout.shape.span;
        span = make_span(row, problem.boundary, !real, multiple);
        if (layout.shape.is_line_over(engine == TransformEngine::own ? own_line : long_line) &&
            !stays_periodic(span, table, engine)) {
            const Span padded = make_span(row, problem.boundary, false, multiple,
                                          [&](Index n) { return long_points(n, table, engine); });
            // a periodic one would be the library's
            const double slowdown =
                layout.shape.is_line_over(long_line) ? library_slowdown : short_line_slowdown;
            const double cost = slowdown * static_cast<double>(span.length);
            if (!span.periodic || static_cast<double>(padded.length) < cost) span = padded;
        }
        layout.lanes = problem.inner;
        if (engine == TransformEngine::own) {
            const OwnShapes own(problem, table);
            GridShape shape;
            const double cost = library_slowdown * layout.shape.points();
            if (own.find(layout.hop, shape) && shape.points() < cost) layout.shape = shape;
            // Array and kernel, in complex numbers.
            const double most = memory / (4 * static_cast<double>(size_of(problem.arithmetic)));
            if (layout.shape.points() > most) own.split(most, layout.hop, layout.shape);
        }
    } else {
        layout.shape.row = Row::flat;
        if (engine == TransformEngine::own) fold_columns(problem, table, layout.shape);
        double column = static_cast<double>(size_of(problem.arithmetic));
        for (const Span& axis : layout.shape.columns) column *= static_cast<double>(axis.length);
        // Pieces of less than 512 bytes would be all latency.
        const Index least = static_cast<Index>(512 / size_of(problem.arithmetic));
        const Index numbers = std::max(
            least,
            static_cast<Index>(
                static_cast<double>(layout.shape.upright ? flat_own_bytes : flat_bytes) / column));
        layout.piece =
            piece_in_lines(row.out, std::max<Index>(1, numbers / problem.lanes()),
                           problem.lanes() * static_cast<Index>(size_of(problem.arithmetic)));
        layout.lanes = parts_of(row, layout.piece);
        layout.shape.width = (layout.piece * problem.lanes() + 1) / 2;
    }
    layout.blocks = layout.lanes;
    for (int a = 0; a <= last; ++a) layout.blocks *= parts_of(problem.axes[a], layout.hop[a]);
    return layout;
}

}  // namespace faltung
