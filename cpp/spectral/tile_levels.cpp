#include "spectral/tile_levels.hpp"

#include <algorithm>

#include "core/workspace.hpp"

namespace faltung {

namespace {

// Samples of a line that make a place, as in survey.cpp.
constexpr Index place_in_line = 128, place_in_row = 16;
constexpr Index rows_together = 16;

/// Rows that follow one another along the innermost axis of more than one.
Index rows_in_slab(const TileShape& shape) {
    for (int a = shape.length.size() - 2; a >= 0; --a)
        if (shape.length[a] > 1) return shape.length[a];
    return 1;
}

}  // namespace

/// Marked samples become marked windows, by where these start.
template <class T>
void TileLevels<T>::spread(Marks& marks) const {
    for (int a = 0; a < shape_.length.size(); ++a)
        marks.spread(a, problem_.axes[a].k, -problem_.axes[a].dilation);
}

template <class T>
std::vector<MagnitudeLevel<T>> TileLevels<T>::levels_of(const T* samples, Index per) const {
    const Index n = shape_.length.back(), rows = shape_.rows();
    Magnitudes<T> seen;
    const bool one_axis = shape_.columns ? rows == rows_in_slab(shape_) : rows == 1;
    const Index most = one_axis ? place_in_line : place_in_row;
    if (!shape_.columns) {
        for (Index row = 0; row < rows; ++row)
            seen.see(samples + row * n * per, n, per, std::min(n, most));
        return seen.levels(rows * n);
    }
    std::vector<T> column(static_cast<std::size_t>(rows * per));
    for (Index i = 0; i < n; ++i) {
        for (Index row = 0; row < rows; ++row)
            std::copy_n(samples + (row * n + i) * per, per, column.data() + row * per);
        seen.see(column.data(), rows, per, std::min(rows, most));
    }
    return seen.levels(rows);
}

/// One channel: `per` numbers per position.
template <class T>
void TileLevels<T>::convolve_channel(T* samples, Index per, T* tile, T* scratch) const {
    const Index n = shape_.length.back(), rows = shape_.rows(), valid = shape_.valid.back();
    const Index height = rows_in_slab(shape_), line = n * per;
    const std::vector<MagnitudeLevel<T>> levels = levels_of(samples, per);

    const Workspace space(static_cast<std::size_t>(rows * line) * sizeof(T));
    T* const sums = space.as<T>();
    const Index together = std::min(height, rows_together);
    std::vector<T> chosen(static_cast<std::size_t>(together * line));
    std::vector<T> results(static_cast<std::size_t>(line));
    Marks marks(shape_.length);
    bool first = true;
    for (const MagnitudeLevel<T>& level : levels) {
        marks.clear();
        for (Index row = 0; row < rows;) {
            const Index some = std::min(together, height - row % height);
            for (Index r = row; r < row + some; ++r)
                level.mark(samples + r * line, n, per, marks.row(r), 0);
            level.pick(samples + row * line, some * n, per, chosen.data());
            const T* const from = chosen.data();
            transform_.load(tile, row, some, {from, line, per},
                            {per == 2 ? from + 1 : nullptr, line, per}, n);
            row += some;
        }
        transform_.convolve(tile, scratch, {});
        spread(marks);
        for (Index row = 0; row < rows; ++row) {
            for (Index p = 0; p < per; ++p)
                transform_.store(tile, row, 1, static_cast<int>(p), {results.data() + p, 0, per},
                                 valid, false);
            level.add(results.data(), valid, per, marks.row(row), 0, first, sums + row * line);
        }
        first = false;
    }
    if (first) std::fill_n(sums, rows * line, T(0));
    for (Index row = 0; row < rows; ++row)
        std::copy_n(sums + row * line, valid * per, samples + row * line);
}

template <class T>
void TileLevels<T>::convolve(T* samples, T* tile, T* scratch) const {
    const Index per = problem_.complex_samples ? 2 : 1, channels = problem_.inner;
    if (channels == 1) return convolve_channel(samples, per, tile, scratch);
    const Index points = shape_.rows() * shape_.length.back();
    std::vector<T> one(static_cast<std::size_t>(points * per));
    for (Index c = 0; c < channels; ++c) {
        for (Index i = 0; i < points; ++i)
            std::copy_n(samples + (i * channels + c) * per, per, one.data() + i * per);
        convolve_channel(one.data(), per, tile, scratch);
        for (Index i = 0; i < points; ++i)
            std::copy_n(one.data() + i * per, per, samples + (i * channels + c) * per);
    }
}

template class TileLevels<float>;
template class TileLevels<double>;

}  // namespace faltung
