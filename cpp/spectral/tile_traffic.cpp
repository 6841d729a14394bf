#include "spectral/tile_traffic.hpp"

#include <algorithm>
#include <cmath>

namespace faltung {

namespace {

/// Calls body(offset) for every row of a box of `extents`, over all axes but `last` and `skip`, in C order.
template <class Body>
void for_each_row(const Extents& extents, int last, int skip, Body&& body) {
    Extents offset(extents.size(), 0);
    for (;;) {
        body(offset);
        int a = last - 1;
        for (; a >= 0; --a) {
            if (a == skip) continue;
            if (++offset[a] < extents[a]) break;
            offset[a] = 0;
        }
        if (a < 0) return;
    }
}

/// The row of a tile at an offset (times `step`).
Index row_at(const Extents& length, const Extents& offset, int last) {
    Index row = 0;
    for (int a = 0; a < last; ++a) row = row * length[a] + offset[a];
    return row;
}

template <class T>
constexpr T too_large = sizeof(T) == 4 ? static_cast<T>(0x1p+80) : static_cast<T>(0x1p+724);

}  // namespace

template <class T>
TileTraffic<T>::TileTraffic(const Problem& problem, const TileShape& shape, const TileTransform<T>& transform,
                            const ArrayView& x, const ArrayView& out, const microkernels::Table& table)
    : problem_(problem),
      shape_(shape),
      transform_(transform),
      reader_(problem, x, table),
      writer_(problem, out, table),
      out_bytes_(size_of(out.dtype)),
      lanes_(problem.lanes()),
      last_(problem.axes.size() - 1),
      y_(-1) {
    for (int a = 0; a <= last_; ++a) {
        x_strides_.push_back(x.strides[a] / static_cast<Index>(sizeof(T)));
        out_strides_.push_back(out.strides[a] / static_cast<Index>(sizeof(T)));
        out_bytes_ *= static_cast<std::size_t>(out.shape[a]);
        if (a < last_ && shape.length[a] > 1) y_ = a;
    }
}

template <class T>
std::size_t TileTraffic<T>::scratch_numbers(const Problem& problem, const TileShape& shape, int tiles) {
    const auto line = static_cast<std::size_t>(shape.length.back() * problem.lanes());
    return (line + 15) / 16 * 16 * static_cast<std::size_t>(tiles);
}

template <class T>
void TileTraffic<T>::note(std::vector<TileInFlight>& tiles, Index number, int flags) const {
    if (flags & 1) tiles[static_cast<std::size_t>(number / lanes_)].suspect = true;
    if (flags & 2) tiles[static_cast<std::size_t>((number + 1) / lanes_)].suspect = true;
}

template <class T>
void TileTraffic<T>::load(std::vector<TileInFlight>& tiles, T* data, std::size_t tile_stride, T* scratch) const {
    for (TileInFlight& tile : tiles)
        if (tile.suspect) tile.outliers = {tile.place.need, Extents(last_ + 1, 0)};  // none yet
    if (!load_blocks(tiles, data, tile_stride)) load_rows(tiles, data, tile_stride, scratch);
}

/// The usual case: every row of every tile stands in x as it is wanted.
template <class T>
bool TileTraffic<T>::load_blocks(std::vector<TileInFlight>& tiles, T* data, std::size_t tile_stride) const {
    const T* base[2] = {};
    for (std::size_t t = 0; t < tiles.size(); ++t) {
        const TilePlace& place = tiles[t].place;
        if (tiles[t].suspect) return false;
        for (int a = 0; a <= last_; ++a) {
            const Axis& axis = problem_.axes[a];
            if (place.start[a] < 0 || place.start[a] + place.need[a] > axis.x) return false;
            if (a < last_ && place.need[a] != shape_.length[a]) return false;
            if (place.need[a] != tiles[0].place.need[a]) return false;
        }
        base[t] = reader_.in_place(place.start.data(), place.start[last_], place.start[last_] + place.need[last_]);
        if (!base[t]) return false;
    }
    const Index numbers = static_cast<Index>(tiles.size()) * lanes_;
    const Index rows = y_ < 0 ? 1 : shape_.length[y_], row_stride = y_ < 0 ? 0 : x_strides_[y_];
    for_each_row(shape_.length, last_, y_, [&](const Extents& offset) {
        Index skip = 0;
        for (int a = 0; a < last_; ++a) skip += offset[a] * x_strides_[a];
        for (Index i = 0; i < numbers; i += 2) {
            const auto plane = [&](Index number) {
                using ConstPlane = typename TileTransform<T>::ConstPlane;
                if (number >= numbers) return ConstPlane{nullptr, 0, 1};
                return ConstPlane{base[number / lanes_] + skip + number % lanes_, row_stride, lanes_};
            };
            note(tiles, i,
                 transform_.load(data + static_cast<std::size_t>(i / 2) * tile_stride,
                                 row_at(shape_.length, offset, last_), rows, plane(i), plane(i + 1),
                                 tiles[0].place.need[last_]));
        }
    });
    return true;
}

/// Any tile: row by row, through the boundary and out of any dtype.
template <class T>
void TileTraffic<T>::load_rows(std::vector<TileInFlight>& tiles, T* data, std::size_t tile_stride,
                               T* scratch) const {
    const Index numbers = static_cast<Index>(tiles.size()) * lanes_;
    const std::size_t line = scratch_numbers(problem_, shape_, 1);
    Index n = 0;
    for (const TileInFlight& tile : tiles) n = std::max(n, tile.place.need[last_]);
    for_each_row(shape_.length, last_, -1, [&](const Extents& offset) {
        const T* rows[2] = {};
        for (std::size_t t = 0; t < tiles.size(); ++t) rows[t] = row_of(tiles[t], offset, n, scratch + t * line);
        for (Index i = 0; i < numbers; i += 2) {
            const auto plane = [&](Index number) {
                using ConstPlane = typename TileTransform<T>::ConstPlane;
                const T* row = number < numbers ? rows[number / lanes_] : nullptr;
                return row ? ConstPlane{row + number % lanes_, 0, lanes_} : ConstPlane{nullptr, 0, 1};
            };
            note(tiles, i,
                 transform_.load(data + static_cast<std::size_t>(i / 2) * tile_stride,
                                 row_at(shape_.length, offset, last_), 1, plane(i), plane(i + 1), n));
        }
    });
}

/// n positions of one row, or nullptr for one that does not matter.
template <class T>
const T* TileTraffic<T>::row_of(TileInFlight& tile, const Extents& offset, Index n, T* line) const {
    const TilePlace& place = tile.place;
    Extents at = place.start;
    for (int a = 0; a < last_; ++a) {
        if (offset[a] >= place.need[a]) return nullptr;
        at[a] += offset[a];
    }
    const Index begin = place.start[last_], need = place.need[last_], end = begin + need;
    const T* row = reader_.in_place(at.data(), begin, end);
    if (row && need == n && !tile.suspect) return row;
    if (row)
        std::copy_n(row, need * lanes_, line);
    else
        reader_.read(at.data(), begin, end, line);
    std::fill_n(line + need * lanes_, (n - need) * lanes_, T{0});
    if (tile.suspect) cleanse(tile, offset, need, line);
    return line;
}

template <class T>
void TileTraffic<T>::cleanse(TileInFlight& tile, const Extents& offset, Index n, T* line) const {
    for (Index i = 0; i < n * lanes_; ++i) {
        if (std::abs(line[i]) < too_large<T>) continue;
        line[i] = 0;
        for (int a = 0; a <= last_; ++a) {
            const Index at = a == last_ ? i / lanes_ : offset[a];
            tile.outliers.begin[a] = std::min(tile.outliers.begin[a], at);
            tile.outliers.end[a] = std::max(tile.outliers.end[a], at + 1);
        }
    }
}

template <class T>
void TileTraffic<T>::store(const std::vector<TileInFlight>& tiles, const T* data, std::size_t tile_stride,
                           T* scratch) const {
    for (std::size_t t = 0; t < tiles.size(); ++t)
        store_tile(tiles[t], static_cast<Index>(t) * lanes_, data, tile_stride, scratch);
}

template <class T>
void TileTraffic<T>::store_tile(const TileInFlight& tile, Index first_number, const T* data,
                                std::size_t tile_stride, T* scratch) const {
    const TilePlace& place = tile.place;
    const Axis& along = problem_.axes[last_];
    const Index begin = place.out[last_], count = place.outputs[last_], end = begin + count;
    const Index samples = (count - 1) * along.step + 1;
    const auto part_of = [&](Index number) { return static_cast<int>(number % 2); };
    const auto tile_of = [&](Index number) { return data + static_cast<std::size_t>(number / 2) * tile_stride; };

    T* base = along.step == 1 ? writer_.in_place(place.out.data(), begin, end) : nullptr;
    const bool blocks = base && y_ >= 0 && problem_.axes[y_].step == 1;
    const Index rows = blocks ? place.outputs[y_] : 1, row_stride = blocks ? out_strides_[y_] : 0;
    bool stream = base && lanes_ == 1 && out_bytes_ >= streamed_bytes;
    if (stream) {
        constexpr Index unit = 64 / static_cast<Index>(sizeof(T));
        stream = reinterpret_cast<std::uintptr_t>(base) % 64 == 0;
        for (int a = 0; a < last_; ++a) stream = stream && out_strides_[a] % unit == 0;
        stream = stream && (!shape_.columns || true);
    }
    for_each_row(place.outputs, last_, blocks ? y_ : -1, [&](const Extents& offset) {
        Extents inside = offset, at = place.out;
        Index skip = 0;
        for (int a = 0; a < last_; ++a) {
            inside[a] = offset[a] * problem_.axes[a].step;
            at[a] += offset[a];
            skip += offset[a] * out_strides_[a];
        }
        const Index row = row_at(shape_.length, inside, last_);
        T* const to = base ? base + skip : scratch;
        for (Index lane = 0; lane < lanes_; ++lane) {
            const Index number = first_number + lane;
            transform_.store(tile_of(number), row, rows, part_of(number), {to + lane, row_stride, lanes_}, samples,
                             stream);
        }
        if (base) return;
        if (along.step > 1)
            for (Index i = 1; i < count; ++i)
                std::copy_n(to + i * along.step * lanes_, lanes_, to + i * lanes_);
        writer_.write(at.data(), begin, end, to);
    });
}

template class TileTraffic<float>;
template class TileTraffic<double>;

}  // namespace faltung
