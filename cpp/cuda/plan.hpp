// A problem on a device with everything that its method needs: taps, factors, spectra.
#pragma once

#include <complex>
#include <optional>
#include <vector>

#include "cuda/cost.hpp"
#include "cuda/device.hpp"
#include "policy/choose.hpp"

namespace faltung::cuda {

/// What is known of a kernel before its taps have been looked at on the device.
struct KernelTraits {
    bool finite = true;   // or unknown, which costs a repair if it is not
    bool on_host = true;  // so that it could be looked at
    /// Integers on both sides, whose answer is exact: |x| is at most this, and 0 for all others.
    double sample_bound = 0;
    double norm = 0;  // of the kernel, l2
    /// One list per axis of the general form, where the kernel is an outer product.
    std::optional<std::vector<std::vector<double>>> factors;
};

/// Overlap-save's tile, forced for tests and calibration.
struct ForcedTile {
    Extents length;
    bool fused = true;
};
void force_tile(std::optional<ForcedTile> forced);

class Plan {
public:
    /// Chooses; `taps` are numbers of the arithmetic, or pairs, in device memory.
    Plan(const General& g, Arithmetic arithmetic, const KernelTraits& traits,
         std::optional<Method> asked, int device);

    /// Takes the taps and makes spectra of them, on `stream`.
    void prepare(StreamBuffer taps, Index kernels, cudaStream_t stream);

    /// `g` may have other pointers and strides than the one the plan was made for.
    void run(const General& g, cudaStream_t stream) const;

    const Choice& choice() const { return choice_; }
    /// What the taps have to be: float64 where integers are transformed.
    Arithmetic arithmetic() const { return arithmetic_; }
    int device() const { return device_; }
    /// Device memory that a call borrows while it runs.
    std::size_t workspace_bytes() const;

private:
    void predict_direct(const CostModel& cost);
    void predict_separable(const CostModel& cost, const KernelTraits& traits);
    void predict_tiles(const CostModel& cost, const KernelTraits& traits);
    void predict_whole(const CostModel& cost, const KernelTraits& traits);

    /// Tiles over the outputs of transforms; of whole arrays, one per batch entry.
    TileGrid grid_of(const Regular& regular) const;
    /// The regular form of `g` as this plan's kernels take it.
    bool regular_of(const General& g, Regular& regular) const;
    template <class T>
    void prepare_as(Index kernels, cudaStream_t stream);
    template <class T>
    void run_as(const General& g, cudaStream_t stream) const;
    template <class T>
    void run_factors(const Regular& g, cudaStream_t stream) const;

    General general_;
    Regular regular_;
    bool is_regular_ = false;
    Arithmetic arithmetic_;
    int device_;
    Choice choice_;

    DirectShape direct_;
    std::vector<std::vector<double>> factors_;  // along the regular axes
    double planes_sum_ = 1;                     // of the taps that a pass over planes takes
    const FusedTile* fused_ = nullptr;
    LargeTile large_;
    Index large_together_ = 1;
    WholeShape whole_;

    StreamBuffer taps_, spectra_, bad_kernels_;
};

}  // namespace faltung::cuda
