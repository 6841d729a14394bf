#include "cuda/device.hpp"

#include <deque>
#include <mutex>
#include <utility>

#include "cuda/check.hpp"

namespace faltung::cuda {

double DeviceInfo::peak(Arithmetic arithmetic) const {
    // lanes per multiprocessor; 64-bit ones are half as many on the data-centre chips
    const bool full_double =
        capability_minor == 0 && (capability_major == 8 || capability_major == 9 ||
                                  capability_major == 10 || capability_major == 7);
    const double lanes = arithmetic == Arithmetic::f32   ? 128
                         : arithmetic == Arithmetic::i64 ? 16
                         : full_double                   ? 64
                                                         : 2;
    return multiprocessors * lanes * clock_hz;
}

int device_count(std::string& reason) {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaSuccess && count > 0) return count;
    cudaGetLastError();
    int driver = 0;
    cudaDriverGetVersion(&driver);
    reason = status == cudaSuccess ? "the driver reports no device"
             : driver == 0         ? "no NVIDIA driver is installed"
                                   : cudaGetErrorString(status);
    return 0;
}

namespace {

DeviceInfo look(int device) {
    DeviceInfo info;
    cudaDeviceProp properties{};
    FALTUNG_CHECK(cudaGetDeviceProperties(&properties, device));
    const auto attribute = [device](cudaDeviceAttr which) {
        int value = 0;
        FALTUNG_CHECK(cudaDeviceGetAttribute(&value, which, device));
        return value;
    };
    info.index = device;
    info.name = properties.name;
    info.capability_major = properties.major;
    info.capability_minor = properties.minor;
    info.multiprocessors = properties.multiProcessorCount;
    info.memory_bytes = properties.totalGlobalMem;
    info.l2_bytes = static_cast<std::size_t>(properties.l2CacheSize);
    info.shared_bytes = properties.sharedMemPerBlockOptin;
    info.clock_hz = 1e3 * attribute(cudaDevAttrClockRate);
    info.memory_bytes_per_second = 2e3 * attribute(cudaDevAttrMemoryClockRate) *
                                   attribute(cudaDevAttrGlobalMemoryBusWidth) / 8;
    return info;
}

cudaMemPool_t make_pool(int device) {
    cudaMemPoolProps properties{};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location = {.type = cudaMemLocationTypeDevice, .id = device};
    cudaMemPool_t pool = nullptr;
    FALTUNG_CHECK(cudaMemPoolCreate(&pool, &properties));
    std::uint64_t keep = std::uint64_t{1} << 30;  // bytes that stay ours between calls
    FALTUNG_CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep));
    return pool;
}

/// Something per device, made on first use and kept.
template <class Value, class Make>
const Value& per_device(std::deque<std::pair<int, Value>>& kept, std::mutex& mutex, int device,
                        Make&& make) {
    const std::lock_guard lock(mutex);
    for (const auto& [index, value] : kept)
        if (index == device) return value;
    kept.emplace_back(device, make(device));
    return kept.back().second;
}

cudaMemPool_t pool_of_current() {
    static std::mutex mutex;
    static auto* pools = new std::deque<std::pair<int, cudaMemPool_t>>;
    int device = 0;
    FALTUNG_CHECK(cudaGetDevice(&device));
    return per_device(*pools, mutex, device, make_pool);
}

}  // namespace

const DeviceInfo& device_info(int device) {
    static std::mutex mutex;
    static auto* infos = new std::deque<std::pair<int, DeviceInfo>>;
    return per_device(*infos, mutex, device, look);
}

DeviceGuard::DeviceGuard(int device) {
    FALTUNG_CHECK(cudaGetDevice(&before_));
    if (before_ != device) FALTUNG_CHECK(cudaSetDevice(device));
}

DeviceGuard::~DeviceGuard() { cudaSetDevice(before_); }

StreamBuffer::StreamBuffer(std::size_t bytes, cudaStream_t stream) : stream_(stream) {
    FALTUNG_CHECK(cudaMallocFromPoolAsync(&data_, rounded(static_cast<std::int64_t>(bytes)),
                                          pool_of_current(), stream));
}

StreamBuffer::StreamBuffer(StreamBuffer&& other) noexcept { *this = std::move(other); }

StreamBuffer& StreamBuffer::operator=(StreamBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(stream_, other.stream_);
    return *this;
}

StreamBuffer::~StreamBuffer() {
    if (data_) cudaFreeAsync(data_, stream_);
}

}  // namespace faltung::cuda
