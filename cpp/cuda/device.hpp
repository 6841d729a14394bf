// Devices, and memory that belongs to a stream.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>

#include "core/types.hpp"

namespace faltung::cuda {

struct DeviceInfo {
    int index = 0;
    std::string name;
    int capability_major = 0, capability_minor = 0;
    int multiprocessors = 1;
    std::size_t memory_bytes = 0, l2_bytes = 0, shared_bytes = 0;  // shared: most per block
    double clock_hz = 1e9, memory_bytes_per_second = 1e12;         // as the driver states them

    /// Multiply-adds per second that all multiprocessors can do at most.
    double peak(Arithmetic arithmetic) const;
};

/// How many devices can be used; 0 with a reason where there is no driver or no device.
int device_count(std::string& reason);

const DeviceInfo& device_info(int device);

/// Makes a device the current one of this thread, and the former one again at the end.
class DeviceGuard {
public:
    explicit DeviceGuard(int device);
    ~DeviceGuard();
    DeviceGuard(const DeviceGuard&) = delete;
    DeviceGuard& operator=(const DeviceGuard&) = delete;

private:
    int before_ = 0;
};

/// Device memory from a pool of ours, taken and given back in a stream's order.
class StreamBuffer {
public:
    StreamBuffer() = default;
    StreamBuffer(std::size_t bytes, cudaStream_t stream);
    StreamBuffer(StreamBuffer&& other) noexcept;
    StreamBuffer& operator=(StreamBuffer&& other) noexcept;
    ~StreamBuffer();

    template <class T = void>
    T* get() const {
        return static_cast<T*>(data_);
    }
    explicit operator bool() const { return data_ != nullptr; }

    /// What is taken for so many bytes.
    static constexpr std::size_t rounded(std::int64_t bytes) {
        return bytes < 16 ? 16 : static_cast<std::size_t>(bytes);
    }

private:
    void* data_ = nullptr;
    cudaStream_t stream_ = nullptr;
};

}  // namespace faltung::cuda
