// The last step of a WholeTile: from its panels to where the outputs belong.
#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

#include "lines/strided.hpp"
#include "spectral/whole_tile.hpp"

namespace faltung {

/// Rows [y, y + rows) of some of a piece's panels, to rows `stride` numbers apart: the first half
/// of a real block to `a`, the second to `b`; either may be null.
template <class T>
void WholeTile<T>::take_rows(const Piece& piece, Index panel, Index panels, Index y, Index rows,
                             T* a, T* b, Index stride) const {
    const microkernels::TileLayout layout{frame_.layout().panel, panels};
    const T* const from = piece.data + panel * layout.panel + y * frame_.element();
    if (rows == 0 || panels == 0) return;
    if (shape_.paired) {
        if (a) frame_.table().unpair(from, layout, rows, a, stride);
    } else if (real()) {
        if (a || b) frame_.table().unfold(from, layout, rows, twist_.data() + 2 * y, a, b, stride);
    } else if (a) {
        const T* const planes[2] = {from, from + frame_.lanes()};
        frame_.table().store_interleaved(planes, 2, layout, a, stride, rows,
                                         panels * frame_.lanes(), false);
    }
}

/// Outputs [begin, end) of a row whose places follow one another within a piece.
template <class T>
struct WholeTile<T>::Run {
    Index begin, end, place;
};

template <class T>
void WholeTile<T>::scatter(Drain<T>& drain, const Extents& slab_at, const Piece& piece) const {
    if (scatter_in_place(drain, slab_at, piece)) return;
    if (shape_.inner > 1) throw std::logic_error("results of several samples stand in place");
    const Span &row = shape_.span, &column = upright();
    std::vector<Run> runs;
    const auto inside = [&](Index j) {
        const Index place = row.place(j) - piece.column;
        return 0 <= place && place < piece.columns;
    };
    for (Index j = 0; j < row.out; ++j) {
        if (!inside(j)) continue;
        Run run{j, j + 1, row.place(j) - piece.column};
        while (run.end < row.out && inside(run.end) && row.place(run.end) > row.place(run.end - 1))
            ++run.end;
        j = run.end - 1;
        runs.push_back(run);
    }
    if (runs.empty()) return;
    Extents at = slab_at;
    at.push_back(0);
    const Index height = frame_.height();
    for (Index j = 0; j < column.out; ++j) {
        const Index place = column.place(j);
        const bool low = shape_.paired || place < height;
        take_rows(piece, 0, piece.panels, low ? place : place - height, 1, low ? piece.a : nullptr,
                  low ? nullptr : piece.a, 0);
        at[at.size() - 1] = j;
        for (const Run& run : runs) {
            T* numbers = piece.a + run.place * per();
            if (row.step > 1) {
                numbers = piece.b;
                keep_every(row.step, piece.a + run.place * per(), per(), run.end - run.begin,
                           numbers);
            } else if (runs.size() > 1) {  // what takes the numbers may change them
                numbers = std::copy_n(numbers, (run.end - run.begin) * per(), piece.b) -
                          (run.end - run.begin) * per();
            }
            drain.line(at.data(), run.begin, run.end, numbers);
        }
    }
}

/// Straight to where the outputs belong; false where they cannot be written so.
template <class T>
bool WholeTile<T>::scatter_in_place(Drain<T>& drain, const Extents& slab_at,
                                    const Piece& piece) const {
    const Span &row = shape_.span, &column = upright();
    for (const Span* axis : {&row, &column})
        if (axis->step != 1 || axis->out > axis->length) return false;
    Extents at = slab_at;
    at.push_back(0);
    Index stride = 0;
    T* const plane = drain.plane_in_place(at.data(), stride);
    if (!plane) return false;

    const Index height = frame_.height(), columns = frame_.panel_columns(), inner = shape_.inner;
    const Index length = row_samples(row.length);
    const auto sample_at = [&](Index x) {
        const Index j = row.output_at(x / inner);
        return j < 0 ? j : row_samples(j) + x % inner;
    };
    // rows that hold outputs, of a folded block in both halves or in one of them
    const auto high_of = [&](Index y) { return folded() ? column.output_at(y + height) : -1; };
    const auto follows = [](Index first, Index run, Index next) {
        return first < 0 ? next < 0 : next == first + run;
    };
    for (Index y = 0; y < height;) {
        const Index low = column.output_at(y), high = high_of(y);
        Index rows = 1;
        while (y + rows < height && follows(low, rows, column.output_at(y + rows)) &&
               follows(high, rows, high_of(y + rows)))
            ++rows;
        const auto line = [&](Index at_row, Index at_column) {
            return at_row < 0 ? nullptr : plane + at_row * stride + at_column * per();
        };
        for (Index p = 0; (low >= 0 || high >= 0) && p < piece.panels;) {
            const Index x = piece.column + p * columns, first = sample_at(x);
            // sample `first + run` and those behind it, of a whole panel
            const auto whole = [&](Index run) {
                const Index begin = x + run, last = begin + columns - 1;
                return last < length && first >= 0 && sample_at(begin) == first + run &&
                       sample_at(last) == first + run + columns - 1;
            };
            Index count = 0;
            while (p + count < piece.panels && whole(count * columns)) ++count;
            if (count > 0) {
                take_rows(piece, p, count, y, rows, line(low, first), line(high, first), stride);
                p += count;
                continue;
            }
            // of others what is wanted, in a periodic row in two stretches
            struct Stretch {
                Index from, samples, to;
            };
            std::array<Stretch, 2> stretches{};
            std::size_t found = 0;
            for (Index i = 0; i < columns && x + i < length; ++i) {
                const Index j = sample_at(x + i);
                if (j < 0) continue;
                if (found > 0 && stretches[found - 1].to + i - stretches[found - 1].from == j)
                    ++stretches[found - 1].samples;
                else
                    stretches.at(found++) = {i, 1, j};
            }
            for (Index r = 0; r < rows && found > 0; ++r) {
                T *const a = line(low < 0 ? low : low + r, 0), *const b = line(
                                                                   high < 0 ? high : high + r, 0);
                take_rows(piece, p, 1, y + r, 1, a ? piece.a : nullptr, b ? piece.b : nullptr, 0);
                for (std::size_t s = 0; s < found; ++s) {
                    const auto [from, samples, to] = stretches[s];
                    if (a) std::copy_n(piece.a + from * per(), samples * per(), a + to * per());
                    if (b) std::copy_n(piece.b + from, samples, b + to);
                }
            }
            ++p;
        }
        y += rows;
    }
    return true;
}

template void WholeTile<float>::take_rows(const Piece&, Index, Index, Index, Index, float*, float*,
                                          Index) const;
template void WholeTile<float>::scatter(Drain<float>&, const Extents&, const Piece&) const;
template bool WholeTile<float>::scatter_in_place(Drain<float>&, const Extents&, const Piece&) const;
template void WholeTile<double>::take_rows(const Piece&, Index, Index, Index, Index, double*,
                                           double*, Index) const;
template void WholeTile<double>::scatter(Drain<double>&, const Extents&, const Piece&) const;
template bool WholeTile<double>::scatter_in_place(Drain<double>&, const Extents&,
                                                  const Piece&) const;

}  // namespace faltung
