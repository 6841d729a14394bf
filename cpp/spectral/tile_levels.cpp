#include "spectral/tile_levels.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/workspace.hpp"
#include "spectral/survey.hpp"

namespace faltung {

namespace {

// Blocks over which the faintest place of a tile is sought: so many columns by so many rows, or so
// many samples of a line.
constexpr Index block_side = 16, block_line = 64;

/// Rows that follow one another along the innermost axis of more than one.
Index rows_in_slab(const TileShape& shape) {
    for (int a = shape.length.size() - 2; a >= 0; --a)
        if (shape.length[a] > 1) return shape.length[a];
    return 1;
}

}  // namespace

/// The least mean square of a block that holds anything at all; 0 where none does.
template <class T>
double TileLevels<T>::faintest_block(const T* samples, Index per) const {
    const Index n = shape_.length.back(), height = rows_in_slab(shape_), rows = shape_.rows();
    const Index tall = height == 1 ? 1 : block_side, wide = height == 1 ? block_line : block_side;
    std::vector<double> squares(static_cast<std::size_t>((n + wide - 1) / wide));
    double least = 0;
    for (Index slab = 0; slab < rows; slab += height) {
        for (Index y = slab; y < slab + height; y += tall) {
            std::fill(squares.begin(), squares.end(), 0.0);
            const Index end = std::min(y + tall, slab + height);
            for (Index row = y; row < end; ++row)
                for (Index i = 0; i < n * per; ++i) {
                    const double value = static_cast<double>(samples[row * n * per + i]);
                    squares[static_cast<std::size_t>(i / per / wide)] += value * value;
                }
            for (const double sum : squares)
                if (sum > 0 && (least == 0 || sum < least)) least = sum;
        }
    }
    return least / static_cast<double>(tall * wide);
}

/// From samples that are marked to windows, by where these start, that hold one.
template <class T>
void TileLevels<T>::mark_windows(std::vector<bool>& mark) const {
    constexpr Index together = 64;  // neighbours of a line, so that whole lines of memory are used
    std::vector<Index> away;        // taps from a position of theirs to the next mark
    const Index size = static_cast<Index>(mark.size());
    Index stride = 1;
    for (int a = shape_.length.size() - 1; a >= 0; stride *= shape_.length[a--]) {
        const Axis& axis = problem_.axes[a];
        if (axis.k == 1) continue;
        const Index n = shape_.length[a], pace = std::min(stride, together);
        away.resize(static_cast<std::size_t>(n * pace));
        const auto mark_from = [&](Index start, Index some) {
            for (Index q = n - 1; q >= 0; --q)
                for (Index i = 0; i < some; ++i) {
                    const auto here = static_cast<std::size_t>(start + q * stride + i);
                    const Index next = q + axis.dilation;
                    const Index taps = mark[here] ? 0
                                       : next >= n
                                           ? axis.k
                                           : away[static_cast<std::size_t>(next * pace + i)] + 1;
                    away[static_cast<std::size_t>(q * pace + i)] = taps;
                    mark[here] = taps < axis.k;
                }
        };
        for (Index base = 0; base < size; base += n * stride)
            for (Index i = 0; i < stride; i += pace)
                mark_from(base + i, std::min(pace, stride - i));
    }
}

/// One channel: `per` numbers per position.
template <class T>
void TileLevels<T>::convolve_channel(T* samples, Index per, T* tile, T* scratch) const {
    const Index n = shape_.length.back(), rows = shape_.rows(), points = rows * n;
    // Level 0 reaches transform_range times beyond the faintest block, each further level as far
    // again.
    const double reach = transform_range * std::sqrt(faintest_block(samples, per));
    const auto count = static_cast<std::size_t>(points);
    // From 1 on; 0 for zeros, which no level holds. All of float32 is 35 levels.
    using Level = std::conditional_t<sizeof(T) == 4, unsigned char, unsigned short>;
    std::vector<Level> level(count);
    std::vector<bool> present;
    for (std::size_t i = 0; i < count; ++i) {
        double size = 0;
        for (Index p = 0; p < per; ++p)
            size = std::max(
                size, std::abs(static_cast<double>(samples[static_cast<Index>(i) * per + p])));
        if (size == 0) continue;
        const double above = std::log2(size / reach) / std::log2(transform_range);
        level[i] = static_cast<Level>(above > 0 ? 1 + std::ceil(above) : 1);
        if (level[i] >= present.size()) present.resize(level[i] + 1u);
        present[level[i]] = true;
    }

    const Workspace space(static_cast<std::size_t>(points * per) * sizeof(T));
    T* const results = space.as<T>();
    std::fill_n(results, points * per, T{0});
    const Index height = rows_in_slab(shape_), together = std::min(height, block_side);
    std::vector<T> chosen(static_cast<std::size_t>(together * n * per));
    std::vector<T> line(static_cast<std::size_t>(n));
    std::vector<bool> mark(count);
    for (std::size_t l = 1; l < present.size(); ++l) {
        if (!present[l]) continue;
        for (std::size_t i = 0; i < count; ++i) mark[i] = level[i] == l;
        for (Index row = 0; row < rows;) {
            const Index some = std::min(together, height - row % height);
            const Index first = row * n;
            for (Index i = 0; i < some * n * per; ++i)
                chosen[static_cast<std::size_t>(i)] =
                    mark[static_cast<std::size_t>(first + i / per)] ? samples[first * per + i]
                                                                    : T{0};
            const T* const from = chosen.data();
            transform_.load(tile, row, some, {from, n * per, per},
                            {per == 2 ? from + 1 : nullptr, n * per, per}, n);
            row += some;
        }
        transform_.convolve(tile, scratch, {});
        mark_windows(mark);
        for (Index row = 0; row < rows; ++row) {
            for (Index p = 0; p < per; ++p) {
                transform_.store(tile, row, 1, static_cast<int>(p), {line.data(), 0, 1},
                                 shape_.valid.back(), false);
                for (Index i = 0; i < shape_.valid.back(); ++i)
                    if (mark[static_cast<std::size_t>(row * n + i)])
                        results[(row * n + i) * per + p] += line[static_cast<std::size_t>(i)];
            }
        }
    }
    std::copy_n(results, points * per, samples);
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
