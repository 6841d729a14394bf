#include "matching/window_sums.hpp"

#include <algorithm>

namespace faltung::matching {

namespace {

/// One level per axis before the last; a single axis has its samples in one level, too.
int levels(const WindowShape& shape) { return std::max(1, shape.outer()); }

Index level_inner(const WindowShape& shape, int level) {
    return shape.outer() == 0 ? shape.line() : shape.inner(level);
}

}  // namespace

template <class T>
std::size_t WindowSums<T>::scratch_numbers(const WindowShape& shape) {
    Index total = 2 * shape.line();
    for (int l = 0; l < levels(shape); ++l) total += 2 * level_inner(shape, l);
    return static_cast<std::size_t>(total);
}

template <class T>
WindowSums<T>::WindowSums(const WindowShape& shape, const T* block, double* scratch,
                          const microkernels::Table& table)
    : shape_(shape),
      block_(block),
      scratch_(scratch),
      samples_([&]() -> const microkernels::MatchTable<T>& {
          if constexpr (std::is_same_v<T, float>)
              return table.match_f32;
          else
              return table.match_f64;
      }()),
      window_(table.window) {
    Index offset = 0;
    for (int l = 0; l < levels(shape); ++l) {
        offset_.push_back(offset);
        offset += 2 * level_inner(shape, l);
    }
    row_ = scratch_ + offset;
    if (shape.outer() == 0) {
        restart(0);
        samples_.move(block, nullptr, level(0), level(0) + shape.line(), shape.line());
    }
}

template <class T>
void WindowSums<T>::restart(int l) {
    std::fill_n(level(l), 2 * level_inner(shape_, l), 0.0);
}

template <class T>
void WindowSums<T>::move(int l, Index entering, Index leaving) {
    const Index inner = shape_.inner(l);
    if (l == 0) {
        samples_.move(block_ + entering * inner, leaving < 0 ? nullptr : block_ + leaving * inner,
                      level(0), level(0) + inner, inner);
        return;
    }
    const Index above = shape_.inner(l - 1);
    for (int part = 0; part < 2; ++part) {
        const double* from = level(l - 1) + part * above;
        window_.move(from + entering * inner, leaving < 0 ? nullptr : from + leaving * inner,
                     level(l) + part * inner, inner);
    }
}

template <class T>
void WindowSums<T>::finish() {
    const double* sums = level(levels(shape_) - 1);
    for (int part = 0; part < 2; ++part)
        window_.slide(sums + part * shape_.line(), shape_.window.back(),
                      row_ + part * shape_.line(), shape_.outputs.back());
}

template class WindowSums<float>;
template class WindowSums<double>;

}  // namespace faltung::matching
