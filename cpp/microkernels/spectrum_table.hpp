// What a level offers beside the transforms of a library: products with spectra, twiddles, and
// moves between lines and columns. Complex numbers are interleaved pairs; counts and strides count
// pairs unless they say otherwise.
#pragma once

#include <cstdint>

namespace faltung::microkernels {

template <class T>
struct SpectrumTable {
    /// z *= h
    void (*multiply)(T* z, const T* h, std::int64_t n);

    /// z[i] *= coarse[i / fine] * factors[i % fine], and with the conjugate of that. `fine` is a
    /// multiple of 8.
    void (*turn)(T* z, std::int64_t n, const T* coarse, const T* factors, std::int64_t fine);
    void (*turn_back)(T* z, std::int64_t n, const T* coarse, const T* factors, std::int64_t fine);

    /// z[i] = (a[i] + i b[i]) * w[i]; `b` may be null.
    void (*fold)(const T* a, const T* b, const T* w, T* z, std::int64_t n);
    /// a[i] + i b[i] = z[i] * conj(w[i])
    void (*unfold)(const T* z, const T* w, T* a, T* b, std::int64_t n);

    /// to[c * to_stride + r] = from[r * from_stride + c]
    void (*transpose)(const T* from, std::int64_t from_stride, std::int64_t rows,
                      std::int64_t columns, T* to, std::int64_t to_stride);

    /// fold() and transpose() at once, one factor per row: to[c * to_stride + r] =
    /// (a[r * stride + c] + i b[r * stride + c]) * w[r]. `stride` counts numbers; `b` may be null.
    /// The way back takes from[c * from_stride + r] and leaves out what a null `a` or `b` would
    /// hold.
    void (*fold_columns)(const T* a, const T* b, std::int64_t stride, std::int64_t rows,
                         std::int64_t columns, const T* w, T* to, std::int64_t to_stride);
    void (*unfold_columns)(const T* from, std::int64_t from_stride, std::int64_t rows,
                           std::int64_t columns, const T* w, T* a, T* b, std::int64_t stride);

    /// Among n numbers no NaN, no infinity, and none so large (2^105 in float32, 2^961 in float64)
    /// that a transform might overflow.
    bool (*moderate)(const T* numbers, std::int64_t n);

    /// The sum of their squares, of at most some hundred.
    T (*squares)(const T* numbers, std::int64_t n);
};

}  // namespace faltung::microkernels
