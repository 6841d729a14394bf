#include "spectral/tile_traffic.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "lines/strided.hpp"
#include "spectral/survey.hpp"

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
      x_(x),
      reader_(problem, x, table),
      writer_(problem, out, table, true),
      out_bytes_(size_of(out.dtype)),
      lanes_(problem.lanes()),
      last_(problem.axes.size() - 1),
      y_(-1),
      padded_(problem.boundary == Boundary::zero ||
              (problem.boundary == Boundary::constant && problem.cval.real == 0 &&
               problem.cval.imag == 0 && problem.cval.integer == 0)) {
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
    // Of fewer rows than a block of a glance has, nothing would be learnt about faint places.
    const Index least = std::min<Index>(microkernels::glance_rows, shape.rows());
    const Index rows = numbers / (shape.length.back() * problem.lanes());
    return std::max(least, rows / microkernels::glance_rows * microkernels::glance_rows);
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
TileAhead TileTraffic<T>::ahead(const std::vector<TileInFlight>& tiles) const {
    constexpr Index line = 64;  // bytes of memory: nothing is fetched in vain
    if (x_.strides[last_] <= 0 || x_.strides[last_] > line) return {};
    TileAhead ahead(problem_, x_, shape_.length, y_);
    for (const TileInFlight& tile : tiles) ahead.add(tile.place.start, tile.place.need);
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
    std::vector<Glance> seen(static_cast<std::size_t>(numbers + numbers % 2), Glance{});
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
                Glance* const glances = &seen[static_cast<std::size_t>(i)];
                for (Index j = i; j < std::min(i + 2, numbers); ++j)
                    look_at(tiles[static_cast<std::size_t>(j / lanes_)], offset, y, some,
                            base[j / lanes_], glances[j - i]);
                transform_.load(data + static_cast<std::size_t>(i / 2) * tile_stride,
                                row_at(shape_.length, offset, last_) + y, some, plane(i),
                                plane(i + 1), n, glances[0], glances[1]);
            }
        }
    });
    judge(tiles, seen);
}

/// Which of the rows [y, y + rows) at an offset, and of their columns, hold samples: `everywhere`,
/// or as far as x reaches.
template <class T>
void TileTraffic<T>::look_at(const TileInFlight& tile, const Extents& offset, Index y, Index rows,
                             bool everywhere, Glance& glance) const {
    if (everywhere) {
        glance.begin = glance.begin_row = 0;
        glance.end = shape_.length[last_];
        glance.end_row = rows;
        return;
    }
    const auto begin = [&](int a) {
        return padded_ ? std::max<Index>(0, -tile.place.start[a]) : 0;
    };
    const auto end = [&](int a) {
        const Index need = tile.place.need[a];
        return padded_ ? std::min(need, problem_.axes[a].x - tile.place.start[a]) : need;
    };
    glance.begin = begin(last_);
    glance.end = end(last_);
    glance.begin_row = y_ < 0 ? 0 : begin(y_) - y;
    glance.end_row = y_ < 0 ? rows : end(y_) - y;
    for (int a = 0; a < last_; ++a)
        if (a != y_ && (offset[a] < begin(a) || offset[a] >= end(a))) glance.end_row = 0;
}

/// A tile is suspect if its squares overflow, or nearly so, and wide if the noise that a transform
/// spreads evenly is more than the faintest block should bear.
template <class T>
void TileTraffic<T>::judge(std::vector<TileInFlight>& tiles,
                           const std::vector<Glance>& seen) const {
    constexpr double most = sizeof(T) == 4 ? 0x1p+120 : 0x1p+1000;
    // What one column holds stays there, but which of them holds it is not known here.
    double points = shape_.columns ? 1 : static_cast<double>(shape_.length[last_]);
    for (int a = 0; a < last_; ++a) points *= static_cast<double>(shape_.length[a]);
    const double block = static_cast<double>(transform_.glance_block());
    for (TileInFlight& tile : tiles) tile.wide = false;
    for (std::size_t i = 0; i < seen.size(); i += 2) {
        const double totals[2] = {static_cast<double>(seen[i].total),
                                  static_cast<double>(seen[i + 1].total)};
        double least[2] = {static_cast<double>(seen[i].least),
                           static_cast<double>(seen[i + 1].least)};
        if (problem_.complex_samples) least[0] = least[1] = least[0] + least[1];
        const double noise = (totals[0] + totals[1]) / points / (transform_range * transform_range);
        for (std::size_t j = 0; j < 2; ++j) {
            const std::size_t t = (i + j) / static_cast<std::size_t>(lanes_);
            if (t >= tiles.size()) continue;
            if (!(totals[j] < most)) tiles[t].suspect = true;
            if (noise * block > least[j]) tiles[t].wide = true;
        }
    }
}

template <class T>
void TileTraffic<T>::read(TileInFlight& tile, T* samples) const {
    const Index rows = y_ < 0 ? 1 : shape_.length[y_];
    for_each_row(shape_.length, last_, y_, [&](const Extents& offset) {
        read_rows(tile, offset, 0, rows, samples);
        samples += rows * shape_.length[last_] * lanes_;
    });
}

template <class T>
void TileTraffic<T>::write(const TileInFlight& tile, T* results) const {
    const TilePlace& place = tile.place;
    const Index step = problem_.axes[last_].step, begin = place.out[last_];
    for_each_row(place.outputs, last_, -1, [&](const Extents& offset) {
        Extents inside = offset, at = place.out;
        for (int a = 0; a < last_; ++a) {
            inside[a] = offset[a] * problem_.axes[a].step;
            at[a] += offset[a];
        }
        T* row = results + row_at(shape_.length, inside, last_) * shape_.length[last_] * lanes_;
        if (step > 1) keep_every(step, row, lanes_, place.outputs[last_], row);
        writer_.write(at.data(), begin, begin + place.outputs[last_], row);
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

/// Fetches the lines of memory at the ends of rows that will be stored only in part. The whole
/// lines between them are streamed.
template <class T>
void TileTraffic<T>::fetch_ends(const std::vector<TileInFlight>& tiles) const {
    if (!streams()) return;
    for (const TileInFlight& tile : tiles) {
        const TilePlace& place = tile.place;
        const Index begin = place.out[last_], end = begin + place.outputs[last_];
        const T* base = writer_.in_place(place.out.data(), begin, end);
        if (!base) continue;
        for_each_row(place.outputs, last_, -1, [&](const Extents& offset) {
            const T* row = base;
            for (int a = 0; a < last_; ++a) row += offset[a] * out_strides_[a];
            if (reinterpret_cast<std::uintptr_t>(row) % 64 != 0) __builtin_prefetch(row, 1);
            const T* last = row + (end - begin) * lanes_;
            if (reinterpret_cast<std::uintptr_t>(last) % 64 != 0) __builtin_prefetch(last - 1, 1);
        });
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
    const bool stream = base && streams();
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
        std::array<typename TileTransform<T>::Source, most_interleaved> planes;
        for (Index lane = 0; lane < std::min(lanes_, most_interleaved); ++lane)
            planes[static_cast<std::size_t>(lane)] = {tile_of(first_number + lane),
                                                      part_of(first_number + lane)};
        const bool stored = lanes_ > 1 && lanes_ <= most_interleaved &&
                            transform_.store_interleaved(planes.data(), lanes_, row, rows, to,
                                                         row_stride, samples, stream);
        for (Index lane = 0; lane < lanes_ && !stored; ++lane) {
            const Index number = first_number + lane;
            transform_.store(tile_of(number), row, rows, part_of(number),
                             {to + lane, row_stride, lanes_}, samples, stream);
        }
        if (base) return;
        if (along.step > 1) keep_every(along.step, to, lanes_, count, to);
        writer_.write(at.data(), begin, end, to);
    });
}

template class TileTraffic<float>;
template class TileTraffic<double>;

}  // namespace faltung
