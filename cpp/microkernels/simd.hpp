// Vectors as plain arithmetic: GCC's and Clang's vector extensions behind a handful of names.
// Everything sits in an anonymous namespace, because each instruction-set level compiles it
// differently.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX__) || (defined(__x86_64__) && !defined(__clang__))
#include <immintrin.h>  // only for what vector extensions lack
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#define FALTUNG_INLINE inline __attribute__((always_inline))
#define FALTUNG_NOINLINE __attribute__((noinline))

// A loop whose count is a small constant, so that arrays of vectors indexed by it stay in
// registers.
#if defined(__clang__)
#define FALTUNG_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FALTUNG_UNROLL _Pragma("GCC unroll 32")
#endif

namespace faltung::microkernels {
namespace {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
inline constexpr int vector_registers = 32;
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32;
inline constexpr int vector_registers = 16;
#elif defined(__aarch64__)
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 32;
#else
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 16;
#endif

#if defined(__FMA__) || defined(__aarch64__)
inline constexpr bool fused = true;
#else
inline constexpr bool fused = false;
#endif

// Signed integers wrap around, which only unsigned arithmetic may do.
template <class T>
struct Element {
    using type = T;
    static constexpr bool floating = true;
};
template <>
struct Element<std::int64_t> {
    using type = std::uint64_t;
    static constexpr bool floating = false;
};

template <class T>
struct Simd {
    using E = typename Element<T>::type;
    typedef E V __attribute__((vector_size(vector_bytes)));
    typedef E Loose __attribute__((vector_size(vector_bytes), aligned(alignof(T)), may_alias));
    static constexpr bool floating = Element<T>::floating;
    static constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));
};

template <class T>
using Vec = typename Simd<T>::V;

template <class T>
inline constexpr int lanes = Simd<T>::lanes;

template <class T>
FALTUNG_INLINE Vec<T> load(const T* from) {  // from is aligned to vector_bytes
    return *reinterpret_cast<const Vec<T>*>(from);
}

template <class T>
FALTUNG_INLINE Vec<T> loadu(const T* from) {
    return *reinterpret_cast<const typename Simd<T>::Loose*>(from);
}

template <class T>
FALTUNG_INLINE void store(T* to, Vec<T> v) {
    *reinterpret_cast<Vec<T>*>(to) = v;
}

template <class T>
FALTUNG_INLINE void storeu(T* to, Vec<T> v) {
    *reinterpret_cast<typename Simd<T>::Loose*>(to) = v;
}

#if defined(__AVX__) && !defined(__AVX512F__)
/// All bits of the first `count` lanes of `bits` bits each.
FALTUNG_INLINE __m256i first_lanes(int count, int bits) {
    alignas(32) static constexpr std::int64_t on_off[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(
        reinterpret_cast<const char*>(on_off) + 32 - count * bits / 8));
}
#endif

/// The first `count` numbers, then zeros; nothing beyond them is touched.
template <class T>
FALTUNG_INLINE Vec<T> load_first(const T* from, int count) {
#if defined(__AVX512F__)
    const unsigned mask = (1U << count) - 1;
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), from);
    else
        return (Vec<T>)_mm512_maskz_loadu_pd(static_cast<__mmask8>(mask), from);
#elif defined(__AVX__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm256_maskload_ps(from, first_lanes(count, 32));
    else
        return (Vec<T>)_mm256_maskload_pd(from, first_lanes(count, 64));
#else
    Vec<T> v{};
    for (int i = 0; i < count; ++i) v[i] = from[i];
    return v;
#endif
}

/// Stores the first `count` numbers and touches nothing beyond them. Without AVX-512 half by half:
/// a masked store takes Zen some 40 steps.
template <class T>
FALTUNG_INLINE void store_first(T* to, Vec<T> v, int count) {
#if defined(__AVX512F__)
    const unsigned mask = (1U << count) - 1;
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(to, static_cast<__mmask16>(mask), (__m512)v);
    else
        _mm512_mask_storeu_pd(to, static_cast<__mmask8>(mask), (__m512d)v);
#elif defined(__AVX__)
    if (count == lanes<T>) return storeu(to, v);
    constexpr int half = lanes<T> / 2;
    auto* at = reinterpret_cast<float*>(to);
    __m128 part = _mm256_castps256_ps128((__m256)v);
    if (count & half) {
        _mm_storeu_ps(at, part);
        part = _mm256_extractf128_ps((__m256)v, 1);
        at += 4;
    }
    if (count & (half / 2)) {
        _mm_storel_pi(reinterpret_cast<__m64*>(at), part);
        part = _mm_movehl_ps(part, part);
        at += 2;
    }
    if constexpr (sizeof(T) == 4)
        if (count & 1) _mm_store_ss(at, part);
#else
    for (int i = 0; i < count; ++i) to[i] = v[i];
#endif
}

/// An aligned store past the caches, for results that will not be read soon. Close with
/// stream_fence().
template <class T>
FALTUNG_INLINE void stream(T* to, Vec<T> v) {
#if defined(__clang__)
    __builtin_nontemporal_store(v, reinterpret_cast<Vec<T>*>(to));
#elif defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to), (__m512i)v);
#elif defined(__AVX__)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to), (__m256i)v);
#elif defined(__SSE2__)
    _mm_stream_si128(reinterpret_cast<__m128i*>(to), (__m128i)v);
#else
    store(to, v);
#endif
}

FALTUNG_INLINE void stream_fence() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

template <class T>
FALTUNG_INLINE Vec<T> splat(T value) {  // minus zero stays what it is, unlike zero + value
    return static_cast<typename Simd<T>::E>(value) - Vec<T>{};
}

/// a * b + c: one rounding where the level has a fused multiply-add, which -ffp-contract=fast picks
/// everywhere.
template <class V>
FALTUNG_INLINE V fma(V a, V b, V c) {
    return a * b + c;
}

/// The numbers of two vectors, rounded, side by side.
FALTUNG_INLINE Vec<float> narrow(Vec<double> low, Vec<double> high) {
#if defined(__AVX512F__)  // not by _mm512_cvtpd_ps: see multiply_low_halves
    return (Vec<float>)_mm512_maskz_insertf64x4(
        0xFF, (__m512d)_mm512_castps256_ps512(_mm512_maskz_cvtpd_ps(0xFF, (__m512d)low)),
        (__m256d)_mm512_maskz_cvtpd_ps(0xFF, (__m512d)high), 1);
#elif defined(__AVX__)
    return (Vec<float>)_mm256_set_m128(_mm256_cvtpd_ps((__m256d)high),
                                       _mm256_cvtpd_ps((__m256d)low));
#elif defined(__SSE2__)
    return (Vec<float>)_mm_movelh_ps(_mm_cvtpd_ps((__m128d)low), _mm_cvtpd_ps((__m128d)high));
#else
    Vec<float> result;
    for (int i = 0; i < lanes<double>; ++i) {
        result[i] = static_cast<float>(low[i]);
        result[lanes<double> + i] = static_cast<float>(high[i]);
    }
    return result;
#endif
}

/// 1 / sqrt(v) of normal numbers, within two units in the last place.
FALTUNG_INLINE Vec<float> inverse_root(Vec<float> v) {
#if defined(__AVX512F__)
    const Vec<float> rough = (Vec<float>)_mm512_maskz_rsqrt14_ps(0xFFFF, (__m512)v);
    return rough + rough * (0.5f - 0.5f * v * rough * rough);  // one step of Newton's is enough
#elif defined(__AVX__)
    return 1 / (Vec<float>)_mm256_sqrt_ps((__m256)v);
#elif defined(__SSE2__)
    return 1 / (Vec<float>)_mm_sqrt_ps((__m128)v);
#else
    for (int i = 0; i < lanes<float>; ++i) v[i] = __builtin_sqrtf(v[i]);
    return 1 / v;
#endif
}
FALTUNG_INLINE Vec<double> inverse_root(Vec<double> v) {
#if defined(__AVX512F__)
    return 1 / (Vec<double>)_mm512_maskz_sqrt_pd(0xFF, (__m512d)v);
#elif defined(__AVX__)
    return 1 / (Vec<double>)_mm256_sqrt_pd((__m256d)v);
#elif defined(__SSE2__)
    return 1 / (Vec<double>)_mm_sqrt_pd((__m128d)v);
#else
    for (int i = 0; i < lanes<double>; ++i) v[i] = __builtin_sqrt(v[i]);
    return 1 / v;
#endif
}

/// The 64-bit products of the lower halves of unsigned 64-bit lanes.
FALTUNG_INLINE Vec<std::int64_t> multiply_low_halves(Vec<std::int64_t> a, Vec<std::int64_t> b) {
#if defined(__clang__) || !defined(__x86_64__)
    const Vec<std::int64_t> low = 0xFFFFFFFF - Vec<std::int64_t>{};
    return (a & low) * (b & low);
#elif defined(__AVX512F__)
    // the plain form makes GCC 12 warn of a value that it calls undefined itself
    return (Vec<std::int64_t>)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (Vec<std::int64_t>)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#else
    return (Vec<std::int64_t>)_mm_mul_epu32((__m128i)a, (__m128i)b);
#endif
}

// Neighbouring vectors can be shifted against each other where one instruction picks any numbers of
// two vectors.
#if defined(__AVX512F__)
inline constexpr bool picks_from_two = true;
#else
inline constexpr bool picks_from_two = false;
#endif

/// Indices into two vectors as if they stood one after the other.
template <class T>
struct Picks {
    using I = decltype([] {
        if constexpr (sizeof(T) == 4)
            return std::int32_t{};
        else
            return std::int64_t{};
    }());
    typedef I V __attribute__((vector_size(vector_bytes)));

    /// The numbers from `shift` on.
    static FALTUNG_INLINE V from(std::int64_t shift) {
        V indices;
        FALTUNG_UNROLL
        for (int i = 0; i < lanes<T>; ++i) indices[i] = static_cast<I>(i);
        return indices + static_cast<I>(shift);
    }
};

template <class T>
FALTUNG_INLINE Vec<T> pick(Vec<T> a, Vec<T> b, typename Picks<T>::V indices) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_permutex2var_ps((__m512)a, (__m512i)indices, (__m512)b);
    else
        return (Vec<T>)_mm512_permutex2var_pd((__m512d)a, (__m512i)indices, (__m512d)b);
#else
    Vec<T> picked;
    for (int i = 0; i < lanes<T>; ++i)
        picked[i] = indices[i] < lanes<T> ? a[indices[i]] : b[indices[i] - lanes<T>];
    return picked;
#endif
}

/// The same for a shift known at compile time, without indices.
template <class T, int SHIFT>
FALTUNG_INLINE Vec<T> between(Vec<T> a, Vec<T> b) {
    if constexpr (SHIFT == 0) return a;
    if constexpr (SHIFT == lanes<T>) return b;
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_maskz_alignr_epi32(0xFFFF, (__m512i)b, (__m512i)a, SHIFT % lanes<T>);
    else
        return (Vec<T>)_mm512_maskz_alignr_epi64(0xFF, (__m512i)b, (__m512i)a, SHIFT % lanes<T>);
#else
    return pick<T>(a, b, Picks<T>::from(SHIFT));
#endif
}

/// The sum of all numbers of a vector, in halves: half of those left are added to the others.
template <class T, int HALF = lanes<T> / 2>
FALTUNG_INLINE T total(Vec<T> v) {
    if constexpr (HALF == 0)
        return static_cast<T>(v[0]);
    else
        return total<T, HALF / 2>(v + between<T, HALF>(v, v));
}

/// Neighbours change places.
template <class T>
FALTUNG_INLINE Vec<T> swap_pairs(Vec<T> v) {
    if constexpr (lanes<T> == 16)
        return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    else if constexpr (lanes<T> == 8)
        return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
    else if constexpr (lanes<T> == 4)
        return __builtin_shufflevector(v, v, 1, 0, 3, 2);
    else
        return __builtin_shufflevector(v, v, 1, 0);
}

/// True where every vector-sized store at `p` is aligned.
FALTUNG_INLINE bool is_aligned(const void* p) {
    return reinterpret_cast<std::uintptr_t>(p) % vector_bytes == 0;
}

}  // namespace
}  // namespace faltung::microkernels
