// How kernels read samples and write results: every storage type, and x continued by the boundary.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "cuda/geometry.hpp"
#include "lines/extend.hpp"

namespace faltung::cuda {

/// A complex number in registers, shared and global memory.
template <class T>
struct alignas(2 * sizeof(T)) Pair {
    T re, im;
};

template <class S>
__device__ __forceinline__ S read_as(const std::byte* at) {
    return *reinterpret_cast<const S*>(at);
}

/// The type that needs no conversion to be computed on.
template <class T>
inline constexpr Storage storage_of = sizeof(T) == 4 ? Storage::float32 : Storage::float64;

/// The real part of a sample of any type. Integers reach int64 unrounded.
template <class T>
__device__ __noinline__ T load_any(const std::byte* at, Storage type) {
    switch (type) {
        case Storage::boolean: return static_cast<T>(read_as<std::uint8_t>(at) != 0);
        case Storage::int8: return static_cast<T>(read_as<std::int8_t>(at));
        case Storage::int16: return static_cast<T>(read_as<std::int16_t>(at));
        case Storage::int32: return static_cast<T>(read_as<std::int32_t>(at));
        case Storage::int64: return static_cast<T>(read_as<std::int64_t>(at));
        case Storage::uint8: return static_cast<T>(read_as<std::uint8_t>(at));
        case Storage::uint16: return static_cast<T>(read_as<std::uint16_t>(at));
        case Storage::uint32: return static_cast<T>(read_as<std::uint32_t>(at));
        case Storage::uint64: return static_cast<T>(read_as<std::uint64_t>(at));
        case Storage::float16: return static_cast<T>(__half2float(read_as<__half>(at)));
        case Storage::bfloat16: return static_cast<T>(__bfloat162float(read_as<__nv_bfloat16>(at)));
        case Storage::float32:
        case Storage::complex64: return static_cast<T>(read_as<float>(at));
        case Storage::float64:
        case Storage::complex128: return static_cast<T>(read_as<double>(at));
    }
    return T{};
}

template <class T>
__device__ __forceinline__ T load_imag(const std::byte* at, Storage type) {
    if (type == Storage::complex64) return static_cast<T>(read_as<float>(at + sizeof(float)));
    if (type == Storage::complex128) return static_cast<T>(read_as<double>(at + sizeof(double)));
    return T{};
}

template <class S>
__device__ __forceinline__ void write_as(std::byte* at, S value) {
    *reinterpret_cast<S*>(at) = value;
}

/// Rounded half to even and saturated; NaN becomes 0.
template <class S, class T>
__device__ __forceinline__ S to_integer(T value, S lowest, S highest) {
    if constexpr (sizeof(T) == 8 && T(0.5) == T(0)) {  // int64
        if (value < static_cast<T>(lowest) && lowest != S{}) return lowest;
        if (lowest == S{} && value < 0) return S{};
        if (sizeof(S) < 8 && value > static_cast<T>(highest)) return highest;
        return static_cast<S>(value);
    } else {
        if (value != value) return S{};
        const double rounded = rint(static_cast<double>(value));
        if (rounded <= static_cast<double>(lowest)) return lowest;
        if (rounded >= static_cast<double>(highest)) return highest;
        return static_cast<S>(rounded);
    }
}

template <class T>
__device__ __noinline__ void store_any(std::byte* at, Storage type, T re, T im, bool is_unsigned) {
    if constexpr (std::is_same_v<T, long long>) {
        if (is_unsigned) {  // the bits are an uint64's
            const auto exact = static_cast<unsigned long long>(re);
            switch (type) {
                case Storage::uint64: return write_as(at, exact);
                case Storage::int64:
                    return write_as(at, exact > 0x7fffffffffffffffull ? 0x7fffffffffffffffll : re);
                case Storage::float64: return write_as(at, static_cast<double>(exact));
                case Storage::float32: return write_as(at, static_cast<float>(exact));
                default:
                    if (re < 0) re = 0x7fffffffffffffffll;  // beyond every narrower type
            }
        }
    }
    const auto single = static_cast<float>(re);
    switch (type) {
        case Storage::boolean:
            return write_as(at, to_integer<std::uint8_t>(re, std::uint8_t{0}, std::uint8_t{1}));
        case Storage::int8: return write_as(at, to_integer<std::int8_t>(re, INT8_MIN, INT8_MAX));
        case Storage::int16:
            return write_as(at, to_integer<std::int16_t>(re, INT16_MIN, INT16_MAX));
        case Storage::int32:
            return write_as(at, to_integer<std::int32_t>(re, INT32_MIN, INT32_MAX));
        case Storage::int64:
            return write_as(at, to_integer<std::int64_t>(re, INT64_MIN, INT64_MAX));
        case Storage::uint8: return write_as(at, to_integer<std::uint8_t>(re, 0, UINT8_MAX));
        case Storage::uint16: return write_as(at, to_integer<std::uint16_t>(re, 0, UINT16_MAX));
        case Storage::uint32: return write_as(at, to_integer<std::uint32_t>(re, 0, UINT32_MAX));
        case Storage::uint64: return write_as(at, to_integer<std::uint64_t>(re, 0, UINT64_MAX));
        case Storage::float16: return write_as(at, __float2half_rn(single));
        case Storage::bfloat16: return write_as(at, __float2bfloat16_rn(single));
        case Storage::float32: return write_as(at, single);
        case Storage::float64: return write_as(at, static_cast<double>(re));
        case Storage::complex64:
            write_as(at, single);
            return write_as(at + sizeof(float), static_cast<float>(im));
        case Storage::complex128:
            write_as(at, static_cast<double>(re));
            return write_as(at + sizeof(double), static_cast<double>(im));
    }
}

template <class T>
__device__ __forceinline__ T constant_of(const Geometry& g) {
    if constexpr (std::is_same_v<T, long long>)
        return g.cval_integer;
    else
        return static_cast<T>(g.cval_real);
}

template <class T>
__device__ __forceinline__ bool not_finite(T value) {
    return !(fabs(value) <= (sizeof(T) == 4 ? static_cast<T>(3.402823466e38)
                                            : static_cast<T>(1.7976931348623157e308)));
}

/// extend(), where it is seldom needed.
__device__ __noinline__ inline Index extended(Index i, Index n, Boundary boundary) {
    return extend(i, n, boundary);
}

/// Where the sample at a position outside x stands, in bytes from the batch entry's first; -1 for
/// the constant.
template <int dimensions>
__device__ __noinline__ Index outside_offset(const DeviceAxis* axis, Boundary boundary, Index p0,
                                             Index p1, Index p2) {
    const Index at[3] = {p0, p1, p2};
    Index offset = 0;
    for (int a = 3 - dimensions; a < 3; ++a) {
        const Index source = extend(at[a], axis[a].x, boundary);
        if (source < 0) return -1;
        offset += source * axis[a].x_stride;
    }
    return offset;
}

/// Samples of one batch entry by their positions on the three regular axes, inside x or outside.
/// `plain`: the storage type is the arithmetic's, so a load is a load.
template <class T, bool plain>
struct Samples {
    const Regular& g;
    const std::byte* base;

    __device__ __forceinline__ T real_at(const std::byte* at) const {
        if constexpr (plain)
            return read_as<T>(at);
        else
            return load_any<T>(at, g.x_type);
    }

    /// nullptr where the constant stands.
    __device__ __forceinline__ const std::byte* address(Index p0, Index p1, Index p2) const {
        const bool inside =
            (static_cast<std::uint64_t>(p0) < static_cast<std::uint64_t>(g.axis[0].x)) &
            (static_cast<std::uint64_t>(p1) < static_cast<std::uint64_t>(g.axis[1].x)) &
            (static_cast<std::uint64_t>(p2) < static_cast<std::uint64_t>(g.axis[2].x));
        if (inside)
            return base + p0 * g.axis[0].x_stride + p1 * g.axis[1].x_stride +
                   p2 * g.axis[2].x_stride;
        if (g.boundary <= Boundary::constant) return nullptr;
        return base + outside_offset<3>(g.axis, g.boundary, p0, p1, p2);
    }

    __device__ __forceinline__ T real(Index p0, Index p1, Index p2) const {
        const std::byte* at = address(p0, p1, p2);
        return at ? real_at(at) : static_cast<T>(g.cval_real);
    }

    __device__ __forceinline__ Pair<T> complex(Index p0, Index p1, Index p2) const {
        const std::byte* at = address(p0, p1, p2);
        if (!at) return {static_cast<T>(g.cval_real), static_cast<T>(g.cval_imag)};
        if constexpr (plain)
            return read_as<Pair<T>>(at);
        else
            return {real_at(at), load_imag<T>(at, g.x_type)};
    }
};

/// What a layer adds to every output of a kernel.
template <class T>
__device__ __forceinline__ T bias_of(const Geometry& g, Index kernel) {
    return g.bias ? reinterpret_cast<const T*>(g.bias)[kernel] : T{};
}

/// Results of one batch entry.
template <class T, bool plain>
__device__ __forceinline__ void store_real(const Geometry& g, std::byte* at, T value) {
    if (g.relu) value = value < T{} ? T{} : value;
    if constexpr (plain)
        write_as(at, value);
    else
        store_any<T>(at, g.out_type, value, T{}, g.unsigned_result);
}

/// Offsets of a batch entry that shares its kernel with `per_kernel - 1` others.
struct EntryOffsets {
    Index x, out;
};

__device__ __forceinline__ EntryOffsets entry_offsets(const Regular& g, Index entry, Index kernel) {
    EntryOffsets offsets{kernel * g.bank.x_stride, kernel * g.bank.out_stride};
    for (int b = 0; b < g.batch_axes; ++b) {
        // entries are counted in 32 bits (TileGrid::countable)
        const auto narrow = static_cast<std::uint32_t>(entry);
        const auto extent = static_cast<std::uint32_t>(g.batch[b].x);
        const Index at = narrow % extent;
        entry = narrow / extent;
        offsets.x += at * g.batch[b].x_stride;
        offsets.out += at * g.batch[b].out_stride;
    }
    return offsets;
}

}  // namespace faltung::cuda
