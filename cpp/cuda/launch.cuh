// How kernels are started, and the shared memory that they are started with.
#pragma once

#include <cuda_runtime.h>

#include <utility>

#include "cuda/check.hpp"
#include "cuda/geometry.hpp"

namespace faltung::cuda {

/// How many threads of what, and where they are enqueued.
struct Grid {
    dim3 blocks, threads;
    int shared_bytes = 0;  // beside what a kernel declares
    cudaStream_t stream = nullptr;
};

/// Enqueues a kernel. A failure names it.
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), const Grid& grid,
            Arguments&&... arguments) {
    if (grid.shared_bytes > 0)
        check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   grid.shared_bytes),
              name);
    cudaLaunchConfig_t config{};
    config.gridDim = grid.blocks;
    config.blockDim = grid.threads;
    config.dynamicSmemBytes = static_cast<std::size_t>(grid.shared_bytes);
    config.stream = grid.stream;
    check(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), name);
}

/// Blocks of `threads` that take `count` jobs one each, but no more than `most` of them: kernels
/// walk on by the grid.
constexpr unsigned blocks_for(Index count, Index threads, Index most) {
    const Index blocks = (count + threads - 1) / threads;
    return static_cast<unsigned>(blocks < most ? blocks : most);
}

/// The `shared_bytes` of a launch.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
    extern __shared__ __align__(16) std::byte dynamic_shared_bytes[];
    return reinterpret_cast<T*>(dynamic_shared_bytes);
}

}  // namespace faltung::cuda
