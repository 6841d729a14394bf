// A kernel that is an outer product of short ones runs as one pass per axis.
#pragma once

#include <complex>
#include <memory>
#include <optional>
#include <vector>

#include "core/executor.hpp"
#include "core/kernel.hpp"
#include "core/problem.hpp"
#include "microkernels/table.hpp"

namespace faltung {

/// kernel[t0, t1, ...] = factor[0][t0] * factor[1][t1] * ... ; one factor per axis, in float64
/// (pairs when complex).
struct Factors {
    std::vector<std::vector<std::complex<double>>> per_axis;
};

/// The factors of a kernel of rank one, if they reproduce it within `tolerance` times its l2 norm
/// (exactly for integers).
std::optional<Factors> factorise(const Kernel& kernel, Arithmetic arithmetic, double tolerance);

std::unique_ptr<Executor> make_separable(const Problem& problem, const Factors& factors,
                                         const microkernels::Table& table);

}  // namespace faltung
