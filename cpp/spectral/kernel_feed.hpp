// A kernel as a block of samples: reversed, from the origin on, tap beside tap or `dilation` apart.
#pragma once

#include <algorithm>
#include <type_traits>

#include "core/kernel.hpp"
#include "spectral/block.hpp"

namespace faltung {

/// Whether some taps meet on one point, so that a kernel has to be placed.
inline bool folds(const GridShape& shape) {
    const auto folded = [](const Span& axis) { return axis.reach > axis.length; };
    return (shape.row != Row::flat && folded(shape.span)) ||
           std::any_of(shape.columns.begin(), shape.columns.end(), folded);
}

/// Taps of T from where they stand, for transforms in E. For kernels that do not fold.
template <class E, class T>
class KernelFeed final : public Feed<E> {
public:
    KernelFeed(const GridShape& shape, const StoredTaps<T>& taps) : shape_(shape), taps_(taps) {}

    const E* line(const Index* at, Index begin, Index end, E* numbers) override {
        const Index from = line_at(at, shape_.columns.size());
        if (shape_.row == Row::flat) {  // only the first column is looked at
            std::fill(numbers, numbers + 2 * shape_.width, E(0));
            if (from >= 0) put(from, numbers);
            return numbers;
        }
        const Index dilation = shape_.span.dilation, last = shape_.span.taps - 1;
        if (from >= 0 && dilation == 1 && shape_.row == Row::real) {
            const T* const row = taps_.real + from;
            if (taps_.reversed) {
                if constexpr (std::is_same_v<E, T>) return row + begin;
                for (Index i = begin; i < end; ++i) numbers[i - begin] = static_cast<E>(row[i]);
            } else {
                for (Index i = begin; i < end; ++i)
                    numbers[i - begin] = static_cast<E>(row[last - i]);
            }
            return numbers;
        }
        const Index per = shape_.row == Row::real ? 1 : 2;
        std::fill(numbers, numbers + (end - begin) * per, E(0));
        for (Index i = (begin + dilation - 1) / dilation; from >= 0 && i * dilation < end; ++i)
            put(from + (taps_.reversed ? i : last - i), numbers + (i * dilation - begin) * per);
        return numbers;
    }

    const E* in_place() override {
        if constexpr (std::is_same_v<E, T>)
            if (shape_.columns.empty() && as_it_stands()) return taps_.real;
        return nullptr;
    }

    const E* plane_in_place(const Index* at, Index& stride) override {
        if constexpr (std::is_same_v<E, T>)
            if (as_it_stands()) {
                stride = shape_.span.taps;
                const Span& rows = shape_.columns.back();
                return taps_.real + line_at(at, shape_.columns.size() - 1) * rows.taps;
            }
        return nullptr;
    }

private:
    bool as_it_stands() const {
        const auto beside = [](const Span& axis) { return axis.dilation == 1; };
        return taps_.reversed && shape_.row == Row::real && beside(shape_.span) &&
               std::all_of(shape_.columns.begin(), shape_.columns.end(), beside);
    }

    /// The first tap of what stands at `at` on the first `axes` columns; -1 between taps.
    Index line_at(const Index* at, int axes) const {
        Index line = 0;
        for (int a = 0; a < axes; ++a) {
            const Span& axis = shape_.columns[a];
            if (at[a] % axis.dilation != 0) return -1;
            const Index i = at[a] / axis.dilation;
            line = line * axis.taps + (taps_.reversed ? i : axis.taps - 1 - i);
        }
        return shape_.row == Row::flat ? line : line * shape_.span.taps;
    }

    void put(Index tap, E* number) const {
        number[0] = static_cast<E>(taps_.real[tap]);
        if (shape_.row != Row::real)
            number[1] = taps_.imag ? static_cast<E>(taps_.imag[tap]) : E(0);
    }

    const GridShape& shape_;
    const StoredTaps<T> taps_;
};

/// A kernel laid out by place_kernel: kernel_points() per axis. `imag` may be null.
template <class E>
class PlacedFeed final : public Feed<E> {
public:
    PlacedFeed(const GridShape& shape, const double* real, const double* imag)
        : shape_(shape), real_(real), imag_(imag) {}

    const E* line(const Index* at, Index begin, Index end, E* numbers) override {
        Index line = 0;
        for (int a = 0; a < shape_.columns.size(); ++a)
            line = line * shape_.columns[a].kernel_points() + at[a];
        if (shape_.row == Row::flat) {  // only the first column is looked at
            put(line, numbers);
            std::fill(numbers + 2, numbers + 2 * shape_.width, E(0));
            return numbers;
        }
        const Index from = line * shape_.span.kernel_points();
        if (shape_.row == Row::real)
            for (Index i = begin; i < end; ++i)
                numbers[i - begin] = static_cast<E>(real_[from + i]);
        else
            for (Index i = begin; i < end; ++i) put(from + i, numbers + 2 * (i - begin));
        return numbers;
    }

private:
    void put(Index from, E* number) const {
        number[0] = static_cast<E>(real_[from]);
        number[1] = imag_ ? static_cast<E>(imag_[from]) : E(0);
    }

    const GridShape& shape_;
    const double *real_, *imag_;
};

}  // namespace faltung
