// A kernel put where a block's transform wants it.
#pragma once

#include <algorithm>

#include "parallel/parallel_for.hpp"
#include "spectral/block.hpp"

namespace faltung {

inline void fill_zeros(double* numbers, Index count, const Context& context) {
    constexpr Index chunk = Index{1} << 17;
    parallel_for((count + chunk - 1) / chunk, context, [&](Index task, int) {
        const Index begin = task * chunk, end = std::min(count, begin + chunk);
        std::fill(numbers + begin, numbers + end, 0.0);
    });
}

/// The reversed kernel in GridShape::kernel_points() numbers at `placed`; `value(tap)` is what
/// stands for a tap.
template <class Value>
void place_kernel(const GridShape& shape, Value&& value, double* placed, const Context& context) {
    PerAxis<const Span*> spans;
    for (const Span& axis : shape.columns) spans.push_back(&axis);
    if (shape.row != Row::flat) spans.push_back(&shape.span);
    fill_zeros(placed, shape.kernel_points(), context);

    const int outer = spans.size() - 1;
    const Span& row = *spans[outer];
    Index lines = 1;
    bool folded = row.reach > row.length;
    for (int a = 0; a < outer; ++a) {
        lines *= spans[a]->taps;
        folded = folded || spans[a]->reach > spans[a]->length;
    }
    // Taps that fold onto each other are added in one order, by one worker.
    constexpr Index chunk = Index{1} << 15;
    const Index pieces = folded ? 1 : (row.taps + chunk - 1) / chunk;
    const Index per_piece = (row.taps + pieces - 1) / pieces;
    const Index group = folded ? lines : std::max<Index>(1, chunk / row.taps);
    parallel_for((lines + group - 1) / group * pieces, context, [&](Index task, int) {
        const Index begin = task % pieces * per_piece, end = std::min(row.taps, begin + per_piece);
        const Index first = task / pieces * group;
        for (Index line = first; line < std::min(lines, first + group); ++line) {
            Index rest = line, start = 0, stride = 1;
            for (int a = outer - 1; a >= 0; --a) {
                const Span& span = *spans[a];
                start += (span.reach - 1 - rest % span.taps * span.dilation) % span.length * stride;
                stride *= span.kernel_points();
                rest /= span.taps;
            }
            double* to = placed + start * row.kernel_points();
            const Index tap = line * row.taps;
            if (row.reach <= row.length) {  // nothing folds
                to += row.reach - 1;
                for (Index t = begin; t < end; ++t) to[-t * row.dilation] += value(tap + t);
                continue;
            }
            for (Index t = begin; t < end; ++t)
                to[(row.reach - 1 - t * row.dilation) % row.length] += value(tap + t);
        }
    });
}

}  // namespace faltung
