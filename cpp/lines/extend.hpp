// x continued without end: which sample of x stands at a position outside it.
#pragma once

#include "core/problem.hpp"

namespace faltung {

constexpr Index floor_mod(Index i, Index period) {
    const Index rest = i % period;
    return rest < 0 ? rest + period : rest;
}

/// After how many positions the continuation repeats; 0 where it never does.
constexpr Index extension_period(Index n, Boundary boundary) {
    switch (boundary) {
        case Boundary::symmetric: return 2 * n;
        case Boundary::mirror: return n == 1 ? 1 : 2 * n - 2;
        case Boundary::wrap: return n;
        default: return 0;
    }
}

/// The sample of x, in [0, n), that stands at position i; -1 for the constant. Any distance
/// outside, any n >= 1.
constexpr Index extend(Index i, Index n, Boundary boundary) {
    if (i >= 0 && i < n) return i;
    switch (boundary) {
        case Boundary::edge: return i < 0 ? 0 : n - 1;
        case Boundary::wrap: return floor_mod(i, n);
        case Boundary::symmetric: {
            const Index m = floor_mod(i, 2 * n);
            return m < n ? m : 2 * n - 1 - m;
        }
        case Boundary::mirror: {
            const Index period = extension_period(n, boundary);
            const Index m = floor_mod(i, period);
            return m < n ? m : period - m;
        }
        default: return -1;
    }
}

/// Neighbouring positions that hold neighbouring samples: source, source + step, ... `length` of
/// them.
struct ExtensionRun {
    Index source, step, length;
};

/// The run that starts at position i of a periodic continuation (symmetric, mirror, wrap).
inline ExtensionRun extension_run(Index i, Index n, Boundary boundary) {
    const Index period = extension_period(n, boundary);
    const Index m = floor_mod(i, period);
    if (m < n) return {m, 1, n - m};
    const Index last =
        boundary == Boundary::mirror ? 1 : 0;  // mirror's next run begins with sample 0
    const Index source = period - 1 + last - m;
    return {source, -1, source - last + 1};
}

}  // namespace faltung
