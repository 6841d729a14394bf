// A block whose samples differ too much in size for one transform, taken apart by magnitude: each
// level is convolved by itself, with the same spectrum, and its results count only where a window
// holds a sample of it.
#pragma once

#include <vector>

#include "spectral/block.hpp"
#include "spectral/magnitude_levels.hpp"

namespace faltung {

template <class T>
class BlockLevels {
public:
    /// `complex_samples`: pairs of numbers are one sample, on flat rows too.
    BlockLevels(const GridShape& shape, bool complex_samples);

    /// What the samples call for. Of a flat row only the first `numbers` count.
    std::vector<MagnitudeLevel<T>> of(Feed<T>& feed, Index numbers, const Context& context) const;

    void run(const std::vector<MagnitudeLevel<T>>& levels, const BlockTransform<T>& transform,
             const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
             const Context& context) const;

private:
    class LevelFeed;
    class LevelDrain;

    template <class Body>
    void for_samples(Feed<T>& feed, const Context& context, Body&& body) const;
    Marks marked(const MagnitudeLevel<T>& level, Feed<T>& feed, const Context& context) const;
    bool flat() const { return shape_.row == Row::flat; }
    Index row_samples() const { return shape_.numbers_in() / per_; }
    Index lines() const;
    Extents line_at(Index line) const;
    /// Of marks, at a place on the column axes.
    Index row_number(const Extents& place) const {
        Index number = 0;
        for (int a = 0; a < place.size(); ++a) number = number * extents_[a] + place[a];
        return number;
    }

    GridShape shape_;
    Index per_;        // numbers per sample
    Extents extents_;  // positions along each axis that samples and wanted points take
};

extern template class BlockLevels<float>;
extern template class BlockLevels<double>;

}  // namespace faltung
