#include "matching/masked.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "core/workspace.hpp"
#include "matching/careful.hpp"
#include "matching/flat_windows.hpp"

namespace faltung::matching {

namespace {

/// Spreads down to this share of the tile's energy, and of the template's, are taken from
/// transforms, whose errors go with the energy; below that windows are summed one by one.
template <class T>
constexpr double trusted = sizeof(T) == 4 ? 0x1p-24 : 0x1p-14;

}  // namespace

/// A tile: samples scaled, freed of their mean, zero where they do not count.
struct MaskedTile::Samples {
    std::vector<double> value, square, keep, bad;
    std::vector<double> plain;        // before anything is rounded; see spell_out()
    std::optional<FlatWindows> flat;  // those where not even what does not count differs
    double energy = 0;                // the mean square of what counts
    bool any_bad = false;
    PowerOfTwo scale{0};

    Samples(const LineReader<double>& x, const LineReader<double>* keep_reader,
            const TileShape& shape, const TilePlace& place, const WindowShape& windows) {
        const Index line = shape.length.back(), begin = place.start[place.start.size() - 1],
                    n = place.need[place.need.size() - 1];
        const auto points = static_cast<std::size_t>(shape.rows() * line);
        for (auto* plane : {&value, &square, &bad}) plane->resize(points);
        keep.resize(points + LoneWindows::behind);
        double peak = 0;
        for_each_tile_row(shape, place, [&](Index row, const Extents& at, bool needed) {
            if (!needed) return;
            const auto first = static_cast<std::size_t>(row * line);
            x.read(at.data(), begin, begin + n, value.data() + first);
            if (keep_reader)
                keep_reader->read(at.data(), begin, begin + n, keep.data() + first);
            else
                std::fill_n(keep.data() + first, n, 1.0);
            // what does not count is taken for the sample before it
            double before = row > 0 ? value[first - static_cast<std::size_t>(line)] : 0;
            for (auto j = first; j < first + static_cast<std::size_t>(n); ++j) {
                keep[j] = keep[j] != 0;
                if (keep[j] != 0 && !std::isfinite(value[j])) {
                    bad[j] = 1;
                    keep[j] = 0;
                    any_bad = true;
                }
                if (keep[j] == 0) value[j] = before;
                before = value[j];
                if (keep[j] != 0) peak = std::max(peak, std::abs(value[j]));
            }
        });
        flat.emplace(windows, value.data());
        scale = PowerOfTwo(peak > 0 ? -std::ilogb(peak) : 0);
        double sum = 0, count = 0;
        for (std::size_t j = 0; j < points; ++j) {
            if (keep[j] == 0) continue;
            value[j] = scale(value[j]);
            sum += value[j];
            ++count;
        }
        const double mean = count > 0 ? sum / count : 0;
        for (std::size_t j = 0; j < points; ++j) {
            value[j] = keep[j] != 0 ? value[j] - mean : 0;
            energy += value[j] * value[j];
        }
        energy /= std::max(1.0, count);
        // Samples and squares share a transform: they should be of one size.
        const PowerOfTwo unit(energy > 0 ? -std::ilogb(std::sqrt(energy)) : 0);
        for (std::size_t j = 0; j < points; ++j) {
            value[j] = unit(value[j]);
            square[j] = value[j] * value[j];
        }
        energy = unit(unit(energy));
    }

    /// For windows that are summed by themselves.
    void spell_out(const LineReader<double>& x, const TileShape& shape, const TilePlace& place) {
        if (!plain.empty()) return;
        plain.resize(keep.size());
        read_tile(x, shape, place, scale, plain.data());
        for (std::size_t j = 0; j < plain.size(); ++j)
            if (keep[j] == 0) plain[j] = 0;
    }
};

MaskedTile::MaskedTile(const Problem& problem, std::shared_ptr<const Pattern> pattern,
                       const TileShape& shape, const microkernels::Table& table)
    : problem_(problem),
      pattern_(std::move(pattern)),
      shape_(shape),
      lone_(*pattern_, windows_at_start(problem, shape), table, true) {
    std::vector<double> mask, squares;
    for (std::size_t i = 0; i < pattern_->taps.size(); ++i) {
        mask.push_back(pattern_->keep.empty() || pattern_->keep[i] ? 1.0 : 0.0);
        squares.push_back(pattern_->taps[i] * pattern_->taps[i]);
    }
    const auto tile = [&](const std::vector<double>& taps) {
        return make_tile<double>(problem, as_kernel(*pattern_, taps), shape, table);
    };
    mask_ = tile(mask);
    if (pattern_->flat) return;
    taps_ = tile(pattern_->taps);
    squares_ = tile(squares);
}

void MaskedTile::correlate(const TileTransform<double>& transform, const double* re,
                           const double* im, const TilePlace& place, std::vector<double>& re_out,
                           std::vector<double>* im_out) const {
    const Workspace space(transform.tile_bytes() + transform.scratch_bytes() + 64);
    double* tile = space.as<double>();
    double* scratch = tile + (transform.tile_bytes() + 63) / 64 * 8;
    load_tile<double>(transform, shape_, re, im, tile);
    transform.convolve(tile, scratch, {});
    const auto outputs = static_cast<std::size_t>(product(place.outputs));
    re_out.resize(outputs);
    store_tile<double>(transform, shape_, place.outputs, 0, tile, re_out.data());
    if (!im_out) return;
    im_out->resize(outputs);
    store_tile<double>(transform, shape_, place.outputs, 1, tile, im_out->data());
}

template <class T>
void MaskedTile::score(const LineReader<double>& x, const LineReader<double>* keep,
                       const TilePlace& place, T* scores) const {
    const WindowShape windows = windows_of(problem_, shape_, place);
    Samples samples(x, keep, shape_, place, windows);
    std::vector<double> count, bad, sum, square, product_sum, tap_sum, tap_square;
    correlate(*mask_, samples.keep.data(), samples.any_bad ? samples.bad.data() : nullptr, place,
              count, &bad);
    if (!pattern_->flat) {
        correlate(*mask_, samples.value.data(), samples.square.data(), place, sum, &square);
        correlate(*taps_, samples.value.data(), samples.keep.data(), place, product_sum, &tap_sum);
        correlate(*squares_, samples.keep.data(), nullptr, place, tap_square, nullptr);
    }

    const Index n = windows.outputs.back();
    Index row = 0;
    for (const Index start : output_rows(windows)) {
        bool doubts = false;
        for (Index i = 0; i < n; ++i) {
            const auto at = static_cast<std::size_t>(row * n + i);
            T& score = scores[at];
            const double share = std::round(count[at]);
            if (bad[at] > 0.5) {
                score = std::numeric_limits<T>::quiet_NaN();
            } else if (pattern_->flat || share < 2 || samples.flat->at(start + i)) {
                score = 0;
            } else {
                const double spread = square[at] - sum[at] * sum[at] / share;
                const double tap_spread = tap_square[at] - tap_sum[at] * tap_sum[at] / share;
                const double cross = product_sum[at] - sum[at] * tap_sum[at] / share;
                const bool trust =
                    spread > trusted<T> * share * samples.energy && tap_spread > trusted<T>;
                doubts = doubts || !trust;
                score = trust ? static_cast<T>(
                                    std::clamp(cross / std::sqrt(spread * tap_spread), -1.0, 1.0))
                              : static_cast<T>(microkernels::doubtful_score);
            }
        }
        if (doubts) {
            samples.spell_out(x, shape_, place);
            lone_.score(samples.plain.data() + start, keep ? samples.keep.data() + start : nullptr,
                        scores + row * n, n);
        }
        ++row;
    }
}

template void MaskedTile::score(const LineReader<double>&, const LineReader<double>*,
                                const TilePlace&, float*) const;
template void MaskedTile::score(const LineReader<double>&, const LineReader<double>*,
                                const TilePlace&, double*) const;

}  // namespace faltung::matching
