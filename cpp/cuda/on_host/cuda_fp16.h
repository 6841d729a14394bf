// IEEE's half precision.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/half.hpp"

struct __half {
    std::uint16_t bits;
};

inline float __half2float(__half half) { return faltung::half_to_float(half.bits); }

inline __half __float2half_rn(float x) {
    const unsigned sign = std::signbit(x) ? 0x8000u : 0;
    const double magnitude = std::fabs(static_cast<double>(x));
    unsigned bits = 0x7e00;  // NaN
    if (magnitude >= 65520) {
        bits = 0x7c00;
    } else if (magnitude == magnitude) {
        // counted in units of the last place, which is the same for all below 2^-14
        const int exponent = magnitude < 0x1p-14 ? -14 : std::ilogb(magnitude);
        const double units = std::nearbyint(std::ldexp(magnitude, 10 - exponent));
        bits = (static_cast<unsigned>(exponent + 14) << 10) + static_cast<unsigned>(units);
    }
    return {static_cast<std::uint16_t>(sign | bits)};
}
