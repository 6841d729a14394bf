// Convolution of one long line: its transform of n = rows x columns points is made of short ones
// (the four-step method), so that all workers share it, every task fits the cache, and no task is
// long.
#pragma once

#include <complex>
#include <memory>
#include <vector>

#include "spectral/block.hpp"
#include "spectral/fft.hpp"
#include "spectral/good_size.hpp"

namespace faltung {

template <class T>
class LongRow final : public BlockTransform<T> {
public:
    using Complex = std::complex<T>;

    /// `shape` has no columns, and is Row::real or Row::complex.
    LongRow(const GridShape& shape, const microkernels::SpectrumTable<T>& loops);

    std::size_t block_bytes() const override;
    std::size_t worker_bytes() const override;
    Spectrum<T> spectrum(const PlacedKernel& kernel, const Context& context) const override;
    void run(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
             const Context& context) const override;

private:
    using Pass = BlockPass<T>;

    bool forward(const T* samples, Index have, const Pass& pass) const;
    void middle(const Complex* spectrum, Complex* keep, const Pass& pass) const;
    void backward(T* outputs, const Pass& pass) const;
    void gather(const T* samples, Index have, Index column, Index count, Complex* lines) const;
    void scatter(const Complex* lines, Index column, Index count, T* outputs) const;
    const T* staged(Feed<T>& feed, T* memory, const Pass& pass) const;
    void deliver(T* outputs, Drain<T>& drain, const Pass& pass) const;
    Index line_pitch() const;

    GridShape shape_;
    const microkernels::SpectrumTable<T>& loops_;
    Split split_;  // rows x columns; point number c + columns * r stands in row r
    Index points_, pitch_, block_;
    Index fine_;  // a column's factor number 'fine * a + b' is coarse[a] * fine[b]
    std::vector<Complex> twist_, fine_factors_, coarse_factors_;
    std::shared_ptr<const fft::LinePlan<T>> row_there_, row_back_, column_there_, column_back_;
};

extern template class LongRow<float>;
extern template class LongRow<double>;

}  // namespace faltung
