// Kernels with mistakes, for what the stand-in for CUDA must find; test_cuda_on_host.py compiles
// and runs them.
#include <cuda_pipeline.h>

#include <cstdio>
#include <cstring>

namespace {

constexpr unsigned threads = 64;

__global__ void neighbours(float* out, bool careful) {
    __shared__ float shared[threads];
    shared[threadIdx.x] = static_cast<float>(threadIdx.x);
    if (careful) __syncthreads();
    out[threadIdx.x] = shared[threads - 1 - threadIdx.x];
}

__global__ void sum_of_warp(double* out) {
    double value = threadIdx.x;
    for (unsigned d = 16; d > 0; d /= 2) value += __shfl_down_sync(~0u, value, d);
    if (threadIdx.x % 32 == 0) out[threadIdx.x / 32] = value;
}

__global__ void votes(float* out) {
    if (threadIdx.x >= 50) return;  // who has ended is not waited for
    const bool any = __syncthreads_or(threadIdx.x == 49), none = __syncthreads_or(0);
    out[threadIdx.x] = any && !none;
}

__global__ void two_barriers(float*) {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
}

__global__ void half_a_warp(float* out) {
    double value = 1;
    if (threadIdx.x % 32 < 16)
        value = __shfl_down_sync(~0u, value, 1);
    else
        __syncthreads();
    *out = static_cast<float>(value);
}

__global__ void writes_at(float* out, int index) {
    if (threadIdx.x == 0) out[index] = 1;
}

__global__ void copies(float* out, const float* in, bool waits) {
    __shared__ float shared[threads];
    shared[threadIdx.x] = -1;
    __pipeline_memcpy_async(&shared[threadIdx.x], &in[threadIdx.x], sizeof(float));
    if (waits) __pipeline_wait_prior(0);
    out[threadIdx.x] = shared[threadIdx.x];
}

template <class... Parameters, class... Arguments>
const char* run(dim3 block, std::size_t shared_bytes, void (*kernel)(Parameters...),
                Arguments... arguments) {
    cudaLaunchConfig_t config{};
    config.blockDim = block;
    config.dynamicSmemBytes = shared_bytes;
    const cudaError_t status = cudaLaunchKernelEx(&config, kernel, arguments...);
    return cudaGetErrorString(status == cudaSuccess ? cudaStreamSynchronize(nullptr) : status);
}

}  // namespace

/// Prints a line per trial: what was asked, what the runtime says, the first numbers of the answer.
int main() {
    float *out = nullptr, *in = nullptr;
    double* sums = nullptr;
    cudaMalloc(&out, threads * sizeof(float));
    cudaMalloc(&in, threads * sizeof(float));
    cudaMalloc(&sums, 3 * sizeof(double));  // 8 bytes are left to a multiple of 16
    std::printf("unwritten;%g\n", static_cast<double>(out[5]));
    float counted[threads];
    for (unsigned i = 0; i < threads; ++i) counted[i] = static_cast<float>(i);
    cudaMemcpy(in, counted, sizeof counted, cudaMemcpyHostToDevice);

    int reversed = 0;
    std::printf("barrier;%s;", run(threads, 0, neighbours, out, true));
    for (unsigned i = 0; i < threads; ++i) reversed += out[i] == counted[threads - 1 - i];
    std::printf("%d\n", reversed);
    std::memset(out, 0, sizeof counted);
    std::printf("race;%s;", run(threads, 0, neighbours, out, false));
    reversed = 0;
    for (unsigned i = 0; i < threads; ++i) reversed += out[i] == counted[threads - 1 - i];
    std::printf("%d\n", reversed);
    std::printf("shuffle;%s;", run(threads, 0, sum_of_warp, sums));
    std::printf("%g %g\n", sums[0], sums[1]);
    std::printf("votes;%s;", run(threads, 0, votes, out));
    std::printf("%g %g\n", static_cast<double>(out[0]), static_cast<double>(out[49]));
    std::printf("two barriers;%s\n", run(threads, 0, two_barriers, out));
    std::printf("half a warp;%s\n", run(threads, 0, half_a_warp, out));
    std::printf("far behind;%s\n", run(threads, 0, writes_at, out, 4096));
    std::printf("just behind;%s\n", run(threads, 0, writes_at, reinterpret_cast<float*>(sums), 7));
    std::memset(static_cast<void*>(sums + 3), 0xff, 8);
    std::printf("copies;%s;", run(threads, 0, copies, out, in, true));
    std::printf("%g\n", static_cast<double>(out[9]));
    std::printf("no wait;%s;", run(threads, 0, copies, out, in, false));
    std::printf("%g\n", static_cast<double>(out[9]));
    std::printf("no threads;%s\n", run(0, 0, writes_at, out, 0));
    std::printf("shared memory;%s\n", run(threads, 50'000, writes_at, out, 0));
    cudaFuncSetAttribute(writes_at, cudaFuncAttributeMaxDynamicSharedMemorySize, 50'000);
    std::printf("allowed;%s\n", run(threads, 50'000, writes_at, out, 0));
    std::printf("of the host;%s\n",
                cudaGetErrorString(cudaMemcpy(counted, counted, 4, cudaMemcpyHostToDevice)));
    cudaFree(in);
    std::printf("freed;%s\n", run(threads, 0, copies, out, in, true));

    // late, and in no order but the promised one
    cudaStream_t one = nullptr, two = nullptr;
    cudaEvent_t event = nullptr;
    cudaStreamCreateWithFlags(&one, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&two, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    cudaMemsetAsync(out, 1, 4, one);
    cudaEventRecord(event, one);
    const auto byte = [&] { return *reinterpret_cast<unsigned char*>(out); };
    out[0] = 0;
    std::printf("late;%d", byte());
    cudaMemsetAsync(out + 1, 2, 4, two);
    cudaStreamSynchronize(two);
    std::printf(" %d", byte());
    cudaStreamWaitEvent(two, event, 0);
    cudaStreamSynchronize(two);
    std::printf(" %d\n", byte());
}
