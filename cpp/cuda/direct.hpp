// Sums as they are defined: a kernel that serves everything, and tiles with register blocking.
#pragma once

#include <cuda_runtime_api.h>

#include <complex>
#include <vector>

#include "cuda/geometry.hpp"

namespace faltung::cuda {

/// Any rank, type, step and dilation. `taps` are numbers of the arithmetic, or pairs of them, in C
/// order over the axes of `g`.
void run_general(const General& g, Arithmetic arithmetic, const void* taps, cudaStream_t stream);

/// How many outputs a block of run_direct computes, and what it keeps in shared memory.
struct DirectShape {
    int lanes = 32, rows = 4, planes = 1;  // threads
    int wide = 4, high = 8;                // outputs of a thread
    int side = 0;                          // 3, 5, 7: loops unrolled for that square; else 0
    int pitch = 0, tap_pitch = 0;          // numbers per row of samples, of taps
    int shared_bytes = 0;
    bool possible = false;
};

/// Whether real samples, steps of one and undilated rows make it possible, and its shape.
DirectShape direct_shape(const Regular& g, Arithmetic arithmetic, Index most_shared_bytes);

void run_direct(const Regular& g, const DirectShape& shape, Arithmetic arithmetic, const void* taps,
                cudaStream_t stream);

/// Two one-dimensional factors over the last two axes in one pass.
struct SeparableShape {
    int pitch = 0, shared_bytes = 0;
    bool possible = false;
};
SeparableShape separable_shape(const Regular& g, Arithmetic arithmetic, Index most_shared_bytes);

/// `factors`: the taps along axis 1, then those along axis 2.
void run_separable(const Regular& g, const SeparableShape& shape, Arithmetic arithmetic,
                   const void* factors, cudaStream_t stream);

/// Converts, flips and conjugates taps on the device.
struct TapSource {
    const std::byte* data = nullptr;
    Storage type = Storage::float32;
    int rank = 0;
    Index extent[max_rank], stride[max_rank];  // slowest first; strides in bytes
    bool conjugate = false;
};
void prepare_taps(const TapSource& source, Arithmetic arithmetic, bool complex, Index count,
                  void* taps, cudaStream_t stream);

/// The least and the greatest integer of an array, as magnitudes, found on the device.
struct IntegerRange {
    unsigned long long below, above;
};
void integer_range(const TapSource& samples, Index count, IntegerRange* result,
                   cudaStream_t stream);

}  // namespace faltung::cuda
