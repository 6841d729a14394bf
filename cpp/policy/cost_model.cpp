#include "policy/cost_model.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

namespace faltung {

namespace {

// Nanoseconds, as measured by calls on small arrays (8 to 24^3 samples, float32 and complex64,
// plans made before, Zen 5, November 2026) unless said otherwise; felt by small calls only.
constexpr double direct_call = 500, separable_call = 450, whole_call = 550, tile_call = 1000;
constexpr double separable_axis = 450;  // beyond the first
constexpr double task_share = 20000;    // work that is worth a task of its own
constexpr double tile_task = 1 << 14;   // points that make a task (spectral/overlap_save.cpp)
// A row: of results, and of taps for each of them. Rows that are lines by themselves are fetched
// each into a buffer of its own.
constexpr double direct_row = 14, direct_line_row = 80, direct_kernel_row = 2;
constexpr double separable_row = 30;
constexpr double byte_row = 45;  // copied with its border
constexpr double scaling = 0.4;  // a pass of one tap, against any other before its taps
// A tap of a list takes as long as so many of a dense kernel: nothing that it loads serves another.
constexpr double listed_tap = 4;
// The same of rows that are taken apart for a step, of few phases and taps. Along a line dense taps
// share less. One core of an EPYC, Zen 5: 31 taps along a line 2.2, 3 x 3 to 7 x 7 3.5 to 4.
constexpr double phased_line_tap = 2, phased_image_tap = 4;
constexpr Index most_phases = 8, most_phased_taps = 256;

// A byte of an integer that a sum in float32 or float64 becomes: 0.07 per output of uint8, 0.15 of
// int32, 0.37 of int64 (2048 x 2048, one core of an EPYC, Zen 5).
constexpr double converted_byte = 0.045;

// The share of a square tile's cost that is not transforms: rows in and out.
constexpr double traffic_share = 0.3;
constexpr double twist_cost = 1.1;  // a folded line multiplies by one more table
constexpr double long_line = 3;     // the whole of it, against a tile: surveyed, and in three parts
constexpr double out_of_l2 = 1.6;   // tiles that the second-level cache does not hold
// A byte of memory that the shared cache does not hold, read or written: 14 GB/s per core. The
// direct loops fetch ahead and show nothing of it.
constexpr double far_byte = 1.0 / 14;
constexpr double tiles_wait = 0.25;       // what is left of it where tiles fetch ahead, too
constexpr double library_slowdown = 2.5;  // a tile by the library against one of our own
// Samples that are converted, or continued by a boundary, go through a line buffer on their way
// into a tile: a line, and a sample of it.
constexpr double staged_line = 30, staged_sample = 0.08;

constexpr double library_point = 20;  // a kernel of one tap: a product per sample, by way of a tile

// Seconds that calls took over the sums of the figures above, in the geometric mean over the random
// problems of benchmarks/regret.py (seeds other than those that are reported): borders and fresh
// memory, which calibration on large warm images does not see.
constexpr double direct_in_life = 1.1, direct_in_life_3d = 1.3, direct_one_tap = 3;
constexpr double separable_in_life = 1.1, separable_in_life_3d = 1.6;
constexpr double whole_in_life_3d = 2;
constexpr double tiles_in_life = 1.15, tiles_in_life_3d = 1.3;

// Beyond input and output, what `auto` may take per worker, and per tap of the kernel.
constexpr double workspace_limit = 64 << 20, kernel_multiple = 12;

double rounded_up(double value, double unit) { return std::ceil(value / unit) * unit; }

double bytes_of(Arithmetic arithmetic) { return static_cast<double>(size_of(arithmetic)); }

}  // namespace

CostModel::CostModel(const Problem& problem, const Traits& traits, const microkernels::Table& level)
    : problem_(problem),
      traits_(traits),
      level_(level),
      // exact integers go through transforms in float64, whatever the direct loops need
      transform_arithmetic_(problem.sample_bound > 0 ? Arithmetic::f64 : problem.arithmetic) {
    for (const Axis& axis : problem_.axes) convolved_ += axis.k > 1;
}

double CostModel::shared(double nanoseconds, double tasks) const {
    const double workers = std::min(static_cast<double>(traits_.workers), tasks);
    if (workers <= 1 || nanoseconds < worth_waking * 1e9) return nanoseconds;
    return nanoseconds / workers;
}

double CostModel::waiting(double scratch, double trips) const {
    double samples = static_cast<double>(problem_.inner);
    for (const Axis& axis : problem_.axes) samples *= static_cast<double>(axis.x);
    const double arrays =
        samples * static_cast<double>(size_of(problem_.x_dtype)) +
        static_cast<double>(problem_.outputs()) * static_cast<double>(size_of(problem_.out_dtype));
    if (arrays + scratch <= static_cast<double>(machine().caches.l3) / 2) return 0;
    return far_byte * (arrays + trips * scratch);
}

double CostModel::rows() const {
    return static_cast<double>(problem_.outputs()) /
           static_cast<double>(problem_.axes.back().out * problem_.inner);
}

double CostModel::numbers() const {
    const Axis& last = problem_.axes.back();
    const double lanes = level_.vector_bytes / bytes_of(problem_.arithmetic);
    const double row = static_cast<double>(last.out) * static_cast<double>(problem_.lanes());
    return rows() * rounded_up(row, lanes);
}

double CostModel::conversion() const {
    if (!is_integer(problem_.out_dtype) || problem_.arithmetic == Arithmetic::i64) return 0;
    return converted_byte * static_cast<double>(size_of(problem_.out_dtype)) *
           static_cast<double>(problem_.outputs());
}

Prediction CostModel::bytes() const {
    Prediction result{.possible = true, .in_bytes = true, .arithmetic = problem_.arithmetic};
    const ByteCosts& costs = byte_costs(level_);
    const TapCost& cost = convolved_ == 1 && problem_.axes.back().k > 1 ? costs.line : costs.image;
    const double stored = costs.stored * static_cast<double>(size_of(problem_.out_dtype));
    const double ns =
        direct_in_life * numbers() * (cost.output + stored + traits_.byte_products * cost.tap) +
        rows() * byte_row;
    result.alone = ns < worth_waking * 1e9;
    result.seconds = 1e-9 * (direct_call + shared(ns, rows() + numbers() / 4096));
    return result;
}

Prediction CostModel::direct() const {
    if (traits_.byte_products > 0) return bytes();
    Prediction result{.possible = true, .arithmetic = problem_.arithmetic};
    const LevelCosts& costs = level_costs(level_, problem_.arithmetic);
    const Axis& last = problem_.axes.back();
    const double taps = traits_.listed > 0 ? listed_tap * static_cast<double>(traits_.listed)
                                           : static_cast<double>(problem_.taps());
    result.listed = traits_.listed;
    constexpr double few = 100;
    const TapCost& cost = last.k == 1       ? costs.column
                          : convolved_ == 1 ? costs.line
                          : taps <= few     ? costs.image
                                            : costs.wide;
    const double planes = problem_.complex_kernel ? 2 : 1;
    const double step = static_cast<double>(last.step);
    const bool phased = last.step > 1 && last.step <= most_phases && traits_.listed == 0 &&
                        problem_.taps() <= most_phased_taps;
    const double tap = cost.tap * (convolved_ == 1 ? phased_line_tap : phased_image_tap);
    const double in_life = convolved_ == 0  ? direct_one_tap
                           : convolved_ > 2 ? direct_in_life_3d
                                            : direct_in_life;
    // without phases a stepped row is computed in full
    double ns = in_life * planes * numbers() *
                (phased ? step * cost.output + taps * tap : step * (cost.output + taps * cost.tap));
    const bool lines = convolved_ == 1 && last.k > 1;
    ns += rows() * ((lines ? direct_line_row : direct_row) +
                    planes * direct_kernel_row * taps / static_cast<double>(last.k));
    ns += conversion();
    result.alone = ns < worth_waking * 1e9;
    result.seconds = 1e-9 * (direct_call + shared(ns, rows() + numbers() / 4096));
    return result;
}

Prediction CostModel::separable() const {
    Prediction result{.arithmetic = problem_.arithmetic};
    if (traits_.terms == 0) {
        result.reason =
            convolved_ < 2
                ? "the kernel runs over one axis only"
                : "the kernel is not an outer product of one-dimensional ones, nor a sum of few, "
                  "within the accuracy bound";
        return result;
    }
    for (const Axis& axis : problem_.axes)
        if (axis.step != 1 || axis.dilation != 1) {
            result.reason = "stride and dilation are not served by this method";
            return result;
        }
    result.possible = true;
    const LevelCosts& costs = level_costs(level_, problem_.arithmetic);
    const bool line = convolved_ == 1 && problem_.axes.back().k > 1;
    const TapCost& cost = line ? costs.line : costs.separable;
    const double planes = problem_.complex_kernel ? 2 : 1;
    // every axis beyond the second is one more trip through the cache; terms share theirs
    const double trips = std::max(1, convolved_ - 1);
    const double in_life = line              ? 1
                           : convolved_ == 0 ? scaling
                           : convolved_ > 2  ? separable_in_life_3d
                                             : separable_in_life;
    double ns = in_life * planes * numbers() * (trips * cost.output + traits_.pass_work * cost.tap);
    ns += planes * rows() * separable_row + conversion();
    result.terms = traits_.terms;
    const double call = separable_call + separable_axis * std::max(0, convolved_ - 1);
    result.alone = ns < worth_waking * 1e9;
    result.seconds = 1e-9 * (call + shared(ns, numbers() / 16384));
    return result;
}

std::string CostModel::transform_objection(double points) const {
    if (!traits_.finite_kernel) return "the kernel holds NaN or infinity";
    if (problem_.sample_bound > 0) {
        // |error| <= c eps log2(n) |x|_2 |k|_2 must stay far enough from one half for rounding to
        // be exact
        constexpr double c = 4, eps = 0x1p-53, safe = 0.25;
        const double samples = problem_.sample_bound * std::sqrt(points);
        if (c * eps * std::log2(std::max(2.0, points)) * samples * traits_.kernel_norm > safe)
            return "rounding could reach half a unit: these integers are too large to be exact in "
                   "float64";
    }
    return {};
}

Prediction CostModel::whole() const {
    Prediction result{.arithmetic = transform_arithmetic_};
    const double points = traits_.whole_points;
    result.reason = transform_objection(points * 2);
    if (result.reason.empty() && !traits_.fft_available)
        result.reason =
            "no FFT library was found (faltung.show_config() lists where it was looked for)";
    if (!result.reason.empty()) return result;
    result.possible = true;
    const TapCost& cost = level_costs(level_, transform_arithmetic_).whole;
    const double library = (convolved_ > 2 ? whole_in_life_3d : 1) * points *
                           (cost.output + traits_.whole_steps * cost.tap);
    const double ns =
        traits_.whole_blocks * (traits_.whole_is_own ? line_nanoseconds(points) : library);

    // the array and the prepared kernel, both transformed
    const double memory = points * 4 * bytes_of(transform_arithmetic_);
    const double all = ns + waiting(memory, traits_.whole_blocks) + conversion();
    result.alone = all < worth_waking * 1e9;
    result.seconds = 1e-9 * (whole_call + shared(all, all / task_share));
    const double kernel = static_cast<double>(problem_.taps()) * bytes_of(transform_arithmetic_);
    if (memory > workspace_limit + kernel_multiple * kernel)
        result.reason = "it would need " + std::to_string(static_cast<Index>(memory) >> 20) +
                        " MiB of memory, more than auto may take";
    return result;
}

PerAxis<Index> CostModel::tile_candidates(int a) const {
    const Axis& axis = problem_.axes[a];
    PerAxis<Index> candidates;
    if (axis.k == 1) {
        candidates.push_back(1);
        return candidates;
    }
    const Index reach = axis.reach(), needed = axis.last() - axis.first;
    const auto offer = [&](Index length) {
        if (length <= reach || candidates.size() == max_rank) return;
        // one length that holds everything is enough
        if (!candidates.empty() && candidates.back() >= needed) return;
        candidates.push_back(length);
    };
    if (convolved_ == 1 && a + 1 == problem_.axes.size()) {  // a line, folded into a rectangle
        for (Index length = 256; length <= Index{1} << 20; length *= 2) {
            offer(length);
            if (length >= 1024 && std::countr_zero(static_cast<std::uint64_t>(length)) % 2 == 0)
                offer(length / 4 * 9);
        }
    } else {
        // the two fastest axes are transposed in blocks of a register's width
        const int last = problem_.axes.size() - 1;
        int neighbour = last - 1;
        while (neighbour > 0 && problem_.axes[neighbour].k == 1) --neighbour;
        const bool in_blocks = problem_.axes[last].k > 1 && a >= neighbour;
        const Index lanes =
            level_.vector_bytes / static_cast<Index>(size_of(transform_arithmetic_));
        for (Index length : own_lengths)
            if (!in_blocks || length % lanes == 0) offer(length);
    }
    if (candidates.empty() && traits_.fft_available)
        offer(static_cast<Index>(std::bit_ceil(static_cast<std::uint64_t>(2 * reach))));
    return candidates;
}

/// A line of `points` complex numbers, folded into a square.
double CostModel::line_nanoseconds(double points) const {
    const double cost = square_cost(std::sqrt(points));
    return long_line * points * cost * ((1 - traffic_share) * twist_cost + traffic_share);
}

/// Per point of one pass over an axis of n points, from the square tile of that side.
double CostModel::square_cost(double n) const {
    const auto lanes = static_cast<Index>(level_.vector_bytes / bytes_of(transform_arithmetic_));
    std::size_t i = 0;
    while (i + 1 < own_lengths.size() &&
           (static_cast<double>(own_lengths[i]) < n || own_lengths[i] % lanes != 0))
        ++i;
    return level_costs(level_, transform_arithmetic_).square[i];
}

double CostModel::tile_nanoseconds(const Extents& tile) const {
    double points = 1, passes = 0, traffic = 0;
    int transformed = 0;
    bool own = true;
    for (Index n : tile) {
        if (n == 1) continue;
        points *= static_cast<double>(n);
        const bool line = convolved_ == 1 && tile.back() > 1;
        const double side = line ? std::sqrt(static_cast<double>(n)) : static_cast<double>(n);
        own = own && side <= static_cast<double>(own_lengths.back());
        passes += square_cost(side) * (1 - traffic_share) * (line ? twist_cost : 0.5);
        traffic = std::max(traffic, square_cost(side) * traffic_share);
        ++transformed;
    }
    if (transformed == 0) return library_point;
    double ns = points * (passes + traffic);
    const double bytes = points * 2 * bytes_of(transform_arithmetic_);
    if (transformed > 2 && bytes > static_cast<double>(machine().caches.l2)) ns *= out_of_l2;
    if (!own) ns *= library_slowdown;
    return ns;
}

Prediction CostModel::overlap_save() const {
    Prediction result{.arithmetic = transform_arithmetic_};
    result.reason = transform_objection(1);
    if (!result.reason.empty()) return result;

    const int rank = problem_.axes.size();
    std::vector<PerAxis<Index>> candidates;
    for (int a = 0; a < rank; ++a) {
        candidates.push_back(tile_candidates(a));
        if (candidates.back().empty()) {
            result.reason =
                "the kernel is longer than our own transforms, and no FFT library was found";
            return result;
        }
    }

    const double beside = tiles_wait * waiting(0, 0) + conversion();
    const double in_life = convolved_ > 2 ? tiles_in_life_3d : tiles_in_life;
    const bool staged = size_of(problem_.x_dtype) !=
                        size_of(transform_arithmetic_) * (problem_.complex_samples ? 2 : 1);

    // every combination of lengths: few, since convolved axes are few
    double least = INFINITY;
    const double kernel = static_cast<double>(problem_.taps()) * bytes_of(transform_arithmetic_);
    const double numbers_per_sample = static_cast<double>(problem_.lanes());
    PerAxis<int> at(rank, 0);
    for (bool more = true; more;) {
        Extents tile;
        double points = 1, tiles = numbers_per_sample;
        for (int a = 0; a < rank; ++a) {
            const Axis& axis = problem_.axes[a];
            const Index length = candidates[static_cast<std::size_t>(a)][at[a]];
            tile.push_back(length);
            points *= static_cast<double>(length);
            const double hop =
                length == 1 ? 1 : static_cast<double>((length - axis.reach()) / axis.step + 1);
            tiles *= length == 1 && a + 1 == rank ? static_cast<double>(axis.out)
                                                  : std::ceil(static_cast<double>(axis.out) / hop);
        }
        const double memory =
            points * 2 * bytes_of(transform_arithmetic_) * std::ceil(numbers_per_sample / 2);
        const bool fits = memory <= workspace_limit / 2 + kernel_multiple * kernel;
        if (fits && transform_objection(points).empty()) {
            double one = in_life * tile_nanoseconds(tile);
            if (staged)
                one += points * (staged_sample + staged_line / static_cast<double>(tile.back()));
            const double ns =
                tile_call + shared(tiles * one + beside,
                                   std::ceil(tiles / 2 * std::min(1.0, points / tile_task)));
            if (ns < least) {
                least = ns;
                result.tile = tile;
                result.alone = tiles * one + beside < worth_waking * 1e9;
            }
        }
        more = false;
        for (int a = rank - 1; a >= 0 && !more; --a) {
            more = ++at[a] < candidates[static_cast<std::size_t>(a)].size();
            if (!more) at[a] = 0;
        }
    }
    if (result.tile.empty()) {
        result.reason = transform_objection(static_cast<double>(problem_.taps()) * 4);
        if (result.reason.empty())
            result.reason = "no tile for this kernel stays within the memory promise";
        return result;
    }
    result.possible = true;
    result.seconds = 1e-9 * least;
    return result;
}

}  // namespace faltung
