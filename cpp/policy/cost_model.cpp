#include "policy/cost_model.hpp"

#include <algorithm>
#include <cmath>

namespace faltung {

namespace {

// Nanoseconds on one core, fitted to what random problems of benchmarks/regret.py (seeds 21, 22,
// 23) took on one core of an EPYC, Zen 5, level v4, November 2026, beside what calibration measures
// on large warm images. Of those problems' times 72 % (direct), 82 % (separable) and 63 %
// (overlap-save) lie within a factor of 1.2 of the prediction, 92 to 96 % within 1.5.
constexpr double waking = 7000;  // and joining another worker, where two had been at work before

// Direct sums. A row of results: of an image, of a line by itself, which is fetched into a buffer
// of its own, of columns. A row of samples: as it is, continued by a boundary, converted; rows that
// reach into x without that are half as dear.
constexpr double direct_call = 600, direct_row = 8, direct_line_row = 49, direct_column_row = 5;
constexpr double read_row = 13, continued_row = 9, converted_row = 8, direct_plane = 2;
constexpr double wide_row = 256, wide_share = 0.5;
constexpr double direct_sums = 1.05, direct_sums_1d = 1.15,
                 direct_sums_3d = 1.3;  // of what calibration says
constexpr double one_tap = 0.55;        // of what a pass is said to take for an output
constexpr double unshared = 2.6;  // a tap, where neighbouring rows of results share no samples
constexpr double direct_far_3d = 0.012;  // a byte of arrays beyond the second-level cache
constexpr double byte_row = 45;          // copied with its border
constexpr double direct_shared_work = 4e5, direct_task_work = 1e5;  // as in direct/dense.cpp
// A tap of a list takes as long as so many of a dense kernel: nothing that it loads serves another.
// With every row it begins anew.
constexpr double listed_line_tap = 2.2, listed_image_tap = 4, listed_row_tap = 3;
// Of a line whose neighbouring taps meet samples further apart; of neighbours loads are saved.
constexpr double spaced_line_tap = 1.6;
// The same of rows that are taken apart for a step, of few phases and taps. Along a line dense taps
// share less. One core of an EPYC, Zen 5: 31 taps along a line 2.2, 3 x 3 to 7 x 7 3.5 to 4.
constexpr double phased_line_tap = 2, phased_image_tap = 4;
// More taps than so many are summed in several goes, which fetch their rows for every group of
// rows.
constexpr double taps_at_once = 256, group_rows = 6;
constexpr Index most_phases = 8, most_phased_taps = 256;

// Passes. A row that is read or written, by each of them; one that is not read in place;
// calibration counts rows and two passes where it says what an output costs.
constexpr double separable_call = 500, separable_axis = 160;  // beyond the first
constexpr double separable_row = 17, separable_read_row = 24;
// The last vectors of a line wait for one tap after another.
constexpr double line_end_tap = 1.3;
constexpr double pass_output = 0.25, line_output = 0.65;
constexpr double pass_sums = 1.17, pass_sums_3d = 1.9;
constexpr double scaling = 0.4;  // a pass of one tap, against any other before its taps

// Results of another dtype than they are computed in: a row, and a number of it.
constexpr double written_row = 18, written_number = 0.28;

// A byte of memory that the shared cache does not hold, read or written: 14 GB/s per core. What is
// left of it where loops fetch ahead.
constexpr double far_byte = 1.0 / 14, direct_waits = 0.2, passes_wait = 0.35, line_waits = 0.15;

double direct_tasks(double work) { return work > direct_shared_work ? work / direct_task_work : 1; }

double rounded_up(double value, double unit) { return std::ceil(value / unit) * unit; }

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
      transform_arithmetic_(problem.sample_bound > 0 ? Arithmetic::f64 : problem.arithmetic) {
    for (const Axis& axis : problem_.axes) convolved_ += axis.k > 1;
}

double CostModel::shared(double nanoseconds, double tasks) const {
    tasks = std::ceil(tasks);
    const double workers = std::min(static_cast<double>(traits_.workers), tasks);
    if (workers <= 1 || nanoseconds < worth_waking * 1e9) return nanoseconds;
    return nanoseconds * std::ceil(tasks / workers) / tasks + waking;
}

double CostModel::array_bytes() const {
    double samples = static_cast<double>(problem_.inner);
    for (const Axis& axis : problem_.axes) samples *= static_cast<double>(axis.x);
    return samples * static_cast<double>(size_of(problem_.x_dtype)) +
           static_cast<double>(problem_.outputs()) *
               static_cast<double>(size_of(problem_.out_dtype));
}

double CostModel::waiting(double scratch, double trips) const {
    const double arrays = array_bytes(), kept = static_cast<double>(machine().caches.l3) / 2;
    if (arrays + scratch <= kept) return 0;
    // where little is too much, part of it stays
    return far_byte * (arrays + trips * scratch) * (1 - kept / (arrays + scratch));
}

double CostModel::rows() const {
    return static_cast<double>(problem_.outputs()) /
           static_cast<double>(problem_.axes.back().out * problem_.inner);
}

double CostModel::numbers() const {
    const Axis& last = problem_.axes.back();
    const double lanes = static_cast<double>(level_.vector_bytes) /
                         static_cast<double>(size_of(problem_.arithmetic));
    const double row = static_cast<double>(last.out) * static_cast<double>(problem_.lanes());
    return rows() * rounded_up(row, lanes);
}

bool CostModel::converts_samples(Arithmetic arithmetic) const {
    return !stands_as(problem_.x_dtype, arithmetic) ||
           is_complex(problem_.x_dtype) != problem_.complex_samples;
}

/// For a row of samples that a sum is made of.
double CostModel::row_of_samples() const {
    const Axis& last = problem_.axes.back();
    double ns = read_row;
    if (problem_.boundary != Boundary::zero && !last.inside()) ns += continued_row;
    if (converts_samples(problem_.arithmetic)) return ns + converted_row;
    const double inside = static_cast<double>((last.x - last.reach()) * problem_.lanes());
    return inside < wide_row ? ns : ns * wide_share;
}

double CostModel::writing(Arithmetic arithmetic) const {
    if (stands_as(problem_.out_dtype, arithmetic)) return 0;
    return rows() * written_row + written_number * static_cast<double>(problem_.outputs());
}

Prediction CostModel::bytes() const {
    Prediction result{.possible = true, .in_bytes = true, .arithmetic = problem_.arithmetic};
    const ByteCosts& costs = byte_costs(level_);
    const TapCost& cost = convolved_ == 1 && problem_.axes.back().k > 1 ? costs.line : costs.image;
    const double stored = costs.stored * static_cast<double>(size_of(problem_.out_dtype));
    const double ns =
        direct_sums * numbers() * (cost.output + stored + traits_.byte_products * cost.tap) +
        rows() * byte_row;
    result.alone = ns < worth_waking * 1e9;
    const double work = numbers() * traits_.byte_products;
    result.seconds = 1e-9 * (direct_call + shared(ns, direct_tasks(work)));
    return result;
}

Prediction CostModel::direct() const {
    if (traits_.byte_products > 0) return bytes();
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
    const bool shares = high == 1 || problem_.axes[row_axis].step == 1;

    // a complex kernel on one axis is two real ones; on several both sums are made in one go
    const double parts = problem_.complex_kernel ? 2 : 1;
    const double step = static_cast<double>(last.step);
    const bool phased = last.step > 1 && last.step <= most_phases && traits_.listed == 0 &&
                        problem_.taps() <= most_phased_taps;
    // without phases a stepped row is computed in full
    const double spaced =
        line && traits_.listed == 0 && last.dilation * problem_.lanes() > 2 ? spaced_line_tap : 1;
    const double dense = line             ? direct_sums_1d * spaced
                         : convolved_ > 2 ? direct_sums_3d
                                          : direct_sums;
    const double sums = convolved_ == 0 ? 0
                        : phased        ? direct_sums * (line ? phased_line_tap : phased_image_tap)
                                        : dense * step * (shares ? 1 : unshared);
    const double outputs = (convolved_ == 0  ? one_tap
                            : convolved_ > 2 ? direct_sums_3d
                                             : 1) *
                           step * (convolved_ <= 1 ? parts : 1);
    double ns = numbers() * (outputs * cost.output + parts * sums * taps * cost.tap);
    ns += rows() * (line              ? direct_line_row
                    : convolved_ == 1 ? direct_column_row
                                      : direct_row + direct_plane * parts * (planes - 1));
    if (convolved_ > 1 || converts_samples(problem_.arithmetic)) {
        const bool cut = traits_.listed == 0 && taps > taps_at_once;
        const double reads = cut ? planes * (1 + (high - 1) / group_rows) : shares ? 1 : high;
        ns += rows() * reads * row_of_samples();
    }
    if (traits_.listed > 0 && !line)
        ns += rows() * listed_row_tap * parts * static_cast<double>(traits_.listed);
    ns += writing(problem_.arithmetic) + direct_waits * waiting(0, 0);
    if (convolved_ > 2 && array_bytes() > static_cast<double>(machine().caches.l2) / 2)
        ns += direct_far_3d * array_bytes();
    const double work = parts * numbers() * static_cast<double>(problem_.taps());
    result.alone = ns < worth_waking * 1e9;
    result.seconds = 1e-9 * (direct_call + shared(ns, direct_tasks(work)));
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
    const double sums = convolved_ > 2 ? pass_sums_3d : pass_sums;
    const PassWork& work = traits_.passes;
    double ns = outputs * work.results * cost.output + sums * work.sums * cost.tap;
    ns += separable_row * ((line ? 0 : rows()) + (line || convolved_ > 1 ? work.rows : 0));
    ns += line_end_tap * work.ends;
    if (converts_samples(problem_.arithmetic))
        ns += separable_read_row * work.rows;
    else if (problem_.axes.back().k > 1)  // the first and the last box of a line reach beyond it
        ns += separable_read_row * std::min(work.rows, 2 * work.lines);
    ns += writing(problem_.arithmetic) + (line ? line_waits : passes_wait) * waiting(0, 0);
    result.alone = ns < worth_waking * 1e9;
    result.seconds = 1e-9 * (separable_call + separable_axis * std::max(0, convolved_ - 1) +
                             shared(ns, work.tasks));
    return result;
}

}  // namespace faltung
