// One axis' short kernel, and how equal taps are summed with fewer additions than taps.
#pragma once

#include <complex>
#include <vector>

#include "core/types.hpp"
#include "microkernels/table.hpp"

namespace faltung::direct {

/// What sums of equal taps take, in multiply-adds of the same level.
struct BoxCosts {
    double part;    // along a line: a number or run that is added
    double pass;    // one pass more over the first-level cache
    double across;  // across rows: a sliding sum, whatever its length
};

BoxCosts box_costs(const microkernels::Table& table, Arithmetic arithmetic);

/// Equal taps along a line: runs of `near` numbers are summed first, runs of `far` of these next,
/// and a window is put together from both and from single numbers. About three times the cube root
/// of the taps, and no sum is longer than that.
struct BoxChain {
    Index near = 1, far = 1;                   // taps in a short run; short runs in a long one
    Index longs = 1, shorts = 0, singles = 0;  // that make up the window

    Index reach() const { return near * far; }  // taps in a long run
    Index parts() const { return longs + shorts + singles; }
    double work(const BoxCosts& costs) const;  // in multiply-adds per output
};

/// The cheapest chain for `taps` equal taps.
BoxChain box_chain(Index taps, const BoxCosts& costs);

template <class T>
struct Pass {
    std::vector<T> real;
    std::vector<T> imag;  // empty where all imaginary parts are zero
    bool equal = false;   // all taps are the same real number, and then:
    BoxChain chain;
    bool slid = false;           // whether across rows a sliding sum is less work than the taps
    std::vector<T> ones, parts;  // coefficients of long runs, and of what a window is made of

    Pass() = default;
    Pass(const std::vector<std::complex<double>>& numbers, const BoxCosts& costs);
    /// The taps of several kernels, one after another, to be summed in one go.
    explicit Pass(const std::vector<std::vector<std::complex<double>>>& terms);

    /// Whether along a line the chain is less work than the taps.
    bool chained() const { return equal && chain.near > 1; }
    bool slides() const { return slid; }
    bool trivial() const { return imag.empty() && real.size() == 1 && real[0] == T{1}; }
};

extern template struct Pass<float>;
extern template struct Pass<double>;
extern template struct Pass<std::int64_t>;

/// Whether all taps are the same real number.
bool equal_taps(const std::vector<std::complex<double>>& numbers);

}  // namespace faltung::direct
