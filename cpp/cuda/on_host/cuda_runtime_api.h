// A stand-in for CUDA's runtime, on the host: as much of it as our sources call, under its names.
// Found in place of the toolkit's headers where FALTUNG_CUDA=HOST; docs/architecture.md says what
// it checks.
#pragma once

#include <cstddef>
#include <cstdint>

#define FALTUNG_ON_HOST extern "C" __attribute__((visibility("default")))

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInvalidDevice = 101,
    cudaErrorInvalidResourceHandle = 400,
    cudaErrorIllegalAddress = 700,
    cudaErrorLaunchFailure = 719,
};

struct dim3 {
    unsigned x = 1, y = 1, z = 1;

    constexpr dim3(unsigned nx = 1, unsigned ny = 1, unsigned nz = 1) : x(nx), y(ny), z(nz) {}
};
struct uint3 {
    unsigned x, y, z;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) double2 {
    double x, y;
};

FALTUNG_ON_HOST cudaError_t cudaGetLastError();
FALTUNG_ON_HOST const char* cudaGetErrorString(cudaError_t error);

// Devices: one, which says that it has an H100's sizes, so that methods are chosen as they are
// there.

struct cudaDeviceProp {
    char name[256];
    int major, minor, multiProcessorCount, l2CacheSize;
    std::size_t totalGlobalMem, sharedMemPerBlockOptin;
};
enum cudaDeviceAttr {
    cudaDevAttrClockRate,
    cudaDevAttrMemoryClockRate,
    cudaDevAttrGlobalMemoryBusWidth,
};
FALTUNG_ON_HOST cudaError_t cudaGetDeviceCount(int* count);
FALTUNG_ON_HOST cudaError_t cudaDriverGetVersion(int* version);
FALTUNG_ON_HOST cudaError_t cudaGetDevice(int* device);
FALTUNG_ON_HOST cudaError_t cudaSetDevice(int device);
FALTUNG_ON_HOST cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
FALTUNG_ON_HOST cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int device);

// Streams and events: work waits in its stream until somebody waits for it.

using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;
inline constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;
FALTUNG_ON_HOST cudaError_t cudaStreamCreate(cudaStream_t* stream);
FALTUNG_ON_HOST cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
FALTUNG_ON_HOST cudaError_t cudaStreamDestroy(cudaStream_t stream);
FALTUNG_ON_HOST cudaError_t cudaStreamSynchronize(cudaStream_t stream);
FALTUNG_ON_HOST cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event,
                                                unsigned flags);
FALTUNG_ON_HOST cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
FALTUNG_ON_HOST cudaError_t cudaEventDestroy(cudaEvent_t event);
FALTUNG_ON_HOST cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
FALTUNG_ON_HOST cudaError_t cudaEventSynchronize(cudaEvent_t event);

// Memory: between pages that nobody may touch, full of NaN until it is written.

enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2 };
enum cudaMemoryType {
    cudaMemoryTypeUnregistered,
    cudaMemoryTypeHost,
    cudaMemoryTypeDevice,
    cudaMemoryTypeManaged
};
struct cudaPointerAttributes {
    cudaMemoryType type;
    int device;
};
using cudaMemPool_t = struct CUmemPoolHandle_st*;
enum cudaMemAllocationType { cudaMemAllocationTypePinned = 1 };
enum cudaMemLocationType { cudaMemLocationTypeDevice = 1 };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };
struct cudaMemPoolProps {
    cudaMemAllocationType allocType;
    struct {
        cudaMemLocationType type;
        int id;
    } location;
};
inline constexpr unsigned cudaHostAllocPortable = 1;
FALTUNG_ON_HOST cudaError_t cudaMalloc(void** data, std::size_t bytes);
FALTUNG_ON_HOST cudaError_t cudaFree(void* data);
FALTUNG_ON_HOST cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned flags);
FALTUNG_ON_HOST cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool,
                                              const cudaMemPoolProps* properties);
FALTUNG_ON_HOST cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr which,
                                                    void* value);
FALTUNG_ON_HOST cudaError_t cudaMallocFromPoolAsync(void** data, std::size_t bytes,
                                                    cudaMemPool_t pool, cudaStream_t stream);
FALTUNG_ON_HOST cudaError_t cudaFreeAsync(void* data, cudaStream_t stream);
FALTUNG_ON_HOST cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes,
                                       cudaMemcpyKind kind);
FALTUNG_ON_HOST cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes,
                                            cudaMemcpyKind kind, cudaStream_t stream);
FALTUNG_ON_HOST cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes,
                                            cudaStream_t stream);
FALTUNG_ON_HOST cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* found,
                                                     const void* data);

// Launches

struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    std::size_t dynamicSmemBytes = 0;
    cudaStream_t stream = nullptr;
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
