// Overlap-save on the device: tiles that fit a multiprocessor, and tiles that take three kernels.
#pragma once

#include <cuda_runtime_api.h>

#include <vector>

#include "core/types.hpp"

namespace faltung::cuda {

/// A tile that is transformed within shared memory. `arguments` is a TileArguments<T>.
struct FusedTile {
    Index length[3] = {1, 1, 1};
    Index points = 1;
    int blocks = 1;     // that a multiprocessor holds at a time
    double cycles = 1;  // of a multiprocessor per point, measured
    void (*run)(const void* arguments, Index blocks, cudaStream_t stream) = nullptr;
    void (*prepare)(const void* arguments, void* spectra, Index kernels,
                    cudaStream_t stream) = nullptr;
};

const std::vector<FusedTile>& fused_tiles(Arithmetic arithmetic);

/// A tile of rows x columns elements in global memory: columns, rows with the product, columns
/// again. A line of samples folds into it with `line`.
struct LargeTile {
    Index rows = 1, columns = 1;
    bool line = false;

    Index points() const { return rows * columns; }
};

/// Lengths that columns and rows may have.
std::vector<Index> large_lengths(Arithmetic arithmetic);

/// Carriers [first, first + count) through `work`, which holds `count` tiles.
void run_large(const LargeTile& tile, const void* arguments, Arithmetic arithmetic, void* work,
               Index first, Index count, cudaStream_t stream);

/// The spectra of `kernels` kernels; `work` holds one tile.
void prepare_large(const LargeTile& tile, const void* arguments, Arithmetic arithmetic, void* work,
                   void* spectra, Index kernels, cudaStream_t stream);

/// Recomputes by direct sums what flagged carriers answer.
void repair(const void* arguments, Arithmetic arithmetic, Index carriers, cudaStream_t stream);

}  // namespace faltung::cuda
