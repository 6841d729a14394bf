#include "engine/settle.hpp"

#include <algorithm>
#include <string>

#include "core/error.hpp"

namespace faltung {

void settle_integers(Problem& problem, const std::function<SampleRange()>& look,
                     const TapSums& taps) {
    const auto with_constant = [&](SampleRange range) {
        const std::int64_t value =
            problem.boundary == Boundary::constant ? problem.cval.integer : 0;
        const auto bits = static_cast<std::uint64_t>(value);
        if (value < 0 && !problem.unsigned_result)
            range.below = std::max(range.below, std::uint64_t{0} - bits);
        else
            range.above = std::max(range.above, bits);
        return range;
    };
    SampleRange samples = with_constant(range_of(problem.x_dtype));
    Fit fit = exact_fit(samples, taps, problem.unsigned_result);
    // wide types say little of what they hold: small numbers take a faster road, so look at the
    // samples; and whatever the type is, where its range would be too large
    const bool may_help = fit != Fit::f32 && size_of(problem.x_dtype) >= 4;
    if (look && (may_help || fit == Fit::none)) {
        samples = with_constant(look());
        fit = exact_fit(samples, taps, problem.unsigned_result);
        if (fit == Fit::none)
            throw OverflowError(
                std::string("the exact result may not fit ") +
                (problem.unsigned_result ? "uint64" : "int64") +
                ": the largest sample of x times the sum of |k| exceeds it; convert x or k to "
                "float64 for a rounded result");
    }
    problem.arithmetic = fit == Fit::f32   ? Arithmetic::f32
                         : fit == Fit::f64 ? Arithmetic::f64
                                           : Arithmetic::i64;
    problem.sample_bound = 1;
    while (problem.sample_bound < samples.bound()) problem.sample_bound *= 2;
}

}  // namespace faltung
