#include "policy/cost_model.hpp"

#include <algorithm>
#include <cmath>

namespace faltung {

namespace {

double log2_of(double value) { return std::log2(std::max(2.0, value)); }

}  // namespace

CostModel::CostModel(const Problem& problem, const Traits& traits, const microkernels::Table& level)
    : problem_(problem), traits_(traits), level_(level) {}

Prediction CostModel::direct() const {
    Prediction result{.possible = true, .arithmetic = problem_.arithmetic};
    const double rate = (problem_.arithmetic == Arithmetic::f32 ? 1.0 : 0.5) * level_.vector_bytes * 0.5e9;
    const double macs = double(problem_.outputs()) * (problem_.complex_samples ? 2 : 1) *
                        (problem_.complex_kernel ? 2 : 1) * double(problem_.taps());
    result.seconds = 1e-6 + macs / rate;
    return result;
}

Prediction CostModel::separable() const {
    Prediction result{.arithmetic = problem_.arithmetic};
    if (!traits_.rank_one) {
        result.reason = "the kernel is not an outer product of one-dimensional ones within the accuracy bound";
        return result;
    }
    result.possible = true;
    double taps = 0;
    for (const Axis& axis : problem_.axes) taps += double(axis.k > 1 ? axis.k + 4 : 0);
    const double rate = (problem_.arithmetic == Arithmetic::f32 ? 1.0 : 0.5) * level_.vector_bytes * 0.3e9;
    result.seconds = 2e-6 + double(problem_.outputs()) * taps / rate;
    return result;
}

Prediction CostModel::whole() const {
    Prediction result{.arithmetic = problem_.arithmetic == Arithmetic::f32 ? Arithmetic::f32 : Arithmetic::f64};
    if (!traits_.finite_kernel) {
        result.reason = "the kernel holds NaN or infinity";
        return result;
    }
    if (!traits_.fft_available) {
        result.reason = "no FFT library was found";
        return result;
    }
    result.possible = true;
    double points = 1;
    for (const Axis& axis : problem_.axes) points *= double(axis.x + axis.k - 1);
    result.seconds = 20e-6 + points * log2_of(points) * 1e-9;
    return result;
}

Prediction CostModel::overlap_save() const {
    Prediction result = whole();
    if (!result.possible) return result;
    double tiles = 1, points = 1;
    for (const Axis& axis : problem_.axes) {
        if (axis.k == 1) {
            tiles *= double(axis.out);
            result.tile.push_back(1);
            continue;
        }
        Index length = 64;
        while (length < 3 * axis.k) length *= 2;
        result.tile.push_back(length);
        points *= double(length);
        tiles *= std::ceil(double(axis.out) / double(length - axis.k + 1));
    }
    result.seconds = 20e-6 + tiles * points * log2_of(points) * 0.5e-9;
    return result;
}

}  // namespace faltung
