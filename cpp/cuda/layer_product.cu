// Layers as a matrix product whose right-hand side is never written down: rows are output channels,
// columns are places, and the sum runs over input channels and taps (Chetlur et al., "cuDNN:
// efficient primitives for deep learning", 2014).
#include "cuda/access.cuh"
#include "cuda/launch.cuh"
#include "cuda/layer.hpp"

namespace faltung::cuda {

namespace {

constexpr int threads = 256, side = 64, depth = 16, patch = 4;

template <class T>
__global__ void __launch_bounds__(threads)
    layer_product(const __grid_constant__ ProductArguments a, const T* weights) {
    __shared__ __align__(16) T left[depth][side + 4];
    __shared__ __align__(16) T right[depth][side + 4];
    const int thread = static_cast<int>(threadIdx.x);
    const int tiles = (a.outputs + side - 1) / side;
    const int group = static_cast<int>(blockIdx.y) / tiles;
    const int o0 = static_cast<int>(blockIdx.y) % tiles * side,
              p0 = static_cast<int>(blockIdx.x) * side;
    const int steps = a.inputs * a.taps;
    const std::byte* x = a.g.x + static_cast<Index>(blockIdx.z) * a.batch_x +
                         static_cast<Index>(group) * a.inputs * a.channel_x;
    const T* w = weights + static_cast<Index>(group) * a.outputs * steps;

    // the place whose samples this thread reads
    const int place = p0 + thread % side;
    const auto n1 = static_cast<int>(a.axis[1].out), n2 = static_cast<int>(a.axis[2].out);
    const Index start[3] = {a.axis[0].first + place / (n1 * n2) * a.axis[0].step,
                            a.axis[1].first + place / n2 % n1 * a.axis[1].step,
                            a.axis[2].first + place % n2 * a.axis[2].step};
    const auto k1 = static_cast<int>(a.axis[1].k), k2 = static_cast<int>(a.axis[2].k);

    T sum[patch][patch] = {};
    const int row = thread / (side / patch) * patch, column = thread % (side / patch) * patch;
    for (int s0 = 0; s0 < steps; s0 += depth) {
        for (int i = thread; i < side * depth; i += threads) {
            const int o = i / depth, s = i % depth;
            left[s][o] = o0 + o < a.outputs && s0 + s < steps
                             ? w[static_cast<Index>(o0 + o) * steps + s0 + s]
                             : T{};
        }
        for (int s = thread / side; s < depth; s += threads / side) {
            T value{};
            if (place < a.places && s0 + s < steps) {
                const int channel = (s0 + s) / a.taps, tap = (s0 + s) % a.taps;
                const int t[3] = {tap / (k1 * k2), tap / k2 % k1, tap % k2};
                Index offset = channel * a.channel_x;
                bool constant = false;
#pragma unroll
                for (int d = 0; d < 3; ++d) {
                    Index at = start[d] + t[d] * a.axis[d].dilation;
                    if (static_cast<std::uint64_t>(at) >= static_cast<std::uint64_t>(a.axis[d].x))
                        at = extended(at, a.axis[d].x, a.g.boundary);
                    constant = constant || at < 0;
                    offset += at * a.axis[d].x_stride;
                }
                if (!constant)
                    value = a.g.x_type == storage_of<T> ? read_as<T>(x + offset)
                                                        : load_any<T>(x + offset, a.g.x_type);
            }
            right[s][thread % side] = value;
        }
        __syncthreads();
#pragma unroll
        for (int s = 0; s < depth; ++s) {
            T u[patch], v[patch];
#pragma unroll
            for (int i = 0; i < patch; ++i) u[i] = left[s][row + i];
#pragma unroll
            for (int i = 0; i < patch; ++i) v[i] = right[s][column + i];
#pragma unroll
            for (int i = 0; i < patch; ++i)
#pragma unroll
                for (int j = 0; j < patch; ++j) sum[i][j] += u[i] * v[j];
        }
        __syncthreads();
    }

#pragma unroll
    for (int i = 0; i < patch; ++i) {
        if (o0 + row + i >= a.outputs) break;
        const Index channel = static_cast<Index>(group) * a.outputs + o0 + row + i;
        std::byte* to =
            a.g.out + static_cast<Index>(blockIdx.z) * a.batch_out + channel * a.channel_out;
        const T bias = bias_of<T>(a.g, channel);
#pragma unroll
        for (int j = 0; j < patch; ++j) {
            const int p = p0 + column + j;
            if (p >= a.places) break;
            store_real<T, false>(a.g,
                                 to + p / (n1 * n2) * a.axis[0].out_stride +
                                     p / n2 % n1 * a.axis[1].out_stride +
                                     p % n2 * a.axis[2].out_stride,
                                 sum[i][j] + bias);
        }
    }
}

template <class T>
void run_as(const ProductArguments& a, const void* weights, cudaStream_t stream) {
    const dim3 grid(static_cast<unsigned>((a.places + side - 1) / side),
                    static_cast<unsigned>((a.outputs + side - 1) / side * a.groups),
                    static_cast<unsigned>(a.batch));
    launch("layer_product", layer_product<T>, {grid, threads, 0, stream}, a,
           static_cast<const T*>(weights));
}

}  // namespace

void run_product(const ProductArguments& arguments, Arithmetic arithmetic, const void* weights,
                 cudaStream_t stream) {
    if (arithmetic == Arithmetic::f32)
        run_as<float>(arguments, weights, stream);
    else
        run_as<double>(arguments, weights, stream);
}

}  // namespace faltung::cuda
