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

/// What the passes of one call do, for predictions: the numbers that they write, their
/// multiply-adds (equal taps count as what running sums take), the lines of samples, in how many
/// pieces they are read, how many taps meet the end of a piece. What is computed twice because
/// boxes overlap is counted twice.
struct SeparableWork {
    double results = 0, sums = 0, lines = 0, rows = 0, ends = 0, tasks = 1;
    bool chained = false;
};
SeparableWork separable_work(const Problem& problem, const Terms& terms,
                             const microkernels::Table& table);

std::unique_ptr<Executor> make_separable(const Problem& problem, const Terms& terms,
                                         const microkernels::Table& table);

}  // namespace faltung
