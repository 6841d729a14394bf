#include "core/exactness.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace faltung {

namespace {

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) {
    std::uint64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? most : sum;
}

std::uint64_t saturating_product(std::uint64_t a, std::uint64_t b) {
    std::uint64_t result = 0;
    return __builtin_mul_overflow(a, b, &result) ? most : result;
}

template <class T>
std::uint64_t magnitude(T value) {
    return value < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(value)
                     : static_cast<std::uint64_t>(value);
}

/// Calls body(T{}) for the integer type behind `dtype`.
template <class Body>
decltype(auto) with_integer(DType dtype, Body&& body) {
    switch (dtype) {
        case DType::int8: return body(std::int8_t{});
        case DType::int16: return body(std::int16_t{});
        case DType::int32: return body(std::int32_t{});
        case DType::int64: return body(std::int64_t{});
        case DType::uint16: return body(std::uint16_t{});
        case DType::uint32: return body(std::uint32_t{});
        case DType::uint64: return body(std::uint64_t{});
        default: return body(std::uint8_t{});  // bool too
    }
}

/// Calls body(pointer, count, stride) for every line of the view along its last axis.
template <class Body>
void for_each_line(const ArrayView& view, Body&& body) {
    const int last = view.rank() - 1;
    const Index length = last < 0 ? 1 : view.shape[last],
                stride = last < 0 ? 0 : view.strides[last];
    Index lines = 1;
    for (int a = 0; a < last; ++a)
        lines *= view.strides[a] == 0 ? 1 : view.shape[a];  // a repeated line once
    Extents at(std::max(last, 0), 0);
    for (Index line = 0; line < lines; ++line) {
        const std::byte* address = view.data;
        for (int a = 0; a < last; ++a) address += at[a] * view.strides[a];
        body(address, stride == 0 ? 1 : length, stride);
        for (int a = last - 1; a >= 0; --a) {
            if (view.strides[a] == 0) continue;
            if (++at[a] < view.shape[a]) break;
            at[a] = 0;
        }
    }
}

template <class T>
void widen(T& low, T& high, const std::byte* address, Index count, Index stride) {
    if (stride == static_cast<Index>(sizeof(T))) {  // the compiler's vector loop
        const T* values = reinterpret_cast<const T*>(address);
        for (Index i = 0; i < count; ++i) {
            low = std::min(low, values[i]);
            high = std::max(high, values[i]);
        }
        return;
    }
    for (Index i = 0; i < count; ++i, address += stride) {
        T value;
        std::memcpy(&value, address, sizeof value);
        low = std::min(low, value);
        high = std::max(high, value);
    }
}

}  // namespace

double SampleRange::bound() const { return static_cast<double>(std::max(below, above)); }

SampleRange range_of(DType dtype) {
    if (dtype == DType::boolean) return {0, 1};
    return with_integer(dtype, []<class T>(T) -> SampleRange {
        return {magnitude(std::numeric_limits<T>::min()), magnitude(std::numeric_limits<T>::max())};
    });
}

SampleRange range_of(const ArrayView& x) {
    return with_integer(x.dtype, [&]<class T>(T) -> SampleRange {
        T low = 0, high = 0;  // what lies outside may be zero
        for_each_line(x, [&](const std::byte* address, Index count, Index stride) {
            widen(low, high, address, count, stride);
        });
        return {magnitude(low), magnitude(high)};
    });
}

TapSums tap_sums(const ArrayView& kernel) {
    TapSums sums;
    with_integer(kernel.dtype, [&]<class T>(T) {
        for_each_element(kernel, [&](const std::byte* address) {
            T value;
            std::memcpy(&value, address, sizeof value);
            std::uint64_t& sum = value < 0 ? sums.negative : sums.positive;
            sum = saturating_sum(sum, magnitude(value));
        });
    });
    return sums;
}

Fit exact_fit(const SampleRange& samples, const TapSums& taps, bool is_unsigned) {
    const std::uint64_t greatest = saturating_sum(saturating_product(samples.above, taps.positive),
                                                  saturating_product(samples.below, taps.negative));
    const std::uint64_t least = saturating_sum(saturating_product(samples.above, taps.negative),
                                               saturating_product(samples.below, taps.positive));
    const std::uint64_t magnitude_bound = std::max(greatest, least);
    if (magnitude_bound <= std::uint64_t{1} << 24) return Fit::f32;
    if (magnitude_bound <= std::uint64_t{1} << 53) return Fit::f64;
    // 2^64-1 is also where saturation ends up, so it counts as too large
    if (is_unsigned) return greatest < most ? Fit::i64 : Fit::none;
    const std::uint64_t limit =
        static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return greatest <= limit && least <= limit + 1 ? Fit::i64 : Fit::none;
}

}  // namespace faltung
