// A kernel that is an outer product of short ones, or a sum of a few such, runs as passes per axis.
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

/// A kernel as a sum of outer products; empty where there is none.
using Terms = std::vector<Factors>;

/// The one outer product that reproduces the kernel within `tolerance` times its l2 norm (exactly
/// for integers), or up to `most` of them whose sum misses it by a few times that in the l2 norm.
/// With most == 1 a kernel of integers is factorised exactly or not at all.
Terms factorise(const Kernel& kernel, Arithmetic arithmetic, double tolerance, int most = 1);

/// Multiply-adds per output of all passes of all terms; equal taps count as what their running sums
/// take.
double separable_work(const Terms& terms);

std::unique_ptr<Executor> make_separable(const Problem& problem, const Terms& terms,
                                         const microkernels::Table& table);

}  // namespace faltung
