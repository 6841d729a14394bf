// How nested minimal filtering (layers/conv_nested.cpp) cuts an axis of a layer: taps into pieces
// of four, by phases of the stride.
#pragma once

#include <algorithm>
#include <vector>

#include "core/problem.hpp"

namespace faltung {

/// Some taps of one axis: those of a phase, four at most.
struct NestedPiece {
    Index phase, block;  // tap = (4*block + i)*step + phase
    Index taps;

    /// Whether its coefficients at a point can be other than zero.
    bool reaches(Index point) const {
        const Index pair = point / 3, within = point % 3;
        if (pair == 2) return taps > (within == 2 ? 3 : 2);
        return taps > (within == 2 ? 1 : 0);
    }
};

/// How one axis is cut. An axis that is not transformed has one tap.
struct NestedCut {
    Index step, inputs, points, outputs, taps;  // of a tile
    Index blocks = 1;                           // of taps, of the phase with most
    std::vector<NestedPiece> pieces;

    NestedCut(const Axis& axis, bool transformed)
        : step(axis.step),
          inputs(transformed ? 7 : 1),
          points(transformed ? 9 : 1),
          outputs(transformed ? 4 : 1),
          taps(outputs) {
        for (Index phase = 0; phase < std::min(step, axis.k); ++phase) {
            const Index all = (axis.k - phase - 1) / step + 1;
            for (Index block = 0; block * taps < all; ++block)
                pieces.push_back({phase, block, std::min(taps, all - block * taps)});
            blocks = std::max(blocks, (all - 1) / taps + 1);
        }
    }

    /// Products of a tile along this axis, for one input channel.
    Index products() const {
        Index count = 0;
        for (Index point = 0; point < points; ++point)
            count += static_cast<Index>(reaching(point).size());
        return count;
    }
    Index phases() const { return pieces.back().phase + 1; }
    std::vector<Index> reaching(Index point) const {
        std::vector<Index> which;
        for (std::size_t i = 0; i < pieces.size(); ++i)
            if (points == 1 || pieces[i].reaches(point)) which.push_back(static_cast<Index>(i));
        return which;
    }
};

/// More input channels × planes of taps × phases than this it does not serve: transformed samples
/// of a row of tiles would outgrow the cache.
inline constexpr Index nested_most_channels = 256;

}  // namespace faltung
