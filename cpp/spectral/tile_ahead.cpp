#include "spectral/tile_ahead.hpp"

#include <algorithm>

namespace faltung {

namespace {

/// Samples of a tile that are fetched slab by slab. On a Zen 3 with 8 MiB of third-level cache to
/// itself, volumes by tiles of 256 KiB of samples take 0.82 times as long, by those of 2 MiB 1.05
/// times: they push out what the tile under way still needs.
constexpr Index most_bytes = Index{1} << 20;

}  // namespace

TileAhead::TileAhead(const Problem& problem, const ArrayView& x, const Extents& length,
                     int row_axis)
    : problem_(&problem), x_(&x), length_(&length), row_axis_(row_axis) {
    if (row_axis >= 0) first_.stride = x.strides[row_axis];
    all_slabs_ = product(length) * x.strides[problem.axes.size() - 1] <= most_bytes;
}

void TileAhead::add(const Extents& start, const Extents& need) {
    if (row_axis_ < 0 || count_ == most) return;
    const int last = problem_->axes.size() - 1;
    const std::byte* at = x_->data;
    for (int a = 0; a <= last; ++a) {
        const Index n = problem_->axes[a].x, stride = x_->strides[a];
        const Index begin = std::clamp<Index>(start[a], 0, std::max<Index>(n - 1, 0));
        const Index some = std::min(start[a] + need[a], n) - begin;
        at += begin * stride;
        // of two planes one may lie in x with more rows than the other
        if (a == row_axis_)
            first_.rows = std::max<std::ptrdiff_t>(first_.rows, some);
        else if (a == last)
            first_.bytes = std::max<std::ptrdiff_t>(first_.bytes, some * stride);
        else
            slabs_[count_][a] = some;
    }
    first_.plane[count_++] = at;
}

microkernels::Ahead TileAhead::of(Index slab) const {
    if (slab > 0 && !all_slabs_) return {};
    microkernels::Ahead ahead = first_;
    for (int a = row_axis_ - 1; a >= 0; --a) {
        const Index at = slab % (*length_)[a];
        slab /= (*length_)[a];
        for (int t = 0; t < count_; ++t) {
            if (at >= slabs_[t][a]) ahead.plane[t] = nullptr;
            if (ahead.plane[t])
                ahead.plane[t] =
                    static_cast<const std::byte*>(ahead.plane[t]) + at * x_->strides[a];
        }
    }
    return ahead;
}

}  // namespace faltung
