// The kernel that serves everything: one thread per output, the sum as it is defined. Beside it
// what looks at whole arrays element by element: taps on their way in, ranges of integers.
#include "cuda/access.cuh"
#include "cuda/direct.hpp"
#include "cuda/launch.cuh"

namespace faltung::cuda {

namespace {

constexpr int threads = 256;

template <class T, bool complex>
__global__ void __launch_bounds__(threads)
    general_kernel(const __grid_constant__ General g, const T* taps) {
    for (Index o = blockIdx.x * Index{threads} + threadIdx.x; o < g.outputs;
         o += gridDim.x * Index{threads}) {
        Index start[max_rank], t[max_rank];
        Index to = 0, kernel = 0, rest = o;
        for (int a = g.rank - 1; a >= 0; --a) {
            const DeviceAxis& axis = g.axis[a];
            const Index j = rest % axis.out;
            rest /= axis.out;
            to += j * axis.out_stride;
            kernel += j * axis.kernel_step;
            start[a] = axis.first + j * axis.step;
            t[a] = 0;
        }
        const T* tap = taps + kernel * g.taps * (g.complex_kernel ? 2 : 1);
        const DeviceAxis& last = g.axis[g.rank - 1];
        T re{}, im{};
        bool more = true;
        while (more) {
            // one row of taps along the last axis
            Index row = 0;
            bool constant = false;
            for (int a = 0; a + 1 < g.rank; ++a) {
                const Index source =
                    extend(start[a] + t[a] * g.axis[a].dilation, g.axis[a].x, g.boundary);
                constant = constant || source < 0;
                row += source * g.axis[a].x_stride;
            }
            for (Index u = 0; u < last.k; ++u) {
                const Index source =
                    constant ? -1
                             : extend(start[g.rank - 1] + u * last.dilation, last.x, g.boundary);
                T x = constant_of<T>(g), y{};
                if (source >= 0) x = load_any<T>(g.x + row + source * last.x_stride, g.x_type);
                if constexpr (complex) {
                    y = source >= 0 ? load_imag<T>(g.x + row + source * last.x_stride, g.x_type)
                                    : static_cast<T>(g.cval_imag);
                    if (g.complex_kernel) {
                        const T k_re = *tap++, k_im = *tap++;
                        re += k_re * x - k_im * y;
                        im += k_re * y + k_im * x;
                    } else {
                        const T k = *tap++;
                        re += k * x;
                        im += k * y;
                    }
                } else {
                    re += *tap++ * x;
                }
            }
            more = false;
            for (int a = g.rank - 2; a >= 0 && !more; --a) {
                more = ++t[a] < g.axis[a].k;
                if (!more) t[a] = 0;
            }
        }
        if (g.bias) re += reinterpret_cast<const T*>(g.bias)[kernel];
        if (g.relu && re < T{}) re = T{};
        store_any<T>(g.out + to, g.out_type, re, im, g.unsigned_result);
    }
}

template <class T>
__global__ void __launch_bounds__(threads)
    taps_kernel(const __grid_constant__ TapSource s, bool complex, Index count, T* taps) {
    for (Index i = blockIdx.x * Index{threads} + threadIdx.x; i < count;
         i += gridDim.x * Index{threads}) {
        const std::byte* at = s.data;
        Index rest = i;
        for (int a = s.rank - 1; a >= 0; --a) {
            at += rest % s.extent[a] * s.stride[a];
            rest /= s.extent[a];
        }
        if (complex) {
            taps[2 * i] = load_any<T>(at, s.type);
            if constexpr (!std::is_same_v<T, long long>) {
                const T imag = load_imag<T>(at, s.type);
                taps[2 * i + 1] = s.conjugate ? -imag : imag;
            }
        } else {
            taps[i] = load_any<T>(at, s.type);
        }
    }
}

__global__ void __launch_bounds__(threads)
    range_kernel(const __grid_constant__ TapSource s, Index count, IntegerRange* result) {
    unsigned long long below = 0, above = 0;
    for (Index i = blockIdx.x * Index{threads} + threadIdx.x; i < count;
         i += gridDim.x * Index{threads}) {
        const std::byte* at = s.data;
        Index rest = i;
        for (int a = s.rank - 1; a >= 0; --a) {
            at += rest % s.extent[a] * s.stride[a];
            rest /= s.extent[a];
        }
        const auto bits = static_cast<unsigned long long>(load_any<long long>(at, s.type));
        if (s.type != Storage::uint64 && static_cast<long long>(bits) < 0)
            below = max(below, 0ull - bits);
        else
            above = max(above, bits);
    }
    atomicMax(&result->below, below);
    atomicMax(&result->above, above);
}

Grid grid_for(Index count, cudaStream_t stream, Index most = 1 << 20) {
    return {.blocks = blocks_for(count, threads, most), .threads = threads, .stream = stream};
}

template <class T>
void launch_general(const General& g, const void* taps, cudaStream_t stream) {
    const auto* numbers = static_cast<const T*>(taps);
    if constexpr (!std::is_same_v<T, long long>) {
        if (g.complex_samples)
            return launch("general_kernel", general_kernel<T, true>, grid_for(g.outputs, stream), g,
                          numbers);
    }
    launch("general_kernel", general_kernel<T, false>, grid_for(g.outputs, stream), g, numbers);
}

}  // namespace

void run_general(const General& g, Arithmetic arithmetic, const void* taps, cudaStream_t stream) {
    switch (arithmetic) {
        case Arithmetic::f32: return launch_general<float>(g, taps, stream);
        case Arithmetic::f64: return launch_general<double>(g, taps, stream);
        case Arithmetic::i64: return launch_general<long long>(g, taps, stream);
    }
}

void prepare_taps(const TapSource& source, Arithmetic arithmetic, bool complex, Index count,
                  void* taps, cudaStream_t stream) {
    const auto as = [&]<class T>(T* numbers) {
        launch("taps_kernel", taps_kernel<T>, grid_for(count, stream), source, complex, count,
               numbers);
    };
    switch (arithmetic) {
        case Arithmetic::f32: return as(static_cast<float*>(taps));
        case Arithmetic::f64: return as(static_cast<double*>(taps));
        case Arithmetic::i64: return as(static_cast<long long*>(taps));
    }
}

void integer_range(const TapSource& samples, Index count, IntegerRange* result,
                   cudaStream_t stream) {
    FALTUNG_CHECK(cudaMemsetAsync(result, 0, sizeof *result, stream));
    launch("range_kernel", range_kernel, grid_for(count, stream, 2048), samples, count, result);
}

}  // namespace faltung::cuda
