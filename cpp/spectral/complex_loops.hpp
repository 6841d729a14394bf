// Loops over interleaved complex numbers. Products are spelled out: std::complex would look for NaN in every one.
#pragma once

#include <algorithm>
#include <complex>
#include <cstring>

#include "core/types.hpp"

namespace faltung {

template <class T>
inline std::complex<T> product(std::complex<T> a, std::complex<T> b) {
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

template <class T>
inline std::complex<T> product_conjugate(std::complex<T> a, std::complex<T> b) {
    return {a.real() * b.real() + a.imag() * b.imag(), a.imag() * b.real() - a.real() * b.imag()};
}

/// z *= h
template <class T>
inline void multiply(std::complex<T>* z, const std::complex<T>* h, Index n) {
    for (Index i = 0; i < n; ++i) z[i] = product(z[i], h[i]);
}

/// Folds `have` real samples into z of `points` numbers modulo x^points = i:
/// z[n] = (a[n] + i a[n + points]) * twist[n].
template <class T>
inline void fold_real(const T* a, Index have, const std::complex<T>* twist, Index points,
                      std::complex<T>* z) {
    const Index both = std::clamp<Index>(have - points, 0, points), one = std::min(have, points);
    for (Index n = 0; n < both; ++n) z[n] = product({a[n], a[n + points]}, twist[n]);
    for (Index n = both; n < one; ++n) z[n] = {a[n] * twist[n].real(), a[n] * twist[n].imag()};
    std::fill(z + one, z + points, std::complex<T>());
}

/// The way back: 2 * points reals from z.
template <class T>
inline void unfold_real(const std::complex<T>* z, const std::complex<T>* twist, Index points, T* a) {
    for (Index n = 0; n < points; ++n) {
        const std::complex<T> value = product_conjugate(z[n], twist[n]);
        a[n] = value.real();
        a[n + points] = value.imag();
    }
}

/// to[c][r] = from[r][c] for r < rows, c < columns.
template <class T>
inline void transpose(const T* from, Index from_stride, Index rows, Index columns, T* to,
                      Index to_stride) {
    for (Index r0 = 0; r0 < rows; r0 += 8) {
        const Index r1 = std::min(rows, r0 + 8);
        for (Index c = 0; c < columns; ++c)
            for (Index r = r0; r < r1; ++r) to[c * to_stride + r] = from[r * from_stride + c];
    }
}

}  // namespace faltung
