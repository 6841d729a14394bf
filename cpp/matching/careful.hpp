// Scores that float32 transforms or plain sums are not good enough for: windows of little contrast
// beside much, extreme magnitudes, samples that are not finite.
//
// A tile is worked out again in float64: scaled by a power of two, freed of its mean, its sums kept
// with their rounding errors. What even that does not resolve is summed window by window.
#pragma once

#include <memory>

#include "matching/lone_windows.hpp"
#include "matching/pattern.hpp"
#include "matching/tile_samples.hpp"

namespace faltung::matching {

class CarefulTile {
public:
    /// `problem` in float64.
    CarefulTile(const Problem& problem, std::shared_ptr<const Pattern> pattern,
                const TileShape& shape, const microkernels::Table& table);

    /// Replaces the doubtful ones among the tile's scores.
    template <class T>
    void repair(const LineReader<double>& x, const TilePlace& place, T* scores) const;

private:
    struct Samples;

    Problem problem_;
    std::shared_ptr<const Pattern> pattern_;
    TileShape shape_;
    LoneWindows lone_;
    std::unique_ptr<const TileTransform<double>> transform_;
};

/// A transform of our own where there is one, else the library's.
template <class T>
std::unique_ptr<const TileTransform<T>> make_tile(const Problem& problem, const Kernel& kernel,
                                                  const TileShape& shape,
                                                  const microkernels::Table& table);

}  // namespace faltung::matching
