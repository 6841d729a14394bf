// Kernels as tensors in C order, and lists of short kernels, one per axis: what finding factors
// works on.
#pragma once

#include <vector>

#include "core/extents.hpp"

namespace faltung::direct {

/// A tensor in C order.
template <class N>
struct Tensor {
    const Extents& shape;
    const std::vector<N>& values;

    int rank() const { return shape.size(); }

    Index stride(int axis) const {
        Index stride = 1;
        for (int a = axis + 1; a < rank(); ++a) stride *= shape[a];
        return stride;
    }

    /// The numbers along `axis` through the element `pivot`.
    std::vector<N> fibre(int axis, Index pivot) const {
        const Index step = stride(axis), at = pivot / step % shape[axis];
        std::vector<N> numbers;
        for (Index t = 0; t < shape[axis]; ++t)
            numbers.push_back(values[static_cast<std::size_t>(pivot + (t - at) * step)]);
        return numbers;
    }
};

/// Calls body(i, at) for every element i, C order; stops when it says false, and says so.
template <class Body>
bool for_each(const Extents& shape, Body&& body) {
    Extents at(shape.size(), 0);
    const Index count = product(shape);
    for (Index i = 0; i < count; ++i) {
        if (!body(static_cast<std::size_t>(i), at)) return false;
        for (int a = shape.size() - 1; a >= 0 && ++at[a] == shape[a]; --a) at[a] = 0;
    }
    return true;
}

template <class F>
using Vectors = std::vector<std::vector<F>>;

template <class F>
F at_product(const Vectors<F>& factors, const Extents& at, int skip = -1) {
    F value{1};
    for (int a = 0; a < at.size(); ++a)
        if (a != skip)
            value *= factors[static_cast<std::size_t>(a)][static_cast<std::size_t>(at[a])];
    return value;
}

inline Index slowest_long_axis(const Extents& shape) {
    for (int a = 0; a < shape.size(); ++a)
        if (shape[a] > 1) return a;
    return 0;
}

}  // namespace faltung::direct
