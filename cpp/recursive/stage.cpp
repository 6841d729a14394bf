#include "recursive/stage.hpp"

#include <algorithm>
#include <cmath>

namespace faltung {

namespace {

constexpr Index block = microkernels::recur_block;

/// What looking ahead by a block multiplies with (Burrus, "Block realization of digital filters",
/// 1972): the first outputs of 1/a, and how they carry on the outputs before.
///
/// False where that would lose digits: each output of a block is rounded by itself, so errors are
/// the sum of |response| times those of a step. Poles close together near the circle have large
/// ones; with at most this sum, errors measured over sixty classical filters were at most three
/// times those of going step by step, and from 22 on they were tens of times.
constexpr long double most_response = 20;

bool look_ahead(const std::vector<double>& a, std::vector<double>& feed,
                std::vector<double>& carry) {
    const Index order = static_cast<Index>(a.size()) - 1;
    const auto coefficient = [&](Index k) {
        return k <= order ? static_cast<long double>(a[static_cast<std::size_t>(k)]) : 0.0L;
    };
    long double response[block], total = 0;
    for (Index i = 0; i < block; ++i) {
        response[i] = i == 0 ? 1 : 0;
        for (Index k = 1; k <= i; ++k) response[i] -= coefficient(k) * response[i - k];
        total += std::abs(response[i]);
    }
    if (!(total <= most_response)) return false;
    feed.assign(static_cast<std::size_t>(block * block), 0);
    carry.assign(static_cast<std::size_t>(order * block), 0);
    for (Index j = 0; j < block; ++j)
        for (Index i = j; i < block; ++i)
            feed[static_cast<std::size_t>(j * block + i)] = static_cast<double>(response[i - j]);
    for (Index j = 0; j < order; ++j)
        for (Index i = 0; i < block; ++i) {
            long double sum = 0;
            for (Index m = 0; m <= i; ++m) sum -= response[i - m] * coefficient(m + 1 + j);
            carry[static_cast<std::size_t>(j * block + i)] = static_cast<double>(sum);
        }
    return std::ranges::all_of(carry, [](double value) { return std::isfinite(value); });
}

std::vector<double> real_parts(const std::vector<std::complex<double>>& values) {
    std::vector<double> parts;
    for (const std::complex<double>& value : values) parts.push_back(value.real());
    return parts;
}

}  // namespace

Stage::Stage(const Section& section, const microkernels::Table& level)
    : b_(real_parts(section.b)),
      reversed_(b_.rbegin(), b_.rend()),
      a_(real_parts(section.a)),
      states_(section.states()),
      history_((std::max(states_, block) + block - 1) / block * block),
      order_(static_cast<Index>(a_.size()) - 1),
      level_(&level) {
    while (order_ > 0 && a_[static_cast<std::size_t>(order_)] == 0) --order_;
    a_.resize(static_cast<std::size_t>(order_) + 1);
    if (order_ > 0 && !look_ahead(a_, feed_, carry_)) feed_.clear();
}

void Stage::line(const double* x, double* y, Index n, const double* state, Index pitch,
                 Index states) const {
    const Index rounded = (n + block - 1) / block * block;
    const Index taps = static_cast<Index>(b_.size());
    const double* const row = x - (taps - 1);
    level_->correlate_f64.line({.row = &row,
                                .out = &y,
                                .taps = reversed_.data(),
                                .n = rounded,
                                .depth = 1,
                                .row_pitch = 0,
                                .ky = 1,
                                .kx = taps,
                                .tap_pitch = taps,
                                .tap_step = 1,
                                .ahead = nullptr,
                                .ahead_pitch = 0,
                                .accumulate = false,
                                .stream = false});
    for (Index i = 0; i < std::min(n, states); ++i) y[i] += state[i * pitch];
    if (order_ == 0) return;
    const auto which = static_cast<std::size_t>(order_ <= microkernels::recur_orders ? order_ : 0);
    microkernels::RecurCall call{.y = y,
                                 .a = a_.data(),
                                 .feed = feed_.data(),
                                 .carry = carry_.data(),
                                 .order = static_cast<int>(order_),
                                 .n = rounded};
    const Index done = feed_.empty() ? 0 : level_->recur.ahead[which](call);
    if (done >= n) return;
    call.y += done;  // an infinity or a NaN must not reach the outputs before it
    call.n = n - done;
    level_->recur.step[which](call);
}

void Stage::columns(const double* x, double* y, Index rows, Index width, Index pitch) const {
    level_->recur.columns({.b = b_.data(),
                           .a = a_.data(),
                           .taps = static_cast<Index>(b_.size()),
                           .order = order_,
                           .x = x,
                           .y = y,
                           .rows = rows,
                           .width = width,
                           .pitch = pitch});
}

double Stage::state_after(const double* x, const double* y, Index pitch, Index i) const {
    double sum = 0;
    for (Index k = i + 1; k < static_cast<Index>(b_.size()); ++k)
        sum += b_[static_cast<std::size_t>(k)] * x[(i - k) * pitch];
    for (Index k = i + 1; k <= order_; ++k)
        sum -= a_[static_cast<std::size_t>(k)] * y[(i - k) * pitch];
    return sum;
}

}  // namespace faltung
