#include "spectral/column_tile.hpp"

#include <algorithm>
#include <atomic>

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
    : shape_(shape),
      frame_(plan, transforms_of<T>(table)),
      twist_(fold_twist<T>(Roots(4 * frame_.height()), 1, frame_.height())) {}

/// The first `have` samples of all columns, the second half as the imaginary part of the first:
/// from rows in memory, or lines of the feed. False if one of them is not finite, or so large that
/// the transform might overflow; lines never are.
template <class T>
bool ColumnTile<T>::gather(Feed<T>& feed, Index have, bool in_place, const Pass& pass) const {
    const Index height = frame_.height(), numbers = row_numbers(), width = 2 * shape_.width;
    const Index first = 0;
    Index stride = 0;
    const T* const plane =
        in_place && width == numbers ? feed.plane_in_place(&first, stride) : nullptr;
    // rows before `low` hold something of the first half, those before `high` of both
    const Index low = std::min(have, height), high = have - low;
    std::atomic<bool> moderate{true};
    for_rows(height, pass, [&](Index begin, Index end, T* a) {
        T* const b = a + numbers;
        const auto put = [&](Index y, Index rows, const T* from, const T* other) {
            if (rows > 0 && !frame_.table().fold(row(pass, y), frame_.layout(), rows, from, other,
                                                 stride, twist_.data() + 2 * y))
                moderate = false;
        };
        if (plane) {
            const Index both = std::clamp(high, begin, end), one = std::clamp(low, begin, end);
            const T* const from = plane + begin * stride;
            put(begin, both - begin, from, from + height * stride);
            put(both, one - both, plane + both * stride, nullptr);
            put(one, end - one, nullptr, nullptr);
            return;
        }
        std::fill(a, a + 2 * numbers, T(0));
        const auto line = [&](Index y, T* to) {
            const T* const found = feed.line(&y, 0, shape_.width, to);
            if (found != to) std::copy_n(found, width, to);
            return to;
        };
        for (Index y = begin; y < end; ++y)
            put(y, 1, y < low ? line(y, a) : nullptr, y < high ? line(y + height, b) : nullptr);
    });
    return moderate;
}

template <class T>
void ColumnTile<T>::scatter(Drain<T>& drain, const Pass& pass) const {
    const Index height = frame_.height();
    const Index first = 0;
    Index stride = 0;
    T* const plane = 2 * shape_.width == row_numbers() && column().step == 1
                         ? drain.plane_in_place(&first, stride)
                         : nullptr;
    const auto take = [&](Index place, Index rows, T* to) {
        const bool low = place < height;
        const Index y = low ? place : place - height;
        frame_.table().unfold(row(pass, y), frame_.layout(), rows, twist_.data() + 2 * y,
                              low ? to : nullptr, low ? nullptr : to, stride);
    };
    for_rows(column().out, pass, [&](Index begin, Index end, T* numbers) {
        if (plane) {
            const Index place = column().place(begin), past = column().place(end - 1) + 1;
            const Index middle = std::clamp(height, place, past);
            take(place, middle - place, plane + begin * stride);
            take(middle, past - middle, plane + (begin + middle - place) * stride);
            return;
        }
        for (Index j = begin; j < end; ++j) {
            take(column().place(j), 1, numbers);
            drain.line(&j, 0, shape_.width, numbers);
        }
    });
}

/// body(begin, end, scratch) for some of `rows` at a time.
template <class T>
template <class Body>
void ColumnTile<T>::for_rows(Index rows, const Pass& pass, Body&& body) const {
    const Index group = std::max<Index>(1, task_numbers / row_numbers());
    parallel_for((rows + group - 1) / group, pass.context, [&](Index task, int worker) {
        body(task * group, std::min(rows, (task + 1) * group),
             reinterpret_cast<T*>(pass.scratch(worker)));
    });
}

template <class T>
Spectrum<T> ColumnTile<T>::spectrum(Feed<T>& kernel, const Context& context) const {
    const Pass pass(*this, context);
    gather(kernel, column().kernel_points(), false, pass);
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
    if (!gather(feed, column().have, true, pass)) gather(feed, column().have, false, pass);
    const T* const by = reinterpret_cast<const T*>(spectrum.data());
    parallel_for(frame_.layout().panels, context,
                 [&](Index panel, int) { frame_.columns_convolve(tile, panel, panel + 1, by); });
    drain.begin(context);
    scatter(drain, pass);
}

template class ColumnTile<float>;
template class ColumnTile<double>;

}  // namespace faltung
