// The kernel, prepared: copied, converted to the arithmetic, flipped and conjugated as asked, in C
// order.
#pragma once

#include <variant>

#include "core/array_view.hpp"
#include "core/problem.hpp"
#include "core/taps.hpp"

namespace faltung {

/// A complex kernel is two real ones.
template <class T>
struct KernelPlanes {
    Taps<T> real;
    Taps<T> imag;  // empty for a real kernel
};

class Kernel {
public:
    /// `view` has one axis per axis of the problem. `flip` reverses every axis (convolution),
    /// `conjugate` as it says.
    Kernel(const Problem& problem, const ArrayView& view, bool flip, bool conjugate);

    const Extents& shape() const { return shape_; }
    bool is_complex() const { return complex_; }
    bool finite() const { return finite_; }       // no NaN, no infinity
    double norm() const { return norm_; }         // the l2 norm
    Index not_zero() const { return not_zero_; }  // taps, of a complex kernel in either part
    bool constant() const { return constant_; }   // all taps are the same number

    template <class T>
    const KernelPlanes<T>& planes() const {
        return std::get<KernelPlanes<T>>(planes_);
    }

private:
    Extents shape_;
    bool complex_ = false, finite_ = true, constant_ = true;
    double norm_ = 0;
    Index not_zero_ = 0;
    std::variant<KernelPlanes<float>, KernelPlanes<double>, KernelPlanes<std::int64_t>> planes_;
};

}  // namespace faltung
