// A placed kernel as a block of samples.
#pragma once

#include <algorithm>

#include "spectral/block.hpp"

namespace faltung {

template <class T>
class KernelFeed final : public Feed<T> {
public:
    KernelFeed(const GridShape& shape, const PlacedKernel& kernel)
        : shape_(shape), kernel_(kernel) {}

    const T* line(const Index* at, Index begin, Index end, T* numbers) override {
        Index line = 0;
        for (int a = 0; a < shape_.columns.size(); ++a)
            line = line * shape_.columns[a].kernel_points() + at[a];
        if (shape_.row == Row::flat) {  // only the first column is looked at
            put(line, numbers);
            std::fill(numbers + 2, numbers + 2 * shape_.width, T(0));
            return numbers;
        }
        const Index from = line * shape_.span.kernel_points();
        if (shape_.row == Row::real)
            for (Index i = begin; i < end; ++i)
                numbers[i - begin] = static_cast<T>(kernel_.real[from + i]);
        else
            for (Index i = begin; i < end; ++i) put(from + i, numbers + 2 * (i - begin));
        return numbers;
    }

private:
    void put(Index from, T* number) const {
        number[0] = static_cast<T>(kernel_.real[from]);
        number[1] = kernel_.imag ? static_cast<T>(kernel_.imag[from]) : T(0);
    }

    const GridShape& shape_;
    const PlacedKernel& kernel_;
};

}  // namespace faltung
