// What a level offers for normalised correlation: samples freed of their mean, sums under a window
// that moves along, and the score of every window. Sums are always float64.
#pragma once

#include <cstdint>

namespace faltung::microkernels {

/// Stands for a score that has to be worked out with more care.
inline constexpr int doubtful_score = 2;

template <class T>
struct MatchTable {
    /// to[i] = from[i] - centre; the answer is the sum of the squares, not finite where a sample is
    /// not.
    double (*centre)(const T* from, T centre, T* to, std::int64_t n);
    /// Sums of samples less `centre`, and of their squares, position by position: `enter` comes
    /// under the window, `leave` (or null) goes.
    void (*move)(const T* enter, const T* leave, T centre, double* sum, double* square,
                 std::int64_t n);
    /// spreads[i] = q - s^2 * share for the sums s and q of `width` numbers of `sum` and of
    /// `square` from i on. Both are preceded by a zero. Reads and writes whole vectors, so up to
    /// one of T (for the sums, as many numbers) beyond the end.
    void (*spread)(const double* sum, const double* square, std::int64_t width, double share,
                   T* spreads, std::int64_t n);
    /// scores[i] = products[i] / sqrt(spreads[i]), cut to [-1, 1]. Windows of a spread up to `flat`
    /// score zero, others up to `doubtful` get doubtful_score; the answer is how many of those
    /// there were. Reads and writes whole vectors; those of products are `pace` numbers apart. In
    /// place is fine.
    std::int64_t (*score)(const T* products, std::int64_t pace, const T* spreads, double flat,
                          double doubtful, T* scores, std::int64_t n);
};

/// A sample of a template, and where its counterpart is, from where the window starts.
struct WindowTap {
    std::int64_t place;
    double value;
};

/// In float64, whatever samples are.
struct WindowTable {
    /// MatchTable::move between sums of a faster axis.
    void (*move)(const double* enter, const double* leave, double* sum, std::int64_t n);
    /// Scores of n windows that start at neighbouring values, each by itself and as it is defined;
    /// where all values are equal zero. With `keep` (or null: all) zero at a value and one at all
    /// others, only the others count. Without, taps have sum zero and sum of squares one. Reads and
    /// writes up to `lone_windows` numbers beyond n.
    void (*score)(const double* values, const double* keep, const WindowTap* taps,
                  std::int64_t count, double* scores, std::int64_t n);
};
inline constexpr std::int64_t lone_windows = 32;

}  // namespace faltung::microkernels
