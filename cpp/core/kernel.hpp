// The kernel, prepared: converted to the arithmetic, flipped and conjugated as asked, in C order.
// It is a copy, unless a large one may be left where it stands for one call.
#pragma once

#include <functional>
#include <mutex>
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

/// All taps in C order, or (`reversed`) from the last one to the first. A real kernel has no imag.
template <class T>
struct StoredTaps {
    const T *real, *imag;
    bool reversed;
};

/// How a kernel is prepared.
struct KernelCare {
    /// The view's memory outlives the kernel and does not change: no copy before one is wanted.
    bool borrow = false;
    /// Calls body(i) for all i < count, in any order; in order if empty.
    std::function<void(Index count, const std::function<void(Index)>& body)> for_all = {};
};

class Kernel {
public:
    /// `view` has one axis per axis of the problem. `flip` reverses every axis (convolution),
    /// `conjugate` as it says.
    Kernel(const Problem& problem, const ArrayView& view, bool flip, bool conjugate,
           const KernelCare& care = {});

    const Extents& shape() const { return shape_; }
    bool is_complex() const { return complex_; }
    bool finite() const { return finite_; }       // no NaN, no infinity
    double norm() const { return norm_; }         // the l2 norm
    Index not_zero() const { return not_zero_; }  // taps, of a complex kernel in either part
    bool constant() const { return constant_; }   // all taps are the same number

    template <class T>
    const KernelPlanes<T>& planes() const {
        if (borrowed_) copy_borrowed();
        return std::get<KernelPlanes<T>>(planes_);
    }
    /// Where they stand; no copy is made.
    template <class T>
    StoredTaps<T> stored() const {
        if (borrowed_) return {static_cast<const T*>(borrowed_), nullptr, reversed_};
        const auto& planes = std::get<KernelPlanes<T>>(planes_);
        return {planes.real.data(), planes.imag.data(), false};
    }

private:
    void copy_borrowed() const;
    template <class T>
    void look_at(const T* real, const T* imag, const KernelCare& care);

    Extents shape_;
    bool complex_ = false, finite_ = true, constant_ = true;
    double norm_ = 0;
    Index not_zero_ = 0;
    const void* borrowed_ = nullptr;  // plain real taps of the arithmetic
    bool reversed_ = false;
    mutable std::once_flag copied_;
    mutable std::variant<KernelPlanes<float>, KernelPlanes<double>, KernelPlanes<std::int64_t>>
        planes_;
};

}  // namespace faltung
