// Direct sums by tiles: the samples of a block's outputs stand in shared memory, each thread keeps
// a patch of outputs in registers and reads its windows 16 bytes at a time.
#include "cuda/direct_patch.cuh"
#include "cuda/launch.cuh"

namespace faltung::cuda {

namespace {

/// Rows of a thread's patch where loops are unrolled.
constexpr int square_rows(int side, int bytes) { return bytes == 8 || side == 7 ? 4 : 8; }

template <class T, int side, int shift, int wide, int high>
__global__ void __launch_bounds__(side ? 128 : 256, side == 0        ? 2
                                                    : sizeof(T) == 8 ? 3
                                                    : side == 3      ? 8
                                                    : side == 5      ? 6
                                                                     : 4)
    direct_tile(const __grid_constant__ DirectArguments a, const T* taps) {
    __shared__ BlockSite site;
    T* samples = dynamic_shared<T>();
    const DeviceAxis* axis = a.g.axis;
    const int planes = a.shape.planes + static_cast<int>(axis[0].reach()) - 1;
    const int rows = a.shape.rows * high + static_cast<int>(axis[1].reach()) - 1;
    const int columns = a.shape.lanes * wide + static_cast<int>(axis[2].k) - 1;
    T* kept = samples + planes * rows * a.shape.pitch;
    site.open(a);

    const int k0 = static_cast<int>(axis[0].k), k1 = static_cast<int>(axis[1].k),
              k2 = static_cast<int>(axis[2].k);
    const int thread =
        static_cast<int>(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
    for (int i = thread; i < k0 * k1 * k2;
         i += static_cast<int>(blockDim.x * blockDim.y * blockDim.z))
        kept[i / k2 * a.shape.tap_pitch + i % k2] = taps[site.kernel * k0 * k1 * k2 + i];
    fill(a, site.x, site.from, planes, rows, columns, samples);
    __syncthreads();

    const int x0 = static_cast<int>(threadIdx.x) * wide, y0 = static_cast<int>(threadIdx.y) * high;
    T sum[high][wide] = {};
    for (int t0 = 0; t0 < k0; ++t0) {
        const int plane = static_cast<int>(threadIdx.z) + t0 * static_cast<int>(axis[0].dilation);
        const T* first = samples + (plane * rows + y0) * a.shape.pitch;
        const T* square = kept + t0 * k1 * a.shape.tap_pitch;
        if constexpr (side > 0)
            sum_square<T, side, shift, wide, high>(first, a.shape.pitch, x0, square,
                                                   a.shape.tap_pitch, sum);
        else
            sum_rows<T, wide, high>(first, a.shape.pitch, x0, static_cast<int>(axis[1].dilation),
                                    square, a.shape.tap_pitch, k1, k2, sum);
    }
    const Index at[3] = {site.at[0] + threadIdx.z, site.at[1] + y0, site.at[2] + x0};
    put<T, wide, high>(a, site.out, at, bias_of<T>(a.g, site.kernel), sum);
}

template <class T, int side, int shift, int wide, int high>
void launch_tile(const DirectArguments& a, const T* taps, cudaStream_t stream) {
    const dim3 block(static_cast<unsigned>(a.shape.lanes), static_cast<unsigned>(a.shape.rows),
                     static_cast<unsigned>(a.shape.planes));
    const auto blocks = static_cast<unsigned>(a.grid.kernels * a.grid.slots);
    launch("direct_tile", direct_tile<T, side, shift, wide, high>,
           {blocks, block, a.shape.shared_bytes, stream}, a, taps);
}

/// With as many columns read early as alignment wants.
template <class T, int side>
void launch_square(const DirectArguments& a, const T* taps, cudaStream_t stream) {
    constexpr int high = square_rows(side, sizeof(T));
    switch (a.shift) {
        case 1: return launch_tile<T, side, 1, 4, high>(a, taps, stream);
        case 2:
            if constexpr (sizeof(T) == 4) return launch_tile<T, side, 2, 4, high>(a, taps, stream);
            [[fallthrough]];
        case 3:
            if constexpr (sizeof(T) == 4) return launch_tile<T, side, 3, 4, high>(a, taps, stream);
            [[fallthrough]];
        default: return launch_tile<T, side, 0, 4, high>(a, taps, stream);
    }
}

template <class T>
void run_as(const Regular& g, const DirectShape& shape, const T* taps, cudaStream_t stream) {
    DirectArguments a;
    a.g = g;
    a.shape = shape;
    const Index block[3] = {shape.planes, shape.rows * shape.high, shape.lanes * shape.wide};
    for (int d = 0; d < 3; ++d) {
        a.grid.hop[d] = block[d];
        a.grid.count[d] = (g.axis[d].out + block[d] - 1) / block[d];
        a.grid.tiles *= a.grid.count[d];
    }
    a.grid.slots = a.grid.tiles * g.per_kernel;
    a.grid.kernels = g.bank.x;
    note_layout<T>(a);
    if (shape.side > 0) note_wide_rows<T>(a);
    constexpr int wide = sizeof(T) == 4 ? 8 : 4;
    switch (shape.side) {
        case 3: return launch_square<T, 3>(a, taps, stream);
        case 5: return launch_square<T, 5>(a, taps, stream);
        case 7: return launch_square<T, 7>(a, taps, stream);
        default:
            if (shape.high == 1) return launch_tile<T, 0, 0, wide, 1>(a, taps, stream);
            return launch_tile<T, 0, 0, wide, 4>(a, taps, stream);
    }
}

}  // namespace

DirectShape direct_shape(const Regular& g, Arithmetic arithmetic, Index most_shared_bytes) {
    DirectShape shape;
    if (arithmetic == Arithmetic::i64 || g.complex_samples || g.complex_kernel) return shape;
    for (const DeviceAxis& axis : g.axis)
        if (axis.step != 1) return shape;
    if (g.axis[2].dilation != 1 && g.axis[2].k > 1) return shape;
    const bool single = arithmetic == Arithmetic::f32;
    const Index bytes = single ? 4 : 8, vector = 16 / bytes;

    const bool square = g.axis[1].k == g.axis[2].k && g.axis[1].dilation == 1;
    if (square && (g.axis[1].k == 3 || g.axis[1].k == 5 || g.axis[1].k == 7)) {
        shape.side = static_cast<int>(g.axis[1].k);
        shape.wide = 4;
        shape.high = square_rows(shape.side, static_cast<int>(bytes));
        shape.lanes = 32;
        shape.rows = 4;
    } else {
        shape.wide = single ? 8 : 4;
        shape.high = g.axis[1].out == 1 ? 1 : 4;
        shape.lanes = shape.high == 1 ? 128 : 16;
        shape.rows = shape.high == 1 ? 1 : 8;
    }
    if (g.axis[0].k > 1) {
        shape.planes = 4;
        shape.rows = shape.side || shape.high == 1 ? 1 : 4;
        if (shape.high == 1) shape.lanes = 32;
    }
    // what the last patch of a row may read of taps that are not there is read, and not used
    const Index columns = shape.lanes * shape.wide +
                          (g.axis[2].k + shape.wide - 1) / shape.wide * shape.wide + shape.wide;
    const Index gap = 128 / bytes;
    const Index pitch = (columns + vector * (columns / gap + 1) + vector - 1) / vector * vector;
    const Index tap_pitch = (g.axis[2].k + shape.wide - 1) / shape.wide * shape.wide;
    const Index lines =
        (shape.planes + g.axis[0].reach() - 1) * (shape.rows * shape.high + g.axis[1].reach() - 1);
    if (lines > (Index{1} << 24) || columns > (Index{1} << 24)) return shape;
    const Index total = (lines * pitch + g.axis[0].k * g.axis[1].k * tap_pitch) * bytes;
    const Index blocks = (g.axis[2].out / (shape.lanes * shape.wide) + 1) *
                         (g.axis[1].out / (shape.rows * shape.high) + 1) *
                         (g.axis[0].out / shape.planes + 1) * g.per_kernel * g.bank.x;
    if (total > most_shared_bytes || blocks > (Index{1} << 30)) return shape;
    shape.pitch = static_cast<int>(pitch);
    shape.tap_pitch = static_cast<int>(tap_pitch);
    shape.shared_bytes = static_cast<int>(total);
    shape.possible = true;
    return shape;
}

void run_direct(const Regular& g, const DirectShape& shape, Arithmetic arithmetic, const void* taps,
                cudaStream_t stream) {
    if (arithmetic == Arithmetic::f32)
        run_as<float>(g, shape, static_cast<const float*>(taps), stream);
    else
        run_as<double>(g, shape, static_cast<const double*>(taps), stream);
}

}  // namespace faltung::cuda
