// The inner loops of recursive filters, as one instruction-set level offers them. Always float64:
// what is fed back must not lose digits on the way round.
#pragma once

#include <cstdint>

namespace faltung::microkernels {

/// Outputs that one step of `RecurTable::row` makes at a time, at every level.
inline constexpr int recur_block = 8;
/// Orders up to this have a loop of their own, which keeps what is fed back in registers.
inline constexpr int recur_orders = 8;

/// y[i] -= sum over k = 1 ... order of a[k] * y[i - k], in place, for one line.
///
/// `ahead` does it by blocks: the block's outputs are a lower triangular matrix times its inputs
/// plus a matrix times the outputs before it, so that only one short sum per block waits for the
/// last. `step` goes output by output; all but its last multiply-add is ready in time.
struct RecurCall {
    double* y;            // inputs, becoming outputs; y[-order] ... y[-1] are outputs already, and
                          // at least one block of numbers may be read there
    const double* a;      // for `step`; a[0] is 1
    const double* feed;   // for `ahead`: column j, recur_block numbers, is what input j of a block
                          // does to it
    const double* carry;  // for `ahead`: column j is what output -1-j does to the block
    int order;
    std::int64_t n;  // `ahead`: whole blocks
};

/// y[i][c] += sum over k of b[k] * x[i - k][c]  -  sum over k >= 1 of a[k] * y[i - k][c], for lines
/// that lie side by side.
struct RecurColumnsCall {
    const double *b, *a;
    std::int64_t taps, order;
    const double* x;
    double* y;
    std::int64_t rows, width, pitch;  // `width` counts whole vectors' numbers
};

struct RecurTable {
    /// By order; [0] takes any above recur_orders. Stops before the first block with an output that
    /// is not finite; the answer is how many inputs were served.
    std::int64_t (*ahead[recur_orders + 1])(const RecurCall&);
    void (*step[recur_orders + 1])(const RecurCall&);
    void (*columns)(const RecurColumnsCall&);
};

}  // namespace faltung::microkernels
