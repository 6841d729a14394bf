// A long line by the library's transforms, for lengths that the microkernels' do not serve.
#pragma once

#include <complex>
#include <memory>
#include <vector>

#include "spectral/fft.hpp"
#include "spectral/good_size.hpp"
#include "spectral/long_line.hpp"

namespace faltung {

template <class T>
class LongRow final : public LongLine<T> {
public:
    using Complex = std::complex<T>;

    /// `shape` has no columns, and is Row::real or Row::complex.
    LongRow(const GridShape& shape, const microkernels::SpectrumTable<T>& loops);

    std::size_t block_bytes() const override;
    std::size_t worker_bytes() const override;

private:
    using Pass = BlockPass<T>;

    using LongLine<T>::shape_;

    bool forward(const T* samples, Index have, const Pass& pass) const override;
    void keep(const Spectrum<T>& spectrum, const Pass& pass) const override;
    void middle(const Spectrum<T>& spectrum, const Pass& pass) const override;
    void backward(T* outputs, const Pass& pass) const override;
    template <class Body>
    void for_rows(const Pass& pass, Body&& body) const;
    void gather(const T* samples, Index have, Index column, Index count, Complex* lines) const;
    void scatter(const Complex* lines, Index column, Index count, T* outputs) const;
    Index line_pitch() const;

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
