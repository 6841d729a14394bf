// What transforms take: of the whole array, and of tiles.
#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "core/limits.hpp"
#include "core/tile_pace.hpp"
#include "policy/cost_model.hpp"

namespace faltung {

namespace {

// Nanoseconds on one core, fitted as those of cost_model.cpp.
constexpr double whole_call = 600, whole_block = 140, whole_line = 50;
constexpr double whole_complex = 1.2;  // a point of lines of complex samples, by the library
// A byte beyond the second-level cache: by the library, and of volumes by transforms of our own.
constexpr double whole_far_byte = 0.5, own_far_byte = 0.08;
// By transforms of our own: a byte of a point, of one axis and of several, a point and a line of
// several, a row of samples that does not stand in x; of the sum, what volumes and a channel of
// several in the caches take, where panels of one are few (vectors of 64 bytes).
constexpr double own_byte = 0.18, own_byte_several = 0.11, own_point = 0.7, own_short_line = 9.4,
                 own_staged_row = 45, own_volumes = 0.9, own_channels = 0.6;
constexpr double own_continued_line = 500;  // a line of its own that a boundary continues
// Columns alone: a row of samples or results that is moved by way of a buffer, and a number of it,
// which a boundary makes so many times as long; a byte of a block beyond the second-level cache.
constexpr double own_column_row = 25, own_column_number = 0.04, own_column_continued = 2.5,
                 own_column_far_byte = 0.15;
// A point more where samples are converted, where they stand at steps, where of all channels one is
// gathered, where a boundary continues several axes.
constexpr double moved_converted = 0.25, moved_stepped = 0.75, moved_gathered = 1.6,
                 moved_continued = 1;
// A byte of samples or results at a position, which pass by for each of its channels, where no
// cache keeps them.
constexpr double passing_byte = 0.11;
// What makes a task (spectral/whole.cpp, grid.cpp): points, and of columns so many lines.
constexpr double whole_task = 1 << 15, whole_columns = 16;
// Blocks no larger than this are a task each; larger ones are shared, pass by pass.
constexpr double whole_small_block = 4 << 20, whole_joins = 6;

constexpr double tile_call = 550, tile_each = 50;
constexpr double tile_task = 1 << 14;  // points that make a task (spectral/overlap_save.cpp)
// Of a tile's calibrated cost: what every tile takes, what falls away where only part of it holds
// samples, or results.
constexpr double tile_always = 0.55, tile_filled = 0.15, tile_kept = 0.22;
constexpr double tile_far_byte = 0.013, tile_far_byte_3d = 0.05;  // beyond the second-level cache
// The share of a square tile's cost that is not transforms: rows in and out.
constexpr double traffic_share = 0.3;
constexpr double volume_share = 0.82;  // of tiles of three axes
constexpr double twist_cost = 1.1;     // a folded line multiplies by one more table
// Long lines in vectors of four floats, which also go to memory between their passes more often.
constexpr double narrow_lines = 1.3;
// Tiles that the second-level cache does not hold, or those of all workers a third of the shared
// one.
constexpr double out_of_l2 = 1.6, out_of_l3 = 2.6, images_out_of_l3 = 1.6;
constexpr double tiles_wait = 0.6;        // what is left of waiting where tiles fetch ahead, too
constexpr double library_slowdown = 2.5;  // a tile by the library against one of our own
// Columns that lie side by side, against a pass of a square tile (vectors of 64 bytes, narrower
// ones). Of columns longer than this few make a tile, which the caches hold where they would not
// hold the square.
constexpr double lone_columns = 0.62, lone_narrow_columns = 0.87, long_columns = 1.16,
                 columns_like = 256;
constexpr double library_point = 20;  // a kernel of one tap: a product per sample, by way of a tile
// Samples that are converted, or continued by a boundary, go through a line buffer on their way
// into a tile: a line, and a number of it.
constexpr double staged_line = 21, staged_number = 0.03;
// Results that are converted or stand at steps leave a tile row by row, those of more lanes than
// are stored together number by number.
constexpr double lone_number = 0.5, scattered_number = 0.2, scattered_line_number = 0.5;
// And each plane of theirs reads and writes all cache lines, which the second-level cache may not
// hold: a point and lane.
constexpr double scattered_far = 0.7;

// Beyond input and output, what `auto` may take per worker, and per tap of the kernel.
constexpr double workspace_limit = 64 << 20, kernel_multiple = 12;
// Of which two copies of the kernel, and one in float64, are there beside its transform.
constexpr double kernel_copies = 4;

double bytes_of(Arithmetic arithmetic) { return static_cast<double>(size_of(arithmetic)); }

}  // namespace

double transform_memory(const Problem& problem) {
    const Arithmetic arithmetic = problem.sample_bound > 0 ? Arithmetic::f64 : problem.arithmetic;
    return workspace_limit + (kernel_multiple - kernel_copies) *
                                 static_cast<double>(problem.taps()) * bytes_of(arithmetic);
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

/// Bytes of a transformed block that the second-level cache does not hold.
double CostModel::far(double points) const {
    return std::max(0.0, points * 2 * bytes_of(transform_arithmetic_) -
                             static_cast<double>(machine().caches.l2) / 2);
}

/// Of a point: where samples do not lie as a transform reads them.
double CostModel::moved() const {
    double ns = 0;
    if (converts_samples(transform_arithmetic_)) ns += moved_converted;
    if (problem_.axes.back().step > 1) ns += moved_stepped;
    if (problem_.inner > 1 && !channels_together()) ns += moved_gathered;
    const bool columns = problem_.axes.back().k == 1 && convolved_ > 0;
    if ((convolved_ > 1 || columns) && problem_.boundary != Boundary::zero) ns += moved_continued;
    return ns;
}

/// Images by transforms of our own take all channels of a position at once (spectral/whole.cpp).
bool CostModel::channels_together() const {
    bool steps = false;
    for (const Axis& axis : problem_.axes) steps = steps || axis.step > 1;
    return traits_.whole_is_own && convolved_ > 1 && !steps;
}

/// Otherwise channels are gathered, and scattered, one after the other.
double CostModel::passing(double memory) const {
    if (problem_.inner == 1 || channels_together()) return 0;
    const double position =
        static_cast<double>(problem_.inner) *
        static_cast<double>(size_of(problem_.x_dtype) + size_of(problem_.out_dtype));
    return passing_byte * position * traits_.whole_blocks * traits_.whole_points * unkept(memory);
}

double CostModel::library_block(double points) const {
    const TapCost& cost = level_costs(level_, transform_arithmetic_).whole;
    const double rest = points * (moved() + (problem_.complex_samples ? whole_complex : 0)) +
                        traits_.whole_lines * whole_line + whole_block;
    return points * (cost.output + traits_.whole_steps * cost.tap) + pace_ * rest +
           whole_far_byte * far(points);
}

double CostModel::own_block(double points) const {
    const double bytes = bytes_of(transform_arithmetic_);
    if (convolved_ == 1) {
        if (problem_.axes.back().k == 1) return own_columns(points);
        const double lines = level_costs(level_, transform_arithmetic_).lines;
        const double ends = problem_.boundary != Boundary::zero ? own_continued_line : 0;
        return lines * (line_nanoseconds(points) + pace_ * points * (own_byte * bytes + moved())) +
               pace_ * ends;
    }
    double ns = line_nanoseconds(points) +
                pace_ * (points * (own_point + own_byte_several * bytes + moved()) +
                         own_short_line * traits_.whole_lines);
    const double all = points * static_cast<double>(problem_.inner);
    if (wide_vectors() && problem_.inner > 1 && channels_together() && far(all) == 0)
        ns *= own_channels;
    if (convolved_ > 2) ns = own_volumes * ns + own_far_byte * far(points);
    if (converts_samples(transform_arithmetic_) || problem_.boundary != Boundary::zero)
        ns += pace_ * own_staged_row * points / static_cast<double>(problem_.axes.back().x);
    return ns;
}

/// Columns whose second half is the imaginary part of the first, a block of them.
double CostModel::own_columns(double points) const {
    const double length = points / traits_.whole_lines, numbers = 2 * traits_.whole_lines;
    const double lanes = level_.vector_bytes / bytes_of(transform_arithmetic_);
    const bool staged = converts_samples(transform_arithmetic_) || std::fmod(numbers, lanes) != 0;
    const double results = staged ? 1 : 0;
    const double samples = problem_.boundary != Boundary::zero ? own_column_continued : results;
    const double rows = length * (samples + results);
    return points * column_cost(length / 2) +
           pace_ * rows * (own_column_row + own_column_number * numbers) +
           own_column_far_byte * far(points);
}

Prediction CostModel::whole() const {
    Prediction result{.arithmetic = transform_arithmetic_};
    const double points = traits_.whole_points, blocks = traits_.whole_blocks;
    result.reason = traits_.whole_objection;
    if (result.reason.empty()) result.reason = transform_objection(points * 2);
    if (result.reason.empty() && !traits_.fft_available && !traits_.whole_is_own)
        result.reason =
            "no FFT library was found (faltung.show_config() lists where it was looked for)";
    if (!result.reason.empty()) return result;
    result.possible = true;
    // the array and the prepared kernel, both transformed
    const double memory = points * 4 * bytes_of(transform_arithmetic_);
    const double ns = blocks * (traits_.whole_is_own ? own_block(points) : library_block(points));
    const double all =
        ns + waiting(memory, blocks) + passing(memory) + writing(transform_arithmetic_);
    double tasks = points / whole_task, joins = whole_joins * blocks;
    if (blocks >= std::max(2, traits_.workers) && memory / 2 <= whole_small_block) {
        tasks = blocks / std::max(1.0, std::floor(1 / tasks));
        joins = 1;
    } else if (!traits_.whole_is_own) {
        tasks = std::min(tasks, traits_.whole_lines / whole_columns);
    }
    const double together = shared(all, tasks, joins);
    result.alone = together == all;
    result.seconds = 1e-9 * (pace_ * whole_call + together);
    const double kernel = static_cast<double>(problem_.taps()) * bytes_of(transform_arithmetic_);
    if (memory > workspace_limit + kernel_multiple * kernel)
        result.reason = "it would need " + std::to_string(static_cast<Index>(memory) >> 20) +
                        " MiB of memory, more than auto may take";
    return result;
}

PerAxis<Index> CostModel::tile_lengths(int a) const {
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
        if (convolved_ == 1)  // columns
            for (Index length = 2 * own_lengths.back(); length <= most_own_points; length *= 2)
                offer(length);
    }
    if (candidates.empty() && traits_.fft_available)
        offer(static_cast<Index>(std::bit_ceil(static_cast<std::uint64_t>(2 * reach))));
    return candidates;
}

/// A line of `points` complex numbers, folded into a square.
double CostModel::line_nanoseconds(double points) const {
    const double cost = square_cost(std::sqrt(points));
    const double narrow = level_.vector_bytes <= 16 ? narrow_lines : 1;
    return points * cost * narrow * ((1 - traffic_share) * twist_cost + traffic_share);
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

/// The same of columns, of which few are taken at a time where they are long.
double CostModel::column_cost(double n) const {
    if (n <= columns_like) return square_cost(n);
    return square_cost(columns_like) * std::log2(n) / std::log2(columns_like);
}

/// A length that a tile may have along an axis, and what follows from it.
struct CostModel::Side {
    Index length;          // as the plan has it
    double points;         // along the axis; columns without taps are as many as fit
    double tiles;          // along the axis
    double inside;         // the share of them that x holds as they are
    double rows;           // points that hold samples
    double filled, kept;   // shares of the points that hold samples, and results
    double pass, traffic;  // nanoseconds per point of the tile; none without taps
    bool own;              // by transforms of our own
};

CostModel::Side CostModel::side_of(int a, Index length) const {
    const Axis& axis = problem_.axes[a];
    const bool last = a + 1 == problem_.axes.size();
    Side side{.length = length};
    side.points = static_cast<double>(length);
    side.own = true;
    if (length == 1) {  // a batch
        if (last) return side;
        side.tiles = static_cast<double>(axis.out);
        side.inside = side.rows = side.filled = side.kept = 1;
        return side;
    }
    const TilePace tiles = pace_of(axis, length, last, size_of(transform_arithmetic_));
    const Index count = tiles.count, pace = tiles.hop * axis.step;
    side.tiles = static_cast<double>(count);
    const Index before = std::max<Index>(0, -axis.first), room = axis.x - length - axis.first;
    const Index held =
        room < 0 ? 0 : std::min(count - 1, room / pace) - (before + pace - 1) / pace + 1;
    side.inside = static_cast<double>(std::max<Index>(0, held)) / side.tiles;
    const double results =
        (static_cast<double>(axis.out) / side.tiles - 1) * static_cast<double>(axis.step) + 1;
    side.rows = std::min(side.points, results + static_cast<double>(axis.reach() - 1));
    side.filled = side.rows / side.points;
    side.kept = results / side.points;

    const bool line = convolved_ == 1 && last;
    const double n = line ? std::sqrt(side.points) : side.points;
    side.own = n <= static_cast<double>(own_lengths.back());
    const double cost = problem_.axes.back().k == 1 ? column_cost(n) : square_cost(n);
    side.pass = cost * (1 - traffic_share) * (line ? twist_cost : 0.5);
    side.traffic = cost * traffic_share;
    return side;
}

/// Tiles of these sides; nothing is transformed where there are no taps.
CostModel::Load CostModel::load_of(const PerAxis<const Side*>& sides) const {
    const int last = sides.size() - 1;
    double points = 1, tiles = 1, inside = 1, rows = 1, filled = 1, kept = 1, passes = 0,
           traffic = 0;
    int transformed = 0;
    bool own = true;
    for (int a = 0; a <= last; ++a) {
        const Side& side = *sides[a];
        if (a == last && side.length == 1) break;
        points *= side.points;
        tiles *= side.tiles;
        inside *= side.inside;
        filled *= side.filled;
        kept *= side.kept;
        passes += side.pass;
        traffic = std::max(traffic, side.traffic);
        own = own && side.own;
        transformed += side.length > 1;
        if (a < last) rows *= side.rows;
    }
    const double lanes = static_cast<double>(problem_.lanes());
    double width = sides[last]->rows;
    if (sides[last]->length == 1) {  // columns
        const Axis& axis = problem_.axes[last];
        const double vector = level_.vector_bytes / bytes_of(transform_arithmetic_);
        const double samples = static_cast<double>((axis.out - 1) * axis.step + 1);
        const double most =
            std::max(vector, std::floor(column_tile_points / points / vector) * vector);
        const double columns = std::min(most, std::ceil(samples / vector) * vector);
        const double across = std::ceil(samples / columns);
        points *= columns;
        tiles *= across;
        inside *= std::floor(samples / columns) / across;
        width = samples / across;
        filled *= width / columns;
        kept *= width / columns;
    }

    // two real tiles share a complex one
    const bool odd = problem_.lanes() % 2 != 0;
    const double groups = odd ? std::ceil(tiles / 2) : tiles, planes = odd ? lanes : lanes / 2;
    const double tasks =
        std::ceil(groups / std::max(1.0, std::floor(tile_task / (points * planes))));
    if (transformed == 0) return {groups * planes * 2 * points * pace_ * library_point, tasks};
    const double full = odd ? tiles / (2 * groups) : 1;
    double share = tile_always + full * (tile_filled * filled + tile_kept * kept);
    if (transformed > 2 || (transformed > 1 && planes > 1)) {
        const double bytes = planes * points * 2 * bytes_of(transform_arithmetic_);
        const Caches& caches = machine().caches;
        if (bytes * traits_.workers >= static_cast<double>(caches.l3) / 3)
            share *= transformed > 2 ? out_of_l3 : images_out_of_l3;
        else if (bytes > static_cast<double>(caches.l2))
            share *= out_of_l2;
    }
    if (transformed > 2) share *= volume_share;
    if (sides[last]->length == 1)
        share *= !own ? long_columns : wide_vectors() ? lone_columns : lone_narrow_columns;
    else if (!own)
        share *= library_slowdown;
    const double transforms = groups * planes * 2 * points * share * (passes + traffic);
    const double staged = converts_samples(transform_arithmetic_) ? 1 : 1 - inside;
    double passing = 0;
    if (lanes > static_cast<double>(most_interleaved) &&
        points * lanes * bytes_of(transform_arithmetic_) > static_cast<double>(machine().caches.l2))
        passing = scattered_far * tiles * points * lanes;
    const double lines = staged * tiles * rows * (staged_line + staged_number * width * lanes);
    return {transforms + pace_ * (lines + passing + tile_each * tiles), tasks};
}

Prediction CostModel::overlap_save() const {
    Prediction result{.arithmetic = transform_arithmetic_};
    result.reason = transform_objection(1);
    if (!result.reason.empty()) return result;

    const int rank = problem_.axes.size();
    std::vector<std::vector<Side>> candidates(static_cast<std::size_t>(rank));
    for (int a = 0; a < rank; ++a) {
        auto& sides = candidates[static_cast<std::size_t>(a)];
        for (const Index length : tile_lengths(a)) sides.push_back(side_of(a, length));
        if (sides.empty()) {
            result.reason =
                "the kernel is longer than our own transforms, and no FFT library was found";
            return result;
        }
    }

    const Axis& last = problem_.axes.back();
    double stored = 0;
    if (!stands_as(problem_.out_dtype, transform_arithmetic_) || last.step > 1)
        stored = lone_number;
    else if (problem_.lanes() > most_interleaved)
        stored = convolved_ > 1 ? scattered_number : scattered_line_number;
    const double computed = rows() * static_cast<double>(last.out * last.step * problem_.lanes());
    const double lasting = tiles_wait * waiting(0, 0) + pace_ * stored * computed +
                           (convolved_ > 2 ? tile_far_byte_3d : tile_far_byte) * beyond_l2();
    const double kernel = static_cast<double>(problem_.taps()) * bytes_of(transform_arithmetic_);
    const double planes = std::ceil(static_cast<double>(problem_.lanes()) / 2);

    // every combination of lengths: few, since convolved axes are few
    double least = INFINITY;
    PerAxis<std::size_t> at(rank, 0);
    for (bool more = true; more;) {
        PerAxis<const Side*> sides;
        double points = 1;
        for (int a = 0; a < rank; ++a) {
            sides.push_back(&candidates[static_cast<std::size_t>(a)][at[a]]);
            points *= sides[a]->points;
        }
        const double memory = points * 2 * bytes_of(transform_arithmetic_) * planes;
        const bool fits = points * 2 * bytes_of(transform_arithmetic_) <= traits_.most_tile_bytes &&
                          memory <= workspace_limit / 2 + kernel_multiple * kernel;
        if (fits && transform_objection(points).empty()) {
            const Load load = load_of(sides);
            const double ns = load.nanoseconds + lasting;
            const double all = pace_ * tile_call + shared(ns, load.tasks);
            if (all < least) {
                least = all;
                result.tile = Extents();
                for (const Side* side : sides) result.tile.push_back(side->length);
                result.alone = ns < worth_waking * 1e9;
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
