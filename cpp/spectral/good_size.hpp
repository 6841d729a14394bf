// Transform lengths that are quick.
#pragma once

#include "core/types.hpp"

namespace faltung {

/// Has no prime factor above 7, except for at most one 11 or 13.
bool is_good_size(Index n);

/// The least even good length that is at least `n` (1 for n <= 1), or a slightly larger one that is expected to be
/// quicker. Throws TooLarge beyond 2^62.
Index good_size(Index n);

/// What a complex transform of `n` points costs, in arbitrary units that compare good lengths.
double transform_cost(Index n);

}  // namespace faltung
