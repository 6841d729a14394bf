// What is asked, as a value: no pointers, no data, comparable and hashable.
//
// Every problem is one correlation over all axes of x in memory order,
//
//     out[j] = sum over t of kernel[t] * x~[first + j*step + t*dilation]      (per axis)
//
// where x~ is x continued without end by the boundary. An axis that is not convolved over is a
// kernel of length one. Convolution flips its kernel once, while preparing (core/kernel.hpp), so
// nothing that runs afterwards knows the difference.
#pragma once

#include <functional>

#include "core/extents.hpp"

namespace faltung {

/// What lies outside x.
enum class Boundary : std::uint8_t { zero, constant, edge, symmetric, mirror, wrap };

/// One axis of the correlation.
struct Axis {
    Index x = 1;         // samples
    Index k = 1;         // taps
    Index first = 0;     // where the window of output 0 starts; may be negative
    Index out = 1;       // outputs
    Index step = 1;      // samples between neighbouring outputs
    Index dilation = 1;  // samples between neighbouring taps

    Index reach() const { return (k - 1) * dilation + 1; }  // samples that one window spans
    Index last() const {
        return first + (out - 1) * step + reach();
    }  // one past the last sample read
    bool inside() const { return first >= 0 && last() <= x; }  // no window leaves x
    bool batch() const { return k == 1 && first == 0 && out == x && step == 1; }

    friend bool operator==(const Axis&, const Axis&) = default;
};

/// A constant, kept exactly for integers and as a complex number otherwise.
struct Constant {
    double real = 0, imag = 0;
    std::int64_t integer = 0;  // two's complement bits, also of uint64

    friend bool operator==(const Constant&, const Constant&) = default;
};

struct Problem {
    DType x_dtype = DType::float64;
    DType out_dtype = DType::float64;
    Arithmetic arithmetic = Arithmetic::f64;
    bool complex_samples = false;  // x is computed on as interleaved re, im pairs
    bool complex_kernel = false;   // implies complex_samples
    Boundary boundary = Boundary::zero;
    bool unsigned_result = false;  // integers: the exact answer is read as uint64
    bool c_casts = false;     // to integers as C casts them; otherwise rounded to even, saturated
    double sample_bound = 0;  // integers: |x| is at most this, a power of two
    Constant cval;            // what x~ is outside x for Boundary::constant
    PerAxis<Axis> axes;       // slowest first; never empty
    Index inner = 1;  // samples per position of the last axis: channels of a photograph, contiguous
                      // in x and out

    /// Arithmetic numbers per position of the last axis.
    Index lanes() const { return inner * (complex_samples ? 2 : 1); }
    Index outputs() const;  // elements of the answer
    Index taps() const;     // elements of the kernel
    std::size_t hash() const;

    friend bool operator==(const Problem&, const Problem&) = default;
};

enum class Mode : std::uint8_t { full, same, valid };

/// The axis of `x` samples against `k` taps in `mode`; `name` is the axis as the user numbers it,
/// for errors. Throws ValueError where an extent is empty or `valid` has no window, TooLarge where
/// 64 bits overflow.
Axis make_axis(Index x, Index k, Mode mode, int name, Index step = 1, Index dilation = 1);

/// Puts a problem and the arrays it is asked about into the form that executors like best: axes
/// sorted by falling stride of x, neighbouring batch axes merged, small trailing batch axes taken
/// as `inner`. `kernel` has one axis per axis of x (length one where it is not convolved). All four
/// change together.
struct ArrayView;
void canonicalise(Problem& problem, ArrayView& x, ArrayView& kernel, ArrayView& out);

/// Every number of a canonical x, of whose channels its view has but the first.
ArrayView with_channels(const Problem& problem, const ArrayView& x);

}  // namespace faltung

template <>
struct std::hash<faltung::Problem> {
    std::size_t operator()(const faltung::Problem& problem) const { return problem.hash(); }
};
