// Normalised correlation where only some samples of template and image count (Padfield 2012,
// "Masked object registration in the Fourier domain"), in float64.
#pragma once

#include <memory>

#include "matching/lone_windows.hpp"
#include "matching/pattern.hpp"
#include "matching/tile_samples.hpp"

namespace faltung::matching {

class MaskedTile {
public:
    /// `problem` in float64.
    MaskedTile(const Problem& problem, std::shared_ptr<const Pattern> pattern,
               const TileShape& shape, const microkernels::Table& table);

    /// All scores of a tile; `keep` (or null) reads what counts in the image as numbers that are
    /// not zero.
    template <class T>
    void score(const LineReader<double>& x, const LineReader<double>* keep, const TilePlace& place,
               T* scores) const;

private:
    struct Samples;

    /// The correlations of two blocks with one kernel.
    void correlate(const TileTransform<double>& transform, const double* re, const double* im,
                   const TilePlace& place, std::vector<double>& re_out,
                   std::vector<double>* im_out) const;

    Problem problem_;
    std::shared_ptr<const Pattern> pattern_;
    TileShape shape_;
    LoneWindows lone_;
    // with the mask, the template and its square under the mask
    std::unique_ptr<const TileTransform<double>> mask_, taps_, squares_;
};

}  // namespace faltung::matching
