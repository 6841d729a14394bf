// Between what arrays hold and what the inner loops compute in: contiguous runs of numbers, no
// borders, no strides.
#pragma once

#include <cstdint>

namespace faltung::microkernels {

/// The real element types, in the order of DType; the numbers of complex64 and complex128 are
/// float32 and float64.
inline constexpr int real_dtypes = 12;

/// `from` and `to` do not overlap, both are aligned for their elements. Float arithmetic to
/// integers rounds half to even and saturates, NaN gives 0; a bool is an integer of range 0 to 1.
/// float16 is rounded correctly.
template <class T>
struct ConvertRows {
    using Load = void (*)(const void* from, T* to, std::int64_t count);
    using Store = void (*)(const T* from, void* to, std::int64_t count);

    Load load[real_dtypes];
    Store store[real_dtypes];
    Store store_unsigned[real_dtypes];  // int64: the bits are a uint64; otherwise the same as store

    /// To integers, otherwise the same as store: fractions cut off, what is out of range wraps
    /// around as SciPy's does on x86 (beyond the 32 or 64 bits on the way, and NaN: the lowest of
    /// these). `wrapped` is for whole numbers that may have lost some digits: rounded, not cut.
    Store store_cut[real_dtypes];
    Store store_wrapped[real_dtypes];

    /// Complex pairs: (re, im) to two planes and back; `count` counts pairs.
    void (*split)(const T* pairs, T* real, T* imag, std::int64_t count);
    void (*join)(const T* real, const T* imag, T* pairs, std::int64_t count);
    void (*widen)(const T* real, T* pairs, std::int64_t count);  // imaginary parts zero
};

struct ConvertTable {
    ConvertRows<float> f32;
    ConvertRows<double> f64;
    ConvertRows<std::int64_t> i64;
};

}  // namespace faltung::microkernels
