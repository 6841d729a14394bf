#include "spectral/whole_blocks.hpp"

#include <algorithm>

namespace faltung {

Problem BlockArray::lane_problem() const {
    Problem one = problem;
    if (!flat()) one.inner = 1;
    return one;
}

ArrayView BlockArray::lane_view(ArrayView view, Index lane) const {
    if (!flat()) view.data += lane * static_cast<Index>(size_of(view.dtype));
    return view;
}

template <class T>
BlockFeed<T>::BlockFeed(const BlockArray& array, Index block, const ArrayView& x, Poison<T>* poison)
    : array_(array),
      place_(array.layout.place_of(poison ? block : block * array.layout.lanes, array.problem)),
      reader_(poison ? array.lane_problem() : array.problem, array.lane_view(x, place_.lane),
              array.table),
      poison_(poison),
      inner_(poison ? 1 : array.problem.inner),
      origin_(place_.output) {
    const PerAxis<Axis>& axes = array.problem.axes;
    const Layout& layout = array.layout;
    for (int a = 0; a < axes.size(); ++a) origin_[a] *= axes[a].step;
    for (const int a : layout.batch_axes) origin_[a] += axes[a].first;
    for (int c = 0; c < layout.column_axes.size(); ++c)
        origin_[layout.column_axes[c]] += layout.shape.columns[c].low;
    origin_.back() += layout.shape.span.low;
}

template <class T>
const T* BlockFeed<T>::line(const Index* at, Index begin, Index end, T* numbers) {
    const Layout& layout = array_.layout;
    const Extents where = coordinates(at);
    Index count;
    if (array_.flat()) {
        count = piece(where.begin(), numbers);
    } else {
        count = (end - begin) * (layout.shape.row == Row::real ? 1 : 2) * inner_;
        const Index from = origin_.back() + begin, to = origin_.back() + end;
        const T* here = reader_.in_place(where.begin(), from, to);
        if (here && loops_of<T>(array_.table).moderate(here, count)) return here;
        reader_.read(where.begin(), from, to, numbers);
    }
    if (poison_)
        poison_->scrub(at, begin, numbers, count);
    else if (!loops_of<T>(array_.table).moderate(numbers, count))
        immoderate_ = true;
    return numbers;
}

template <class T>
GridShape BlockFeed<T>::keep_inside() {
    GridShape shape = array_.layout.shape;
    shape.inner = inner_;
    if (array_.problem.boundary != Boundary::zero) return shape;
    const auto clip = [&](int axis, Span& span) {
        Index& begin = origin_[axis];
        const Index x = array_.problem.axes[axis].x;
        const Index end = std::clamp<Index>(begin + span.have, 0, x);
        begin = std::clamp<Index>(begin, 0, end);
        span.have = end - begin;
    };
    for (int c = 0; c < shape.columns.size(); ++c)
        clip(array_.layout.column_axes[c], shape.columns[c]);
    if (!array_.flat()) clip(origin_.size() - 1, shape.span);
    return shape;
}

template <class T>
Index BlockFeed<T>::numbers() const {
    const Layout& layout = array_.layout;
    const Index begin = place_.lane * layout.piece;
    const Index end = std::min(array_.problem.axes.back().out, begin + layout.piece);
    return array_.flat() ? (end - begin) * array_.problem.lanes() : 0;
}

template <class T>
const T* BlockFeed<T>::plane_in_place(const Index* at, Index& stride) {
    const Layout& layout = array_.layout;
    const int axis = layout.column_axes.back();
    const Index rows = layout.shape.columns.back().have;
    Extents where = coordinates(at);
    where[axis] = origin_[axis];
    if (array_.flat() &&
        (array_.problem.axes.back().step > 1 || numbers() < 2 * layout.shape.width))
        return nullptr;
    if (rows < 1 || where[axis] < 0 || where[axis] + rows > array_.problem.axes[axis].x)
        return nullptr;
    const T* const first = row_in_place(where);
    where[axis] += rows - 1;
    const T* const last = row_in_place(where);
    if (!first || !last) return nullptr;
    stride = rows > 1 ? (last - first) / (rows - 1) : 0;
    return first;
}

template <class T>
Extents BlockFeed<T>::coordinates(const Index* at) const {
    const Layout& layout = array_.layout;
    Extents where = origin_;
    for (int c = 0; c < layout.column_axes.size(); ++c) where[layout.column_axes[c]] += at[c];
    return where;
}

template <class T>
const T* BlockFeed<T>::row_in_place(const Extents& where) const {
    const Layout& layout = array_.layout;
    Index begin = origin_.back(), have = layout.shape.span.have;
    if (array_.flat()) {
        begin = array_.problem.axes.back().first + place_.lane * layout.piece;
        have = layout.piece;
    }
    return reader_.in_place(where.begin(), begin, begin + have);
}

template <class T>
Index BlockFeed<T>::piece(const Index* where, T* numbers) {
    const Layout& layout = array_.layout;
    const Axis& row = array_.problem.axes.back();
    const Index lanes = array_.problem.lanes();
    const Index begin = place_.lane * layout.piece, end = std::min(row.out, begin + layout.piece);
    if (row.step == 1)
        reader_.read(where, row.first + begin, row.first + end, numbers);
    else
        for (Index j = begin; j < end; ++j) {
            const Index at = row.first + j * row.step;
            reader_.read(where, at, at + 1, numbers + (j - begin) * lanes);
        }
    const Index count = (end - begin) * lanes;
    std::fill(numbers + count, numbers + 2 * layout.shape.width, T(0));
    return count;
}

template <class T>
BlockDrain<T>::BlockDrain(const BlockArray& array, Index block, const ArrayView& out,
                          Poison<T>& poison, bool together)
    : array_(array),
      place_(array.layout.place_of(together ? block * array.layout.lanes : block, array.problem)),
      writer_(together ? array.problem : array.lane_problem(), array.lane_view(out, place_.lane),
              array.table, true),
      poison_(poison) {}

template <class T>
void BlockDrain<T>::line(const Index* at, Index begin, Index end, T* numbers) {
    const Layout& layout = array_.layout;
    const PerAxis<Axis>& axes = array_.problem.axes;
    poison_.apply(at, begin, end, numbers);
    Extents where = place_.output;
    for (int c = 0; c < layout.column_axes.size(); ++c) {
        const int a = layout.column_axes[c];
        where[a] += at[c];
        if (where[a] >= axes[a].out) return;  // of the last part
    }
    const Index out = axes.back().out;
    if (array_.flat()) {
        begin = place_.lane * layout.piece;
        end = std::min(out, begin + layout.piece);
    } else {
        begin += place_.output.back();
        end = std::min(out, end + place_.output.back());
    }
    if (begin < end) writer_.write(where.begin(), begin, end, numbers);
}

template <class T>
T* BlockDrain<T>::plane_in_place(const Index* at, Index& stride) {
    const Layout& layout = array_.layout;
    const int axis = layout.column_axes.back();
    const Index rows = layout.shape.columns.back().out;
    Extents where = place_.output;
    for (int c = 0; c + 1 < layout.column_axes.size(); ++c) {
        const int a = layout.column_axes[c];
        where[a] += at[c];
        if (where[a] >= array_.problem.axes[a].out) return nullptr;
    }
    if (where[axis] + rows > array_.problem.axes[axis].out) return nullptr;
    T* const first = row_in_place(where);
    where[axis] += rows - 1;
    T* const last = row_in_place(where);
    if (!first || !last) return nullptr;
    stride = rows > 1 ? (last - first) / (rows - 1) : 0;
    return first;
}

template <class T>
bool BlockDrain<T>::keeps_lines() const {
    for (int a = 0; a < place_.output.size(); ++a) {
        const Index end = place_.output[a] + array_.layout.hop[a];
        if (end > array_.problem.axes[a].out) return false;
    }
    return !array_.flat() && kept_row(place_.output) != nullptr;
}

template <class T>
T* BlockDrain<T>::kept_line(const Index* at) {
    if (!keeps_lines()) return nullptr;
    Extents where = place_.output;
    for (int c = 0; c < array_.layout.column_axes.size(); ++c)
        where[array_.layout.column_axes[c]] += at[c];
    return kept_row(where);
}

template <class T>
T* BlockDrain<T>::kept_row(const Extents& where) const {
    const Index begin = place_.output.back();
    return writer_.in_place(where.begin(), begin, begin + array_.layout.shape.span.out);
}

template <class T>
T* BlockDrain<T>::row_in_place(const Extents& where) const {
    const Layout& layout = array_.layout;
    const bool flat = array_.flat();
    const Index begin = flat ? place_.lane * layout.piece : place_.output.back();
    const Index end = begin + (flat ? layout.piece : layout.shape.span.out);
    if (flat && layout.piece * array_.problem.lanes() < 2 * layout.shape.width) return nullptr;
    if (!poison_.empty() || end > array_.problem.axes.back().out) return nullptr;
    return writer_.in_place(where.begin(), begin, end);
}

template class BlockFeed<float>;
template class BlockFeed<double>;
template class BlockDrain<float>;
template class BlockDrain<double>;

}  // namespace faltung
