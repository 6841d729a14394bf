// What a user asked for, in the user's own axis order, before any array is seen.
#pragma once

#include <optional>

#include "core/array_view.hpp"
#include "core/problem.hpp"
#include "policy/choose.hpp"

namespace faltung {

struct Request {
    Problem problem;  // axes as the user numbers them; integers' arithmetic is settled per call
    DType kernel_dtype = DType::float64;
    PerAxis<int> kernel_axes;     // the axis of x behind each axis of k
    bool flip = true;             // convolution; correlation does not flip, and conjugates
    bool exact_integers = false;  // the answer is int64 or uint64
    std::optional<Method> method;

    Extents out_shape() const;

    /// What is planned for: an empty batch, which there is nothing to compute of, counts as one
    /// entry.
    Request with_some_batch() const;

    /// k, which has one axis per convolved axis, as a view with one axis per axis of x.
    ArrayView spread(const ArrayView& k) const;
};

/// What a request is made of; all names are resolved, nothing is checked yet.
struct RequestFields {
    Extents x_shape, k_shape;
    DType x_dtype, k_dtype, result_dtype, out_dtype;
    PerAxis<int> axes;           // of x, one per axis of k
    Extents strides, dilations;  // one per axis of k
    Mode mode;
    Boundary boundary;
    Constant cval;
    bool flip;
    bool c_casts;
    std::optional<Method> method;
    struct Lags {
        Index first, last;  // both included
    };
    std::optional<PerAxis<Lags>> lags;  // one range per axis of k, in place of the mode
};

/// Checks shapes and settles the problem. Throws ValueError, TypeError, TooLarge.
Request make_request(const RequestFields& fields);

}  // namespace faltung
