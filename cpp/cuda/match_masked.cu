// Scores of windows of which some samples do not count: one thread per window, two passes over it.
#include "cuda/access.cuh"
#include "cuda/launch.cuh"
#include "cuda/match.hpp"

namespace faltung::cuda {

namespace {

constexpr int threads = 128;

/// Calls body(sample, tap) for what counts of a window, `start` its first position.
template <class Body>
__device__ __forceinline__ void for_each_pair(const MaskedWindows& w,
                                              const Index (&start)[max_rank], Body&& body) {
    Index t[max_rank] = {};
    for (Index tap = 0; tap < w.count; ++tap) {
        Index at = 0, keep_at = 0;
        bool constant = false;
        for (int a = 0; a < w.rank; ++a) {
            Index position = start[a] + t[a];
            if (static_cast<std::uint64_t>(position) >= static_cast<std::uint64_t>(w.in[a]))
                position = extended(position, w.in[a], w.boundary);
            constant = constant || position < 0;
            at += position * w.x_stride[a];
            keep_at += position * w.keep_stride[a];
        }
        for (int a = w.rank - 1; a >= 0; --a) {
            if (++t[a] < w.taps[a]) break;
            t[a] = 0;
        }
        if (w.pattern_keep && w.pattern_keep[tap] == 0) continue;
        if (w.keep && (constant || load_any<double>(w.keep + keep_at, w.keep_type) == 0)) continue;
        body(constant ? w.outside : load_any<double>(w.x + at, w.x_type), w.pattern[tap]);
    }
}

/// Both sides are freed of their first sample first, so that equal ones leave nothing.
__device__ double score_of(const MaskedWindows& w, const Index (&start)[max_rank]) {
    double count = 0, first_x = 0, first_tap = 0, sum_x = 0, sum_tap = 0;
    bool differ = false, bad = false;
    for_each_pair(w, start, [&](double x, double tap) {
        if (count == 0) {
            first_x = x;
            first_tap = tap;
        }
        bad = bad || not_finite(x) || not_finite(tap);
        differ = differ || x != first_x;
        sum_x += x - first_x;
        sum_tap += tap - first_tap;
        count += 1;
    });
    if (bad) return __longlong_as_double(0x7ff8000000000000ll);  // NaN
    if (!differ) return 0;
    const double mean_x = sum_x / count, mean_tap = sum_tap / count;
    double square_x = 0, square_tap = 0, cross = 0;
    for_each_pair(w, start, [&](double x, double tap) {
        const double dx = x - first_x - mean_x, dt = tap - first_tap - mean_tap;
        square_x += dx * dx;
        square_tap += dt * dt;
        cross += dx * dt;
    });
    const double norm = sqrt(square_x) * sqrt(square_tap);
    const double score = norm > 0 ? cross / norm : 0;
    return score < -1 ? -1 : score > 1 ? 1 : score;
}

__global__ void __launch_bounds__(threads) masked_scores(const __grid_constant__ MaskedWindows w) {
    for (Index o = blockIdx.x * Index{threads} + threadIdx.x; o < w.outputs;
         o += gridDim.x * Index{threads}) {
        Index start[max_rank], rest = o, to = 0;
        for (int a = w.rank - 1; a >= 0; --a) {
            const Index j = rest % w.out[a];
            rest /= w.out[a];
            start[a] = w.first[a] + j;
            to += j * w.score_stride[a];
        }
        store_any<double>(w.scores + to, w.score_type, score_of(w, start), 0, false);
    }
}

}  // namespace

void score_masked(const MaskedWindows& windows, cudaStream_t stream) {
    launch("masked_scores", masked_scores,
           {blocks_for(windows.outputs, threads, 1 << 20), threads, 0, stream}, windows);
}

}  // namespace faltung::cuda
