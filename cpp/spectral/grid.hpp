// Cyclic convolution of one N-D block of numbers with a kernel's spectrum, pass by pass: rows, then the columns of
// every other axis, the slowest of them fused with the product and its own way back, then home again.
// Only lines that hold samples are read and transformed, only those that hold outputs are transformed back.
#pragma once

#include <complex>
#include <memory>
#include <vector>

#include "core/executor.hpp"
#include "core/extents.hpp"
#include "core/workspace.hpp"
#include "spectral/fft.hpp"
#include "spectral/span.hpp"

namespace faltung {

/// What happens along the last axis.
enum class Row {
    real,     // convolved, real samples: folded to half the points, modulo x^points = i, so that no untangling is needed
    complex,  // convolved, complex samples
    flat,     // not convolved: `width` complex numbers side by side
};

struct GridShape {
    PerAxis<Span> columns;  // the convolved axes but the last, slowest first
    Row row = Row::complex;
    Span span;              // of the row; its length counts samples, real or complex
    Index width = 0;        // Row::flat

    Index row_points() const;           // complex numbers in a transformed row
    Index numbers_in() const;           // that one line of samples holds
    Index numbers_out() const;          // that one line of outputs holds
    Index row_samples() const { return row == Row::flat ? width : span.have; }
    Index row_outputs() const { return row == Row::flat ? width : span.out; }
    Index pitch(std::size_t size) const;  // complex numbers of `size` bytes from row to row
    Index rows() const;                 // of the whole block
    double points() const;              // complex numbers in the block
};

/// Gives samples, to several threads at once. `at` counts samples on the column axes, `begin` and `end` along the
/// row (Row::flat: always all of it).
template <class T>
class Feed {
public:
    virtual ~Feed() = default;
    virtual void line(const Index* at, Index begin, Index end, T* numbers) = 0;
};

/// Takes outputs, from several threads at once. `at`, `begin` and `end` count outputs; the numbers may be changed.
template <class T>
class Drain {
public:
    virtual ~Drain() = default;
    /// Called once, by the calling thread: all samples have been fed, outputs will follow.
    virtual void begin(const Context&) {}
    virtual void line(const Index* at, Index begin, Index end, T* numbers) = 0;
};

/// The spectrum of a kernel in the order in which a Grid of the same shape consumes it, with the transforms' scale.
template <class T>
using Spectrum = std::vector<std::complex<T>>;

/// The reversed kernel laid out from the origin, folded into the lengths: kernel_points() per axis. `imag` may be empty.
struct PlacedKernel {
    std::vector<double> real, imag;
};

template <class T>
class Grid {
public:
    using Complex = std::complex<T>;

    explicit Grid(const GridShape& shape);

    const GridShape& shape() const { return shape_; }
    std::size_t block_bytes() const;
    std::size_t worker_bytes() const;

    /// A real kernel, or a complex one for Row::complex and Row::flat.
    Spectrum<T> spectrum(const PlacedKernel& kernel, const Context& context) const;

    void run(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain, const Context& context) const;

private:
    struct Pass;  // the memory of one run

    void rows_forward(const Extents& have, Index row_have, Feed<T>& feed, Complex* block, const Pass& pass) const;
    void columns(int axis, bool forward, const Extents& begin, const Extents& end, const Pass& pass) const;
    void middle(Index have, const Complex* spectrum, Complex* store, const Pass& pass) const;
    void rows_backward(Drain<T>& drain, const Pass& pass) const;
    void single_rows(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain, const Pass& pass) const;

    void transform_line(const T* numbers, Index have, Complex* work, Complex* row) const;
    void pick_outputs(const Complex* row, Complex* work, T* numbers) const;
    Index block_of(int axis) const;

    GridShape shape_;
    Index points_, pitch_;
    std::vector<Index> row_stride_;  // rows from one index of a column axis to the next
    std::vector<Complex> twist_;
    std::shared_ptr<const fft::LinePlan<T>> row_there_, row_back_;
    std::vector<std::shared_ptr<const fft::LinePlan<T>>> there_, back_;
};

extern template class Grid<float>;
extern template class Grid<double>;

/// exp(i*pi*turn_halves*k/n) for k < count, rounded once.
template <class T>
std::vector<std::complex<T>> roots(double turn_halves, Index n, Index count);

extern template std::vector<std::complex<float>> roots<float>(double, Index, Index);
extern template std::vector<std::complex<double>> roots<double>(double, Index, Index);

}  // namespace faltung
