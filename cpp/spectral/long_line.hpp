// Convolution of one long line, taken as a matrix of rows x columns (the four-step method, Bailey
// 1990): the transforms of columns and rows are short, so that all workers share them, every task
// fits the cache, and no task is long. LongTile and LongRow do it.
#pragma once

#include "spectral/block.hpp"

namespace faltung {

template <class T>
class LongLine : public BlockTransform<T> {
public:
    Spectrum<T> spectrum(Feed<T>& kernel, const Context& context) const final;
    void run(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
             const Context& context) const final;

protected:
    using Pass = BlockPass<T>;

    /// `shape` has no columns, and is Row::real or Row::complex.
    explicit LongLine(const GridShape& shape) : shape_(shape) {}

    /// Numbers per sample.
    Index per() const { return shape_.row == Row::real ? 1 : 2; }

    /// The columns' transforms, from `have` samples to the block. False if one of them is not
    /// finite, or so large that the transform might overflow.
    virtual bool forward(const T* samples, Index have, const Pass& pass) const = 0;
    /// The rows' transforms, to a spectrum with the scale of both ways.
    virtual void keep(const Spectrum<T>& spectrum, const Pass& pass) const = 0;
    /// The rows' transforms, times the spectrum, and back.
    virtual void middle(const Spectrum<T>& spectrum, const Pass& pass) const = 0;
    /// The columns' transforms back; the points that hold outputs go to `outputs`.
    virtual void backward(T* outputs, const Pass& pass) const = 0;

    GridShape shape_;

private:
    const T* staged(Feed<T>& feed, Index count, T* memory, const Context& context) const;
    void deliver(T* outputs, Drain<T>& drain, const Context& context) const;
};

extern template class LongLine<float>;
extern template class LongLine<double>;

}  // namespace faltung
