// Samples into tiles and results out of them: what overlap-save does between arrays and transforms.
#pragma once

#include <vector>

#include "core/box.hpp"
#include "core/limits.hpp"
#include "lines/line_reader.hpp"
#include "lines/line_writer.hpp"
#include "spectral/tile_grid.hpp"

namespace faltung {

/// Lines of results are stored past the caches into arrays of at least this many bytes.
inline constexpr std::size_t streamed_bytes = std::size_t{8} << 20;

/// One tile under way.
struct TileInFlight {
    TilePlace place;
    bool suspect = false;  // holds samples that must not meet a transform
    bool wide = false;     // bright samples would drown faint ones in one transform
    Box outliers;          // where those are, counted from the tile's first sample
};

/// Fills and empties the complex tiles of one group: `tiles` neighbouring tiles of `lanes` numbers
/// per position, two numbers to a complex tile.
template <class T>
class TileTraffic {
public:
    TileTraffic(const Problem& problem, const TileShape& shape, const TileTransform<T>& transform,
                const ArrayView& x, const ArrayView& out, const microkernels::Table& table);

    /// Numbers of scratch that load and store want for groups of `tiles`.
    static std::size_t scratch_numbers(const Problem& problem, const TileShape& shape, int tiles);

    /// Complex tiles stand `tile_stride` numbers apart. Marks tiles as suspect or wide; loading
    /// suspects once more clears the samples that made them so, and says where they were.
    void load(std::vector<TileInFlight>& tiles, T* data, std::size_t tile_stride, T* scratch) const;
    void store(const std::vector<TileInFlight>& tiles, const T* data, std::size_t tile_stride,
               T* scratch) const;

    /// One tile as plain rows in C order, `lanes` numbers per position: its samples, cleared as
    /// load clears them, and its results, which stand at the start of each axis.
    void read(TileInFlight& tile, T* samples) const;
    void write(const TileInFlight& tile, T* results) const;

    /// Before results are stored, long enough before: fetches what storing will wait for.
    void fetch_ends(const std::vector<TileInFlight>& tiles) const;

    /// What to fetch into the caches before these tiles are loaded, as far as that is easily said.
    TileAhead ahead(const std::vector<TileInFlight>& tiles) const;

private:
    using Glance = typename TileTransform<T>::Glance;

    void judge(std::vector<TileInFlight>& tiles, const std::vector<Glance>& seen) const;
    void look_at(const TileInFlight& tile, const Extents& offset, Index y, Index rows,
                 bool everywhere, Glance& glance) const;
    /// Whether rows of results are stored past the caches, where they stand in place.
    bool streams() const {
        return lanes_ <= most_interleaved && problem_.axes[last_].step == 1 &&
               out_bytes_ >= streamed_bytes;
    }
    static Index rows_at_once(const Problem& problem, const TileShape& shape);
    const T* in_place(const TileInFlight& tile) const;
    void read_rows(TileInFlight& tile, Extents offset, Index y, Index rows, T* lines) const;
    void cleanse(TileInFlight& tile, const Extents& offset, Index n, T* line) const;
    void store_tile(const TileInFlight& tile, Index first_number, const T* data,
                    std::size_t tile_stride, T* scratch) const;

    const Problem& problem_;
    const TileShape& shape_;
    const TileTransform<T>& transform_;
    const ArrayView& x_;
    LineReader<T> reader_;
    LineWriter<T> writer_;
    Extents x_strides_, out_strides_;  // in numbers
    std::size_t out_bytes_;
    Index lanes_;
    int last_, y_;  // the axis along rows; the innermost axis of several rows, or -1
    bool padded_;   // x~ is zero outside x
};

extern template class TileTraffic<float>;
extern template class TileTraffic<double>;

}  // namespace faltung
