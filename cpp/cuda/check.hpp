// Every call of the CUDA runtime is looked at; a failure names the call.
#pragma once

#include <cuda_runtime_api.h>

namespace faltung::cuda {

/// Throws DeviceError, or TooLarge where memory ran out.
void check(cudaError_t status, const char* call);

}  // namespace faltung::cuda

#define FALTUNG_CHECK(call) ::faltung::cuda::check(call, #call)
