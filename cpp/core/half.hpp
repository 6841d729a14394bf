// IEEE binary16 by hand, for places that see a few numbers; lines are converted by the
// microkernels.
#pragma once

#include <bit>
#include <cstdint>

namespace faltung {

inline float half_to_float(std::uint16_t half) {
    const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
    const std::uint32_t rest = half & 0x7fffu;
    if (rest >= 0x7c00u)
        return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);  // inf, NaN
    // shifted into place the exponent is 112 too small; the product mends that, and normalises
    // subnormals
    constexpr float scale = 0x1p112f;
    return std::bit_cast<float>(
        sign | std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest << 13) * scale));
}

}  // namespace faltung
