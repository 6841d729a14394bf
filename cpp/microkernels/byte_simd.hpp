// Bytes into products and sums out of them: the intrinsics of a level with VNNI (vpdpbusd) and VBMI
// (vpermb), behind a few names. 32-bit sums go to outputs of any dtype straight out of registers.
#pragma once

#include <cstddef>

#include "microkernels/byte_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {

// The plain forms of many intrinsics make GCC 12 warn of a value that it calls undefined itself;
// those with a mask of ones do not.
inline constexpr __mmask16 all16 = 0xFFFF;
inline constexpr __mmask8 all8 = 0xFF;

using Words = __m512i;  // sixteen sums, or 64 bytes

FALTUNG_INLINE Words in_all_words(std::int32_t word) { return _mm512_set1_epi32(word); }
FALTUNG_INLINE Words in_all_bytes(std::uint8_t byte) {
    return _mm512_set1_epi8(static_cast<char>(byte));
}

FALTUNG_INLINE Words load_bytes(const std::byte* from) { return _mm512_loadu_si512(from); }

/// The first `count` of 64 bytes, any number; nothing beyond them is touched.
FALTUNG_INLINE Words load_some(const std::byte* from, std::int64_t count) {
    const std::int64_t some = count < 0 ? 0 : count < 64 ? count : 64;
    return _mm512_maskz_loadu_epi8(_bzhi_u64(~std::uint64_t{0}, static_cast<unsigned>(some)), from);
}

/// For each of sixteen sums the bytes i, i + step, i + 2 step and i + 3 step, as pick() wants it.
FALTUNG_INLINE Words four_neighbours(std::int64_t step) {
    const Words first =
        _mm512_setr_epi32(0, 0x01010101, 0x02020202, 0x03030303, 0x04040404, 0x05050505, 0x06060606,
                          0x07070707, 0x08080808, 0x09090909, 0x0A0A0A0A, 0x0B0B0B0B, 0x0C0C0C0C,
                          0x0D0D0D0D, 0x0E0E0E0E, 0x0F0F0F0F);
    return _mm512_add_epi8(first, in_all_words(static_cast<std::int32_t>(step * 0x03020100)));
}

FALTUNG_INLINE Words moved_by(Words places, std::uint8_t bytes) {
    return _mm512_add_epi8(places, in_all_bytes(bytes));
}

FALTUNG_INLINE Words pick(Words places, Words bytes) {
    return _mm512_maskz_permutexvar_epi8(~__mmask64{0}, places, bytes);
}

/// Four products of an unsigned byte and a signed tap on top of each sum.
FALTUNG_INLINE Words add_products(Words sum, Words bytes, Words taps) {
    return _mm512_dpbusd_epi32(sum, bytes, taps);
}

FALTUNG_INLINE Words add_words(Words a, Words b) { return _mm512_add_epi32(a, b); }

FALTUNG_INLINE Words times_256(Words sum) { return _mm512_maskz_slli_epi32(all16, sum, 8); }

constexpr int bytes_of(ByteStore store) {
    switch (store) {
        case ByteStore::positive:
        case ByteStore::nonzero:
        case ByteStore::u8:
        case ByteStore::s8:
        case ByteStore::low8: return 1;
        case ByteStore::u16:
        case ByteStore::s16:
        case ByteStore::low16:
        case ByteStore::f16: return 2;
        case ByteStore::s64:
        case ByteStore::u64:
        case ByteStore::f64: return 8;
        default: return 4;
    }
}

FALTUNG_INLINE Words not_negative(Words sum) {
    return _mm512_maskz_max_epi32(all16, sum, _mm512_setzero_si512());
}

/// Sixteen sums as they are stored in one, two or four bytes.
template <ByteStore STORE>
FALTUNG_INLINE auto narrowed(Words sum) {
    if constexpr (STORE == ByteStore::positive)
        return _mm_maskz_set1_epi8(
            _mm512_cmp_epi32_mask(sum, _mm512_setzero_si512(), _MM_CMPINT_NLE), 1);
    else if constexpr (STORE == ByteStore::nonzero)
        return _mm_maskz_set1_epi8(_mm512_test_epi32_mask(sum, sum), 1);
    else if constexpr (STORE == ByteStore::u8)
        return _mm512_maskz_cvtusepi32_epi8(all16, not_negative(sum));
    else if constexpr (STORE == ByteStore::s8)
        return _mm512_maskz_cvtsepi32_epi8(all16, sum);
    else if constexpr (STORE == ByteStore::low8)
        return _mm512_maskz_cvtepi32_epi8(all16, sum);
    else if constexpr (STORE == ByteStore::u16)
        return _mm512_maskz_cvtusepi32_epi16(all16, not_negative(sum));
    else if constexpr (STORE == ByteStore::s16)
        return _mm512_maskz_cvtsepi32_epi16(all16, sum);
    else if constexpr (STORE == ByteStore::low16)
        return _mm512_maskz_cvtepi32_epi16(all16, sum);
    else if constexpr (STORE == ByteStore::f16)  // what float32 rounds is infinite
        return _mm512_maskz_cvtps_ph(all16, _mm512_maskz_cvtepi32_ps(all16, sum),
                                     _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    else if constexpr (STORE == ByteStore::f32)
        return _mm512_castps_si512(_mm512_maskz_cvtepi32_ps(all16, sum));
    else if constexpr (STORE == ByteStore::u32)
        return not_negative(sum);
    else
        return sum;
}

/// Half of the sums in eight bytes each.
template <ByteStore STORE>
FALTUNG_INLINE Words widened(__m256i sums) {
    if constexpr (STORE == ByteStore::f64)
        return _mm512_castpd_si512(_mm512_maskz_cvtepi32_pd(all8, sums));
    else if constexpr (STORE == ByteStore::u64)
        return _mm512_maskz_cvtepu32_epi64(all8, _mm256_max_epi32(sums, _mm256_setzero_si256()));
    else
        return _mm512_maskz_cvtepi32_epi64(all8, sums);
}

FALTUNG_INLINE __m256i lower_half(Words sum) {
    return __builtin_shufflevector(sum, sum, 0, 1, 2, 3);
}
FALTUNG_INLINE __m256i upper_half(Words sum) {
    return __builtin_shufflevector(sum, sum, 4, 5, 6, 7);
}

FALTUNG_INLINE __m256i joined(__m128i a, __m128i b) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3);
}
FALTUNG_INLINE Words joined(__m256i a, __m256i b) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
}

/// The first `count` of sixteen sums; any number.
template <ByteStore STORE>
FALTUNG_INLINE void store_some(std::byte* to, Words sum, std::int64_t count) {
    const auto mask = static_cast<__mmask16>(count <= 0   ? 0u
                                             : count < 16 ? (1u << count) - 1
                                                          : 0xFFFFu);
    if constexpr (bytes_of(STORE) == 1) {
        _mm_mask_storeu_epi8(to, mask, narrowed<STORE>(sum));
    } else if constexpr (bytes_of(STORE) == 2) {
        _mm256_mask_storeu_epi16(to, mask, narrowed<STORE>(sum));
    } else if constexpr (bytes_of(STORE) == 4) {
        _mm512_mask_storeu_epi32(to, mask, narrowed<STORE>(sum));
    } else {
        _mm512_mask_storeu_epi64(to, static_cast<__mmask8>(mask), widened<STORE>(lower_half(sum)));
        _mm512_mask_storeu_epi64(to + 64, static_cast<__mmask8>(mask >> 8),
                                 widened<STORE>(upper_half(sum)));
    }
}

FALTUNG_INLINE void put(std::byte* to, __m256i half_line, bool streamed) {
    if (streamed)
        _mm256_stream_si256(reinterpret_cast<__m256i*>(to), half_line);
    else
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), half_line);
}
FALTUNG_INLINE void put(std::byte* to, Words line, bool streamed) {
    if (streamed)
        _mm512_stream_si512(reinterpret_cast<__m512i*>(to), line);
    else
        _mm512_storeu_si512(to, line);
}

/// Thirty-two sums saturated to one or two bytes; packing leaves quarters of both vectors in turn.
template <ByteStore STORE>
FALTUNG_INLINE auto packed(Words a, Words b) {
    using enum ByteStore;
    const Words halves = STORE == u16 ? _mm512_packus_epi32(a, b) : _mm512_packs_epi32(a, b);
    if constexpr (bytes_of(STORE) == 2) {
        const Words order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
        return _mm512_maskz_permutexvar_epi64(all8, order, halves);
    } else {
        const Words quarters =
            STORE == u8 ? _mm512_packus_epi16(halves, halves) : _mm512_packs_epi16(halves, halves);
        const Words order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 4, 8, 12, 1, 5, 9, 13);
        return lower_half(_mm512_maskz_permutexvar_epi32(all16, order, quarters));
    }
}

/// Thirty-two sums.
template <ByteStore STORE>
FALTUNG_INLINE void store_two(std::byte* to, Words a, Words b, bool streamed) {
    using enum ByteStore;
    if constexpr (STORE == u8 || STORE == s8 || STORE == u16 || STORE == s16) {
        put(to, packed<STORE>(a, b), streamed);
    } else if constexpr (bytes_of(STORE) <= 2) {
        put(to, joined(narrowed<STORE>(a), narrowed<STORE>(b)), streamed);
    } else if constexpr (bytes_of(STORE) == 4) {
        put(to, narrowed<STORE>(a), streamed);
        put(to + 64, narrowed<STORE>(b), streamed);
    } else {
        put(to, widened<STORE>(lower_half(a)), streamed);
        put(to + 64, widened<STORE>(upper_half(a)), streamed);
        put(to + 128, widened<STORE>(lower_half(b)), streamed);
        put(to + 192, widened<STORE>(upper_half(b)), streamed);
    }
}

}  // namespace
}  // namespace faltung::microkernels
