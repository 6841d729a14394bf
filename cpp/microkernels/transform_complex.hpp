// One complex number per lane: a register of real parts and one of imaginary parts.
#pragma once

#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

template <class T>
struct Complex {
    Vec<T> re, im;
};

template <class T>
FALTUNG_INLINE Complex<T> load_complex(const T* p) {
    return {load(p), load(p + lanes<T>)};
}
template <class T>
FALTUNG_INLINE void store_complex(T* p, const Complex<T>& c) {
    store<T>(p, c.re);
    store<T>(p + lanes<T>, c.im);
}
template <class T>
FALTUNG_INLINE Complex<T> splat_complex(const T* p) {
    return {splat(p[0]), splat(p[1])};
}

template <class T>
FALTUNG_INLINE Complex<T> operator+(const Complex<T>& a, const Complex<T>& b) {
    return {a.re + b.re, a.im + b.im};
}
template <class T>
FALTUNG_INLINE Complex<T> operator-(const Complex<T>& a, const Complex<T>& b) {
    return {a.re - b.re, a.im - b.im};
}
template <class T>
FALTUNG_INLINE Complex<T> operator*(const Complex<T>& a, const Complex<T>& b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
/// a times the conjugate of b.
template <class T>
FALTUNG_INLINE Complex<T> times_conjugate(const Complex<T>& a, const Complex<T>& b) {
    return {a.re * b.re + a.im * b.im, a.im * b.re - a.re * b.im};
}

}  // namespace transform
}  // namespace
}  // namespace faltung::microkernels
