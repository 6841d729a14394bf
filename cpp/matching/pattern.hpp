// The template of a match, prepared: freed of its mean, of unit length.
#pragma once

#include <vector>

#include "core/array_view.hpp"
#include "core/kernel.hpp"
#include "core/problem.hpp"

namespace faltung::matching {

struct Pattern {
    Extents shape;                   // one entry per axis of the problem
    std::vector<double> taps;        // C order; sum zero, sum of squares one; zero outside the mask
    std::vector<double> plain;       // as given, times a power of two; what does not count is zero
    std::vector<std::uint8_t> keep;  // which of them count; empty: all
    Index count = 0;                 // how many count
    bool flat = true;                // no two of those that count differ: nothing can match
};

/// `view` and `mask` (or null) have one axis per axis of the problem; a sample counts where the
/// mask is not zero. Throws ValueError where one that counts is not finite, or none counts.
Pattern make_pattern(const ArrayView& view, const ArrayView* mask);

/// `taps`, of the shape of the pattern, as the kernel of a correlation in float64.
Kernel as_kernel(const Pattern& pattern, const std::vector<double>& taps);

}  // namespace faltung::matching
