// float16 as bits. Where the level has instructions for it they are used, else a few integer
// operations that give the same bits: rounded half to even, overflow to infinity, subnormals kept,
// NaNs quiet with their payload.
#pragma once

#include <cstdint>
#include <cstring>

namespace faltung::microkernels {
namespace {
namespace convert {

enum class Half : std::uint16_t {};

inline std::uint32_t bits_of(float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

inline float float_of(std::uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

inline float widen_half(Half half) {
    const std::uint32_t h = static_cast<std::uint16_t>(half);
    const std::uint32_t magnitude = (h & 0x7fff) << 13;
    const std::uint32_t exponent = h & 0x7c00;
    // A subnormal becomes a normal float by subtracting the hidden bit that it lacks; exact, and
    // safe with DAZ.
    const float subnormal = float_of(magnitude + (113u << 23)) - float_of(113u << 23);
    const std::uint32_t special = magnitude | 0x7f800000u | ((h & 0x3ff) != 0 ? 0x400000u : 0u);
    const std::uint32_t normal = magnitude + (112u << 23);
    const std::uint32_t finite = exponent == 0 ? bits_of(subnormal) : normal;
    return float_of((exponent == 0x7c00 ? special : finite) | (h & 0x8000) << 16);
}

inline Half narrow_half(float x) {
    const std::uint32_t bits = bits_of(x);
    const std::uint32_t magnitude = bits & 0x7fffffffu;
    // Below 2^-14 one addition aligns the bits at 2^-24 and rounds them as it goes.
    const std::uint32_t subnormal = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
    const std::uint32_t odd = (magnitude >> 13) & 1;
    const std::uint32_t normal = (magnitude - (112u << 23) + 0xfff + odd) >> 13;
    const std::uint32_t nan = 0x7e00 | ((magnitude >> 13) & 0x3ff);
    std::uint32_t half = magnitude < (113u << 23) ? subnormal : normal;
    half = magnitude >= (143u << 23) ? 0x7c00 : half;
    half = magnitude > 0x7f800000u ? nan : half;
    return static_cast<Half>(half | (bits >> 16 & 0x8000));
}

/// The float whose last bit remembers that something was cut off: rounding it again loses nothing.
inline float round_to_odd(double x) {
    const float nearest = static_cast<float>(x);
    const double back = static_cast<double>(nearest);
    const double size = x < 0 ? -x : x, back_size = back < 0 ? -back : back;
    std::uint32_t bits = bits_of(nearest);
    bits -= back_size > size ? 1 : 0;
    bits |= back_size > size || back_size < size ? 1 : 0;
    return float_of(bits);
}

inline Half narrow_half(double x) { return narrow_half(round_to_odd(x)); }

#if defined(__F16C__) || defined(__aarch64__)
#define FALTUNG_CONVERTS_HALVES 1
#if defined(__AVX512F__)
constexpr int halves_at_once = 16;
#else
constexpr int halves_at_once = 8;
#endif
using Floats = float __attribute__((vector_size(4 * halves_at_once)));
#if defined(__F16C__) && !defined(__clang__)  // g++ 12 does not find the instructions by itself
using Halves = short __attribute__((vector_size(2 * halves_at_once)));
#elif defined(__aarch64__)
using Halves = __fp16 __attribute__((vector_size(16)));  // g++ 12 has no _Float16 here
#else
using Halves = _Float16 __attribute__((vector_size(2 * halves_at_once)));
#endif

inline void widen_some(const void* from, float* to) {
    Halves halves;
    std::memcpy(&halves, from, sizeof halves);
#if defined(__clang__) || defined(__aarch64__)
    const Floats wide = __builtin_convertvector(halves, Floats);
#elif defined(__AVX512F__)
    const Floats wide = __builtin_ia32_vcvtph2ps512_mask(halves, Floats{}, short{-1}, 4);
#else
    const Floats wide = __builtin_ia32_vcvtph2ps256(halves);
#endif
    std::memcpy(to, &wide, sizeof wide);
}

inline void narrow_some(const float* from, void* to) {
    Floats wide;
    std::memcpy(&wide, from, sizeof wide);
    // half to even
#if defined(__clang__) || defined(__aarch64__)
    const Halves halves = __builtin_convertvector(wide, Halves);
#elif defined(__AVX512F__)
    const Halves halves = __builtin_ia32_vcvtps2ph512_mask(wide, 0, Halves{}, short{-1});
#else
    const Halves halves = __builtin_ia32_vcvtps2ph256(wide, 0);
#endif
    std::memcpy(to, &halves, sizeof halves);
}
#endif

inline void widen_halves(const Half* __restrict from, float* __restrict to, std::int64_t count) {
    std::int64_t i = 0;
#if defined(FALTUNG_CONVERTS_HALVES)
    for (; i + halves_at_once <= count; i += halves_at_once) widen_some(from + i, to + i);
#endif
    for (; i < count; ++i) to[i] = widen_half(from[i]);
}

inline void narrow_halves(const float* __restrict from, Half* __restrict to, std::int64_t count) {
    std::int64_t i = 0;
#if defined(FALTUNG_CONVERTS_HALVES)
    for (; i + halves_at_once <= count; i += halves_at_once) narrow_some(from + i, to + i);
#endif
    for (; i < count; ++i) to[i] = narrow_half(from[i]);
}

}  // namespace convert
}  // namespace
}  // namespace faltung::microkernels
