// Which arithmetic gives integers exactly.
#pragma once

#include "core/array_view.hpp"
#include "core/problem.hpp"

namespace faltung {

/// The values that samples can take.
struct SampleRange {
    std::uint64_t below = 0;  // magnitude of the least, where it is negative
    std::uint64_t above = 0;  // the greatest, where it is positive

    double bound() const;
};

SampleRange range_of(DType dtype);
SampleRange range_of(const ArrayView& x);

/// The sums of the positive taps and of the magnitudes of the negative ones, saturating at 2^64-1.
struct TapSums {
    std::uint64_t positive = 0, negative = 0;
};

TapSums tap_sums(const ArrayView& kernel);

enum class Fit : std::uint8_t { f32, f64, i64, none };

/// The narrowest arithmetic in which no sum, not even a partial one, can leave the exact integers;
/// `none` where even 64 bits (unsigned ones if `is_unsigned`) might not hold the answer.
Fit exact_fit(const SampleRange& samples, const TapSums& taps, bool is_unsigned);

}  // namespace faltung
