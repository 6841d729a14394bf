// Overlap-save in one kernel: a tile is read, transformed, multiplied, transformed back and written
// without leaving its multiprocessor (Press et al., Numerical Recipes, section 13.1.1, with tiles).
#include "cuda/fft_passes.cuh"
#include "cuda/launch.cuh"
#include "cuda/tile_access.cuh"
#include "cuda/tile_transform.hpp"

namespace faltung::cuda {

namespace {

template <class T, class Shape, bool fast>
__global__ void __launch_bounds__(Shape::threads, Shape::blocks)
    fused_tile(const __grid_constant__ TileArguments<T> a) {
    Pair<T>* block = dynamic_shared<Pair<T>>();
    const auto carriers = static_cast<std::uint32_t>(a.grid.carriers);
    const Index kernel = blockIdx.x / carriers;
    __shared__ Carrier<T> carrier;
    carrier.open(a, kernel, blockIdx.x % carriers);

    bool bad = false;
    run_pass<Shape, 0, false, T>(
        a.roots,
        [&](const auto& f) {
            return carrier.template lines_in<fast>(a, f, f.axis, f.hop, f.i0(), f.i1(), f.i2(), bad,
                                                   block + bank_place<T>(f.first));
        },
        to_shared(block));
    const bool any_bad = __syncthreads_or(bad);
    if (threadIdx.x == 0) a.flags[blockIdx.x] = any_bad || a.bad_kernels[kernel];

    forward_between<Shape, 1>(block, a.roots);
    run_middle<Shape, T>(block, a.spectra + kernel * Shape::points);
    __syncthreads();
    inverse_between<Shape, Shape::count - 2>(block, a.roots);

    const T bias = bias_of<T>(a.g, kernel);
    run_pass<Shape, 0, true, T>(a.roots, from_shared(block), [&](const auto& f) {
        return carrier.template lines_out<fast>(a, f.axis, f.hop, f.i0(), f.i1(), f.i2(), bias);
    });
}

/// The spectrum of a kernel, in the order in which fused_tile's threads want it.
template <class T, class Shape>
__global__ void __launch_bounds__(Shape::threads)
    fused_spectrum(const __grid_constant__ TileArguments<T> a, Pair<T>* spectra) {
    Pair<T>* block = dynamic_shared<Pair<T>>();
    const Index kernel = blockIdx.x;
    bool bad = false;
    run_pass<Shape, 0, false, T>(
        a.roots,
        [&](const auto& f) {
            return [&](int m) {
                const int d = m * f.hop;
                const Pair<T> tap =
                    placed_tap(a.g, a.grid, a.taps, kernel, f.i0() + (f.axis == 0 ? d : 0),
                               f.i1() + (f.axis == 1 ? d : 0), f.i2() + (f.axis == 2 ? d : 0));
                bad = bad || not_finite(tap.re) || not_finite(tap.im);
                return tap;
            };
        },
        to_shared(block));
    const bool any_bad = __syncthreads_or(bad);
    if (threadIdx.x == 0) a.bad_kernels[kernel] = any_bad;
    forward_between<Shape, 1>(block, a.roots);
    write_spectrum<Shape, T>(block, spectra + kernel * Shape::points, T(1) / T(Shape::points));
}

template <class T, class Shape>
FusedTile entry(double cycles) {
    FusedTile tile;
    tile.cycles = cycles;
    tile.blocks = Shape::blocks;
    tile.length[0] = Shape::extent0;
    tile.length[1] = Shape::extent1;
    tile.length[2] = Shape::extent2;
    tile.points = Shape::points;
    constexpr int bytes =
        padded_points(Shape::points, sizeof(T)) * static_cast<int>(sizeof(Pair<T>));
    tile.run = [](const void* arguments, Index blocks, cudaStream_t stream) {
        const auto& a = *static_cast<const TileArguments<T>*>(arguments);
        const auto kernel = a.fast ? fused_tile<T, Shape, true> : fused_tile<T, Shape, false>;
        launch("fused_tile", kernel, {static_cast<unsigned>(blocks), Shape::threads, bytes, stream},
               a);
    };
    tile.prepare = [](const void* arguments, void* spectra, Index kernels, cudaStream_t stream) {
        launch("fused_spectrum", fused_spectrum<T, Shape>,
               {static_cast<unsigned>(kernels), Shape::threads, bytes, stream},
               *static_cast<const TileArguments<T>*>(arguments), static_cast<Pair<T>*>(spectra));
    };
    return tile;
}

}  // namespace

const std::vector<FusedTile>& fused_tiles(Arithmetic arithmetic) {
    static const std::vector<FusedTile> single{
        entry<float, FftShape<1, 1, 1024, 128, 7, 5>>(2.1),
        entry<float, FftShape<1, 1, 4096, 256, 7, 3>>(2.1),
        entry<float, FftShape<1, 32, 32, 128, 7, 8>>(2.1),
        entry<float, FftShape<1, 64, 64, 256, 7, 4>>(2.25),
        entry<float, FftShape<1, 128, 64, 256, 7, 3>>(2.0),
        entry<float, FftShape<1, 128, 128, 512, 7, 1>>(1.9),
        entry<float, FftShape<16, 16, 16, 256, 7, 3>>(1.5),
        entry<float, FftShape<16, 32, 32, 512, 7, 1>>(2.3),
    };
    static const std::vector<FusedTile> twice{
        entry<double, FftShape<1, 1, 1024, 128, 7, 3>>(2.2),
        entry<double, FftShape<1, 1, 4096, 256, 7, 2>>(2.2),
        entry<double, FftShape<1, 32, 32, 128, 7, 4>>(2.2),
        entry<double, FftShape<1, 64, 64, 256, 7, 2>>(2.0),
        entry<double, FftShape<16, 16, 16, 256, 7, 1>>(2.0),
    };
    return arithmetic == Arithmetic::f32 ? single : twice;
}

}  // namespace faltung::cuda
