// Normalised correlation, from a request and arrays to scores and peaks.
#pragma once

#include "core/executor.hpp"
#include "engine/request.hpp"
#include "matching/peaks.hpp"

namespace faltung {

/// Scores of every window. `request` is one of a correlation in float32 or float64; mask and keep
/// may be null. `mask` has the axes of the template, `keep` those of x. Templates of recent calls
/// are remembered, prepared.
void run_match(const Request& request, ArrayView x, const ArrayView& pattern, const ArrayView* mask,
               const ArrayView* keep, ArrayView out, const Context& context);

/// The best matches of every entry of the batch, in C order. `Peak::at` holds where the template's
/// first sample lies in x, along the axes of the template.
std::vector<std::vector<matching::Peak>> match_peaks(const Request& request,
                                                     const ArrayView& scores, Index most);

}  // namespace faltung
