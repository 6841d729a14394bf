#include "spectral/long_row.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/workspace.hpp"
#include "parallel/parallel_for.hpp"
#include "spectral/roots.hpp"

namespace faltung {
namespace {

constexpr Index task_points = Index{1} << 15;
constexpr Index line_bytes = 64;
constexpr Index gathered_bytes = Index{1} << 18;

Index round_up(Index value, Index unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

template <class T>
LongRow<T>::LongRow(const GridShape& shape, const microkernels::SpectrumTable<T>& loops)
    : LongLine<T>(shape),
      loops_(loops),
      split_(split_of(shape.row_points())),
      points_(shape.row_points()) {
    const Index per_line = line_bytes / static_cast<Index>(sizeof(Complex));
    Index lines = round_up(split_.columns, per_line) / per_line;
    if (lines % 2 == 0) ++lines;  // an odd number of cache lines spreads a column over all sets
    pitch_ = lines * per_line;
    block_ = std::clamp(
        gathered_bytes / (split_.rows * static_cast<Index>(sizeof(Complex))) / per_line * per_line,
        per_line, 4 * per_line);

    const auto plan = [](Index n, fft::Direction direction) {
        return fft::line_plan<T>(n, direction, fft::Effort::estimate);
    };
    row_there_ = plan(split_.columns, fft::Direction::forward);
    row_back_ = plan(split_.columns, fft::Direction::backward);
    column_there_ = plan(split_.rows, fft::Direction::forward);
    column_back_ = plan(split_.rows, fft::Direction::backward);

    // Folding a real line multiplies point n by the n-th power of a quarter of the step of the
    // transform itself: the part that depends on the row is the twist, the part that depends on the
    // column joins the factors.
    const bool real = shape.row == Row::real;
    const Index quarter = real ? 4 : 1, shift = real ? -1 : 0;
    const Roots root(quarter * points_);
    if (real)
        for (Index r = 0; r < split_.rows; ++r)
            twist_.push_back(root.rounded<T>(-r * split_.columns));
    fine_ = 8;
    while (fine_ * fine_ < split_.rows) fine_ *= 2;
    for (Index c = 0; c < split_.columns; ++c) {
        for (Index b = 0; b < fine_; ++b) fine_factors_.push_back(root.rounded<T>(c * quarter * b));
        for (Index a = 0; a < split_.rows; a += fine_)
            coarse_factors_.push_back(root.rounded<T>(c * (quarter * a + shift)));
    }
}

template <class T>
Index LongRow<T>::line_pitch() const {
    return round_up(split_.rows, line_bytes / static_cast<Index>(sizeof(Complex))) +
           line_bytes / static_cast<Index>(sizeof(Complex));
}

template <class T>
std::size_t LongRow<T>::block_bytes() const {
    return static_cast<std::size_t>(split_.rows * pitch_) * sizeof(Complex);
}

template <class T>
std::size_t LongRow<T>::worker_bytes() const {
    const Index numbers = std::max((block_ + 1) * line_pitch(), pitch_);
    return static_cast<std::size_t>(round_up(numbers, 64)) * sizeof(Complex);
}

/// Columns [column, column + count) of the samples, folded and twisted, one line each.
template <class T>
void LongRow<T>::gather(const T* samples, Index have, Index column, Index count,
                        Complex* lines) const {
    const Index pitch = line_pitch(), rows = split_.rows, columns = split_.columns;
    // Rows before this one have all `count` samples from `from` on.
    const auto full = [&](Index from) {
        return have < from + count ? 0 : std::min(rows, (have - from - count) / columns + 1);
    };
    const auto clear = [&](Index row) {  // and those from this one on have none
        for (Index c = 0; c < count; ++c)
            std::fill(lines + c * pitch + row, lines + c * pitch + rows, Complex());
    };
    const Index some = have <= column ? 0 : std::min(rows, (have - column - 1) / columns + 1);
    if (shape_.row == Row::complex) {
        const auto* numbers = reinterpret_cast<const Complex*>(samples);
        const Index whole = full(column);
        loops_.transpose(numbers_of(numbers + column), columns, whole, count, numbers_of(lines),
                         pitch);
        clear(some);
        for (Index r = whole; r < some; ++r)
            for (Index c = 0; c < count; ++c) {
                const Index n = r * columns + column + c;
                lines[c * pitch + r] = n < have ? numbers[n] : Complex();
            }
        return;
    }
    const Index both = full(column + points_), single = full(column);
    const T* twist = numbers_of(twist_.data());
    const T* low = samples + column;
    loops_.fold_columns(low, low + points_, columns, both, count, twist, numbers_of(lines), pitch);
    // At most one row is cut short by the end of the samples in its upper half, and one in its
    // lower.
    const Index next = std::min(single, both + 1);
    loops_.fold_columns(low + next * columns, nullptr, columns, std::max<Index>(0, single - next),
                        count, twist + 2 * next, numbers_of(lines + next), pitch);
    clear(some);
    const auto mixed = [&](Index r) {
        const Complex factor = twist_[static_cast<std::size_t>(r)];
        for (Index c = 0; c < count; ++c) {
            const Index n = r * columns + column + c;
            const T re = n < have ? samples[n] : T(0);
            const T im = n + points_ < have ? samples[n + points_] : T(0);
            lines[c * pitch + r] = {re * factor.real() - im * factor.imag(),
                                    re * factor.imag() + im * factor.real()};
        }
    };
    for (Index r = both; r < next; ++r) mixed(r);
    for (Index r = std::max(single, next); r < some; ++r) mixed(r);
}

/// The way back: the numbers at [offset, offset + outputs) of the line, to the front of `outputs`.
template <class T>
void LongRow<T>::scatter(const Complex* lines, Index column, Index count, T* outputs) const {
    const Span& span = shape_.span;
    const Index pitch = line_pitch(), begin = span.wanted_begin(), end = span.wanted_end();
    const Index columns = split_.columns;
    const auto inside = [&](Index at) { return at >= begin && at + count <= end; };
    const auto outside = [&](Index at) { return at + count <= begin || at >= end; };
    for (Index r = 0; r < split_.rows;) {
        const Index n = r * columns + column, high = n + points_;
        const Complex* from = lines + r;
        if (shape_.row == Row::complex) {
            auto* to = reinterpret_cast<Complex*>(outputs) + (n - begin);
            Index run = 0;
            while (r + run < split_.rows && inside(n + run * columns)) ++run;
            if (run) {
                loops_.transpose(numbers_of(from), pitch, count, run, numbers_of(to), columns);
            } else {
                run = 1;
                for (Index c = 0; c < count; ++c)
                    if (n + c >= begin && n + c < end) to[c] = from[c * pitch];
            }
            r += run;
            continue;
        }
        T *low_to = outputs + (n - begin), *high_to = outputs + (high - begin);
        const bool low_in = inside(n), high_in = inside(high);
        const auto settled = [&](Index at, bool in) { return in ? inside(at) : outside(at); };
        Index run = 0;
        while (r + run < split_.rows && settled(n + run * columns, low_in) &&
               settled(high + run * columns, high_in))
            ++run;
        if (run) {
            if (low_in || high_in)
                loops_.unfold_columns(numbers_of(from), pitch, run, count,
                                      numbers_of(&twist_[static_cast<std::size_t>(r)]),
                                      low_in ? low_to : nullptr, high_in ? high_to : nullptr,
                                      columns);
            r += run;
            continue;
        }
        const Complex twist = twist_[static_cast<std::size_t>(r)];
        for (Index c = 0; c < count; ++c) {
            const Complex z = from[c * pitch];
            if (n + c >= begin && n + c < end)
                low_to[c] = z.real() * twist.real() + z.imag() * twist.imag();
            if (high + c >= begin && high + c < end)
                high_to[c] = z.imag() * twist.real() - z.real() * twist.imag();
        }
        ++r;
    }
}

/// Column transforms of the samples into the block. False if one of them is not finite.
template <class T>
bool LongRow<T>::forward(const T* samples, Index have, const Pass& pass) const {
    const Index blocks = (split_.columns + block_ - 1) / block_, pitch = line_pitch();
    const Index coarse = (split_.rows + fine_ - 1) / fine_;
    std::atomic<bool> finite{true};
    parallel_for(blocks, pass.context, [&](Index task, int worker) {
        Complex* lines = pass.scratch(worker);
        const Index c0 = task * block_, count = std::min(block_, split_.columns - c0);
        gather(samples, have, c0, count, lines + pitch);
        for (Index c = 0; c < count; ++c) {
            Complex* line = lines + c * pitch;
            if (!loops_.moderate(numbers_of(line + pitch), 2 * split_.rows)) finite = false;
            column_there_->execute(line + pitch, line);
            loops_.turn(numbers_of(line), split_.rows,
                        numbers_of(coarse_factors_.data() + (c0 + c) * coarse),
                        numbers_of(fine_factors_.data() + (c0 + c) * fine_), fine_);
        }
        loops_.transpose(numbers_of(lines), pitch, count, split_.rows, numbers_of(pass.block + c0),
                         pitch_);
    });
    return finite;
}

template <class T>
template <class Body>
void LongRow<T>::for_rows(const Pass& pass, Body&& body) const {
    const Index group = std::max<Index>(1, task_points / split_.columns);
    parallel_for((split_.rows + group - 1) / group, pass.context, [&](Index task, int worker) {
        for (Index r = task * group; r < std::min(split_.rows, (task + 1) * group); ++r)
            body(r, pass.block + r * pitch_, pass.scratch(worker));
    });
}

template <class T>
void LongRow<T>::keep(const Spectrum<T>& spectrum, const Pass& pass) const {
    const T scale = static_cast<T>(1 / static_cast<double>(points_));
    for_rows(pass, [&](Index r, Complex* row, Complex* bins) {
        row_there_->execute(row, bins);
        Complex* const to = spectrum.data() + r * split_.columns;
        for (Index c = 0; c < split_.columns; ++c) to[c] = bins[c] * scale;
    });
}

template <class T>
void LongRow<T>::middle(const Spectrum<T>& spectrum, const Pass& pass) const {
    const Index columns = split_.columns;
    for_rows(pass, [&](Index r, Complex* row, Complex* bins) {
        row_there_->execute(row, bins);
        loops_.multiply(numbers_of(bins), numbers_of(spectrum.data() + r * columns), columns);
        row_back_->execute(bins, row);
    });
}

template <class T>
void LongRow<T>::backward(T* outputs, const Pass& pass) const {
    const Index blocks = (split_.columns + block_ - 1) / block_, pitch = line_pitch();
    const Index coarse = (split_.rows + fine_ - 1) / fine_;
    parallel_for(blocks, pass.context, [&](Index task, int worker) {
        Complex* lines = pass.scratch(worker);
        const Index c0 = task * block_, count = std::min(block_, split_.columns - c0);
        loops_.transpose(numbers_of(pass.block + c0), pitch_, split_.rows, count,
                         numbers_of(lines + pitch), pitch);
        for (Index c = 0; c < count; ++c) {
            Complex* line = lines + (c + 1) * pitch;
            loops_.turn_back(numbers_of(line), split_.rows,
                             numbers_of(coarse_factors_.data() + (c0 + c) * coarse),
                             numbers_of(fine_factors_.data() + (c0 + c) * fine_), fine_);
            column_back_->execute(line, line - pitch);
        }
        scatter(lines, c0, count, outputs);
    });
}

template class LongRow<float>;
template class LongRow<double>;

}  // namespace faltung
