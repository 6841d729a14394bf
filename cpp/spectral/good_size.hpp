// Transform lengths that are quick.
#pragma once

#include "core/types.hpp"

namespace faltung {

/// Has no prime factor above 7, except for at most one 11 or 13.
bool is_good_size(Index n);

/// The least even good length that is at least `n` (1 for n <= 1), or a slightly larger one that is
/// expected to be quicker. Throws TooLarge beyond 2^62.
Index good_size(Index n);

/// A product of two good lengths of about the same size, at least `n`.
struct Split {
    Index rows, columns;
    Index length() const { return rows * columns; }
};
Split good_split(Index n);

/// The most balanced pair of factors of a good length.
Split split_of(Index n);

/// What a complex transform of `n` points costs, in arbitrary units that compare good lengths.
double transform_cost(Index n);

}  // namespace faltung
