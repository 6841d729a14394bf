#include "matching/tile_reader.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace faltung::matching {

namespace {

/// Rows that are centred together on their way from x to the transform: they stay in the L1 cache.
Index strip_rows(const TileShape& shape) {
    constexpr Index numbers = 4096;
    const int rows = row_axis(shape);
    return rows < 0 ? 1 : std::clamp<Index>(numbers / shape.length.back(), 1, shape.length[rows]);
}

}  // namespace

template <class T>
TileReader<T>::TileReader(const Problem& problem, const TileShape& shape, const ArrayView& x,
                          const microkernels::Table& table)
    : problem_(problem),
      shape_(shape),
      x_(x),
      reader_(problem, x, table),
      table_(match_table<T>(table)),
      row_axis_(row_axis(shape)) {}

template <class T>
std::size_t TileReader<T>::scratch_numbers(const TileShape& shape) {
    return static_cast<std::size_t>(shape.rows() * shape.length.back());
}

/// The mean of a few samples.
template <class T>
T TileReader<T>::mean_of(const TilePlace& place) const {
    constexpr Index probes = 4;
    const int rank = shape_.length.size(), last = rank - 1;
    Index total = 1;
    for (int a = 0; a < rank; ++a) total *= std::min(probes, place.need[a]);
    double sum = 0, count = 0;
    for (Index i = 0; i < total; ++i) {
        Extents at = place.start;
        Index rest = i;
        for (int a = last; a >= 0; --a) {
            const Index some = std::min(probes, place.need[a]);
            at[a] += (2 * (rest % some) + 1) * place.need[a] / (2 * some);
            rest /= some;
        }
        T sample;
        reader_.read(at.data(), at[last], at[last] + 1, &sample);
        if (std::isfinite(sample)) sum += static_cast<double>(sample), ++count;
    }
    const double mean = count > 0 ? sum / count : 0;
    return static_cast<T>(is_integer(problem_.x_dtype) ? std::nearbyint(mean) : mean);
}

/// Where a tile stands in x as a rectangle, if all of it does. More than is needed of it does no
/// harm.
template <class T>
const T* TileReader<T>::in_place(const TilePlace& place) const {
    const Extents& length = shape_.length;
    const int last = length.size() - 1;
    if (row_axis_ < 0 || shape_.rows() != length[row_axis_]) return nullptr;
    for (int a = 0; a <= last; ++a)
        if (place.start[a] < 0 || place.start[a] + length[a] > problem_.axes[a].x) return nullptr;
    return reader_.in_place(place.start.data(), place.start[last],
                            place.start[last] + length[last]);
}

template <class T>
void TileReader<T>::load(SampleTile<T>* tiles, int count, T* const* scratch,
                         const TileTransform<T>* transform, T* data) const {
    bool all_stand = true;
    for (int t = 0; t < count; ++t) {
        SampleTile<T>& tile = tiles[t];
        const T mean = mean_of(tile.place);
        const T* const from = in_place(tile.place);
        tile.energy = 0;
        if (from)
            tile.samples = {from, x_.strides[row_axis_] / static_cast<Index>(sizeof(T)), mean};
        else
            tile.samples = {scratch[t], shape_.length.back(), mean};
        all_stand = all_stand && from;
    }
    if (all_stand && transform)
        load_in_place(tiles, count, *transform, data);
    else
        load_strips(tiles, count, scratch, transform, data);
}

/// The transform frees samples of their means itself.
template <class T>
void TileReader<T>::load_in_place(SampleTile<T>* tiles, int count,
                                  const TileTransform<T>& transform, T* data) const {
    typename TileTransform<T>::ConstPlane planes[most];
    microkernels::Glance<T> seen[most]{};
    for (int t = 0; t < most; ++t) {  // what a lone tile is beside does not matter
        const Rectangle<T>& samples = tiles[std::min(t, count - 1)].samples;
        planes[t] = {samples.data, samples.pace, 1, samples.centre};
    }
    transform.load(data, 0, shape_.rows(), planes[0], planes[1], shape_.length.back(), seen[0],
                   seen[1]);
    for (int t = 0; t < count; ++t) tiles[t].energy = static_cast<double>(seen[t].total);
}

/// By way of a copy, so many rows at a time; of tiles that do not stand in x the copy stays.
template <class T>
void TileReader<T>::load_strips(SampleTile<T>* tiles, int count, T* const* scratch,
                                const TileTransform<T>* transform, T* data) const {
    using ConstPlane = typename TileTransform<T>::ConstPlane;
    const Index line = shape_.length.back(), rows = row_axis_ < 0 ? 1 : shape_.length[row_axis_];
    std::vector<BoxRows> walks;
    T means[most];
    bool stands[most];
    for (int t = 0; t < count; ++t) {
        Rectangle<T>& samples = tiles[t].samples;
        walks.emplace_back(tiles[t].place.start, shape_.length);
        means[t] = samples.centre;
        stands[t] = samples.data != scratch[t];
        if (!stands[t]) samples.centre = 0;  // the copy is free of it
    }
    for (Index row = 0; row < shape_.rows();) {
        const Index some = std::min(strip_rows(shape_), rows - row % rows);
        ConstPlane planes[most] = {};
        for (int t = 0; t < count; ++t) {
            SampleTile<T>& tile = tiles[t];
            T* to = stands[t] ? scratch[t] : scratch[t] + row * line;
            planes[t] = {to, line, 1};
            for (Index r = row; r < row + some; ++r, to += line) {
                tile.energy += stands[t] ? table_.centre(tile.samples.row(r), means[t], to, line)
                                         : read_row(tile.place, walks[t], means[t], to);
                walks[t].next();
            }
        }
        if (transform) transform->load(data, row, some, planes[0], planes[1], line);
        row += some;
    }
}

/// A row of a tile less `mean`, zeros beyond what is needed; the answer is its energy.
template <class T>
double TileReader<T>::read_row(const TilePlace& place, const BoxRows& row, T mean, T* to) const {
    const Index line = shape_.length.back(), begin = place.start.back();
    const Index n = row.within(place.need) ? place.need.back() : 0;
    std::fill(to + n, to + line, T{0});
    if (n == 0) return 0;
    reader_.read(row.at().data(), begin, begin + n, to);
    return table_.centre(to, mean, to, n);
}

template <class T>
bool TileReader<T>::constant(const SampleTile<T>& tile) const {
    for (Index row = 0; row < shape_.rows(); ++row) {
        const T* const from = tile.samples.row(row);
        if (!std::all_of(from, from + shape_.length.back(),
                         [&](T sample) { return sample == tile.samples.centre; }))
            return false;
    }
    return true;
}

template <class T>
TileAhead TileReader<T>::ahead(const SampleTile<T>* tiles, int count) const {
    const int last = problem_.axes.size() - 1;
    if (x_.strides[last] != static_cast<Index>(size_of(x_.dtype))) return {};
    TileAhead ahead(problem_, x_, shape_.length, row_axis_);
    for (int t = 0; t < count; ++t) ahead.add(tiles[t].place.start, tiles[t].place.need);
    return ahead;
}

template class TileReader<float>;
template class TileReader<double>;

}  // namespace faltung::matching
