// Many kernels of one shape over one array.
#pragma once

#include <list>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/plan.hpp"
#include "spectral/bank.hpp"

namespace faltung {

/// A stack of kernels that serves many calls: kernels that share the transforms of x, those that
/// are summed directly, side by side over the same samples, and those that are served by
/// themselves, each as is predicted to be quickest. Thread-safe.
class PreparedBank {
public:
    /// `request` is that of one kernel, `kernels` holds them along its first axis and is borrowed:
    /// the caller keeps its memory alive and unchanged.
    PreparedBank(Request request, const ArrayView& kernels);

    /// `out` holds the maps along its first axis.
    void run(const ArrayView& x, const ArrayView& out, const Context& context) const;

    const Request& request() const { return request_; }
    Index count() const { return kernels_.shape[0]; }
    /// How many kernels share the transforms of x.
    Index shared() const { return static_cast<Index>(together_.size()); }
    double predicted_seconds() const { return seconds_; }
    std::string explain() const;

private:
    /// The kernels that share, prepared for one memory layout of x.
    struct Layout {
        Problem problem;
        Extents kernel_strides;  // which of a kernel's axes went where
        Extents tile;
        std::size_t part;                        // kernels whose spectra are held at a time
        std::unique_ptr<const BankTiles> first;  // the first part; the others are made by each call
    };

    ArrayView kernel(Index which) const;
    static ArrayView map(const ArrayView& out, Index which);
    void take_alone(Index which, const Choice& choice);
    std::unique_ptr<const BankTiles> prepare(std::span<const Index> which, const Layout& layout,
                                             const ArrayView& x, const ArrayView& out) const;
    std::shared_ptr<const Layout> layout_for(const ArrayView& x, const ArrayView& out) const;
    Extents tile_for(const Problem& problem, const ArrayView& kernel) const;
    const PreparedKernel& plan_of(Index which) const;
    void run_side_by_side(const ArrayView& x, const ArrayView& out, const Context& context) const;

    Request request_;
    ArrayView kernels_;
    std::vector<Index> together_, side_by_side_, alone_;
    double seconds_ = 0, direct_seconds_ = 0;
    std::string first_choice_;  // what was weighed for the first kernel
    mutable std::mutex mutex_;
    mutable std::list<std::shared_ptr<const Layout>> layouts_;
    mutable std::vector<std::unique_ptr<const PreparedKernel>> plans_;  // made when needed
};

}  // namespace faltung
