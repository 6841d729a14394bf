// The runtime's functions. What goes into a stream is a function that runs when somebody waits for
// it: late, and in no other order than streams and events promise.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <cuda_runtime.h>
#include "cuda/on_host/on_host.hpp"

namespace {

using Work = std::function<void()>;

}  // namespace

struct CUstream_st {
    bool blocking = true;  // in order with the default stream
    std::deque<Work> work;
    std::size_t put = 0, done = 0;
};

struct CUevent_st {
    std::shared_ptr<CUstream_st> stream;  // none before it is recorded
    std::size_t after = 0;
};

namespace {

using Stream = std::shared_ptr<CUstream_st>;

/// Device memory between pages that nobody may touch. `data` ends where the second of them begins,
/// or up to 15 bytes before.
struct Allocation {
    std::byte* base;
    std::size_t mapped, bytes;
};

constexpr std::size_t page = 4096;
constexpr int poison = 0xff;

struct Runtime {
    std::recursive_mutex mutex;
    Stream default_stream = std::make_shared<CUstream_st>();
    std::map<cudaStream_t, Stream> streams;
    std::map<const std::byte*, Allocation> memory;
    std::map<const std::byte*, std::size_t> pinned;
    std::map<const void*, std::size_t> shared_bytes;
    std::size_t borrowed = 0, most_borrowed = 0;  // from pools
    cudaError_t last = cudaSuccess;               // what cudaGetLastError tells
    cudaError_t late = cudaSuccess;               // of work that has run, for whoever waits next
    std::string text;
};

Runtime& runtime() {
    static auto* the = new Runtime;
    return *the;
}

using Lock = std::lock_guard<std::recursive_mutex>;

cudaError_t note(cudaError_t error) {
    if (error != cudaSuccess) runtime().last = error;
    return error;
}

void note_late(cudaError_t error, std::string text) {
    if (runtime().late != cudaSuccess) return;
    runtime().late = error;
    runtime().text = std::move(text);
}

cudaError_t take_late() { return note(std::exchange(runtime().late, cudaSuccess)); }

Stream stream_of(cudaStream_t handle) {
    if (reinterpret_cast<std::uintptr_t>(handle) <= 1) return runtime().default_stream;
    const auto found = runtime().streams.find(handle);
    return found == runtime().streams.end() ? nullptr : found->second;
}

void drain(const Stream& stream, std::size_t until) {
    while (stream->done < until && !stream->work.empty()) {
        const Work work = std::move(stream->work.front());
        stream->work.pop_front();
        work();
        ++stream->done;
    }
}

void drain(const Stream& stream) { drain(stream, stream->put); }

void put(const Stream& stream, Work work) {
    stream->work.push_back(std::move(work));
    ++stream->put;
}

/// What stands in another stream now comes before what is put into `stream` from now on.
void put_after(const Stream& stream, const Stream& other) {
    put(stream, [other, until = other->put] { drain(other, until); });
}

cudaError_t put_in_order(cudaStream_t handle, Work work) {
    const Stream stream = stream_of(handle);
    if (!stream) return note(cudaErrorInvalidResourceHandle);
    if (stream == runtime().default_stream) {
        for (const auto& [_, other] : runtime().streams)
            if (other->blocking) put_after(stream, other);
    } else if (stream->blocking) {
        put_after(stream, runtime().default_stream);
    }
    put(stream, std::move(work));
    return cudaSuccess;
}

/// The piece of device memory that an address is in; nullptr where it is in none.
const Allocation* allocation_of(const void* data) {
    auto& memory = runtime().memory;
    const auto* at = static_cast<const std::byte*>(data);
    auto found = memory.upper_bound(at);
    if (found == memory.begin()) return nullptr;
    --found;
    return at < found->first + found->second.bytes ? &found->second : nullptr;
}

bool on_device(const void* data, std::size_t bytes) {
    const Allocation* found = allocation_of(data);
    return found &&
           static_cast<const std::byte*>(data) + bytes <= found->base + found->mapped - page;
}

bool is_pinned(const void* data) {
    const auto* at = static_cast<const std::byte*>(data);
    auto found = runtime().pinned.upper_bound(at);
    if (found == runtime().pinned.begin()) return false;
    --found;
    return at < found->first + found->second;
}

cudaError_t allocate(void** data, std::size_t bytes) {
    const std::size_t rounded = (bytes + 15) / 16 * 16;
    const std::size_t inside = (rounded + page - 1) / page * page;
    void* base = mmap(nullptr, inside + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return note(cudaErrorMemoryAllocation);
    auto* first = static_cast<std::byte*>(base) + page;
    if (mprotect(first, inside, PROT_READ | PROT_WRITE) != 0) {
        munmap(base, inside + 2 * page);
        return note(cudaErrorMemoryAllocation);
    }
    std::memset(first, poison, inside);
    std::byte* here = first + inside - rounded;
    runtime().memory.emplace(here,
                             Allocation{static_cast<std::byte*>(base), inside + 2 * page, bytes});
    *data = here;
    return cudaSuccess;
}

/// Whether the bytes around an allocation, up to its pages' ends, are as they were.
bool is_intact(const std::byte* data, const Allocation& allocation) {
    static const std::vector<std::byte> whole(page, std::byte{poison});
    const auto untouched = [](const std::byte* from, const std::byte* to) {
        return std::memcmp(from, whole.data(), static_cast<std::size_t>(to - from)) == 0;
    };
    return untouched(allocation.base + page, data) &&
           untouched(data + allocation.bytes, allocation.base + allocation.mapped - page);
}

void release(const std::byte* data) {
    const auto found = runtime().memory.find(data);
    if (found == runtime().memory.end())
        return note_late(cudaErrorInvalidValue, "memory is freed that was not allocated");
    if (!is_intact(data, found->second))
        note_late(cudaErrorIllegalAddress, "something was written beside an allocation");
    munmap(found->second.base, found->second.mapped);
    runtime().memory.erase(found);
}

void run_kernel(const cudaLaunchConfig_t& config, const std::function<void()>& thread) {
    const char* wrong = on_host::run_blocks(config, thread);
    if (wrong) return note_late(cudaErrorIllegalAddress, wrong);
    for (const auto& [data, allocation] : runtime().memory)
        if (!is_intact(data, allocation))
            note_late(cudaErrorIllegalAddress, "a kernel wrote beside an allocation");
}

}  // namespace

namespace on_host {

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work) {
    const Lock lock(runtime().mutex);
    return put_in_order(stream, std::move(work));
}

cudaError_t allow_shared_bytes(const void* kernel, int bytes) {
    const Lock lock(runtime().mutex);
    cudaDeviceProp device;
    cudaGetDeviceProperties(&device, 0);
    const auto wanted = static_cast<std::size_t>(bytes);
    if (wanted > device.sharedMemPerBlockOptin) return note(cudaErrorInvalidValue);
    runtime().shared_bytes[kernel] = wanted;
    return cudaSuccess;
}

cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel,
                   std::function<void()> thread) {
    const Lock lock(runtime().mutex);
    const dim3 &grid = config.gridDim, &block = config.blockDim;
    const std::size_t threads = std::size_t{block.x} * block.y * block.z;
    if (threads < 1 || threads > 1024 || block.z > 64 || grid.x < 1 || grid.x >= 1u << 31 ||
        grid.y < 1 || grid.y > 65535 || grid.z < 1 || grid.z > 65535)
        return note(cudaErrorInvalidConfiguration);
    const auto allowed = runtime().shared_bytes.find(kernel);
    if (config.dynamicSmemBytes >
        (allowed == runtime().shared_bytes.end() ? 48 << 10 : allowed->second))
        return note(cudaErrorInvalidValue);
    return enqueue(config.stream,
                   [config, thread = std::move(thread)] { run_kernel(config, thread); });
}

}  // namespace on_host

cudaError_t cudaGetLastError() {
    const Lock lock(runtime().mutex);
    return std::exchange(runtime().last, cudaSuccess);
}

const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case cudaSuccess: return "no error";
        case cudaErrorInvalidValue: return "invalid argument";
        case cudaErrorMemoryAllocation: return "out of memory";
        case cudaErrorInvalidConfiguration: return "invalid configuration argument";
        case cudaErrorInvalidDevice: return "invalid device ordinal";
        case cudaErrorInvalidResourceHandle: return "invalid resource handle";
        default: return runtime().text.c_str();
    }
}

// Devices

cudaError_t cudaGetDeviceCount(int* count) {
    *count = 1;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
    *version = 0;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    return device == 0 ? cudaSuccess : note(cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    *properties = {.name = "stand-in on the host, of an H100's sizes: no GPU",
                   .major = 9,
                   .minor = 0,
                   .multiProcessorCount = 132,
                   .l2CacheSize = 50 << 20,
                   .totalGlobalMem = std::size_t{80} << 30,
                   .sharedMemPerBlockOptin = std::size_t{227} << 10};
    return cudaSetDevice(device);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int device) {
    switch (which) {
        case cudaDevAttrClockRate: *value = 1'980'000; break;
        case cudaDevAttrMemoryClockRate: *value = 2'619'000; break;
        case cudaDevAttrGlobalMemoryBusWidth: *value = 5120; break;
    }
    return cudaSetDevice(device);
}

// Streams and events

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
    const Lock lock(runtime().mutex);
    const auto made = std::make_shared<CUstream_st>();
    made->blocking = (flags & cudaStreamNonBlocking) == 0;
    *stream = made.get();
    runtime().streams.emplace(made.get(), made);
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, 0); }

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
    const Lock lock(runtime().mutex);
    const Stream stream = stream_of(handle);
    if (!stream) return note(cudaErrorInvalidResourceHandle);
    drain(stream);
    runtime().streams.erase(handle);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
    const Lock lock(runtime().mutex);
    if (const cudaError_t status = on_host::enqueue(handle, [] {}); status != cudaSuccess)
        return status;
    drain(stream_of(handle));
    return take_late();
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    const Lock lock(runtime().mutex);
    if (!event->stream) return cudaSuccess;
    return on_host::enqueue(stream,
                            [from = event->stream, after = event->after] { drain(from, after); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    *event = new CUevent_st;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    const Lock lock(runtime().mutex);
    if (const cudaError_t status = on_host::enqueue(stream, [] {}); status != cudaSuccess)
        return status;
    event->stream = stream_of(stream);
    event->after = event->stream->put;
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    const Lock lock(runtime().mutex);
    if (event->stream) drain(event->stream, event->after);
    return take_late();
}

// Memory

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
    const Lock lock(runtime().mutex);
    return allocate(data, bytes);
}

cudaError_t cudaFree(void* data) {
    const Lock lock(runtime().mutex);
    if (!data) return cudaSuccess;
    drain(runtime().default_stream);
    for (const auto& [_, stream] : std::map(runtime().streams)) drain(stream);
    release(static_cast<const std::byte*>(data));
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned) {
    const Lock lock(runtime().mutex);
    *data = ::operator new(bytes);
    runtime().pinned.emplace(static_cast<const std::byte*>(*data), bytes);
    return cudaSuccess;
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
    *pool = nullptr;
    return cudaSuccess;
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }

cudaError_t cudaMallocFromPoolAsync(void** data, std::size_t bytes, cudaMemPool_t,
                                    cudaStream_t stream) {
    const Lock lock(runtime().mutex);
    if (!stream_of(stream)) return note(cudaErrorInvalidResourceHandle);
    runtime().borrowed += bytes;
    runtime().most_borrowed = std::max(runtime().most_borrowed, runtime().borrowed);
    return allocate(data, bytes);
}

cudaError_t cudaFreeAsync(void* data, cudaStream_t stream) {
    const Lock lock(runtime().mutex);
    if (const Allocation* found = allocation_of(data)) runtime().borrowed -= found->bytes;
    return on_host::enqueue(stream, [data] { release(static_cast<const std::byte*>(data)); });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    const Lock lock(runtime().mutex);
    const bool upwards = kind == cudaMemcpyHostToDevice;
    const void *there = upwards ? to : from, *here = upwards ? from : to;
    if (bytes == 0) return cudaSuccess;
    if (!on_device(there, bytes) || allocation_of(here)) return note(cudaErrorInvalidValue);
    if (is_pinned(here)) return on_host::enqueue(stream, [=] { std::memcpy(to, from, bytes); });
    if (upwards) {  // pageable memory may change as soon as the call returns
        const auto* first = static_cast<const std::byte*>(from);
        return on_host::enqueue(stream, [to, kept = std::vector<std::byte>(first, first + bytes)] {
            std::memcpy(to, kept.data(), kept.size());
        });
    }
    const cudaError_t status = on_host::enqueue(stream, [=] { std::memcpy(to, from, bytes); });
    if (status == cudaSuccess) drain(stream_of(stream));
    return status == cudaSuccess ? take_late() : status;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    const Lock lock(runtime().mutex);
    const cudaError_t status = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
    return status == cudaSuccess ? cudaStreamSynchronize(nullptr) : status;
}

cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t stream) {
    const Lock lock(runtime().mutex);
    if (!on_device(data, bytes)) return note(cudaErrorInvalidValue);
    return on_host::enqueue(stream, [=] { std::memset(data, value, bytes); });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* found, const void* data) {
    const Lock lock(runtime().mutex);
    *found = {.type = allocation_of(data) ? cudaMemoryTypeDevice
                      : is_pinned(data)   ? cudaMemoryTypeHost
                                          : cudaMemoryTypeUnregistered,
              .device = 0};
    return cudaSuccess;
}

std::size_t on_host_most_borrowed() {
    const Lock lock(runtime().mutex);
    const std::size_t most = runtime().most_borrowed - runtime().borrowed;
    runtime().most_borrowed = runtime().borrowed;
    return most;
}
