// Normalised cross-correlation on the device.
#pragma once

#include <cuda_runtime_api.h>

#include <optional>

#include "cuda/engine.hpp"

namespace faltung::cuda {

/// What counts, of the template and of the image: where these are not zero. Both on the device.
struct MatchMasks {
    std::optional<TypedView> pattern, image;
};

/// Pearson's coefficient of a template with every window of x. `request` is a correlation that says
/// which windows; the scores go to `out`.
void run_match(const Request& request, const TypedView& x, const KernelArray& pattern,
               const MatchMasks& masks, const TypedView& out, int device, cudaStream_t stream);

/// One pass of window sums along an axis, slowest axis first.
struct WindowSums {
    int rank = 0, along = 0;
    Index in[max_rank], out[max_rank];  // extents; they differ along one axis
    Index stride[max_rank];             // of the input: bytes of samples, or pairs
    Index first = 0, taps = 1;
    Boundary boundary = Boundary::zero;
    double outside = 0, outside_square = 0;  // what a position outside adds
    Storage x_type = Storage::float32;
    const std::byte* x = nullptr;   // samples, in the first pass
    const double2* sums = nullptr;  // pairs (sum, sum of squares), in later ones
    double2* result = nullptr;      // packed; nullptr in the last pass, which scores
    // the last pass
    const std::byte* correlation = nullptr;  // packed numbers of the arithmetic
    Arithmetic arithmetic = Arithmetic::f32;
    double count = 1;              // samples of a window
    const double* norm = nullptr;  // of the template less its mean
    std::byte* scores = nullptr;
    Storage score_type = Storage::float32;
    Index score_stride[max_rank];
};

void sum_windows(const WindowSums& pass, cudaStream_t stream);

/// Windows of which some samples do not count.
struct MaskedWindows {
    int rank = 0;
    Index in[max_rank], taps[max_rank], first[max_rank], out[max_rank];
    Index x_stride[max_rank], keep_stride[max_rank], score_stride[max_rank];  // in bytes
    Boundary boundary = Boundary::zero;
    double outside = 0;  // the constant; it does not count where the image has a mask
    const std::byte* x = nullptr;
    Storage x_type = Storage::float32, keep_type = Storage::boolean;
    const std::byte* keep = nullptr;  // the image's mask, or none
    // packed
    const double* pattern = nullptr;
    const double* pattern_keep = nullptr;  // or none
    Index outputs = 0, count = 1;          // windows, and samples of the template
    std::byte* scores = nullptr;
    Storage score_type = Storage::float32;
};

void score_masked(const MaskedWindows& windows, cudaStream_t stream);

/// The samples of a template less their mean, in float64 and C order, and their norm: 0 where all
/// are equal.
void centre(const TapSource& pattern, Index count, double* numbers, double* norm,
            cudaStream_t stream);

}  // namespace faltung::cuda
