// What reader and writer share: how the numbers of an array relate to numbers of the arithmetic.
#pragma once

#include "core/problem.hpp"
#include "microkernels/table.hpp"

namespace faltung {

template <class T>
const microkernels::ConvertRows<T>& conversions(const microkernels::Table& table) {
    if constexpr (std::is_same_v<T, float>)
        return table.convert.f32;
    else if constexpr (std::is_same_v<T, double>)
        return table.convert.f64;
    else
        return table.convert.i64;
}

/// What the parts of a complex number are; real types are themselves.
constexpr DType real_dtype(DType dtype) {
    return dtype == DType::complex64    ? DType::float32
           : dtype == DType::complex128 ? DType::float64
                                        : dtype;
}

constexpr Index numbers_in(DType dtype) { return is_complex(dtype) ? 2 : 1; }

template <class T>
constexpr DType dtype_of = std::is_same_v<T, float>    ? DType::float32
                           : std::is_same_v<T, double> ? DType::float64
                                                       : DType::int64;

}  // namespace faltung
