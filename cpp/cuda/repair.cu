// Tiles in which a sample or a tap is not finite are summed as the definition says, so that NaN and
// infinity reach the outputs whose windows hold them, and no others.
#include "cuda/launch.cuh"
#include "cuda/tile_access.cuh"
#include "cuda/tile_transform.hpp"

namespace faltung::cuda {

namespace {

constexpr int threads = 256;

/// The sum that an output is, tap by tap.
template <class T>
__device__ Pair<T> direct_sum(const TileArguments<T>& a, const OpenSlot<T>& slot, Index kernel,
                              const Index (&position)[3]) {
    const DeviceAxis* axis = a.g.axis;
    const Index count = axis[0].k * axis[1].k * axis[2].k;
    const T* taps = a.taps + kernel * count * (a.g.complex_kernel ? 2 : 1);
    Pair<T> sum{T{}, T{}};
    Index tap = 0;
    for (Index t0 = 0; t0 < axis[0].k; ++t0)
        for (Index t1 = 0; t1 < axis[1].k; ++t1)
            for (Index t2 = 0; t2 < axis[2].k; ++t2, ++tap) {
                const Index p0 = position[0] + t0 * axis[0].dilation,
                            p1 = position[1] + t1 * axis[1].dilation,
                            p2 = position[2] + t2 * axis[2].dilation;
                const Samples<T, false> samples{a.g, slot.x};
                if (!a.g.complex_samples) {
                    sum.re += taps[tap] * samples.real(p0, p1, p2);
                } else {
                    const Pair<T> v = samples.complex(p0, p1, p2);
                    if (a.g.complex_kernel) {
                        const T re = taps[2 * tap], im = taps[2 * tap + 1];
                        sum.re += re * v.re - im * v.im;
                        sum.im += re * v.im + im * v.re;
                    } else {
                        sum.re += taps[tap] * v.re;
                        sum.im += taps[tap] * v.im;
                    }
                }
                // nothing brings a sum back that is not a number
                if (sum.re != sum.re && (!a.g.complex_samples || sum.im != sum.im)) return sum;
            }
    return sum;
}

template <class T>
__global__ void __launch_bounds__(threads)
    repair_tiles(const __grid_constant__ TileArguments<T> a, Index carriers, Index parts) {
    // few blocks look at many flags: almost always nothing is to be done
    for (Index job = blockIdx.x; job < carriers * parts; job += gridDim.x) {
        const Index carrier = job / parts, part = job % parts;
        if (!a.flags[carrier]) continue;
        const Index kernel = carrier / a.grid.carriers;
        __shared__ Carrier<T> slots;
        __syncthreads();
        slots.open(a, kernel, carrier % a.grid.carriers);
        const Index answers = a.grid.hop[0] * a.grid.hop[1] * a.grid.hop[2];
        const T bias = bias_of<T>(a.g, kernel);
        for (Index i = part * threads + threadIdx.x; i < (a.grid.paired ? 2 : 1) * answers;
             i += parts * threads) {
            const OpenSlot<T>& slot = i < answers ? slots.first : slots.second;
            Index rest = i % answers;
            const Index i2 = rest % a.grid.hop[2];
            rest /= a.grid.hop[2];
            const Index i1 = rest % a.grid.hop[1], i0 = rest / a.grid.hop[1];
            std::byte* to = slot.place(a, i0, i1, i2);
            if (!to) continue;
            const Index position[3] = {slot.from[0] + i0, slot.from[1] + i1, slot.from[2] + i2};
            const Pair<T> sum = direct_sum(a, slot, kernel, position);
            if (!a.g.complex_samples)
                store_real<T, false>(a.g, to, sum.re + bias);
            else
                store_any<T>(to, a.g.out_type, sum.re, sum.im, false);
        }
    }
}

template <class T>
void run_as(const TileArguments<T>& a, Index carriers, cudaStream_t stream) {
    const Index answers = 2 * a.grid.hop[0] * a.grid.hop[1] * a.grid.hop[2];
    const Index parts = std::min<Index>((answers + threads - 1) / threads, 512);
    launch("repair_tiles", repair_tiles<T>,
           {blocks_for(carriers * parts, 1, 1056), threads, 0, stream}, a, carriers, parts);
}

}  // namespace

void repair(const void* arguments, Arithmetic arithmetic, Index carriers, cudaStream_t stream) {
    if (arithmetic == Arithmetic::f32)
        run_as(*static_cast<const TileArguments<float>*>(arguments), carriers, stream);
    else
        run_as(*static_cast<const TileArguments<double>*>(arguments), carriers, stream);
}

}  // namespace faltung::cuda
