#include "spectral/column_tile.hpp"

#include <algorithm>

#include "parallel/parallel_for.hpp"
#include "spectral/roots.hpp"
#include "spectral/whole_tile.hpp"

namespace faltung {
namespace {

constexpr Index task_numbers = Index{1} << 15;

}  // namespace

TilePlan plan_column_tile(const GridShape& shape, const microkernels::Table& table) {
    TilePlan plan;
    if (shape.row != Row::flat || !shape.upright || shape.columns.size() != 1) return plan;
    const Index height = shape.columns[0].length / 2;
    plan.columns = true;
    plan.column_lengths = plan.column_valid = {height};
    plan.width = plan.width_valid = 2 * shape.width;
    plan.good = shape.columns[0].length % 2 == 0 && own_length(height, false, table) == height;
    return plan;
}

template <class T>
ColumnTile<T>::ColumnTile(const GridShape& shape, const TilePlan& plan,
                          const microkernels::Table& table)
    : shape_(shape), frame_(plan, transforms_of<T>(table)) {
    const Roots root(4 * frame_.height());
    for (Index y = 0; y < frame_.height(); ++y) {
        const Complex factor = root.rounded<T>(-y);
        twist_.push_back(factor.real());
        twist_.push_back(factor.imag());
    }
}

/// The first `have` samples of all columns, the second half as the imaginary part of the first.
template <class T>
void ColumnTile<T>::gather(Feed<T>& feed, Index have, const Pass& pass) const {
    const Index height = frame_.height(), numbers = row_numbers(), width = 2 * shape_.width;
    const Index group = std::max<Index>(1, task_numbers / numbers);
    parallel_for((height + group - 1) / group, pass.context, [&](Index task, int worker) {
        T* const a = reinterpret_cast<T*>(pass.scratch(worker));
        T* const b = a + numbers;
        std::fill(a, a + 2 * numbers, T(0));
        const auto row = [&](Index y, T* to) -> const T* {
            if (y >= have) return nullptr;
            const T* const found = feed.line(&y, 0, shape_.width, to);
            if (found != to) std::copy_n(found, width, to);
            return to;
        };
        for (Index y = task * group; y < std::min(height, (task + 1) * group); ++y) {
            const T* const low = row(y, a);
            const T* const high = low ? row(y + height, b) : nullptr;
            frame_.table().fold(frame_.row(reinterpret_cast<T*>(pass.block), y), frame_.layout(), 1,
                                low, high, 0, twist_.data() + 2 * y);
        }
    });
}

template <class T>
void ColumnTile<T>::scatter(Drain<T>& drain, const Pass& pass) const {
    const Index height = frame_.height(), outputs = column().out;
    const Index group = std::max<Index>(1, task_numbers / row_numbers());
    parallel_for((outputs + group - 1) / group, pass.context, [&](Index task, int worker) {
        T* const numbers = reinterpret_cast<T*>(pass.scratch(worker));
        for (Index j = task * group; j < std::min(outputs, (task + 1) * group); ++j) {
            const Index place = column().place(j), y = place % height;
            const bool low = place < height;
            frame_.table().unfold(frame_.row(reinterpret_cast<T*>(pass.block), y), frame_.layout(),
                                  1, twist_.data() + 2 * y, low ? numbers : nullptr,
                                  low ? nullptr : numbers, 0);
            drain.line(&j, 0, shape_.width, numbers);
        }
    });
}

template <class T>
Spectrum<T> ColumnTile<T>::spectrum(Feed<T>& kernel, const Context& context) const {
    const Pass pass(*this, context);
    gather(kernel, column().kernel_points(), pass);
    T* const tile = reinterpret_cast<T*>(pass.block);
    frame_.columns_forward(tile, 0, 1);
    Spectrum<T> result(frame_.height());
    const T scale = static_cast<T>(1 / static_cast<double>(frame_.height()));
    for (Index y = 0; y < frame_.height(); ++y) {
        const T* const first = frame_.row(tile, y);
        result.data()[y] = Complex(first[0] * scale, first[frame_.lanes()] * scale);
    }
    return result;
}

template <class T>
void ColumnTile<T>::run(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
                        const Context& context) const {
    const Pass pass(*this, context);
    T* const tile = reinterpret_cast<T*>(pass.block);
    gather(feed, column().have, pass);
    const T* const by = reinterpret_cast<const T*>(spectrum.data());
    parallel_for(frame_.layout().panels, context,
                 [&](Index panel, int) { frame_.columns_convolve(tile, panel, panel + 1, by); });
    drain.begin(context);
    scatter(drain, pass);
}

template class ColumnTile<float>;
template class ColumnTile<double>;

}  // namespace faltung
