// Sums over windows, axis by axis, as running sums in float64; the last pass turns them into
// scores.
#include <algorithm>

#include "cuda/access.cuh"
#include "cuda/launch.cuh"
#include "cuda/match.hpp"

namespace faltung::cuda {

namespace {

constexpr int threads = 256;
/// Outputs of a thread: a fresh sum, then one sample more and one less.
Index run_of(Index taps) { return std::clamp<Index>(taps, 32, 512); }
constexpr int ahead = 8;  // outputs whose samples are asked for together

/// Windows without contrast: their variance is not larger than what rounding leaves of it.
constexpr double flat = 1e-12;

__device__ __forceinline__ double2 sample_at(const WindowSums& w, Index line, Index position) {
    const Index n = w.in[w.along];
    if (static_cast<std::uint64_t>(position) >= static_cast<std::uint64_t>(n))
        position = extended(position, n, w.boundary);
    if (position < 0) return {w.outside, w.outside_square};
    const Index at = line + position * w.stride[w.along];
    if (w.sums) return w.sums[at];
    const double v = w.x_type == Storage::float32 ? static_cast<double>(read_as<float>(w.x + at))
                                                  : load_any<double>(w.x + at, w.x_type);
    return {v, v * v};
}

__device__ __forceinline__ void score(const WindowSums& w, double2 sum, Index packed, Index place) {
    const double top =
        w.arithmetic == Arithmetic::f32
            ? static_cast<double>(reinterpret_cast<const float*>(w.correlation)[packed])
            : reinterpret_cast<const double*>(w.correlation)[packed];
    const double variance = sum.y - sum.x * sum.x / w.count;
    double value = 0;
    if (not_finite(sum.y))
        value = sum.y - sum.y;                         // NaN
    else if (variance > flat * sum.y && *w.norm != 0)  // NaN passes
        value = top / (sqrt(variance) * *w.norm);
    if (value < -1 || value > 1) value = value < 0 ? -1 : 1;
    store_any<double>(w.scores + place, w.score_type, value, 0, false);
}

__global__ void __launch_bounds__(threads)
    window_sums(const __grid_constant__ WindowSums w, Index jobs, Index runs, Index run) {
    const bool last = w.along == w.rank - 1;
    for (Index job = blockIdx.x * Index{threads} + threadIdx.x; job < jobs;
         job += gridDim.x * Index{threads}) {
        // neighbouring threads take neighbouring lines, or runs of one line where it is the fastest
        Index rest = job, begin = 0, line = 0, packed = 0, place = 0, pitch = 1, step = 1;
        if (last) {
            begin = rest % runs * run;
            rest /= runs;
        }
        for (int a = w.rank - 1; a >= 0; --a) {
            if (a == w.along) {
                step = pitch;
                pitch *= w.out[a];
                continue;
            }
            const Index at = rest % w.out[a];
            rest /= w.out[a];
            line += at * w.stride[a];
            packed += at * pitch;
            if (w.scores) place += at * w.score_stride[a];
            pitch *= w.out[a];
        }
        if (!last) begin = rest * run;
        const Index end = min(begin + run, w.out[w.along]);
        double2 sum{0, 0};
        const auto fresh = [&](Index from) {
            double2 whole{0, 0};
            for (Index tap = 0; tap < w.taps; ++tap) {
                const double2 v = sample_at(w, line, from + tap);
                whole = {whole.x + v.x, whole.y + v.y};
            }
            return whole;
        };
        const auto put = [&](Index j) {
            if (w.result)
                w.result[packed + j * step] = sum;
            else
                score(w, sum, packed + j * step, place + j * w.score_stride[w.along]);
        };
        sum = fresh(w.first + begin);
        put(begin);
        for (Index j = begin + 1; j < end; j += ahead) {
            double2 in[ahead], gone[ahead];
#pragma unroll
            for (int i = 0; i < ahead; ++i) {
                if (j + i >= end) break;
                in[i] = sample_at(w, line, w.first + j + i + w.taps - 1);
                gone[i] = sample_at(w, line, w.first + j + i - 1);
            }
#pragma unroll
            for (int i = 0; i < ahead; ++i) {
                if (j + i >= end) break;
                // what is not finite would stay in a running sum
                if (not_finite(sum.y))
                    sum = fresh(w.first + j + i);
                else
                    sum = {sum.x + (in[i].x - gone[i].x), sum.y + (in[i].y - gone[i].y)};
                put(j + i);
            }
        }
    }
}

constexpr int centre_threads = 1024;

/// The sum of a number of every thread of a block.
__device__ double block_sum(double value) {
    __shared__ double part[centre_threads / 32];
    for (int d = 16; d > 0; d /= 2) value += __shfl_down_sync(~0u, value, d);
    __syncthreads();
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = value;
    __syncthreads();
    double sum = 0;
    for (int i = 0; i < centre_threads / 32; ++i) sum += part[i];
    return sum;
}

__global__ void __launch_bounds__(centre_threads)
    centre_pattern(const __grid_constant__ TapSource s, Index count, double* numbers,
                   double* norm) {
    double sum = 0, square = 0;
    for (Index i = threadIdx.x; i < count; i += centre_threads) {
        const std::byte* at = s.data;
        Index rest = i;
        for (int a = s.rank - 1; a >= 0; --a) {
            at += rest % s.extent[a] * s.stride[a];
            rest /= s.extent[a];
        }
        const double v = load_any<double>(at, s.type);
        numbers[i] = v;
        sum += v;
        square += v * v;
    }
    const double mean = block_sum(sum) / static_cast<double>(count);
    const double whole = block_sum(square);
    double rest = 0;
    for (Index i = threadIdx.x; i < count; i += centre_threads) {
        numbers[i] -= mean;
        rest += numbers[i] * numbers[i];
    }
    rest = block_sum(rest);
    // equal samples leave rounding errors of their mean
    if (threadIdx.x == 0) *norm = rest <= 1e-26 * whole ? 0 : sqrt(rest);
}

}  // namespace

void centre(const TapSource& pattern, Index count, double* numbers, double* norm,
            cudaStream_t stream) {
    launch("centre_pattern", centre_pattern, {1, centre_threads, 0, stream}, pattern, count,
           numbers, norm);
}

void sum_windows(const WindowSums& pass, cudaStream_t stream) {
    const Index run = run_of(pass.taps);
    const Index runs = (pass.out[pass.along] + run - 1) / run;
    Index jobs = runs;
    for (int a = 0; a < pass.rank; ++a)
        if (a != pass.along) jobs *= pass.out[a];
    launch("window_sums", window_sums, {blocks_for(jobs, threads, 1 << 20), threads, 0, stream},
           pass, jobs, runs, run);
}

}  // namespace faltung::cuda
