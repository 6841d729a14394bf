// What a level offers to draw random numbers.
#pragma once

#include <cstdint>

namespace faltung::microkernels {

struct RandomTable {
    /// Philox4x32-10 (J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as
    /// 1, 2, 3", SC 2011): a key and a counter make 128 random bits, and any counter can be had
    /// without those before it. The counter is `low[i]` below `high[i]`; each half of the bits, a
    /// fraction of one, becomes a number uniform in [0, range), in units of 2^-32. n is a multiple
    /// of 8.
    void (*uniform)(std::uint64_t key, const std::uint64_t* low, const std::uint64_t* high,
                    std::int64_t n, std::uint32_t range, std::uint64_t* first,
                    std::uint64_t* second);
};

}  // namespace faltung::microkernels
