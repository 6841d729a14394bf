// The blocks of a whole array, each of which is one transform: where their samples are read, and
// where their outputs go.
#pragma once

#include <atomic>

#include "core/kernel.hpp"
#include "core/problem.hpp"
#include "lines/line_reader.hpp"
#include "lines/line_writer.hpp"
#include "spectral/block.hpp"
#include "spectral/poison.hpp"
#include "spectral/whole_layout.hpp"

namespace faltung {

/// What is convolved, and how it falls into blocks.
struct BlockArray {
    const Problem& problem;
    const Layout& layout;
    const Kernel& kernel;
    const microkernels::Table& table;

    bool flat() const { return layout.shape.row == Row::flat; }
    /// The problem and a view of one lane.
    Problem lane_problem() const;
    ArrayView lane_view(ArrayView view, Index lane) const;
};

template <class T>
class BlockFeed final : public Feed<T> {
public:
    /// Without `poison`, of all lanes together.
    BlockFeed(const BlockArray& array, Index block, const ArrayView& x, Poison<T>* poison);

    const T* line(const Index* at, Index begin, Index end, T* numbers) override;
    void restart() override { poison_->forget(); }
    const T* in_place() override { return row_in_place(origin_); }
    const T* plane_in_place(const Index* at, Index& stride) override;

    /// From here on only lines and samples of the array itself are given, not the zeros around it.
    /// Answers what the block looks like then.
    GridShape keep_inside();

    Index numbers() const;  // that a flat line holds

    /// Of all lanes together: whether some number was not finite, or too large.
    bool immoderate() const { return immoderate_; }

private:
    Extents coordinates(const Index* at) const;
    const T* row_in_place(const Extents& where) const;
    Index piece(const Index* where, T* numbers);

    const BlockArray array_;
    const Layout::Place place_;
    const LineReader<T> reader_;
    Poison<T>* const poison_;
    const Index inner_;
    std::atomic<bool> immoderate_{false};
    Extents origin_;  // of the block's samples
};

template <class T>
class BlockDrain final : public Drain<T> {
public:
    BlockDrain(const BlockArray& array, Index block, const ArrayView& out, Poison<T>& poison,
               bool together = false);

    void begin(const Context& context) override { poison_.spread(array_.kernel, context); }
    void line(const Index* at, Index begin, Index end, T* numbers) override;
    T* in_place() override { return row_in_place(place_.output); }
    T* plane_in_place(const Index* at, Index& stride) override;
    bool keeps_lines() const override;
    T* kept_line(const Index* at) override;

private:
    T* kept_row(const Extents& where) const;
    T* row_in_place(const Extents& where) const;

    const BlockArray array_;
    const Layout::Place place_;
    const LineWriter<T> writer_;
    Poison<T>& poison_;
};

extern template class BlockFeed<float>;
extern template class BlockFeed<double>;
extern template class BlockDrain<float>;
extern template class BlockDrain<double>;

}  // namespace faltung
