// From a request and device arrays to a plan, and its run.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "cuda/plan.hpp"
#include "engine/request.hpp"

namespace faltung::cuda {

/// An array and what its elements are. `view.dtype` is the core's name for them.
struct TypedView {
    ArrayView view;
    Storage type;
};

struct KernelArray {
    TypedView array;
    bool on_device = true;
};

/// One call; everything is enqueued on `stream`. Plans of small kernels in host memory are kept.
/// Integers, and "separable" with a kernel on the device, wait for the stream.
void run_once(const Request& request, const TypedView& x, const KernelArray& k,
              const TypedView& out, int device, cudaStream_t stream);

/// A kernel that serves many calls. Plans are made once per memory layout of x. Thread-safe.
class PreparedKernel {
public:
    /// Copies the kernel to the host, where it is looked at.
    PreparedKernel(Request request, const KernelArray& k, Storage x_type, Storage out_type,
                   int device, cudaStream_t stream);

    void run(const TypedView& x, const TypedView& out, cudaStream_t stream) const;
    const Request& request() const { return request_; }
    /// The plan for C-contiguous arrays.
    const Plan& plan() const { return *plans_.front().plan; }
    int device() const { return device_; }

private:
    std::shared_ptr<const Plan> find_or_make(const TypedView& x, const TypedView& out,
                                             General& general, cudaStream_t stream) const;

    Request request_;
    std::vector<std::byte> kernel_;
    ArrayView kernel_view_;
    Storage kernel_type_;
    int device_;
    mutable std::mutex mutex_;
    /// The problem alone does not say which of the kernel's axes went where.
    struct Prepared {
        Problem problem;
        Extents kernel_strides;
        std::shared_ptr<const Plan> plan;
    };
    mutable std::vector<Prepared> plans_;
};

/// A strided array of the device as a packed one of the host, of the same type. Waits for the
/// stream.
std::vector<std::byte> copy_to_host(const TypedView& array, cudaStream_t stream);

/// Memory in C order as a view of the same shape and type as another.
ArrayView packed_view(std::byte* data, const ArrayView& like);

void clear_plans();

}  // namespace faltung::cuda
