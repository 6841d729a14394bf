// Kernels of rank one: rows, then columns, of a block whose intermediate stays in shared memory.
#include "cuda/direct_patch.cuh"
#include "cuda/launch.cuh"

namespace faltung::cuda {

namespace {

constexpr int threads = 256, block_columns = 128, block_rows = 32, patch_rows = 4;

template <class T>
inline constexpr int patch = sizeof(T) == 4 ? 8 : 4;

template <class T>
__global__ void __launch_bounds__(threads)
    separable_tile(const __grid_constant__ DirectArguments a, const T* factors) {
    const DeviceAxis* axis = a.g.axis;
    const int k1 = static_cast<int>(axis[1].k), k2 = static_cast<int>(axis[2].k);
    const int rows = block_rows + k1 - 1, pitch = a.shape.pitch;
    T* samples = dynamic_shared<T>();
    T* middle = samples + rows * pitch;
    T* along1 = middle + rows * block_columns;
    T* along2 = along1 + (k1 + 3) / 4 * 4;

    __shared__ BlockSite site;
    site.open(a);
    const int thread = static_cast<int>(threadIdx.x);
    for (int i = thread; i < k1; i += threads) along1[i] = factors[i];
    for (int i = thread; i < k2; i += threads) along2[i] = factors[k1 + i];
    fill(a, site.x, site.from, 1, rows, block_columns + k2 - 1, samples);
    __syncthreads();

    constexpr int wide = patch<T>;
    for (int i = thread; i < rows * (block_columns / wide); i += threads) {
        const int row = i / (block_columns / wide), x0 = i % (block_columns / wide) * wide;
        T sum[1][wide] = {};
        sum_rows<T, wide, 1>(samples + row * pitch, pitch, x0, 1, along2, 0, 1, k2, sum);
#pragma unroll
        for (int w = 0; w < wide; ++w) middle[row * block_columns + x0 + w] = sum[0][w];
    }
    __syncthreads();

    constexpr int columns = vector_numbers<T>;
    for (int i = thread; i < block_rows / patch_rows * (block_columns / columns); i += threads) {
        const int y0 = i / (block_columns / columns) * patch_rows;
        const int x0 = i % (block_columns / columns) * columns;
        T sum[patch_rows][columns] = {};
        for (int t = 0; t < k1 + patch_rows - 1; ++t) {
            T v[columns];
            read_vector(v, middle + (y0 + t) * block_columns + x0);
#pragma unroll
            for (int h = 0; h < patch_rows; ++h) {
                // a tap that is not there must not meet a sample that is not finite
                if (t - h < 0 || t - h >= k1) continue;
                const T tap = along1[t - h];
#pragma unroll
                for (int w = 0; w < columns; ++w) sum[h][w] += tap * v[w];
            }
        }
        const Index at[3] = {site.at[0], site.at[1] + y0, site.at[2] + x0};
        put<T, columns, patch_rows>(a, site.out, at, T{}, sum);
    }
}

template <class T>
void run_as(const Regular& g, const SeparableShape& shape, const T* factors, cudaStream_t stream) {
    DirectArguments a;
    a.g = g;
    a.shape.pitch = shape.pitch;
    const Index block[3] = {1, block_rows, block_columns};
    for (int d = 0; d < 3; ++d) {
        a.grid.hop[d] = block[d];
        a.grid.count[d] = (g.axis[d].out + block[d] - 1) / block[d];
        a.grid.tiles *= a.grid.count[d];
    }
    a.grid.slots = a.grid.tiles * g.per_kernel;
    note_layout<T>(a);
    launch("separable_tile", separable_tile<T>,
           {static_cast<unsigned>(a.grid.slots), threads, shape.shared_bytes, stream}, a, factors);
}

}  // namespace

SeparableShape separable_shape(const Regular& g, Arithmetic arithmetic, Index most_shared_bytes) {
    SeparableShape shape;
    if (arithmetic == Arithmetic::i64 || g.complex_samples || g.axis[0].k > 1 || g.bank.x > 1)
        return shape;
    for (const DeviceAxis& axis : g.axis)
        if (axis.step != 1 || axis.dilation != 1) return shape;
    const Index bytes = arithmetic == Arithmetic::f32 ? 4 : 8, vector = 16 / bytes;
    const Index wide = arithmetic == Arithmetic::f32 ? patch<float> : patch<double>;
    const Index k1 = g.axis[1].k, k2 = g.axis[2].k;
    if (k1 > 4096 || k2 > 4096) return shape;
    const Index columns = block_columns + (k2 + wide - 1) / wide * wide + wide;
    const Index pitch =
        (columns + vector * (columns / (128 / bytes) + 1) + vector - 1) / vector * vector;
    const Index total = ((block_rows + k1 - 1) * (pitch + block_columns) + (k1 + 3) / 4 * 4 +
                         (k2 + wide - 1) / wide * wide) *
                        bytes;
    const Index blocks = (g.axis[2].out / block_columns + 1) * (g.axis[1].out / block_rows + 1) *
                         g.axis[0].out * g.per_kernel;
    if (total > most_shared_bytes || blocks > (Index{1} << 30)) return shape;
    shape.pitch = static_cast<int>(pitch);
    shape.shared_bytes = static_cast<int>(total);
    shape.possible = true;
    return shape;
}

void run_separable(const Regular& g, const SeparableShape& shape, Arithmetic arithmetic,
                   const void* factors, cudaStream_t stream) {
    if (arithmetic == Arithmetic::f32)
        run_as(g, shape, static_cast<const float*>(factors), stream);
    else
        run_as(g, shape, static_cast<const double*>(factors), stream);
}

}  // namespace faltung::cuda
