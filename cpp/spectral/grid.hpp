// A block's transform pass by pass: rows, then the columns of
// every other axis, the slowest of them fused with the product and its own way back, then home
// again. Only lines that hold samples are read and transformed, only those that hold outputs are
// transformed back.
#pragma once

#include "core/workspace.hpp"
#include "spectral/block.hpp"
#include "spectral/fft.hpp"

namespace faltung {

template <class T>
class Grid final : public BlockTransform<T> {
public:
    using Complex = std::complex<T>;

    Grid(const GridShape& shape, const microkernels::SpectrumTable<T>& loops);

    std::size_t block_bytes() const override;
    std::size_t worker_bytes() const override;
    Spectrum<T> spectrum(Feed<T>& feed, const Context& context) const override;
    void run(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
             const Context& context) const override;

private:
    using Pass = BlockPass<T>;

    void rows_forward(const Extents& have, Index row_have, Feed<T>& feed, Complex* block,
                      const Pass& pass) const;
    void columns(int axis, bool forward, const Extents& begin, const Extents& end,
                 const Pass& pass) const;
    void middle(Index have, const Complex* spectrum, Complex* keep, const Pass& pass) const;
    void transpose(const Complex* from, Index from_stride, Index rows, Index columns, Complex* to,
                   Index to_stride) const;
    void rows_backward(Drain<T>& drain, const Pass& pass) const;
    void single_rows(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
                     const Pass& pass) const;

    void transform_line(const T* numbers, Index have, Complex* work, Complex* row) const;
    T* pick_outputs(const Complex* row, Complex* work, T* numbers) const;
    Index block_of(int axis) const;

    GridShape shape_;
    const microkernels::SpectrumTable<T>& loops_;
    Index points_, pitch_;
    std::vector<Index> row_stride_;  // rows from one index of a column axis to the next
    std::vector<Complex> twist_;
    std::shared_ptr<const fft::LinePlan<T>> row_there_, row_back_;
    std::vector<std::shared_ptr<const fft::LinePlan<T>>> there_, back_;
};

extern template class Grid<float>;
extern template class Grid<double>;

}  // namespace faltung
