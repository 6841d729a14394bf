// What a direct correlation knows before it sees data: which axis gives the rows, and how the taps
// are cut.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "core/even_piece.hpp"
#include "core/kernel.hpp"
#include "core/limits.hpp"
#include "core/problem.hpp"
#include "direct/sparse_taps.hpp"
#include "microkernels/table.hpp"

namespace faltung::direct {

template <class T>
const microkernels::CorrelateTable<T>& correlations(const microkernels::Table& table) {
    if constexpr (std::is_same_v<T, float>)
        return table.correlate_f32;
    else if constexpr (std::is_same_v<T, double>)
        return table.correlate_f64;
    else
        return table.correlate_i64;
}

/// A box of taps that one microkernel call sums in registers.
struct TapBox {
    Index d, depth;  // planes: taps of all axes before the row axis, in C order
    Index y, ky;     // rows
    Index t, kx;     // along the last axis

    bool one_row() const { return depth == 1 && ky == 1; }
};

/// More taps than this are summed in several goes, each starting at zero: the error of a plain sum
/// grows with its length.
inline constexpr Index taps_at_once = 256;

/// Numbers of one strip: long enough that border columns and calls do not count, short enough for
/// the caches.
inline constexpr Index longest_strip = 4096;

/// Of rows with more numbers than this, or lists of them, few would fit the caches.
inline constexpr Index most_window = Index{1} << 20;

/// What the axes alone say.
struct DenseShape {
    Problem problem;
    std::shared_ptr<const Kernel> kernel;
    const microkernels::Table* table;

    int outer;     // axes before the last
    int row_axis;  // the innermost of them with taps, else the last of them; -1 if there are none
    int plane_axis = -1;  // the innermost axis with taps before the row axis, if any
    Index depth = 1, ky = 1, kx;
    std::vector<Index> offsets;  // depth * outer: where each plane lies
    std::vector<TapBox> boxes;
    Index group = 1;  // output rows computed together

    DenseShape(const Problem& asked, std::shared_ptr<const Kernel> with,
               const microkernels::Table& level)
        : problem(asked),
          kernel(std::move(with)),
          table(&level),
          outer(asked.axes.size() - 1),
          row_axis(outer - 1),
          kx(asked.axes.back().k) {
        for (int a = outer - 1; a >= 0; --a) {
            if (problem.axes[a].k > 1) {
                row_axis = a;
                break;
            }
        }
        for (int a = 0; a < row_axis; ++a) {
            depth *= problem.axes[a].k;
            if (problem.axes[a].k > 1) plane_axis = a;
        }
        if (row_axis >= 0) ky = problem.axes[row_axis].k;
        lay_planes();
    }

    const Axis& last() const { return problem.axes.back(); }
    Index row_step() const { return row_axis >= 0 ? problem.axes[row_axis].step : 1; }
    Index row_dilation() const { return row_axis >= 0 ? problem.axes[row_axis].dilation : 1; }

    /// From one output row of a group to the next.
    Index row_spacing() const { return group > 1 ? row_dilation() : 1; }

    /// Whether planes of rows can be kept from one output plane to the next.
    bool walks_planes() const {
        return plane_axis >= 0 && boxes.size() == 1 && problem.axes[plane_axis].step == 1;
    }

    /// Whether neighbouring output rows need some of the same input rows.
    bool shares_rows() const { return ky > row_step(); }

    /// Input rows, at the spacing of the taps, that `outputs` rows of a group need for `taps` rows.
    Index rows_of_group(Index outputs, Index taps) const {
        return (outputs - 1) * row_step() + taps;
    }

private:
    void lay_planes() {
        offsets.assign(static_cast<std::size_t>(depth * outer), 0);
        Extents tap(outer, 0);
        for (Index d = 0; d < depth; ++d) {
            for (int a = 0; a < row_axis; ++a)
                offsets[static_cast<std::size_t>(d * outer + a)] =
                    tap[a] * problem.axes[a].dilation;
            for (int a = row_axis - 1; a >= 0 && ++tap[a] == problem.axes[a].k; --a) tap[a] = 0;
        }
    }
};

template <class T>
struct DensePlan : DenseShape {
    const microkernels::CorrelateTable<T>* micro;
    std::vector<microkernels::SparseTap<T>> sparse_real, sparse_imag;  // if sparse
    bool sparse = false;    // one box, of whose taps only those in the lists are not zero
    Index phase_pitch = 0;  // of rows that are taken apart, since the last axis steps; else 0
    std::vector<Index> tap_offsets;  // along a row, where rows step or are taken apart
    bool paired = false;             // complex sums of the real and the imaginary taps at once

    DensePlan(const Problem& asked, std::shared_ptr<const Kernel> with,
              const microkernels::Table& level)
        : DenseShape(asked, std::move(with), level), micro(&correlations<T>(level)) {
        list_taps();
        if (sparse)
            boxes.push_back({0, depth, 0, ky, 0, kx});
        else
            cut_taps();
        if (last().step > 1 && !sparse && last().step <= most_phases) take_apart();
        if (phased() || row_step() > 1) place_taps();
        paired = problem.complex_kernel && micro->paired[0].rows > 0 && !sparse &&
                 boxes.size() == 1 && !boxes.front().one_row();
        const int square = boxes.size() == 1 && !sparse ? microkernels::square_index(ky, kx) : -1;
        if (!shares_rows()) return;
        if (row_step() > 1)
            group = sparse ? 1 : hopping_rows(paired ? micro->paired : micro->block);
        else
            group = paired                     ? micro->paired[0].rows
                    : square >= 0 && !phased() ? micro->square[square].rows
                                               : micro->block[0].rows;
    }

    /// Whether only the outputs that are asked for are computed along the last axis.
    bool phased() const { return phase_pitch > 0; }

    /// Multiplications per output number.
    double work() const {
        const double taps =
            sparse ? static_cast<double>(kernel->not_zero())
                   : static_cast<double>(depth) * static_cast<double>(ky) * static_cast<double>(kx);
        // what steps without phases is computed in full
        return taps * (problem.complex_kernel ? 2 : 1) *
               (phased() ? 1 : static_cast<double>(last().step));
    }

private:
    /// Output rows of the largest block all of whose windows share rows.
    Index hopping_rows(const typename microkernels::CorrelateTable<T>::Block* block) const {
        while ((block->rows - 1) * row_step() >= boxes.front().ky) ++block;
        return block->rows;
    }

    void take_apart() {
        const Index lanes = problem.lanes();
        if (last().reach() * lanes > most_window) return;
        // A strip, or an edge where windows reach beyond x, and what the taps reach further.
        const Index reach = last().reach() / last().step + 2;
        phase_pitch = longest_strip / last().step + (2 * reach + 64) * lanes + micro->lanes;
        phase_pitch = (phase_pitch / 16 | 1) * 16;  // phases not all on the same cache set
    }

    void place_taps() {
        const Index lanes = problem.lanes(), step = phased() ? last().step : 1;
        for (Index t = 0; t < kx; ++t) {
            const Index at = t * last().dilation;
            tap_offsets.push_back(at % step * phase_pitch + at / step * lanes);
        }
    }

    void list_taps() {
        if (sparse_count(problem.taps(), kernel->not_zero()) == 0) return;
        if (depth * ky * last().reach() * problem.lanes() > most_window) return;
        sparse = true;
        const KernelPlanes<T>& planes = kernel->template planes<T>();
        const Index step = last().dilation * problem.lanes();
        sparse_real = sparse_taps(planes.real, ky, kx, step);
        sparse_imag = sparse_taps(planes.imag, ky, kx, step);
    }

    void cut_taps() {
        Index nx = even_piece(kx, taps_at_once), ny = 1, nd = 1;
        if (nx == kx) ny = even_piece(ky, std::max<Index>(1, taps_at_once / kx));
        if (nx == kx && ny == ky)
            nd = even_piece(depth, std::max<Index>(1, taps_at_once / (kx * ky)));
        for (Index d = 0; d < depth; d += nd)
            for (Index y = 0; y < ky; y += ny)
                for (Index t = 0; t < kx; t += nx)
                    boxes.push_back({d, std::min(nd, depth - d), y, std::min(ny, ky - y), t,
                                     std::min(nx, kx - t)});
    }
};

}  // namespace faltung::direct
