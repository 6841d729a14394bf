// Arrays of the host on their way to a device and back, through pinned memory.
#pragma once

#include <cstddef>

namespace faltung::cuda {

/// Device memory that lives as long as this does.
class DeviceMemory {
public:
    DeviceMemory(std::size_t bytes, int device);
    ~DeviceMemory();
    DeviceMemory(const DeviceMemory&) = delete;
    DeviceMemory& operator=(const DeviceMemory&) = delete;

    void* data() const { return data_; }
    /// Both return when the bytes are there.
    void copy_from(const void* host, std::size_t bytes);
    void copy_to(void* host, std::size_t bytes) const;

private:
    void* data_ = nullptr;
    int device_;
};

}  // namespace faltung::cuda
