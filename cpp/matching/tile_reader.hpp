// Samples of tiles on their way into a transform, freed of their mean, and where the sums under the
// windows find them again.
#pragma once

#include "core/array_view.hpp"
#include "lines/line_reader.hpp"
#include "matching/tile_samples.hpp"
#include "matching/window_sums.hpp"

namespace faltung::matching {

/// One tile under way.
template <class T>
struct SampleTile {
    TilePlace place;
    Rectangle<T> samples{};
    double energy = 0;  // the sum of their squares; not finite where a sample is not
};

template <class T>
class TileReader {
public:
    /// Tiles that one transform takes.
    static constexpr int most = 2;

    TileReader(const Problem& problem, const TileShape& shape, const ArrayView& x,
               const microkernels::Table& table);

    /// Scratch of load() for one tile, where a tile's samples stay until it is done with.
    static std::size_t scratch_numbers(const TileShape& shape);

    /// Fills in the samples and energies of `count` tiles. They and the transform's `data` (unless
    /// there is no transform) then hold samples less a value near their mean, which whole numbers
    /// stay whole by. `scratch` is one for each tile.
    void load(SampleTile<T>* tiles, int count, T* const* scratch, const TileTransform<T>* transform,
              T* data) const;

    /// Whether all samples of a tile are equal, though squares may vanish.
    bool constant(const SampleTile<T>& tile) const;

    /// What to fetch into the caches before these tiles are loaded.
    TileAhead ahead(const SampleTile<T>* tiles, int count) const;

private:
    void load_in_place(SampleTile<T>* tiles, int count, const TileTransform<T>& transform,
                       T* data) const;
    void load_strips(SampleTile<T>* tiles, int count, T* const* scratch,
                     const TileTransform<T>* transform, T* data) const;
    T mean_of(const TilePlace& place) const;
    const T* in_place(const TilePlace& place) const;
    double read_row(const TilePlace& place, const BoxRows& row, T mean, T* to) const;

    const Problem& problem_;
    const TileShape& shape_;
    const ArrayView& x_;
    LineReader<T> reader_;
    const microkernels::MatchTable<T>& table_;
    int row_axis_;  // as row_axis() says
};

extern template class TileReader<float>;
extern template class TileReader<double>;

}  // namespace faltung::matching
