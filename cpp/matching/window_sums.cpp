#include "matching/window_sums.hpp"

#include <algorithm>

namespace faltung::matching {

namespace {

/// One level per axis before the last; a single axis has its samples in one level, too.
int levels(const WindowShape& shape) { return std::max(1, shape.outer()); }

Index level_inner(const WindowShape& shape, int level) {
    return shape.outer() == 0 ? shape.line() : shape.inner(level);
}

/// Numbers before each part, the last of which is zero, and behind the last part: a line of memory
/// and the longest vector.
constexpr Index before = 8, behind = 16;

}  // namespace

template <class T>
std::size_t WindowSums<T>::scratch_numbers(const WindowShape& shape) {
    Index total = behind;
    for (int l = 0; l < levels(shape); ++l) total += 2 * (before + level_inner(shape, l));
    return static_cast<std::size_t>(total);
}

template <class T>
WindowSums<T>::WindowSums(const WindowShape& shape, const Rectangle<T>& block, double* scratch,
                          const microkernels::Table& table)
    : shape_(shape),
      block_(block),
      scratch_(scratch),
      samples_(match_table<T>(table)),
      window_(table.window) {
    Index offset = 0;
    for (int l = 0; l < levels(shape); ++l) {
        offset_.push_back(offset);
        offset += 2 * (before + level_inner(shape, l));
        for (int which = 0; which < 2; ++which) part(l, which)[-1] = 0;
    }
    std::fill_n(scratch_ + offset, behind, 0.0);
    if (shape.outer() == 0) {
        restart(0);
        samples_.move(block.data, nullptr, block.centre, part(0, 0), part(0, 1), shape.line());
    }
}

template <class T>
double* WindowSums<T>::part(int level, int which) const {
    return scratch_ + offset_[level] + before + which * (before + level_inner(shape_, level));
}

template <class T>
void WindowSums<T>::restart(int l) {
    for (int which = 0; which < 2; ++which)
        std::fill_n(part(l, which), level_inner(shape_, l), 0.0);
}

template <class T>
void WindowSums<T>::move(int l, Index entering, Index leaving) {
    const Index inner = shape_.inner(l);
    if (l == 0) {
        const Index rows = inner / shape_.line();
        samples_.move(block_.row(entering * rows),
                      leaving < 0 ? nullptr : block_.row(leaving * rows), block_.centre, part(0, 0),
                      part(0, 1), inner);
        return;
    }
    for (int which = 0; which < 2; ++which) {
        const double* from = part(l - 1, which);
        window_.move(from + entering * inner, leaving < 0 ? nullptr : from + leaving * inner,
                     part(l, which), inner);
    }
}

template class WindowSums<float>;
template class WindowSums<double>;

}  // namespace faltung::matching
