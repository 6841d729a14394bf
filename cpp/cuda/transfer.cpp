#include "cuda/transfer.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "cuda/check.hpp"
#include "cuda/device.hpp"

namespace faltung::cuda {

namespace {

/// Two pinned pieces in turn, in order with the default stream: the processor copies one while the
/// device takes the other. Pinned memory is dear, so all transfers share them.
class Staging {
public:
    static constexpr std::size_t piece = std::size_t{8} << 20;

    template <class Step>
    void through(std::size_t bytes, Step&& step) {
        const std::lock_guard lock(mutex_);
        cudaStream_t stream = nullptr;
        FALTUNG_CHECK(cudaStreamCreate(&stream));
        try {
            make();
            for (std::size_t at = 0, turn = 0; at < bytes; at += piece, ++turn)
                step(stream, pieces_[turn % 2], events_[turn % 2], at, std::min(piece, bytes - at));
            FALTUNG_CHECK(cudaStreamSynchronize(stream));
        } catch (...) {
            cudaStreamDestroy(stream);
            throw;
        }
        FALTUNG_CHECK(cudaStreamDestroy(stream));
    }

private:
    void make() {
        for (std::size_t i = 0; i < 2; ++i) {
            if (!pieces_[i])
                FALTUNG_CHECK(cudaHostAlloc(&pieces_[i], piece, cudaHostAllocPortable));
            // events belong to a device, and the device may have changed
            if (events_[i]) FALTUNG_CHECK(cudaEventDestroy(events_[i]));
            events_[i] = nullptr;
            FALTUNG_CHECK(cudaEventCreateWithFlags(&events_[i], cudaEventDisableTiming));
        }
    }

    std::mutex mutex_;
    std::array<void*, 2> pieces_{};
    std::array<cudaEvent_t, 2> events_{};
};

Staging& staging() {
    static auto* the = new Staging;  // outlives the driver, which must not be called at exit
    return *the;
}

}  // namespace

DeviceMemory::DeviceMemory(std::size_t bytes, int device) : device_(device) {
    const DeviceGuard guard(device);
    FALTUNG_CHECK(cudaMalloc(&data_, std::max<std::size_t>(bytes, 16)));
}

DeviceMemory::~DeviceMemory() { cudaFree(data_); }

void DeviceMemory::copy_from(const void* host, std::size_t bytes) {
    const DeviceGuard guard(device_);
    staging().through(bytes, [&](cudaStream_t stream, void* piece, cudaEvent_t event,
                                 std::size_t at, std::size_t count) {
        FALTUNG_CHECK(cudaEventSynchronize(event));
        std::memcpy(piece, static_cast<const std::byte*>(host) + at, count);
        FALTUNG_CHECK(cudaMemcpyAsync(static_cast<std::byte*>(data_) + at, piece, count,
                                      cudaMemcpyHostToDevice, stream));
        FALTUNG_CHECK(cudaEventRecord(event, stream));
    });
}

void DeviceMemory::copy_to(void* host, std::size_t bytes) const {
    const DeviceGuard guard(device_);
    // one piece behind: while the device fills one, the other is copied out
    void* filled = nullptr;
    cudaEvent_t ready = nullptr;
    std::size_t filled_at = 0, filled_count = 0;
    const auto drain = [&] {
        if (!filled) return;
        FALTUNG_CHECK(cudaEventSynchronize(ready));
        std::memcpy(static_cast<std::byte*>(host) + filled_at, filled, filled_count);
    };
    staging().through(bytes, [&](cudaStream_t stream, void* piece, cudaEvent_t event,
                                 std::size_t at, std::size_t count) {
        FALTUNG_CHECK(cudaMemcpyAsync(piece, static_cast<std::byte*>(data_) + at, count,
                                      cudaMemcpyDeviceToHost, stream));
        FALTUNG_CHECK(cudaEventRecord(event, stream));
        drain();
        filled = piece;
        ready = event;
        filled_at = at;
        filled_count = count;
        if (at + count == bytes) drain();
    });
}

}  // namespace faltung::cuda
