#include "cuda/check.hpp"

#include <string>

#include "core/error.hpp"

namespace faltung::cuda {

void check(cudaError_t status, const char* call) {
    if (status == cudaSuccess) return;
    cudaGetLastError();  // a failure told once is not told again
    const std::string text = std::string("CUDA: ") + cudaGetErrorString(status) + " (" + call + ")";
    if (status == cudaErrorMemoryAllocation) throw TooLarge(text);
    throw ProviderError(text);
}

}  // namespace faltung::cuda
