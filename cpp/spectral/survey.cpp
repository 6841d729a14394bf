#include "spectral/survey.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lines/strided.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung {

namespace {

/// Numbers of a line, or lines of a column, that make a place: half of what surrounds a window.
Index place_in(const GridShape& shape) { return surroundings(shape) / 2; }

constexpr Index task_samples = Index{1} << 15;
constexpr double infinite = std::numeric_limits<double>::infinity();

/// Sums of squares: of all numbers, and the least of any place.
struct Squares {
    double total = 0, least = infinite;

    void add(double place, bool complete) {
        total += place;
        if (complete && place < least) least = place;
    }
};

Extents line_at(const GridShape& shape, Index line) {
    Extents at(shape.columns.size(), 0);
    for (int a = shape.columns.size() - 1; a >= 0; --a) {
        at[a] = line % shape.columns[a].have;
        line /= shape.columns[a].have;
    }
    return at;
}

bool too_much(double total, double count, double least, double place) {
    return total / count > transform_range * transform_range * least / place;
}

/// The sums of squares of every column of a flat block; row(line) is where a line stands.
template <class T, class Row>
std::vector<Squares> column_squares(const GridShape& shape, Index lines, Row&& row) {
    const Index depth = shape.columns.back().have, place = std::min(place_in(shape), depth);
    std::vector<Squares> seen(static_cast<std::size_t>(2 * shape.width));
    std::vector<double> squares(seen.size(), 0.0);
    for (Index line = 0; line < lines; ++line) {
        const T* const from = row(line);
        for (std::size_t i = 0; i < squares.size(); ++i)
            squares[i] += static_cast<double>(from[i]) * static_cast<double>(from[i]);
        const Index in_place = line % depth % place + 1;
        if (in_place < place && line % depth + 1 < depth) continue;
        for (std::size_t i = 0; i < seen.size(); ++i) {
            seen[i].add(squares[i], in_place == place);
            squares[i] = 0;
        }
    }
    return seen;
}

/// The rows' own axis is not convolved: every column of a flat block, with its neighbour in the
/// same complex number.
template <class T>
bool columns_span(const GridShape& shape, Index numbers, Index lines, Feed<T>& feed) {
    std::vector<Squares> seen;
    const Extents first(shape.columns.size(), 0);
    Index stride = 0;
    if (shape.columns.size() == 1)
        if (const T* const plane = feed.plane_in_place(first.data(), stride))
            seen = column_squares<T>(shape, lines, [&](Index y) { return plane + y * stride; });
    // lines of the feed are finite
    const auto finite = [](const Squares& column) { return std::isfinite(column.total); };
    if (seen.empty() || !std::all_of(seen.begin(), seen.end(), finite)) {
        std::vector<T> space(static_cast<std::size_t>(2 * shape.width));
        seen = column_squares<T>(shape, lines, [&](Index line) {
            return feed.line(line_at(shape, line).data(), 0, shape.width, space.data());
        });
    }
    const Index place = std::min(place_in(shape), shape.columns.back().have);
    for (std::size_t i = 0; i < static_cast<std::size_t>(numbers); ++i)
        if (too_much(seen[i].total + seen[i ^ 1].total, static_cast<double>(lines), seen[i].least,
                     static_cast<double>(place)))
            return true;
    return false;
}

/// One of the samples that each of `positions` holds, `per` numbers each.
template <class T>
const T* sample_of(const T* line, Index which, Index inner, Index positions, Index per, T* to) {
    keep_every(inner, line + which * per, per, positions, to);
    return to;
}

}  // namespace

Index surroundings(const GridShape& shape) {
    const int axes = shape.columns.size() + (shape.row == Row::flat ? 0 : 1);
    return axes == 1 ? 256 : 32;
}

template <class T>
bool spans_too_much(const GridShape& shape, Index numbers, Feed<T>& feed,
                    const microkernels::SpectrumTable<T>& loops, const Context& context) {
    Index lines = 1;
    for (const Span& axis : shape.columns) lines *= axis.have;
    if (lines == 0) return false;
    if (shape.row == Row::flat) return columns_span(shape, numbers, lines, feed);

    const Index have = shape.span.have, per = shape.row == Row::real ? 1 : 2;
    if (have == 0) return false;
    const Index inner = shape.inner;
    const Index piece = std::min(have, task_samples), pieces = (have + piece - 1) / piece;
    const Index group = std::max<Index>(1, task_samples / (piece * inner));
    const Index items = lines * pieces, place = std::min(place_in(shape), have * per);
    const Index tasks = (items + group - 1) / group;
    std::vector<Squares> seen(static_cast<std::size_t>(tasks * inner));
    parallel_for(tasks, context, [&](Index task, int) {
        std::vector<T> space(static_cast<std::size_t>(piece * per * inner)), apart;
        if (inner > 1) apart.resize(static_cast<std::size_t>(piece * per));
        for (Index item = task * group; item < std::min(items, (task + 1) * group); ++item) {
            const Index begin = item % pieces * piece, end = std::min(have, begin + piece);
            const T* const line =
                feed.line(line_at(shape, item / pieces).data(), begin, end, space.data());
            const Index count = (end - begin) * per;
            for (Index s = 0; s < inner; ++s) {
                const T* const from =
                    inner > 1 ? sample_of(line, s, inner, end - begin, per, apart.data()) : line;
                Squares& mine = seen[static_cast<std::size_t>(task * inner + s)];
                for (Index i = 0; i < count; i += place)
                    mine.add(
                        static_cast<double>(loops.squares(from + i, std::min(place, count - i))),
                        i + place <= count);
            }
        }
    });
    for (Index s = 0; s < inner; ++s) {
        Squares all;
        for (Index task = 0; task < tasks; ++task) {  // in order, whoever found them
            const Squares& part = seen[static_cast<std::size_t>(task * inner + s)];
            all.total += part.total;
            all.least = std::min(all.least, part.least);
        }
        if (too_much(all.total, static_cast<double>(lines * have * per), all.least,
                     static_cast<double>(place)))
            return true;
    }
    return false;
}

template bool spans_too_much(const GridShape&, Index, Feed<float>&,
                             const microkernels::SpectrumTable<float>&, const Context&);
template bool spans_too_much(const GridShape&, Index, Feed<double>&,
                             const microkernels::SpectrumTable<double>&, const Context&);

}  // namespace faltung
