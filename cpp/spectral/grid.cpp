#include "spectral/grid.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "parallel/parallel_for.hpp"
#include "spectral/box_tuples.hpp"
#include "spectral/roots.hpp"

namespace faltung {
namespace {

constexpr std::size_t line_bytes = 64;
constexpr Index column_scratch = Index{1}
                                 << 19;  // bytes: gathered columns stay in the second-level cache
constexpr Index task_points = Index{1} << 15;  // work enough to be worth fetching a task

std::size_t round_up(std::size_t bytes) {
    return (bytes + line_bytes - 1) / line_bytes * line_bytes;
}

}  // namespace

template <class T>
Grid<T>::Grid(const GridShape& shape, const microkernels::SpectrumTable<T>& loops)
    : shape_(shape),
      loops_(loops),
      points_(shape.row_points()),
      pitch_(shape.pitch(sizeof(Complex))) {
    if (shape.points() * 2 * sizeof(Complex) >= static_cast<double>(Index{1} << 60))
        throw TooLarge("a transform of the whole array needs more memory than there can be");
    const auto plan = [](Index n, fft::Direction direction) {
        return fft::line_plan<T>(n, direction, fft::Effort::estimate);
    };
    Index stride = 1;
    row_stride_.resize(static_cast<std::size_t>(shape.columns.size()));
    for (int a = shape.columns.size() - 1; a >= 0; --a) {
        row_stride_[static_cast<std::size_t>(a)] = stride;
        stride *= shape.columns[a].length;
    }
    for (const Span& axis : shape.columns) {
        there_.push_back(plan(axis.length, fft::Direction::forward));
        back_.push_back(plan(axis.length, fft::Direction::backward));
    }
    if (shape.row != Row::flat) {
        row_there_ = plan(points_, fft::Direction::forward);
        row_back_ = plan(points_, fft::Direction::backward);
    }
    if (shape.row == Row::real) {
        const Roots root(4 * points_);
        for (Index n = 0; n < points_; ++n) twist_.push_back(root.rounded<T>(-n));
    }
}

template <class T>
void Grid<T>::transpose(const Complex* from, Index from_stride, Index rows, Index columns,
                        Complex* to, Index to_stride) const {
    loops_.transpose(numbers_of(from), from_stride, rows, columns, numbers_of(to), to_stride);
}

template <class T>
std::size_t Grid<T>::block_bytes() const {
    return static_cast<std::size_t>(shape_.rows() * pitch_) * sizeof(Complex);
}

/// Columns gathered at a time.
template <class T>
Index Grid<T>::block_of(int axis) const {
    const Index per_line = static_cast<Index>(line_bytes / sizeof(Complex));
    const Index fitting =
        column_scratch / (shape_.columns[axis].length * static_cast<Index>(sizeof(Complex)));
    return std::clamp(fitting / per_line * per_line, per_line, 4 * per_line);
}

template <class T>
std::size_t Grid<T>::worker_bytes() const {
    const Index numbers =
        std::max({shape_.numbers_in(), shape_.numbers_out(), 2 * shape_.span.length, 2 * points_});
    std::size_t bytes = round_up(static_cast<std::size_t>(pitch_) * sizeof(Complex)) +
                        round_up(static_cast<std::size_t>(numbers) * sizeof(T));
    for (int a = 0; a < shape_.columns.size(); ++a) {
        const std::size_t column =
            round_up(static_cast<std::size_t>(shape_.columns[a].length) * sizeof(Complex)) +
            line_bytes;
        bytes = std::max(bytes, column * static_cast<std::size_t>(block_of(a) + 1));
    }
    return bytes;
}

template <class T>
void Grid<T>::transform_line(const T* numbers, Index have, Complex* work, Complex* row) const {
    const auto* samples = reinterpret_cast<const Complex*>(numbers);
    switch (shape_.row) {
        case Row::real: {
            const Index both = std::clamp<Index>(have - points_, 0, points_);
            const Index some = std::min(have, points_);
            const T* twist = numbers_of(twist_.data());
            loops_.fold(numbers, numbers + points_, twist, numbers_of(work), both);
            loops_.fold(numbers + both, nullptr, twist + 2 * both, numbers_of(work + both),
                        some - both);
            std::fill(work + some, work + points_, Complex());
            break;
        }
        case Row::complex:
            std::copy_n(samples, have, work);
            std::fill(work + have, work + points_, Complex());
            break;
        case Row::flat: std::copy_n(samples, points_, row); return;
    }
    row_there_->execute(work, row);
}

/// From a row of products to a line of outputs, somewhere in `numbers`.
template <class T>
T* Grid<T>::pick_outputs(const Complex* row, Complex* work, T* numbers) const {
    const Span& span = shape_.span;
    auto* outputs = reinterpret_cast<Complex*>(numbers);
    if (shape_.row == Row::flat) {
        std::copy_n(row, points_, outputs);
        return numbers;
    }
    row_back_->execute(row, work);
    if (shape_.row == Row::real) {
        loops_.unfold(numbers_of(work), numbers_of(twist_.data()), numbers, numbers + points_,
                      points_);
        if (span.step == 1) return numbers + span.offset;
        for (Index j = 0; j < span.out; ++j) numbers[j] = numbers[span.offset + j * span.step];
    } else {
        for (Index j = 0; j < span.out; ++j) outputs[j] = work[span.place(j)];
    }
    return numbers;
}

template <class T>
void Grid<T>::rows_forward(const Extents& have, Index row_have, Feed<T>& feed, Complex* block,
                           const Pass& pass) const {
    const int axes = shape_.columns.size();
    const Extents none(axes, 0);
    const Index lines = box_size(none, have, axes);
    const Index group = std::max<Index>(1, task_points / std::max<Index>(1, points_));
    parallel_for((lines + group - 1) / group, pass.context, [&](Index task, int worker) {
        Complex* work = pass.scratch(worker);
        T* numbers = reinterpret_cast<T*>(work + pitch_);
        const Index end = std::min(lines, (task + 1) * group);
        Extents at = tuple(task * group, none, have, axes);
        for (Index line = task * group; line < end; ++line) {
            Index row = 0;
            for (int a = 0; a < axes; ++a) row += at[a] * row_stride_[static_cast<std::size_t>(a)];
            transform_line(feed.line(at.data(), 0, row_have, numbers), row_have, work,
                           block + row * pitch_);
            advance(at, none, have, axes);
        }
    });
}

/// Transforms along one column axis for all tuples of the slower axes in [begin, end). Forward, the
/// points before end[axis] are there and the others zero; backward, those in [begin, end) are kept.
template <class T>
void Grid<T>::columns(int axis, bool forward, const Extents& begin, const Extents& end,
                      const Pass& pass) const {
    const Index length = shape_.columns[axis].length;
    const Index stride = row_stride_[static_cast<std::size_t>(axis)];
    const Index block = block_of(axis), blocks = (points_ + block - 1) / block;
    const Index outer = box_size(begin, end, axis), items = outer * stride * blocks;
    const Index group = std::max<Index>(1, task_points / (length * block));
    const std::size_t column_bytes =
        round_up(static_cast<std::size_t>(length) * sizeof(Complex)) + line_bytes;
    const Index column = static_cast<Index>(column_bytes / sizeof(Complex));
    const auto& plan =
        forward ? there_[static_cast<std::size_t>(axis)] : back_[static_cast<std::size_t>(axis)];

    parallel_for((items + group - 1) / group, pass.context, [&](Index task, int worker) {
        Complex* scratch = pass.scratch(worker);
        for (Index item = task * group; item < std::min(items, (task + 1) * group); ++item) {
            const Index c0 = item % blocks * block, count = std::min(block, points_ - c0);
            const Index inner = item / blocks % stride;
            const Extents at = tuple(item / blocks / stride, begin, end, axis);
            Index row = inner;
            for (int a = 0; a < axis; ++a) row += at[a] * row_stride_[static_cast<std::size_t>(a)];
            Complex* base = pass.block + row * pitch_ + c0;
            const Index step = stride * pitch_;
            const Index there = forward ? end[axis] : length;
            // Column c is gathered one place further on, and transformed into place c.
            transpose(base, step, there, count, scratch + column, column);
            for (Index c = 0; c < count; ++c) {
                Complex* line = scratch + (c + 1) * column;
                std::fill(line + there, line + length, Complex());
                plan->execute(line, line - column);
            }
            const Index from = forward ? 0 : begin[axis], to = forward ? length : end[axis];
            transpose(scratch + from, column, count, to - from, base + from * step, step);
        }
    });
}

/// The slowest column axis: forward, product, backward. With `keep`, forward only, and the spectrum
/// is kept.
template <class T>
void Grid<T>::middle(Index have, const Complex* spectrum, Complex* keep, const Pass& pass) const {
    const Span& span = shape_.columns[0];
    const Index length = span.length, stride = row_stride_[0], step = stride * pitch_;
    // A flat row's columns all meet the same spectrum.
    const bool shared = shape_.row == Row::flat;
    const Index block = block_of(0);
    const Index blocks = keep && shared ? 1 : (points_ + block - 1) / block;
    const Index items = stride * blocks;
    const Index group = std::max<Index>(1, task_points / (length * block));
    const std::size_t column_bytes =
        round_up(static_cast<std::size_t>(length) * sizeof(Complex)) + line_bytes;
    const Index column = static_cast<Index>(column_bytes / sizeof(Complex));
    const Index from = span.wanted_begin(), to = span.wanted_end();

    parallel_for((items + group - 1) / group, pass.context, [&](Index task, int worker) {
        Complex* scratch = pass.scratch(worker);
        for (Index item = task * group; item < std::min(items, (task + 1) * group); ++item) {
            const Index c0 = item % blocks * block, inner = item / blocks;
            const Index count = keep && shared ? 1 : std::min(block, points_ - c0);
            Complex* base = pass.block + inner * pitch_ + c0;
            transpose(base, step, have, count, scratch + column, column);
            for (Index c = 0; c < count; ++c) {
                Complex *line = scratch + (c + 1) * column, *bins = scratch;
                std::fill(line + have, line + length, Complex());
                there_[0]->execute(line, bins);
                const Index at = shared ? inner * length : (inner * points_ + c0 + c) * length;
                if (keep) {
                    std::copy_n(bins, length, keep + at);
                    continue;
                }
                loops_.multiply(numbers_of(bins), numbers_of(spectrum + at), length);
                back_[0]->execute(bins, line);
            }
            if (!keep)
                transpose(scratch + column + from, column, count, to - from, base + from * step,
                          step);
        }
    });
}

template <class T>
void Grid<T>::rows_backward(Drain<T>& drain, const Pass& pass) const {
    const int axes = shape_.columns.size();
    const Extents none(axes, 0);
    Extents outs(axes, 0);
    for (int a = 0; a < axes; ++a) outs[a] = shape_.columns[a].out;
    const Index lines = box_size(none, outs, axes);
    const Index group = std::max<Index>(1, task_points / std::max<Index>(1, points_));
    parallel_for((lines + group - 1) / group, pass.context, [&](Index task, int worker) {
        Complex* work = pass.scratch(worker);
        T* numbers = reinterpret_cast<T*>(work + pitch_);
        Extents at = tuple(task * group, none, outs, axes);
        for (Index line = task * group; line < std::min(lines, (task + 1) * group); ++line) {
            Index from = 0;
            for (int a = 0; a < axes; ++a)
                from += shape_.columns[a].place(at[a]) * row_stride_[static_cast<std::size_t>(a)];
            drain.line(at.data(), 0, shape_.row_outputs(),
                       pick_outputs(pass.block + from * pitch_, work, numbers));
            advance(at, none, outs, axes);
        }
    });
}

template <class T>
void Grid<T>::single_rows(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
                          const Pass& pass) const {
    parallel_for(1, pass.context, [&](Index, int worker) {
        Complex* work = pass.scratch(worker);
        T* numbers = reinterpret_cast<T*>(work + pitch_);
        const T* samples = feed.line(nullptr, 0, shape_.span.have, numbers);
        drain.begin(pass.context);
        transform_line(samples, shape_.span.have, work, pass.block);
        loops_.multiply(numbers_of(pass.block), numbers_of(spectrum.data()), points_);
        drain.line(nullptr, 0, shape_.span.out, pick_outputs(pass.block, work, numbers));
    });
}

template <class T>
void Grid<T>::run(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
                  const Context& context) const {
    const Pass pass(*this, context);
    const int axes = shape_.columns.size();
    if (axes == 0) return single_rows(spectrum, feed, drain, pass);
    const Extents none(axes, 0);
    Extents have = none, begin = none, end = none;
    for (int a = 0; a < axes; ++a) {
        have[a] = shape_.columns[a].have;
        begin[a] = shape_.columns[a].wanted_begin();
        end[a] = shape_.columns[a].wanted_end();
    }
    rows_forward(have, shape_.row_samples(), feed, pass.block, pass);
    for (int a = axes - 1; a > 0; --a) columns(a, true, none, have, pass);
    middle(have[0], spectrum.data(), nullptr, pass);
    for (int a = 1; a < axes; ++a) columns(a, false, begin, end, pass);
    drain.begin(context);
    rows_backward(drain, pass);
}

template <class T>
Spectrum<T> Grid<T>::spectrum(Feed<T>& feed, const Context& context) const {
    const Pass pass(*this, context);
    const int axes = shape_.columns.size();
    const Index per_row = shape_.row == Row::flat ? 1 : points_;
    Spectrum<T> result(shape_.rows() * per_row);
    if (axes == 0) {
        Complex* work = pass.scratch(0);
        T* numbers = reinterpret_cast<T*>(work + pitch_);
        transform_line(feed.line(nullptr, 0, shape_.span.kernel_points(), numbers),
                       shape_.span.kernel_points(), work, pass.block);
        std::copy_n(pass.block, points_, result.data());
    } else {
        const Extents none(axes, 0);
        Extents have = none;
        for (int a = 0; a < axes; ++a) have[a] = shape_.columns[a].kernel_points();
        rows_forward(have, shape_.row == Row::flat ? shape_.width : shape_.span.kernel_points(),
                     feed, pass.block, pass);
        for (int a = axes - 1; a > 0; --a) columns(a, true, none, have, pass);
        middle(have[0], nullptr, result.data(), pass);
    }
    const double total =
        shape_.points() / static_cast<double>(shape_.row == Row::flat ? points_ : 1);
    const T scale = static_cast<T>(1 / total);
    T* numbers = numbers_of(result.data());
    for (Index i = 0; i < 2 * result.points(); ++i) numbers[i] *= scale;
    return result;
}

template class Grid<float>;
template class Grid<double>;

}  // namespace faltung
