#include "lines/line_reader.hpp"

#include <algorithm>
#include <cstring>

#include "lines/conversion.hpp"
#include "lines/extend.hpp"

namespace faltung {

namespace {

/// Doubles what stands at the start of a line until it is full.
template <class T>
void copy_on(T* line, Index have, Index want) {
    while (have < want) {
        const Index some = std::min(have, want - have);
        std::memcpy(line + have, line, static_cast<std::size_t>(some) * sizeof(T));
        have += some;
    }
}

}  // namespace

template <class T>
LineReader<T>::LineReader(const Problem& problem, const ArrayView& x,
                          const microkernels::Table& table)
    : data_(x.data),
      layout_{problem.inner * numbers_in(problem.x_dtype),
              static_cast<Index>(size_of(real_dtype(problem.x_dtype)))},
      lanes_(problem.lanes()),
      n_(problem.axes.back().x),
      stride_(x.strides.back()),
      outer_(problem.axes.size() - 1),
      boundary_(problem.boundary),
      widen_(problem.complex_samples && !is_complex(problem.x_dtype)) {
    const DType stored = real_dtype(problem.x_dtype);
    if constexpr (unconverted<T>) {
        same_ = stored != DType::boolean;
    } else {
        rows_ = &conversions<T>(table);
        load_ = rows_->load[static_cast<int>(stored)];
        same_ = !widen_ && (stored == dtype_of<T> ||
                            (std::is_same_v<T, std::int64_t> && stored == DType::uint64));
    }
    if (boundary_ == Boundary::constant) {
        if constexpr (unconverted<T>)
            outside_[0] = outside_[1] = constant_byte(problem).value();
        else if constexpr (std::is_same_v<T, std::int64_t>)
            outside_[0] = problem.cval.integer, outside_[1] = 0;
        else
            outside_[0] = static_cast<T>(problem.cval.real),
            outside_[1] = static_cast<T>(problem.cval.imag);
        if (!problem.complex_samples) outside_[1] = outside_[0];
    } else {
        outside_[0] = outside_[1] = T{};
    }
    for (int a = 0; a < outer_; ++a) {
        extents_[a] = problem.axes[a].x;
        strides_[a] = x.strides[a];
    }
}

template <class T>
const std::byte* LineReader<T>::line_of(const Index* at) const {
    const std::byte* line = data_;
    for (int a = 0; a < outer_; ++a) {
        const Index source = extend(at[a], extents_[a], boundary_);
        if (source < 0) return nullptr;
        line += source * strides_[a];
    }
    return line;
}

template <class T>
void LineReader<T>::read(const Index* at, Index begin, Index end, T* line) const {
    if (begin >= end) return;
    const std::byte* from = line_of(at);
    if (from == nullptr) return fill(end - begin, line);
    if (begin >= 0 && end <= n_) return convert(from + begin * stride_, stride_, end - begin, line);
    if (extension_period(n_, boundary_) > 0) return periodic(from, begin, end, line);

    const Index inside_begin = std::clamp<Index>(0, begin, end),
                inside_end = std::clamp(n_, begin, end);
    const Index before = inside_begin - begin, inside = inside_end - inside_begin,
                after = end - inside_end;
    T* const right = line + (inside_end - begin) * lanes_;
    if (inside > 0) convert(from + inside_begin * stride_, stride_, inside, line + before * lanes_);
    if (boundary_ == Boundary::edge) {
        if (before > 0) repeat(from, before, line);
        if (after > 0) repeat(from + (n_ - 1) * stride_, after, right);
    } else {
        fill(before, line);
        fill(after, right);
    }
}

template <class T>
const T* LineReader<T>::in_place(const Index* at, Index begin, Index end) const {
    if (!same_ || stride_ != layout_.size() || begin < 0 || end > n_) return nullptr;
    const std::byte* from = line_of(at);
    return from == nullptr ? nullptr : reinterpret_cast<const T*>(from + begin * stride_);
}

template <class T>
void LineReader<T>::prefetch(const Index* at, Index begin, Index end) const {
    if (stride_ != layout_.size()) return;
    const std::byte* line = line_of(at);
    if (line == nullptr) return;
    const std::byte* const stop = line + std::min(end, n_) * stride_;
    for (const std::byte* byte = line + std::max<Index>(begin, 0) * stride_; byte < stop;
         byte += 64)
        __builtin_prefetch(byte, 0, 2);
}

template <class T>
void LineReader<T>::fill(Index positions, T* line) const {
    const Index numbers = positions * lanes_;
    if (outside_[0] == outside_[1]) {
        std::fill_n(line, numbers, outside_[0]);
    } else {
        for (Index i = 0; i < numbers; ++i) line[i] = outside_[i & 1];
    }
}

/// `positions` positions of x, `stride` bytes apart; negative to read backwards.
template <class T>
void LineReader<T>::convert(const std::byte* from, Index stride, Index positions, T* line) const {
    if (stride == layout_.size()) return convert_run(from, positions * layout_.count, line);
    if (same_) return gather(from, stride, layout_, positions, line);
    if (layout_.size() > chunk_bytes / 8) {
        for (Index i = 0; i < positions; ++i)
            convert_run(from + i * stride, layout_.count, line + i * lanes_);
        return;
    }
    alignas(64) std::byte chunk[chunk_bytes];
    const Index room = chunk_bytes / layout_.size();
    for (Index i = 0; i < positions; i += room) {
        const Index some = std::min(room, positions - i);
        gather(from + i * stride, stride, layout_, some, chunk);
        convert_run(chunk, some * layout_.count, line + i * lanes_);
    }
}

/// Neighbouring numbers, `numbers` of them in x.
template <class T>
void LineReader<T>::convert_run(const std::byte* from, Index numbers, T* line) const {
    if constexpr (unconverted<T>) return copy_bytes(from, numbers, line);
    if (!widen_) return load_(from, line, numbers);
    constexpr Index room = chunk_bytes / static_cast<Index>(sizeof(T));
    alignas(64) T real[room];
    for (Index i = 0; i < numbers; i += room) {
        const Index some = std::min(room, numbers - i);
        load_(from + i * layout_.bytes, real, some);
        rows_->widen(real, line + 2 * i, some);
    }
}

template <class T>
void LineReader<T>::copy_bytes(const std::byte* from, Index numbers, std::byte* line) const {
    if (same_)
        std::memcpy(line, from, static_cast<std::size_t>(numbers));
    else
        for (Index i = 0; i < numbers; ++i)
            line[i] = from[i] != std::byte{0} ? std::byte{1} : std::byte{0};
}

template <class T>
void LineReader<T>::repeat(const std::byte* position, Index positions, T* line) const {
    convert_run(position, layout_.count, line);
    if (lanes_ == 1)
        std::fill_n(line + 1, positions - 1, line[0]);
    else
        copy_on(line, lanes_, positions * lanes_);
}

/// Run by run until one period stands in the line; the rest is a copy of it.
template <class T>
void LineReader<T>::periodic(const std::byte* from, Index begin, Index end, T* line) const {
    const Index known = std::min(end, begin + extension_period(n_, boundary_));
    for (Index i = begin; i < known;) {
        const ExtensionRun run = extension_run(i, n_, boundary_);
        const Index length = std::min(run.length, known - i);
        convert(from + run.source * stride_, run.step * stride_, length,
                line + (i - begin) * lanes_);
        i += length;
    }
    copy_on(line, (known - begin) * lanes_, (end - begin) * lanes_);
}

template class LineReader<float>;
template class LineReader<double>;
template class LineReader<std::int64_t>;
template class LineReader<std::byte>;

}  // namespace faltung
