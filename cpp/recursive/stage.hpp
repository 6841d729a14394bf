// One section of a recursive filter, prepared: y = (b / a) x.
#pragma once

#include <complex>
#include <vector>

#include "core/types.hpp"
#include "microkernels/table.hpp"

namespace faltung {

/// Coefficients with a[0] == 1.
struct Section {
    std::vector<std::complex<double>> b, a;

    /// Numbers that the transposed direct form II remembers.
    Index states() const { return static_cast<Index>(std::max(b.size(), a.size())) - 1; }
};

/// A section with real coefficients, over lines of float64. Lines carry their past with them:
/// `history()` numbers stand before the first.
class Stage {
public:
    Stage(const Section& section, const microkernels::Table& level);

    Index states() const { return states_; }
    Index history() const { return history_; }

    /// x and y have room for whole blocks beyond n. `state` holds the numbers of the state that
    /// belong to these positions, every `pitch`-th, and may be shorter than n.
    void line(const double* x, double* y, Index n, const double* state, Index pitch,
              Index states) const;

    /// `width` lines side by side, whole vectors; y holds what the state adds, or zeros.
    void columns(const double* x, double* y, Index rows, Index width, Index pitch) const;

    /// State i after the lines that end before x and y, neighbours `pitch` apart; without what is
    /// left of the state they began with.
    double state_after(const double* x, const double* y, Index pitch, Index i) const;

private:
    std::vector<double> b_, reversed_, a_;
    std::vector<double> feed_, carry_;  // empty where looking ahead would cost digits
    Index states_ = 0, history_ = 0, order_ = 0;
    const microkernels::Table* level_;
};

}  // namespace faltung
