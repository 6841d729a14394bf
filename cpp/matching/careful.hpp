// Scores that float32 transforms or plain sums are not good enough for: windows of little contrast
// beside much, extreme magnitudes, samples that are not finite.
//
// A tile is worked out again in float64: scaled by a power of two, freed of its mean, its sums kept
// with their rounding errors. What even that does not resolve is summed window by window.
#pragma once

#include <memory>

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

    double score_window(const Samples& samples, Index start) const;

    Problem problem_;
    std::shared_ptr<const Pattern> pattern_;
    TileShape shape_;
    std::vector<Index> rows_;  // of a window, see window_rows
    std::unique_ptr<const TileTransform<double>> transform_;
};

/// A transform of our own where there is one, else the library's.
template <class T>
std::unique_ptr<const TileTransform<T>> make_tile(const Problem& problem, const Kernel& kernel,
                                                  const TileShape& shape,
                                                  const microkernels::Table& table);

/// Where in a block the rows of a window start, from its first sample; and the rows of windows.
std::vector<Index> window_rows(const WindowShape& windows);
std::vector<Index> output_rows(const WindowShape& windows);

}  // namespace faltung::matching
