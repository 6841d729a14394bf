// Tiles whose samples differ too much in size for one transform: bright ones would drown the faint
// ones in their rounding noise. Such a tile is taken apart by magnitude, each level is convolved by
// itself, and each result is added only where a window holds a sample of its level.
#pragma once

#include <mutex>
#include <vector>

#include "core/problem.hpp"
#include "spectral/magnitude_levels.hpp"
#include "spectral/tile_transform.hpp"

namespace faltung {

template <class T>
class TileLevels {
public:
    TileLevels(const Problem& problem, const TileShape& shape, const TileTransform<T>& transform)
        : problem_(problem), shape_(shape), transform_(transform) {}

    /// A tile's samples, in C order with problem.lanes() numbers per position, become its results,
    /// as far as they are valid. Finite samples only. `tile` and `scratch` as the transform wants
    /// them.
    void convolve(T* samples, T* tile, T* scratch) const;

    /// Large tiles take turns, so that what they need beyond the workspace is there once: their
    /// samples and results, and a few bits for each position.
    static std::unique_lock<std::mutex> turn(const TileShape& shape, Index lanes,
                                             std::mutex& mutex) {
        constexpr Index large = Index{1} << 20;
        const bool alone = shape.rows() * shape.length.back() * lanes >= large;
        return alone ? std::unique_lock(mutex) : std::unique_lock<std::mutex>();
    }

private:
    void convolve_channel(T* samples, Index per, T* tile, T* scratch) const;
    std::vector<MagnitudeLevel<T>> levels_of(const T* samples, Index per) const;
    void spread(Marks& marks) const;

    const Problem& problem_;
    const TileShape& shape_;
    const TileTransform<T>& transform_;
};

extern template class TileLevels<float>;
extern template class TileLevels<double>;

}  // namespace faltung
