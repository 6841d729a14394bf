#include "spectral/tile_traffic.hpp"

#include <algorithm>
#include <cmath>

namespace faltung {

namespace {

/// Calls body(offset) for every row of a box of `extents`, over all axes but `last` and `skip`, in
/// C order.
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

/// A load that raises the alarm has met at least one sample beyond this.
template <class T>
constexpr T too_large = sizeof(T) == 4 ? static_cast<T>(0x1p+48) : static_cast<T>(0x1p+480);

}  // namespace

template <class T>
TileTraffic<T>::TileTraffic(const Problem& problem, const TileShape& shape,
                            const TileTransform<T>& transform, const ArrayView& x,
                            const ArrayView& out, const microkernels::Table& table)
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
Index TileTraffic<T>::rows_at_once(const Problem& problem, const TileShape& shape) {
    constexpr Index numbers = 4096;
    return std::max<Index>(1, numbers / (shape.length.back() * problem.lanes()));
}

template <class T>
std::size_t TileTraffic<T>::scratch_numbers(const Problem& problem, const TileShape& shape,
                                            int tiles) {
    return static_cast<std::size_t>(shape.length.back() * problem.lanes() *
                                    rows_at_once(problem, shape) * tiles);
}

/// Where a tile stands in x, if all of it does as it is wanted. More than is needed of it does no
/// harm, and whole registers are quick.
template <class T>
const T* TileTraffic<T>::in_place(const TileInFlight& tile) const {
    const Extents& start = tile.place.start;
    if (tile.suspect) return nullptr;
    for (int a = 0; a <= last_; ++a)
        if (start[a] < 0 || start[a] + shape_.length[a] > problem_.axes[a].x) return nullptr;
    return reader_.in_place(start.data(), start[last_], start[last_] + shape_.length[last_]);
}

template <class T>
microkernels::Ahead TileTraffic<T>::ahead(const std::vector<TileInFlight>& tiles) const {
    microkernels::Ahead ahead{};
    if (y_ < 0) return ahead;
    for (std::size_t t = 0; t < tiles.size(); ++t) ahead.plane[t] = in_place(tiles[t]);
    ahead.stride = x_strides_[y_] * static_cast<Index>(sizeof(T));
    ahead.rows = shape_.length[y_];
    ahead.bytes = shape_.length[last_] * lanes_ * static_cast<Index>(sizeof(T));
    return ahead;
}

template <class T>
void TileTraffic<T>::load(std::vector<TileInFlight>& tiles, T* data, std::size_t tile_stride,
                          T* scratch) const {
    const T* base[2] = {};
    bool all_in_place = true;
    for (std::size_t t = 0; t < tiles.size(); ++t) {
        base[t] = in_place(tiles[t]);
        all_in_place = all_in_place && base[t];
        if (tiles[t].suspect)
            tiles[t].outliers = {tiles[t].place.need, Extents(last_ + 1, 0)};  // none yet
    }
    const Index numbers = static_cast<Index>(tiles.size()) * lanes_, n = shape_.length[last_];
    const Index rows = y_ < 0 ? 1 : shape_.length[y_], pace = y_ < 0 ? 0 : x_strides_[y_];
    const Index most = all_in_place ? rows : std::min(rows, rows_at_once(problem_, shape_));
    const Index line = n * lanes_;
    for_each_row(shape_.length, last_, y_, [&](const Extents& offset) {
        Index skip = 0;
        for (int a = 0; a < last_; ++a) skip += offset[a] * x_strides_[a];
        for (Index y = 0; y < rows; y += most) {
            const Index some = std::min(most, rows - y);
            using ConstPlane = typename TileTransform<T>::ConstPlane;
            ConstPlane planes[2] = {};
            for (std::size_t t = 0; t < tiles.size(); ++t) {
                T* const lines = scratch + static_cast<Index>(t) * most * line;
                planes[t] = {base[t] ? base[t] + skip + y * pace : lines, base[t] ? pace : line,
                             lanes_};
                if (!base[t]) read_rows(tiles[t], offset, y, some, lines);
            }
            const auto plane = [&](Index number) {
                if (number >= numbers) return ConstPlane{nullptr, 0, 1};
                ConstPlane result = planes[number / lanes_];
                result.data += number % lanes_;
                return result;
            };
            for (Index i = 0; i < numbers; i += 2) {
                const int flags = transform_.load(
                    data + static_cast<std::size_t>(i / 2) * tile_stride,
                    row_at(shape_.length, offset, last_) + y, some, plane(i), plane(i + 1), n);
                if (flags & 1) tiles[static_cast<std::size_t>(i / lanes_)].suspect = true;
                if (flags & 2) tiles[static_cast<std::size_t>((i + 1) / lanes_)].suspect = true;
            }
        }
    });
}

/// Rows of any tile, through the boundary and out of any dtype; zeros beyond what is needed.
template <class T>
void TileTraffic<T>::read_rows(TileInFlight& tile, Extents offset, Index y, Index rows,
                               T* lines) const {
    const TilePlace& place = tile.place;
    const Index n = shape_.length[last_], begin = place.start[last_], need = place.need[last_];
    for (Index r = 0; r < rows; ++r, lines += n * lanes_) {
        if (y_ >= 0) offset[y_] = y + r;
        Extents at = place.start;
        bool needed = true;
        for (int a = 0; a < last_; ++a) {
            needed = needed && offset[a] < place.need[a];
            at[a] += offset[a];
        }
        if (needed) reader_.read(at.data(), begin, begin + need, lines);
        const Index have = needed ? need * lanes_ : 0;
        std::fill_n(lines + have, n * lanes_ - have, T{0});
        if (tile.suspect) cleanse(tile, offset, need, lines);
    }
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
void TileTraffic<T>::store(const std::vector<TileInFlight>& tiles, const T* data,
                           std::size_t tile_stride, T* scratch) const {
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
    const auto tile_of = [&](Index number) {
        return data + static_cast<std::size_t>(number / 2) * tile_stride;
    };

    T* base = along.step == 1 ? writer_.in_place(place.out.data(), begin, end) : nullptr;
    const bool blocks = base && y_ >= 0 && problem_.axes[y_].step == 1;
    const Index rows = blocks ? place.outputs[y_] : 1, row_stride = blocks ? out_strides_[y_] : 0;
    bool stream = base && lanes_ == 1 && out_bytes_ >= streamed_bytes;
    if (stream) {
        constexpr Index unit = 64 / static_cast<Index>(sizeof(T));
        stream = reinterpret_cast<std::uintptr_t>(base) % 64 == 0;
        for (int a = 0; a < last_; ++a) stream = stream && out_strides_[a] % unit == 0;
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
            transform_.store(tile_of(number), row, rows, part_of(number),
                             {to + lane, row_stride, lanes_}, samples, stream);
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
