// One transform of the whole array per batch entry, by cuFFT.
#pragma once

#include <cuda_runtime_api.h>

#include "core/types.hpp"

namespace faltung::cuda {

/// Lengths of the transform, and how many entries are transformed together.
struct WholeShape {
    Index length[3] = {1, 1, 1};
    bool real = true;
    Index together = 1;

    /// Complex numbers that one entry's spectrum takes.
    Index spectrum() const {
        return length[0] * length[1] * (real ? length[2] / 2 + 1 : length[2]);
    }
};

/// The least length from n on whose prime factors are 2, 3, 5 and 7; even where it exceeds one.
Index smooth_length(Index n);

/// `arguments` is a TileArguments<T> with one tile per entry; `work` holds `together` spectra.
void prepare_whole(const WholeShape& shape, const void* arguments, Arithmetic arithmetic,
                   void* spectra, Index kernels, cudaStream_t stream);
/// What the library borrows while `together` entries are transformed.
std::size_t whole_area_bytes(const WholeShape& shape, Arithmetic arithmetic, int device);
void run_whole(const WholeShape& shape, const void* arguments, Arithmetic arithmetic, void* work,
               cudaStream_t stream);

}  // namespace faltung::cuda
