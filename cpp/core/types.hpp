// The element types that arrays may have, and the arithmetic that serves them.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace faltung {

/// Every length, offset and stride is signed 64 bits.
using Index = std::int64_t;

/// What an array holds.
enum class DType : std::uint8_t {
    boolean,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
    float16,
    float32,
    float64,
    complex64,
    complex128,
};

inline constexpr int dtype_count = 14;

/// What the inner loops compute in. Complex numbers are pairs of these.
enum class Arithmetic : std::uint8_t { f32, f64, i64 };

constexpr std::size_t size_of(DType type) {
    constexpr std::size_t bytes[dtype_count] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8, 8, 16};
    return bytes[static_cast<int>(type)];
}

constexpr bool is_complex(DType type) {
    return type == DType::complex64 || type == DType::complex128;
}

constexpr bool is_integer(DType type) { return type <= DType::uint64; }  // bool counts as one

constexpr bool is_unsigned(DType type) {
    return type == DType::boolean || (type >= DType::uint8 && type <= DType::uint64);
}

std::string_view name_of(DType type);
std::string_view name_of(Arithmetic arithmetic);

constexpr std::size_t size_of(Arithmetic arithmetic) {
    return arithmetic == Arithmetic::f32 ? 4 : 8;
}

/// The Arithmetic of a C++ type.
template <class T>
inline constexpr Arithmetic arithmetic_of = std::is_same_v<T, float>    ? Arithmetic::f32
                                            : std::is_same_v<T, double> ? Arithmetic::f64
                                                                        : Arithmetic::i64;

/// Calls `body` with a value of the C++ type behind `arithmetic`.
template <class Body>
decltype(auto) with_arithmetic(Arithmetic arithmetic, Body&& body) {
    switch (arithmetic) {
        case Arithmetic::f32: return body(float{});
        case Arithmetic::f64: return body(double{});
        default: return body(std::int64_t{});
    }
}

}  // namespace faltung
