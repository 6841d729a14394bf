// The only place that knows cuFFT's names: the functions we call, found at run time.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>
#include <vector>

namespace faltung::cuda {

struct CufftApi {
    int (*create)(int* plan) = nullptr;
    int (*destroy)(int plan) = nullptr;
    int (*set_auto_allocation)(int plan, int automatic) = nullptr;
    int (*make_plan)(int plan, int rank, long long* n, long long* in_extent, long long in_stride,
                     long long in_distance, long long* out_extent, long long out_stride,
                     long long out_distance, int type, long long batch,
                     std::size_t* work) = nullptr;
    int (*set_work_area)(int plan, void* work) = nullptr;
    int (*set_stream)(int plan, cudaStream_t stream) = nullptr;
    int (*single_forward)(int plan, float* in, float* out) = nullptr;  // real to complex
    int (*single_inverse)(int plan, float* in, float* out) = nullptr;
    int (*single_complex)(int plan, float* in, float* out, int direction) = nullptr;
    int (*double_forward)(int plan, double* in, double* out) = nullptr;
    int (*double_inverse)(int plan, double* in, double* out) = nullptr;
    int (*double_complex)(int plan, double* in, double* out, int direction) = nullptr;
    int (*get_version)(int* version) = nullptr;
    std::string path;
};

enum class CufftType : int {
    single_complex = 0x29,
    single_forward = 0x2a,
    single_inverse = 0x2c,
    double_complex = 0x69,
    double_forward = 0x6a,
    double_inverse = 0x6c,
};

/// Where to look beside the loader's own places, told before the first use.
void set_cufft_candidates(std::vector<std::string> files);

/// nullptr where there is none.
const CufftApi* find_cufft();

/// Throws ProviderError, with every place that was tried, where there is none.
const CufftApi& cufft();

/// Throws ProviderError where a call failed.
void check_cufft(int status, const char* call);

}  // namespace faltung::cuda
