// The loops behind RandomTable.
#pragma once

#include "microkernels/random_table.hpp"
#include "microkernels/simd.hpp"

namespace faltung::microkernels {
namespace {
namespace random {

using Words = Vec<std::int64_t>;  // of unsigned numbers, 64 bits each

FALTUNG_INLINE Words words(std::uint64_t value) { return value - Words{}; }

FALTUNG_INLINE Words load_words(const std::uint64_t* from) {
    return loadu(reinterpret_cast<const std::int64_t*>(from));
}

FALTUNG_INLINE void store_words(std::uint64_t* to, Words value) {
    storeu(reinterpret_cast<std::int64_t*>(to), value);
}

/// The four words of a counter sit in the lower halves of lanes; what stands above them is never
/// looked at.
void uniform(std::uint64_t key, const std::uint64_t* low, const std::uint64_t* high, std::int64_t n,
             std::uint32_t range, std::uint64_t* first, std::uint64_t* second) {
    constexpr int step = lanes<std::int64_t>;
    const Words ranges = words(range);
    for (std::int64_t i = 0; i < n; i += step) {
        Words c0 = load_words(low + i), c1 = c0 >> 32;
        Words c2 = load_words(high + i), c3 = c2 >> 32;
        std::uint32_t k0 = static_cast<std::uint32_t>(key);
        std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
        FALTUNG_UNROLL
        for (int round = 0; round < 10; ++round) {
            const Words a = multiply_low_halves(c0, words(0xD2511F53));
            const Words b = multiply_low_halves(c2, words(0xCD9E8D57));
            c0 = (b >> 32) ^ c1 ^ words(k0);
            c2 = (a >> 32) ^ c3 ^ words(k1);
            c1 = b;
            c3 = a;
            k0 += 0x9E3779B9;  // the golden ratio
            k1 += 0xBB67AE85;  // the square root of three, less one
        }
        // the upper 64 bits of 96: (c1 * 2^32 + c0) * range
        store_words(first + i,
                    multiply_low_halves(c1, ranges) + (multiply_low_halves(c0, ranges) >> 32));
        store_words(second + i,
                    multiply_low_halves(c3, ranges) + (multiply_low_halves(c2, ranges) >> 32));
    }
}

}  // namespace random

constexpr RandomTable random_table() { return {&random::uniform}; }

}  // namespace
}  // namespace faltung::microkernels
