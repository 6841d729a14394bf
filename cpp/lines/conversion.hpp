// What reader and writer share: how the numbers of an array relate to numbers of the arithmetic.
#pragma once

#include <optional>

#include "core/problem.hpp"
#include "microkernels/table.hpp"

namespace faltung {

/// Lines of std::byte hold what the arrays hold, unconverted: samples of one byte each, and results
/// as the microkernel made them.
template <class T>
inline constexpr bool unconverted = std::is_same_v<T, std::byte>;

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

/// The constant outside x as a sample of one byte, where x's dtype holds it.
inline std::optional<std::byte> constant_byte(const Problem& problem) {
    const double value = problem.cval.real;
    const double low = problem.x_dtype == DType::int8 ? -128 : 0,
                 high = problem.x_dtype == DType::int8      ? 127
                        : problem.x_dtype == DType::boolean ? 1
                                                            : 255;
    if (!(value >= low && value <= high)) return std::nullopt;
    const int whole = static_cast<int>(value);
    if (static_cast<double>(whole) != value) return std::nullopt;
    return static_cast<std::byte>(whole & 0xFF);
}

}  // namespace faltung
