// From a request and arrays to a prepared executor, and its run.
#pragma once

#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "core/executor.hpp"
#include "core/kernel.hpp"
#include "direct/dense.hpp"
#include "direct/separable.hpp"
#include "engine/request.hpp"

namespace faltung {

/// A canonical problem with everything prepared for it: the choice, and the executor that owns
/// packed kernels and spectra. Immutable; shared between calls and threads.
struct Plan {
    Problem problem;  // as it was asked; the choice may have settled on another arithmetic
    Choice choice;
    std::unique_ptr<Executor> executor;
    const microkernels::Table* level = nullptr;

    /// About how much memory it keeps: the kernel's spectrum, or its taps.
    std::size_t bytes() const;
};

/// The method for one kernel, and what the choice had to find out.
struct Weighed {
    std::shared_ptr<const Kernel> kernel;
    Terms terms;  // of a kernel that is a sum of few outer products
    Choice choice;
};
/// A transformed tile may have `most_tile_bytes`.
Weighed weigh(const Problem& problem, const ArrayView& kernel, const Request& request,
              double most_tile_bytes = std::numeric_limits<double>::infinity(),
              const KernelCare& care = {});

/// Chooses and prepares. `kernel` belongs to the canonical `problem`; a plan that `borrows` may
/// read it for as long as it lives.
std::shared_ptr<const Plan> build_plan(const Problem& problem, const ArrayView& kernel,
                                       const Request& request, const Context& context,
                                       bool borrows = false);

/// What a plan for a C-contiguous x would take; nothing is prepared.
Choice choice_for(const Request& request, const ArrayView& k);

/// One call, arrays in the user's axis order; plans of small kernels come from the plan cache.
void run_once(const Request& request, ArrayView x, const ArrayView& k, ArrayView out,
              const Context& context);

/// The same for a kernel given as one 1-D factor per axis of `request.kernel_axes`; never
/// multiplied out.
void run_factors(const Request& request, ArrayView x, const std::vector<ArrayView>& factors,
                 ArrayView out, const Context& context);

/// A C-contiguous view of the shape of x (or of the answer), without memory: stands for an array
/// that is yet to come.
ArrayView absent_view(const Request& request, DType dtype, bool of_result);

/// A kernel that serves many calls. Plans are made once per memory layout of x. Thread-safe.
class PreparedKernel {
public:
    /// Borrows `k`: the caller keeps its memory alive and unchanged.
    PreparedKernel(Request request, const ArrayView& k);

    void run(ArrayView x, ArrayView out, const Context& context) const;
    /// The plan for arrays of this memory layout, which become canonical ones.
    std::shared_ptr<const Plan> plan_for(ArrayView& x, ArrayView& out,
                                         const Context& context) const;
    const Request& request() const { return request_; }
    /// The plan for a C-contiguous x.
    const Plan& plan() const { return *usual_.plan; }

private:
    /// The problem alone does not say which of the kernel's axes went where: of a square image that
    /// is transposed it is the same.
    struct Prepared {
        Extents kernel_strides;  // of the canonical kernel
        std::shared_ptr<const Plan> plan;

        bool serves(const Problem& problem, const ArrayView& kernel) const {
            return plan->problem == problem && kernel_strides == kernel.strides;
        }
    };

    Request request_;
    ArrayView kernel_;
    Prepared usual_;  // for a C-contiguous x
    mutable std::mutex mutex_;
    mutable std::vector<Prepared> others_;
};

}  // namespace faltung
