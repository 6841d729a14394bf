// Sums under a window that moves over a block of samples, one sample at a time along every axis.
#pragma once

#include "core/extents.hpp"
#include "microkernels/table.hpp"

namespace faltung::matching {

template <class T>
constexpr const microkernels::MatchTable<T>& match_table(const microkernels::Table& table) {
    if constexpr (std::is_same_v<T, float>)
        return table.match_f32;
    else
        return table.match_f64;
}

/// Rows of samples, which count less `centre`.
template <class T>
struct Rectangle {
    const T* data;
    Index pace;  // numbers from row to row
    T centre;

    const T* row(Index r) const { return data + r * pace; }
};

/// A block in C order, the window, and how many windows are wanted along each axis. Axes of one
/// sample are left out, save the last.
struct WindowShape {
    Extents samples, window, outputs;

    int outer() const { return samples.size() - 1; }  // axes before the last
    Index line() const { return samples.back(); }
    /// Samples of the block per step of axis `a`.
    Index inner(int a) const {
        Index total = 1;
        for (int b = a + 1; b < samples.size(); ++b) total *= samples[b];
        return total;
    }
};

/// Calls body(row) for every row of windows, in C order. Before that, sums.restart(level) and
/// sums.move(level, entering, leaving) have brought `level`'s sums over the window along axis
/// `level` up to date: level 0 sums samples, each other level the sums of the one before it;
/// `leaving` is negative while a window fills.
template <class Sums, class Body>
void walk_windows(const WindowShape& shape, Sums& sums, Body&& body) {
    const int outer = shape.outer();
    Extents at(outer, 0);
    int from = 0;
    for (Index row = 0;; ++row) {
        for (int level = from; level < outer; ++level) {
            const Index window = shape.window[level];
            if (at[level] > 0) {
                sums.move(level, at[level] + window - 1, at[level] - 1);
            } else {
                sums.restart(level);
                for (Index i = 0; i < window; ++i) sums.move(level, i, -1);
            }
        }
        body(row);
        for (from = outer - 1; from >= 0; --from) {
            if (++at[from] < shape.outputs[from]) break;
            at[from] = 0;
        }
        if (from < 0) return;
    }
}

/// Sums of samples and of their squares in float64, by the microkernels. Every block starts anew,
/// so rounding never travels further than a block.
template <class T>
class WindowSums {
public:
    static std::size_t scratch_numbers(const WindowShape& shape);

    WindowSums(const WindowShape& shape, const Rectangle<T>& block, double* scratch,
               const microkernels::Table& table);

    void restart(int level);
    void move(int level, Index entering, Index leaving);
    /// What MatchTable::spread wants: the sums of columns under the row of windows that
    /// walk_windows is at.
    const double* sum() const { return part(last_level(), 0); }
    const double* square() const { return part(last_level(), 1); }

private:
    /// Sums of samples (0) or of squares (1).
    double* part(int level, int which) const;
    int last_level() const { return offset_.size() - 1; }

    const WindowShape& shape_;
    Rectangle<T> block_;
    double* scratch_;
    const microkernels::MatchTable<T>& samples_;
    const microkernels::WindowTable& window_;
    Extents offset_;
};

}  // namespace faltung::matching
