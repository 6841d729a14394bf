// Kernels most of whose taps are zero, as a list of the others.
#pragma once

#include <vector>

#include "core/kernel.hpp"
#include "microkernels/table.hpp"

namespace faltung::direct {

/// Lists longer than this would need sums in several goes, and are no shorter work than transforms.
inline constexpr Index most_sparse_taps = 256;
/// Kernels of fewer taps take no longer than reading x.
inline constexpr Index least_dense_taps = 32;

/// How many taps are left of `taps` where a list of them is quicker, else 0. Each tap of a list
/// loads for itself, what several rows share in a dense kernel.
inline Index sparse_count(Index taps, Index not_zero) {
    const bool worth = taps >= least_dense_taps && 4 * not_zero <= taps;
    return worth && not_zero <= most_sparse_taps ? not_zero : 0;
}

/// `plane` holds depth * ky * kx numbers; `step` numbers lie between neighbouring taps of a row.
template <class T>
std::vector<microkernels::SparseTap<T>> sparse_taps(const Taps<T>& plane, Index ky, Index kx,
                                                    Index step) {
    std::vector<microkernels::SparseTap<T>> taps;
    for (Index i = 0; i < static_cast<Index>(plane.size()); ++i) {
        const T value = plane[static_cast<std::size_t>(i)];
        if (value != T{0}) taps.push_back({i / (ky * kx), i / kx % ky, i % kx * step, value});
    }
    return taps;
}

}  // namespace faltung::direct
