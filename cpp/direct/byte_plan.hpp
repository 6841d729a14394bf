// Direct correlation of 8-bit samples with small whole taps by products of bytes: samples are read
// as they stand in x, sums of 32 bits are exact, results leave the registers in out's dtype.
#pragma once

#include <optional>

#include "direct/dense_plan.hpp"

namespace faltung::direct {

/// A kernel as the loops over bytes want it (microkernels/byte_table.hpp).
struct ByteTaps {
    std::vector<std::int32_t> words;
    Index groups = 0;  // words per row of taps
    Index digits = 1;  // bytes per tap
    // Signed samples are read as unsigned ones that are 128 more, and the sums begin with what
    // makes up for it.
    std::uint8_t flip = 0;
    std::int32_t start[2] = {0, 0};  // of each digit
};

/// Nothing where bytes do not serve: the level has no products of them, samples are wider, taps are
/// fractions or need more than 16 bits, sums more than 32, or neighbouring taps of a row lie too
/// far apart.
std::optional<ByteTaps> byte_taps(const Problem& problem, const Kernel& kernel,
                                  const microkernels::Table& table);

template <>
struct DensePlan<std::byte> : DenseShape {
    const microkernels::ByteTable* micro;
    ByteTaps taps;
    microkernels::ByteStore store;

    static constexpr bool sparse = false, paired = false;
    static constexpr Index phase_pitch = 0;

    DensePlan(const Problem& asked, std::shared_ptr<const Kernel> with,
              const microkernels::Table& level, ByteTaps packed);

    static constexpr bool phased() { return false; }

    /// Multiplications per output number: four taps are one.
    double work() const { return static_cast<double>(taps.words.size()); }
};

}  // namespace faltung::direct
