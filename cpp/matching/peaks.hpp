// The best matches that do not overlap.
#pragma once

#include <vector>

#include "core/array_view.hpp"

namespace faltung::matching {

struct Peak {
    Extents at;  // in the scores
    double score;
};

/// The greatest score first, then the greatest of those whose windows overlap none before, and so
/// on: at most `most`. Windows overlap where they are nearer than `window` along every axis. Of
/// equal scores the first in C order wins; NaN never does. `scores` are real floating-point
/// numbers.
std::vector<Peak> find_peaks(const ArrayView& scores, const Extents& window, Index most);

}  // namespace faltung::matching
