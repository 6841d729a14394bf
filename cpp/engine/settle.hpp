// The arithmetic of integer problems.
#pragma once

#include <functional>

#include "core/exactness.hpp"

namespace faltung {

/// Settles what integers are computed in, from the types where that is enough and from the samples
/// where it is not; `look`, which finds their range, is empty while they are unknown. Throws
/// OverflowError where the answer might not fit.
void settle_integers(Problem& problem, const std::function<SampleRange()>& look,
                     const TapSums& taps);

}  // namespace faltung
