// Writes lines of results: from the arithmetic type to any dtype and stride, rounding and
// saturating, or as C casts where the problem says so.
#pragma once

#include "core/array_view.hpp"
#include "core/problem.hpp"
#include "lines/strided.hpp"
#include "microkernels/table.hpp"

namespace faltung {

/// Coordinates are outputs; see LineReader. Lanes are re, im pairs exactly where out is complex.
template <class T>
class LineWriter {
public:
    /// Lines that come out of a transform and should be whole numbers are nearly so, and become it.
    LineWriter(const Problem& problem, const ArrayView& out, const microkernels::Table& table,
               bool transformed = false);

    void write(const Index* at, Index begin, Index end, const T* line) const;

    /// Where these numbers belong in out if they can be written straight: contiguous and of type T.
    /// Otherwise nullptr.
    T* in_place(const Index* at, Index begin, Index end) const;

private:
    void write_rounded(const Index* at, Index begin, Index end, const T* line) const;
    void store(const Index* at, Index begin, Index end, const T* line) const;
    std::byte* place(const Index* at, Index begin) const;

    typename microkernels::ConvertRows<T>::Store store_ = nullptr;
    std::byte* data_;
    PositionLayout layout_;
    Index stride_;
    int outer_;                // axes before the last
    bool same_;                // out holds T itself
    bool rounds_;              // to whole numbers, which storing does not do by itself
    Index strides_[max_rank];  // of the outer axes
};

extern template class LineWriter<float>;
extern template class LineWriter<double>;
extern template class LineWriter<std::int64_t>;
extern template class LineWriter<std::byte>;  // lines hold what out holds

}  // namespace faltung
