// Recursive filters with complex coefficients, sample by sample.
#pragma once

#include "recursive/stage.hpp"

namespace faltung {

/// Filters n samples in place: transposed direct form II. `state` holds section.states() numbers.
void complex_line(const Section& section, std::complex<double>* samples, Index n,
                  std::complex<double>* state);

}  // namespace faltung
