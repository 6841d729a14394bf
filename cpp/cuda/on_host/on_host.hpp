// What the parts of the stand-in know of each other. Streams hold functions until somebody waits
// for them (runtime.cpp); a kernel's blocks run one after another, their threads as fibers
// (fibers.cpp): each until it comes to a barrier, in an order that is drawn anew for every stretch
// between two barriers.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <source_location>

/// How many bytes of pools were in use at a time, beyond those that are now; and begins anew. For
/// tests.
FALTUNG_ON_HOST std::size_t on_host_most_borrowed();

namespace on_host {

/// How much dynamic shared memory a kernel may be given; 48 KiB where nobody asked for more.
cudaError_t allow_shared_bytes(const void* kernel, int bytes);

/// Puts work into a stream, behind what has to come before it.
cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);

/// Enqueues a kernel.
cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel,
                   std::function<void()> thread);

/// Runs a kernel; nullptr, or what was wrong.
const char* run_blocks(const cudaLaunchConfig_t& config, const std::function<void()>& thread);

// What threads call.

/// Waits for all threads of the block that have not ended; whether any of them voted.
bool block_barrier(bool vote, std::source_location here);

/// The value of the lane `delta` further on in the warp, or one's own at its end.
std::uint64_t shuffle_down(std::uint64_t value, unsigned delta, std::source_location here);

/// A copy that is made when its thread waits for it, and not before.
void copy_later(void* to, const void* from, std::size_t bytes);
void make_copies();

/// Ends the kernel.
[[noreturn]] void fault(const char* what);

}  // namespace on_host
