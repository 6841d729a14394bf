#include "lines/line_writer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "lines/conversion.hpp"

namespace faltung {

template <class T>
LineWriter<T>::LineWriter(const Problem& problem, const ArrayView& out,
                          const microkernels::Table& table, bool transformed)
    : data_(out.data),
      layout_{problem.inner * numbers_in(problem.out_dtype),
              static_cast<Index>(size_of(real_dtype(problem.out_dtype)))},
      stride_(out.strides.back()),
      outer_(problem.axes.size() - 1),
      rounds_(transformed && problem.sample_bound > 0 && !is_integer(problem.out_dtype)) {
    if (problem.complex_samples != is_complex(problem.out_dtype))
        throw std::logic_error("complex samples and a real result, or the other way round");
    for (int a = 0; a < outer_; ++a) strides_[a] = out.strides[a];
    if constexpr (unconverted<T>) {
        same_ = true;
    } else {
        const DType stored = real_dtype(problem.out_dtype);
        const microkernels::ConvertRows<T>& rows = conversions<T>(table);
        const int kind = static_cast<int>(stored);
        store_ = problem.unsigned_result ? rows.store_unsigned[kind] : rows.store[kind];
        // whole numbers may come out of a transform: what is cut would lose one where it fell short
        if (problem.c_casts && is_integer(stored))
            store_ = problem.sample_bound > 0 ? rows.store_wrapped[kind] : rows.store_cut[kind];
        same_ = stored == dtype_of<T>;
        if (std::is_same_v<T, std::int64_t> && problem.unsigned_result)
            same_ = stored == DType::uint64;
    }
}

template <class T>
std::byte* LineWriter<T>::place(const Index* at, Index begin) const {
    std::byte* position = data_ + begin * stride_;
    for (int a = 0; a < outer_; ++a) position += at[a] * strides_[a];
    return position;
}

template <class T>
void LineWriter<T>::write(const Index* at, Index begin, Index end, const T* line) const {
    if (begin >= end) return;
    if constexpr (std::is_floating_point_v<T>)
        if (rounds_) return write_rounded(at, begin, end, line);
    store(at, begin, end, line);
}

template <class T>
void LineWriter<T>::write_rounded(const Index* at, Index begin, Index end, const T* line) const {
    if constexpr (std::is_floating_point_v<T>) {
        constexpr Index most = chunk_bytes / sizeof(T);
        T whole[most];
        const Index room = std::max<Index>(1, most / layout_.count);
        for (Index from = begin; from < end; from += room) {
            const Index to = std::min(from + room, end), count = (to - from) * layout_.count;
            for (Index i = 0; i < count; ++i) whole[i] = std::rint(line[i]) + T{0};  // no -0
            store(at, from, to, whole);
            line += count;
        }
    }
}

template <class T>
void LineWriter<T>::store(const Index* at, Index begin, Index end, const T* line) const {
    const Index positions = end - begin;
    std::byte* to = place(at, begin);
    if constexpr (unconverted<T>) {
        if (stride_ != layout_.size()) return scatter(line, layout_, positions, to, stride_);
        std::memcpy(to, line, static_cast<std::size_t>(positions * stride_));
        return;
    }
    if (stride_ == layout_.size()) return store_(line, to, positions * layout_.count);
    if (same_) return scatter(line, layout_, positions, to, stride_);
    if (layout_.size() > chunk_bytes / 8) {
        for (Index i = 0; i < positions; ++i)
            store_(line + i * layout_.count, to + i * stride_, layout_.count);
        return;
    }
    alignas(64) std::byte chunk[chunk_bytes];
    const Index room = chunk_bytes / layout_.size();
    for (Index i = 0; i < positions; i += room) {
        const Index some = std::min(room, positions - i);
        store_(line + i * layout_.count, chunk, some * layout_.count);
        scatter(chunk, layout_, some, to + i * stride_, stride_);
    }
}

template <class T>
T* LineWriter<T>::in_place(const Index* at, Index begin, Index) const {
    return same_ && !rounds_ && stride_ == layout_.size() ? reinterpret_cast<T*>(place(at, begin))
                                                          : nullptr;
}

template class LineWriter<float>;
template class LineWriter<double>;
template class LineWriter<std::int64_t>;
template class LineWriter<std::byte>;

}  // namespace faltung
