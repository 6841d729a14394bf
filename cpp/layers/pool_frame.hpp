// A pooling in the order of memory: samples, groups of channels, depth, height, width.
#pragma once

#include "layers/pool.hpp"
#include "microkernels/table.hpp"

namespace faltung::layers {

template <class T>
const microkernels::PoolTable<T>& pool_loops(const microkernels::Table& table) {
    if constexpr (std::is_same_v<T, float>)
        return table.pool_f32;
    else if constexpr (std::is_same_v<T, double>)
        return table.pool_f64;
    else
        return table.pool_i64;
}

/// How many taps of a window the divisor counts.
struct TapCount {
    Axis axis;
    Index before = 0, after = 0;  // padding that counts

    Index at(Index output) const;
    /// Outputs [begin, end) whose windows count in full.
    Index full_begin() const, full_end() const;
};

/// Channels that lie side by side are `lanes` of one position; the others are planes of their own.
struct PoolFrame {
    /// Where no more than `most_lanes` channels go together.
    PoolFrame(const PoolSpec& spec, const ArrayView& x, bool places, Index most_lanes);

    Index samples, groups, lanes;
    Axis depth, height, width;
    TapCount counts[3];
    Index full_begin, full_end;  // along the width
    Index merged_count = 1;      // what axes that were merged count
    Index place_step[3];         // between neighbours along depth, height, width, in x's C order
    Index plane = 1;             // positions of one channel

    /// (sample, group, depth, height, width), `lanes` numbers each: of x, or of a result.
    ArrayView planes_of_x(const ArrayView& x) const { return planes(x, &Axis::x); }
    ArrayView planes_of_result(const ArrayView& out) const { return planes(out, &Axis::out); }

    /// What LineReader and LineWriter want to know of such planes; outside them is `outside`.
    Problem lines(const ArrayView& planes, Arithmetic arithmetic, const Constant& outside) const;

    Index divisor(const PoolSpec& spec, Index d, Index h, Index w) const;

private:
    ArrayView planes(const ArrayView& array, Index Axis::* extent) const;
    void merge(const ArrayView& x, bool places);

    int axis_of_[3];  // of x, -1 where there is none
};

}  // namespace faltung::layers
