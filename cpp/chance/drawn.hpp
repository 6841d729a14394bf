// A convolution by chance: each output is the mean of a few samples, drawn from its window with
// probabilities in the kernel's proportions.
#pragma once

#include <cstdint>

#include "core/array_view.hpp"
#include "core/executor.hpp"
#include "core/kernel.hpp"
#include "core/problem.hpp"
#include "microkernels/table.hpp"

namespace faltung {

/// Negative taps are drawn by their magnitude, and what they draw is taken with the opposite sign.
/// Which taps an output draws depends on `seed` and on the output's place in C order alone; so
/// `problem` keeps the user's order of axes. Throws ValueError for a kernel that is complex, not
/// finite, or zero everywhere.
void convolve_by_chance(const Problem& problem, const Kernel& kernel, std::int64_t samples,
                        std::uint64_t seed, const microkernels::Table& table, const ArrayView& x,
                        const ArrayView& out, const Context& context);

}  // namespace faltung
