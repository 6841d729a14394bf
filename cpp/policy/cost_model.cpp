#include "policy/cost_model.hpp"

#include <algorithm>
#include <cmath>

#include "core/limits.hpp"

namespace faltung {

namespace {

// Nanoseconds on one core, fitted to what random problems of benchmarks/regret.py took on an EPYC,
// Zen 5, level v4, November 2026, beside what calibration measures on large warm images
// (docs/performance.md, "The choice", says to how many and how near).
constexpr double waking = 7000;  // and joining another worker, where two had been at work before

// Direct sums. A row of results: of an image, of a line by itself, which is fetched into a buffer
// of its own, of columns, of products with one tap; one shorter than a vector is staged. A row of
// samples: as it stands in x, copied with its border or because it is converted, continued by a
// boundary, taken apart for a step, looked at for NaN.
constexpr double direct_call = 650, direct_row = 2, direct_line_row = 65, direct_column_row = 9,
                 direct_one_tap_row = 20, direct_plane = 2, staged_row = 5;
constexpr double standing_row = 3, copied_row = 15, continued_row = 10, listed_row = 15,
                 phased_row = 10, converted_row = 5, converted_number = 0.04;
constexpr double copied_below = 4096;  // bytes (direct/dense_pass.cpp)
// Of what calibration says: results, and sums. Vectors that are left at the end of a row, fewer
// than a block has, share less.
constexpr double direct_results = 1.35, direct_results_1d = 0.75, one_tap = 0.39;
constexpr double direct_sums = 0.97, direct_sums_1d = 1.05, direct_sums_3d = 1.1;
// Of volumes whose last axis has no taps, or whose taps stand apart; of rows of few vectors.
constexpr double volume_columns = 1.6, volume_apart = 1.3, few_vectors = 1.2;
constexpr double block_vectors = 4, left_over = 1.4, most_rows = 6;
// A tap, where a block of rows loads a row of samples for each of its own; where loads are shared,
// this much of it falls away.
constexpr double unshared = 2.6, unshared_loads = 1.8;
constexpr double hopped_row = 5;  // of columns that step
// A byte of arrays beyond the second-level cache: of one axis, of images, of volumes.
constexpr double direct_far_1d = 0.005, direct_far = 0.008, direct_far_3d = 0.02;
// Products of bytes: of what calibration says, and a row copied with its border. A block loads 64
// bytes that must lie within the row; the last outputs are left to blocks of one masked vector.
constexpr double byte_sums = 1.05, byte_sums_3d = 1.8, byte_row = 15, ragged_byte_vector = 1.7;
constexpr double byte_far_line = 0.006, byte_far_product = 0.01;    // as direct_far; of one tap
constexpr double direct_shared_work = 4e5, direct_task_work = 1e5;  // as in direct/dense.cpp
// A tap of a list takes as long as so many of a dense kernel: nothing that it loads serves another.
// With every row it begins anew.
constexpr double listed_line_tap = 2.2, listed_image_tap = 2.5, listed_row_tap = 1.3;
// Of a line whose neighbouring taps meet samples further apart; of neighbours loads are saved, most
// where every load meets two lines of the cache (vectors of 64 bytes).
constexpr double spaced_line_tap = 1.6, spaced_narrow_tap = 1.2;
// A tap of a line that is taken apart for a step, of few phases, against the same without steps;
// and taking apart a byte of it.
constexpr double phased_line_tap = 2.4, phased_byte = 0.01;
// More taps than so many are summed in several goes, which fetch their rows for every group of
// rows.
constexpr double taps_at_once = 256, group_rows = 6;

// Passes. A row that is not read in place; calibration counts rows and two passes where it says
// what an output costs.
constexpr double separable_call = 500, separable_axis = 160;  // beyond the first
constexpr double separable_read_row = 24;
// The last vectors of a line wait for one tap after another.
constexpr double line_end_tap = 1.3;
constexpr double pass_output = 0.2, line_output = 0.57;
constexpr double scaling = 0.37;  // a pass of one tap, against any other before its taps
// Of what calibration says, sums; a row that is read or written, by each pass; a byte beyond the
// second-level cache; what is left of waiting for memory. Vectors of 64 bytes spend their time on
// sums and on what these load, narrower ones (measured on a Zen 3) on rows and memory beside them.
struct PassCosts {
    double sums, row, far, waits;
};
constexpr PassCosts wide_passes{1.05, 17, 0.004, 0.35}, wide_volume_passes{1.9, 17, 0.004, 0.8},
    narrow_passes{0.9, 24, 0.02, 1}, narrow_volume_passes{1.05, 39, 0.004, 1};

// Results of another dtype than they are computed in: a row, and a number of it.
constexpr double written_row = 18, written_number = 0.28;

// A byte of memory that the shared cache does not hold, read or written: 14 GB/s per core. What is
// left of it where loops fetch ahead.
constexpr double far_byte = 1.0 / 14, direct_waits = 0.5, direct_waits_3d = 0.6,
                 scaling_waits = 0.5;

double direct_tasks(double work) { return work > direct_shared_work ? work / direct_task_work : 1; }

double lanes_of(const microkernels::Table& level, Arithmetic arithmetic) {
    return static_cast<double>(level.vector_bytes) / static_cast<double>(size_of(arithmetic));
}

}  // namespace

bool stands_as(DType dtype, Arithmetic arithmetic) {
    switch (dtype) {
        case DType::float32:
        case DType::complex64: return arithmetic == Arithmetic::f32;
        case DType::float64:
        case DType::complex128: return arithmetic == Arithmetic::f64;
        case DType::int64:
        case DType::uint64: return arithmetic == Arithmetic::i64;
        default: return false;
    }
}

CostModel::CostModel(const Problem& problem, const Traits& traits, const microkernels::Table& level)
    : problem_(problem),
      traits_(traits),
      level_(level),
      // exact integers go through transforms in float64, whatever the direct loops need
      transform_arithmetic_(problem.sample_bound > 0 ? Arithmetic::f64 : problem.arithmetic),
      pace_(level_costs(level, problem.arithmetic).calls) {
    for (const Axis& axis : problem_.axes) convolved_ += axis.k > 1;
}

double CostModel::shared(double nanoseconds, double tasks, double joins) const {
    tasks = std::ceil(tasks);
    const double workers = std::min(static_cast<double>(traits_.workers), tasks);
    if (workers <= 1 || nanoseconds < worth_waking * 1e9) return nanoseconds;
    return std::min(nanoseconds,
                    nanoseconds * std::ceil(tasks / workers) / tasks + joins * pace_ * waking);
}

double CostModel::array_bytes() const {
    double samples = static_cast<double>(problem_.inner);
    for (const Axis& axis : problem_.axes) samples *= static_cast<double>(axis.x);
    return samples * static_cast<double>(size_of(problem_.x_dtype)) +
           static_cast<double>(problem_.outputs()) *
               static_cast<double>(size_of(problem_.out_dtype));
}

double CostModel::unkept(double scratch) const {
    const double walked = array_bytes() + scratch;
    const double kept = static_cast<double>(machine().caches.l3) / 2;
    return walked <= kept ? 0 : 1 - kept / walked;
}

double CostModel::waiting(double scratch, double trips) const {
    return far_byte * (array_bytes() + trips * scratch) * unkept(scratch);
}

double CostModel::beyond_l2() const {
    return std::max(0.0, array_bytes() - static_cast<double>(machine().caches.l2) / 2);
}

double CostModel::rows() const {
    return static_cast<double>(problem_.outputs()) /
           static_cast<double>(problem_.axes.back().out * problem_.inner);
}

double CostModel::vectors() const {
    const Axis& last = problem_.axes.back();
    return static_cast<double>(last.out * problem_.lanes()) / lanes_of(level_, problem_.arithmetic);
}

double CostModel::numbers() const {
    return rows() * std::ceil(vectors()) * lanes_of(level_, problem_.arithmetic);
}

bool CostModel::converts_samples(Arithmetic arithmetic) const {
    return !stands_as(problem_.x_dtype, arithmetic) ||
           is_complex(problem_.x_dtype) != problem_.complex_samples;
}

/// For a row of samples that a sum is made of.
double CostModel::row_of_samples() const {
    const Axis& last = problem_.axes.back();
    const bool converted = converts_samples(problem_.arithmetic);
    const double numbers = static_cast<double>(last.out * problem_.lanes());
    const double conversion = converted ? converted_row + converted_number * numbers : 0;
    const double inside = static_cast<double>((last.x - last.reach()) * problem_.lanes()) *
                          static_cast<double>(size_of(problem_.arithmetic));
    if (!converted && (last.k == 1 || inside >= copied_below)) return standing_row;
    return conversion + (problem_.boundary != Boundary::zero && !last.inside()
                             ? copied_row + continued_row
                             : copied_row);
}

/// How much longer the sums of a row take than those of whole blocks of vectors.
double CostModel::left_over_share() const {
    const double all = std::ceil(vectors()), left = std::fmod(all, block_vectors);
    // three that follow others are a block, one of whose vectors is summed twice
    if (left == block_vectors - 1 && all > left) return (all + 1) / all;
    return 1 + (left_over - 1) * left / all;
}

double CostModel::spaced_tap() const {
    return wide_vectors() ? spaced_line_tap : spaced_narrow_tap;
}

double CostModel::writing(Arithmetic arithmetic) const {
    if (stands_as(problem_.out_dtype, arithmetic)) return 0;
    return pace_ *
           (rows() * written_row + written_number * static_cast<double>(problem_.outputs()));
}

/// That the loops over bytes seem to write, from what they take (microkernels/byte_loops.hpp).
double CostModel::byte_numbers() const {
    constexpr Index vector = 16, block = 2 * vector, loaded = 64, taps_per_word = 4;
    const Axis& last = problem_.axes.back();
    const Index step = last.dilation * problem_.lanes(), outputs = last.out * problem_.lanes();
    const Index beyond_word =
        ((last.k - 1) % taps_per_word) * step;  // of the last word's first tap
    const Index room = outputs + beyond_word - loaded;
    const Index blocks = room < 0 ? 0 : std::min(outputs / block, room / block + 1);
    const Index ragged = (outputs - blocks * block + vector - 1) / vector;
    return rows() * static_cast<double>(vector) *
           (2 * static_cast<double>(blocks) + ragged_byte_vector * static_cast<double>(ragged));
}

Prediction CostModel::bytes() const {
    Prediction result{.possible = true, .in_bytes = true, .arithmetic = problem_.arithmetic};
    const ByteCosts& costs = byte_costs(level_);
    const TapCost& cost = convolved_ == 1 && problem_.axes.back().k > 1 ? costs.line : costs.image;
    const double stored = costs.stored * static_cast<double>(size_of(problem_.out_dtype));
    const double sums = convolved_ > 2 ? byte_sums_3d : byte_sums;
    const double far = convolved_ == 0 ? byte_far_product : convolved_ == 1 ? byte_far_line : 0;
    const double ns =
        sums * byte_numbers() * (cost.output + stored + traits_.byte_products * cost.tap) +
        pace_ * rows() * byte_row + beyond_l2() * far;
    result.alone = ns < worth_waking * 1e9;
    const double work = numbers() * traits_.byte_products;
    result.seconds = 1e-9 * (pace_ * direct_call + shared(ns, direct_tasks(work)));
    return result;
}

Prediction CostModel::direct() const {
    if (traits_.byte_products > 0) return bytes();
    if (problem_.taps() == 1)  // passes multiply by it, with less ado (engine/plan.cpp)
        if (const Prediction product = separable(); product.possible) return product;
    Prediction result{.possible = true, .arithmetic = problem_.arithmetic};
    const LevelCosts& costs = level_costs(level_, problem_.arithmetic);
    const Axis& last = problem_.axes.back();
    const bool line = convolved_ == 1 && last.k > 1;
    const double listed =
        (line ? listed_line_tap : listed_image_tap) * static_cast<double>(traits_.listed);
    const double taps = traits_.listed > 0 ? listed : static_cast<double>(problem_.taps());
    result.listed = traits_.listed;
    constexpr double few = 100;
    const TapCost& cost = convolved_ == 0 ? costs.separable
                          : last.k == 1   ? costs.column
                          : line          ? costs.line
                          : taps <= few   ? costs.image
                                          : costs.wide;

    // the axis whose rows are summed together, and the planes of such rows
    int row_axis = problem_.axes.size() - 2;
    while (row_axis > 0 && problem_.axes[row_axis].k == 1) --row_axis;
    const double high = row_axis < 0 ? 1 : static_cast<double>(problem_.axes[row_axis].k);
    const double planes =
        static_cast<double>(problem_.taps()) / (high * static_cast<double>(last.k));
    const Index row_axis_step = row_axis < 0 ? 1 : problem_.axes[row_axis].step;
    const double row_step = std::min(high, static_cast<double>(row_axis_step));
    const Index row_dilation = row_axis < 0 ? 1 : problem_.axes[row_axis].dilation;
    const double row_bytes = static_cast<double>(last.last() - last.first) *
                             static_cast<double>(problem_.lanes()) *
                             static_cast<double>(size_of(problem_.arithmetic));
    Index plane_step = 1, plane_dilation = 1;  // of the innermost axis of planes
    for (int a = 0; a < row_axis; ++a)
        if (problem_.axes[a].k > 1) {
            plane_step = problem_.axes[a].step;
            plane_dilation = problem_.axes[a].dilation;
        }

    // a complex kernel on one axis is two real ones; on several both sums are made in one go
    const double parts = problem_.complex_kernel ? 2 : 1;
    const double step = static_cast<double>(last.step);
    const bool phased = last.step > 1 && last.step <= most_phases && traits_.listed == 0;
    // without phases a stepped row is computed in full
    const double spaced =
        line && traits_.listed == 0 && last.dilation * problem_.lanes() > 2 ? spaced_tap() : 1;
    const bool cut = traits_.listed == 0 && taps > taps_at_once;
    double dense =
        line ? direct_sums_1d * spaced
             : (convolved_ > 2 && !cut ? direct_sums_3d : direct_sums) * left_over_share();
    if (convolved_ > 1 && vectors() < block_vectors) dense *= few_vectors;
    if (convolved_ > 2 && last.k == 1) dense *= volume_columns;
    if (convolved_ > 2 && (row_dilation > 1 || plane_dilation > 1)) dense *= volume_apart;
    // rows of a block are as many as have windows that share rows
    double sharing = 1;
    if (high > 1 && (row_axis_step > 1 || phased)) {
        const double block = std::clamp(std::ceil(high / row_step), 1.0, most_rows);
        const double loads = (high + (block - 1) * row_step) / (high * block);
        sharing = unshared - unshared_loads * (1 - loads);
    }
    const double sums = convolved_ == 0 ? 0
                        : phased        ? direct_sums * (line ? phased_line_tap : sharing)
                                        : dense * step * sharing;
    const double outputs = (convolved_ == 0   ? one_tap
                            : convolved_ == 1 ? direct_results_1d
                                              : direct_results) *
                           step * (convolved_ <= 1 ? parts : 1);
    double ns = numbers() * (outputs * cost.output + parts * sums * taps * cost.tap);
    double row = line              ? direct_line_row
                 : convolved_ == 0 ? direct_one_tap_row
                 : convolved_ == 1 ? direct_column_row
                                   : direct_row + direct_plane * parts * (planes - 1);
    if (vectors() < 1) row += staged_row;
    if (convolved_ > 1 || cut || converts_samples(problem_.arithmetic)) {
        // planes are kept from one to the next where they do not step, and so are rows
        const double kept = row_dilation == 1 || row_step == 1 ? row_step : high;
        const double reads =
            cut ? planes * (1 + (high - 1) / group_rows) : kept * (plane_step > 1 ? planes : 1);
        row += reads * (row_of_samples() + (phased ? phased_row + phased_byte * row_bytes : 0) +
                        (traits_.listed > 0 && !line ? listed_row : 0));
    } else if (row_axis_step > 1)
        row += row_step * hopped_row;
    else if (phased)
        row += phased_byte * row_bytes;
    if (traits_.listed > 0 && !line)
        row += listed_row_tap * parts * static_cast<double>(traits_.listed);
    ns += pace_ * rows() * row + writing(problem_.arithmetic) +
          (convolved_ == 0  ? scaling_waits
           : convolved_ > 2 ? direct_waits_3d
                            : direct_waits) *
              waiting(0, 0);
    ns += beyond_l2() * (convolved_ > 2   ? direct_far_3d
                         : convolved_ > 1 ? direct_far
                                          : direct_far_1d);
    const double work = parts * numbers() * static_cast<double>(problem_.taps());
    result.alone = ns < worth_waking * 1e9;
    result.seconds = 1e-9 * (pace_ * direct_call + shared(ns, direct_tasks(work)));
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
    result.terms = traits_.terms;
    const LevelCosts& costs = level_costs(level_, problem_.arithmetic);
    const bool line = convolved_ == 1 && problem_.axes.back().k > 1;
    const TapCost& cost = line ? costs.line : costs.separable;
    const double outputs = line ? line_output : convolved_ == 0 ? scaling : pass_output;
    const PassWork& work = traits_.passes;
    const double spaced = line && problem_.lanes() > 2 && !work.chained ? spaced_tap() : 1;
    const PassCosts& pass = wide_vectors()
                                ? (convolved_ > 2 ? wide_volume_passes : wide_passes)
                                : (convolved_ > 2 ? narrow_volume_passes : narrow_passes);
    double ns = outputs * work.results * cost.output + pass.sums * spaced * work.sums * cost.tap;
    double rest = pass.row * ((line ? 0 : rows()) + (line || convolved_ > 1 ? work.rows : 0));
    rest += line_end_tap * work.ends;
    if (converts_samples(problem_.arithmetic))
        rest += separable_read_row * work.rows;
    else if (problem_.axes.back().k > 1)  // the first and the last box of a line reach beyond it
        rest += separable_read_row * std::min(work.rows, 2 * work.lines);
    ns += pace_ * rest + writing(problem_.arithmetic) + pass.far * beyond_l2() +
          (convolved_ == 0 ? scaling_waits : pass.waits) * waiting(0, 0);
    result.alone = ns < worth_waking * 1e9;
    result.seconds =
        1e-9 * (pace_ * (separable_call + separable_axis * std::max(0, convolved_ - 1)) +
                shared(ns, work.tasks));
    return result;
}

}  // namespace faltung
