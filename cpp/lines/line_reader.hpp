// Reads x as if it had no end: lines along the last axis, in the arithmetic type, any dtype, stride
// and boundary.
#pragma once

#include "core/array_view.hpp"
#include "core/problem.hpp"
#include "lines/strided.hpp"
#include "microkernels/table.hpp"

namespace faltung {

/// Coordinates are samples of x~ on every axis; they may lie outside x, where the boundary answers.
/// A line is positions [begin, end) of the last axis, problem.lanes() numbers each.
/// A reader is cheap to make, keeps no reference to problem or x (only to x's memory), and never
/// allocates.
template <class T>
class LineReader {
public:
    LineReader(const Problem& problem, const ArrayView& x, const microkernels::Table& table);

    /// `at` holds the coordinates on all axes but the last. Writes (end - begin) * lanes numbers.
    void read(const Index* at, Index begin, Index end, T* line) const;

    /// Where these numbers already stand in x: inside, contiguous and of type T. Otherwise nullptr.
    /// `at` may lie outside x: what the boundary answers with a line of x is there too.
    const T* in_place(const Index* at, Index begin, Index end) const;

    /// A hint that these samples will be read soon; does nothing where they do not lie together.
    void prefetch(const Index* at, Index begin, Index end) const;

private:
    const std::byte* line_of(
        const Index* at) const;  // position 0 of the line; nullptr where all is constant
    void fill(Index positions, T* line) const;
    void convert(const std::byte* from, Index stride, Index positions, T* line) const;
    void convert_run(const std::byte* from, Index numbers, T* line) const;
    void repeat(const std::byte* position, Index positions, T* line) const;
    void periodic(const std::byte* from, Index begin, Index end, T* line) const;

    /// Bytes as they stand in x; of bools, which may hold any number, zero or one.
    void copy_bytes(const std::byte* from, Index numbers, std::byte* line) const;

    const microkernels::ConvertRows<T>* rows_ = nullptr;  // what converts, if anything does
    typename microkernels::ConvertRows<T>::Load load_ = nullptr;
    const std::byte* data_;
    PositionLayout layout_;  // numbers in x; `lanes_` counts those in the line
    Index lanes_, n_, stride_;
    int outer_;  // axes before the last
    Boundary boundary_;
    bool widen_;    // real samples into complex lines
    bool same_;     // x holds T itself
    T outside_[2];  // a constant sample
    Index extents_[max_rank],
        strides_[max_rank];  // of the outer axes; only `outer_` entries are set
};

extern template class LineReader<float>;
extern template class LineReader<double>;
extern template class LineReader<std::int64_t>;
extern template class LineReader<std::byte>;  // x holds one byte per number

}  // namespace faltung
