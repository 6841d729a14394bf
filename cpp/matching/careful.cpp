#include "matching/careful.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "core/workspace.hpp"
#include "matching/flat_windows.hpp"
#include "matching/twofold.hpp"

namespace faltung::matching {

namespace {

/// The spread of a window, against that of as many samples of the tile's energy, down to which
/// products by float64 transforms are trusted: their error is then below 1e-9.
constexpr double trusted = 0x1p-40;

struct WindowSum {
    Twofold sum, square;
    Index bad = 0;  // samples that are not finite

    void enter(double x, bool is_bad) {
        sum.add(x);
        square.add_square(x, 1);
        bad += is_bad;
    }
    void leave(double x, bool is_bad) {
        sum.add(-x);
        square.add_square(x, -1);
        bad -= is_bad;
    }
    void enter(const WindowSum& other) {
        sum.add(other.sum);
        square.add(other.square);
        bad += other.bad;
    }
    void leave(const WindowSum& other) {
        sum.subtract(other.sum);
        square.subtract(other.square);
        bad -= other.bad;
    }
};

/// Sums and peaks in four parts, none of which waits for another.
using Lanes = std::array<double, 4>;

template <class Body>
void for_each_lane(Index n, Body&& body) {
    Index i = 0;
    for (; i + 4 <= n; i += 4)
        for (std::size_t lane = 0; lane < 4; ++lane) body(i + static_cast<Index>(lane), lane);
    for (; i < n; ++i) body(i, 0);
}

double total(const Lanes& parts) { return (parts[0] + parts[1]) + (parts[2] + parts[3]); }

}  // namespace

/// A tile as float64 numbers: samples scaled, freed of their mean, zero where they are not finite.
struct CarefulTile::Samples {
    std::vector<double> value;
    std::vector<double> plain;  // before anything is rounded, as far as finite; see spell_out()
    std::vector<std::uint8_t> bad;
    std::optional<FlatWindows> flat;
    double energy = 0;  // the mean square
    PowerOfTwo scale{0};

    Samples(const LineReader<double>& x, const TileShape& shape, const TilePlace& place,
            const WindowShape& windows) {
        const Index line = shape.length.back(), begin = place.start.back(), n = place.need.back();
        const auto points = static_cast<std::size_t>(shape.rows() * line);
        value.resize(points);
        bad.resize(points);
        const auto for_each_row = [&](auto&& body) {
            for_each_tile_row(shape, place, [&](Index row, const Extents& at, bool needed) {
                if (needed) body(value.data() + row * line, bad.data() + row * line, at);
            });
        };
        double peak = 0;
        Index count = 0;
        for_each_row([&](double* to, std::uint8_t* bads, const Extents& at) {
            x.read(at.data(), begin, begin + n, to);
            Lanes peaks{peak, peak, peak, peak};
            for_each_lane(n, [&](Index i, std::size_t lane) {
                const double size = std::abs(to[i]);
                bads[i] = !(size <= std::numeric_limits<double>::max());
                to[i] = bads[i] ? std::numeric_limits<double>::quiet_NaN() : to[i];
                peaks[lane] = to[i] == to[i] && size > peaks[lane] ? size : peaks[lane];
                count += 1 - bads[i];
            });
            peak = *std::max_element(peaks.begin(), peaks.end());
        });
        flat.emplace(windows, value.data());  // now, while no two samples are equal by rounding
        scale = PowerOfTwo(peak > 0 ? -std::ilogb(peak) : 0);
        double sum = 0;
        for_each_row([&](double* to, const std::uint8_t* bads, const Extents&) {
            Lanes sums{};
            for_each_lane(n, [&](Index i, std::size_t lane) {
                to[i] = bads[i] ? 0 : scale(to[i]);
                sums[lane] += to[i];
            });
            sum += total(sums);
        });
        const double mean = sum / static_cast<double>(std::max<Index>(1, count));
        for_each_row([&](double* to, const std::uint8_t* bads, const Extents&) {
            Lanes squares{};
            for_each_lane(n, [&](Index i, std::size_t lane) {
                to[i] = bads[i] ? 0 : to[i] - mean;
                squares[lane] += to[i] * to[i];
            });
            energy += total(squares);
        });
        energy /= static_cast<double>(std::max<Index>(1, count));
    }

    /// For windows that are summed by themselves.
    void spell_out(const LineReader<double>& x, const TileShape& shape, const TilePlace& place) {
        if (!plain.empty()) return;
        plain.resize(value.size() + LoneWindows::behind);
        read_tile(x, shape, place, scale, plain.data());
    }
};

template <class T>
std::unique_ptr<const TileTransform<T>> make_tile(const Problem& problem, const Kernel& kernel,
                                                  const TileShape& shape,
                                                  const microkernels::Table& table) {
    if (auto own = make_own_tile<T>(problem, kernel, shape, table)) return own;
    return make_library_tile<T>(problem, kernel, shape);
}

template std::unique_ptr<const TileTransform<float>> make_tile(const Problem&, const Kernel&,
                                                               const TileShape&,
                                                               const microkernels::Table&);
template std::unique_ptr<const TileTransform<double>> make_tile(const Problem&, const Kernel&,
                                                                const TileShape&,
                                                                const microkernels::Table&);

CarefulTile::CarefulTile(const Problem& problem, std::shared_ptr<const Pattern> pattern,
                         const TileShape& shape, const microkernels::Table& table)
    : problem_(problem),
      pattern_(std::move(pattern)),
      shape_(shape),
      lone_(*pattern_, windows_at_start(problem, shape), table, false) {
    if (!pattern_->flat)
        transform_ = make_tile<double>(problem, as_kernel(*pattern_, pattern_->taps), shape, table);
}

namespace {

/// Sums with their rounding errors, for walk_windows.
class CarefulSums {
public:
    CarefulSums(const WindowShape& shape, const double* value, const std::uint8_t* bad)
        : shape_(shape), value_(value), bad_(bad) {
        for (int a = 0; a < shape.outer(); ++a)
            levels_.emplace_back(static_cast<std::size_t>(shape.inner(a)));
    }
    void restart(int l) {
        auto& level = levels_[static_cast<std::size_t>(l)];
        std::fill(level.begin(), level.end(), WindowSum{});
    }
    void move(int l, Index entering, Index leaving) {
        auto& level = levels_[static_cast<std::size_t>(l)];
        const auto inner = static_cast<Index>(level.size());
        for (Index i = 0; i < inner; ++i) {
            WindowSum& sum = level[static_cast<std::size_t>(i)];
            if (l == 0) {
                const Index in = entering * inner + i, out = leaving * inner + i;
                sum.enter(value_[in], bad_[in]);
                if (leaving >= 0) sum.leave(value_[out], bad_[out]);
            } else {
                const auto& from = levels_[static_cast<std::size_t>(l - 1)];
                sum.enter(from[static_cast<std::size_t>(entering * inner + i)]);
                if (leaving >= 0) sum.leave(from[static_cast<std::size_t>(leaving * inner + i)]);
            }
        }
    }
    /// Calls body(window, sums) along the row.
    template <class Body>
    void slide(Body&& body) const {
        WindowSum sum;
        const Index width = shape_.window.back();
        for (Index i = 0; i < width - 1; ++i) enter(sum, i);
        for (Index i = 0; i < shape_.outputs.back(); ++i) {
            enter(sum, i + width - 1);
            body(i, sum);
            leave(sum, i);
        }
    }

private:
    void enter(WindowSum& sum, Index i) const {
        if (levels_.empty())
            sum.enter(value_[i], bad_[i]);
        else
            sum.enter(levels_.back()[static_cast<std::size_t>(i)]);
    }
    void leave(WindowSum& sum, Index i) const {
        if (levels_.empty())
            sum.leave(value_[i], bad_[i]);
        else
            sum.leave(levels_.back()[static_cast<std::size_t>(i)]);
    }

    const WindowShape& shape_;
    const double* value_;
    const std::uint8_t* bad_;
    std::vector<std::vector<WindowSum>> levels_;
};

}  // namespace

template <class T>
void CarefulTile::repair(const LineReader<double>& x, const TilePlace& place, T* scores) const {
    constexpr T doubtful = static_cast<T>(microkernels::doubtful_score);
    const WindowShape windows = windows_of(problem_, shape_, place);
    Samples samples(x, shape_, place, windows);
    const Index n = windows.outputs.back();

    const std::vector<Index> starts = output_rows(windows);
    Index left = 0;
    for (std::size_t row = 0; row < starts.size(); ++row) {
        T* line = scores + static_cast<Index>(row) * n;
        for (Index i = 0; i < n; ++i) {
            if (line[i] != doubtful) continue;
            if (samples.flat->at(starts[row] + i))
                line[i] = 0;
            else
                ++left;
        }
    }
    if (left == 0) return;

    std::vector<double> products(static_cast<std::size_t>(product(windows.outputs)));
    if (transform_) {
        const Workspace space(transform_->tile_bytes() + transform_->scratch_bytes() + 64);
        double* tile = space.as<double>();
        double* scratch = tile + (transform_->tile_bytes() + 63) / 64 * 8;
        load_tile<double>(*transform_, shape_, samples.value.data(), nullptr, tile);
        transform_->convolve(tile, scratch, {});
        store_tile<double>(*transform_, shape_, place.outputs, 0, tile, products.data());
    }

    const double count = static_cast<double>(pattern_->count);
    CarefulSums sums(windows, samples.value.data(), samples.bad.data());
    walk_windows(windows, sums, [&](Index row) {
        bool doubts = false;
        sums.slide([&](Index i, const WindowSum& sum) {
            const Index at = row * n + i;
            if (scores[at] != doubtful) return;
            if (sum.bad > 0) {
                scores[at] = std::numeric_limits<T>::quiet_NaN();
                return;
            }
            const double spread = spread_of(sum.square, sum.sum, count);
            if (pattern_->flat) {
                scores[at] = 0;
            } else if (spread > trusted * count * samples.energy) {
                const double score = products[static_cast<std::size_t>(at)] / std::sqrt(spread);
                scores[at] = static_cast<T>(std::clamp(score, -1.0, 1.0));
            } else {
                doubts = true;
            }
        });
        if (!doubts) return;
        samples.spell_out(x, shape_, place);
        lone_.score(samples.plain.data() + starts[static_cast<std::size_t>(row)], nullptr,
                    scores + row * n, n);
    });
}

template void CarefulTile::repair(const LineReader<double>&, const TilePlace&, float*) const;
template void CarefulTile::repair(const LineReader<double>&, const TilePlace&, double*) const;

}  // namespace faltung::matching
