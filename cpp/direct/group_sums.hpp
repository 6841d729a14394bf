// The sums of one group of output rows: which loops of the level compute them, from which taps.
#pragma once

#include "direct/dense_plan.hpp"

namespace faltung::direct {

/// Input rows and output rows of one group.
template <class T>
struct RowGroup {
    const T* const* input;  // the rows of the first plane
    Index input_pitch;      // pointers from one plane of them to the next
    const void* ahead;      // rows of x that come next, to be fetched early; or nullptr
    Index ahead_pitch;      // bytes from one of those to the next
    T* const* real;         // where sums go, and ...
    T* const* imag;         // ... those with imaginary taps, where they come apart
    Index rows, n;          // outputs: rows, and numbers in each
    bool stream;            // store past the caches
    bool tainted;           // an input row holds NaN or infinity, where that matters
};

/// Adds what the taps of `box` contribute; the first of the plan's boxes overwrites. Complex sums
/// that are not paired come apart.
template <class T>
void sum_group(const DensePlan<T>& plan, const TapBox& box, const RowGroup<T>& group);

}  // namespace faltung::direct
