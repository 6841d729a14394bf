// A problem as the device sees it: plain structures that travel as kernel arguments.
#pragma once

#include <cstddef>

#include "core/array_view.hpp"
#include "core/problem.hpp"

namespace faltung::cuda {

/// Element types in device memory: those of the core, in its order, and one that NumPy lacks.
enum class Storage : std::uint8_t {
    boolean,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
    float16,
    float32,
    float64,
    complex64,
    complex128,
    bfloat16,
};
inline constexpr int storage_count = 15;

constexpr bool is_complex(Storage type) {
    return type == Storage::complex64 || type == Storage::complex128;
}

/// What the core takes a storage type for: bfloat16 is float16's twin, two bytes computed in
/// float32.
constexpr DType dtype_of(Storage type) {
    return type == Storage::bfloat16 ? DType::float16 : static_cast<DType>(type);
}

/// An axis of the correlation with its steps through device memory, in bytes.
struct DeviceAxis {
    Index x = 1, k = 1, first = 0, out = 1, step = 1, dilation = 1;
    Index x_stride = 0, out_stride = 0;
    Index kernel_step =
        0;  // kernels from one position to the next: layers with a kernel per channel

    constexpr Index reach() const { return (k - 1) * dilation + 1; }
    /// Positions at which a dense window may stand, of which every `step`-th is an output.
    constexpr Index positions() const { return out == 0 ? 0 : (out - 1) * step + 1; }
};

/// Everything any kernel needs beside its taps.
struct Geometry {
    const std::byte* x = nullptr;
    std::byte* out = nullptr;
    Storage x_type = Storage::float32, out_type = Storage::float32;
    Boundary boundary = Boundary::zero;
    bool complex_samples = false, complex_kernel = false;
    bool unsigned_result = false;
    bool relu = false;  // layers: negative results become zero
    double cval_real = 0, cval_imag = 0;
    Index cval_integer = 0;
    const std::byte* bias = nullptr;  // layers: one number of the arithmetic per kernel, or none
};

inline constexpr int most_batch_axes = 6;

/// At most three convolved axes, slowest first and trivial ones in front; all others are batch.
struct Regular : Geometry {
    DeviceAxis axis[3];
    int batch_axes = 0;
    DeviceAxis batch[most_batch_axes];  // those with one kernel
    DeviceAxis bank;                    // the axis along which kernels change
    Index per_kernel = 1;               // batch entries that share one kernel

    Index taps() const { return axis[0].k * axis[1].k * axis[2].k; }
};

/// Any number of axes, for the kernel that serves everything.
struct General : Geometry {
    int rank = 0;
    DeviceAxis axis[max_rank];
    Index outputs = 0;  // in all
    Index taps = 1;
};

/// The general form of a canonical problem; `inner` becomes an axis of its own.
General general_geometry(const Problem& problem, const ArrayView& x, const ArrayView& out,
                         Storage x_type, Storage out_type);

/// The regular form, where there is one: at most three convolved axes and few enough batch axes.
bool regular_geometry(const General& general, Regular& regular);

/// Samples and results of complex type under a real kernel are two interleaved real problems.
void split_complex(Regular& regular);

}  // namespace faltung::cuda
