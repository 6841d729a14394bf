// What CUDA adds to C++, for a C++ compiler: a thread of a block is a fiber (fibers.cpp).
#pragma once

#include <math.h>

#include <bit>
#include <functional>
#include <source_location>
#include <tuple>
#include <type_traits>

#include <cuda_runtime_api.h>
#include "cuda/on_host/on_host.hpp"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
// blocks run one after another in the thread of the host that drains the stream
#define __shared__ thread_local

inline uint3 threadIdx{}, blockIdx{};
inline dim3 blockDim, gridDim;

using std::source_location;

inline void __syncthreads(source_location here = source_location::current()) {
    on_host::block_barrier(false, here);
}
inline int __syncthreads_or(int vote, source_location here = source_location::current()) {
    return on_host::block_barrier(vote != 0, here);
}
template <class T>
T __shfl_down_sync(unsigned lanes, T value, unsigned delta,
                   source_location here = source_location::current()) {
    static_assert(sizeof(T) == 8);
    if (lanes != ~0u) on_host::fault("a shuffle of some lanes only is not played");
    return std::bit_cast<T>(
        on_host::shuffle_down(std::bit_cast<std::uint64_t>(value), delta, here));
}

template <class T>
T min(T a, T b) {
    return b < a ? b : a;
}
template <class T>
T max(T a, T b) {
    return a < b ? b : a;
}
template <class T>
T __ldg(const T* at) {
    return *at;
}
inline void atomicMax(unsigned long long* at, unsigned long long value) { *at = max(*at, value); }
inline double __longlong_as_double(long long bits) { return std::bit_cast<double>(bits); }
inline void sincospi(double x, double* sine, double* cosine) {
    ::sincos(3.14159265358979323846 * x, sine, cosine);
}
inline void sincospif(float x, float* sine, float* cosine) {
    *sine = static_cast<float>(::sin(3.14159265358979323846 * static_cast<double>(x)));
    *cosine = static_cast<float>(::cos(3.14159265358979323846 * static_cast<double>(x)));
}

template <class T>
cudaError_t cudaMalloc(T** data, std::size_t bytes) {
    return cudaMalloc(reinterpret_cast<void**>(data), bytes);
}

template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute, int bytes) {
    return on_host::allow_shared_bytes(reinterpret_cast<const void*>(kernel), bytes);
}

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
    static_assert((sizeof(Parameters) + ... + 0) <= 32764);
    return on_host::launch(
        *config, reinterpret_cast<const void*>(kernel),
        [kernel, kept = std::tuple<Parameters...>(arguments...)] { std::apply(kernel, kept); });
}
