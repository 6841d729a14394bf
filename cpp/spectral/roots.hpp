// Roots of unity, many of them quickly.
#pragma once

#include <complex>
#include <vector>

#include "core/types.hpp"

namespace faltung {

/// Powers of exp(-2 pi i / order), each the product of two numbers that were rounded once.
class Roots {
public:
    explicit Roots(Index order);

    std::complex<double> operator()(Index exponent) const {
        exponent %= order_;
        if (exponent < 0) exponent += order_;
        return reduced(exponent);
    }
    /// The same for an exponent in [0, order), several times as quick.
    std::complex<double> reduced(Index exponent) const {
        const auto a = high_[static_cast<std::size_t>(exponent >> shift_)];
        const auto b = low_[static_cast<std::size_t>(exponent & ((Index{1} << shift_) - 1))];
        return {a.real() * b.real() - a.imag() * b.imag(),
                a.real() * b.imag() + a.imag() * b.real()};
    }

    template <class T>
    std::complex<T> rounded(Index exponent) const {
        const std::complex<double> root = (*this)(exponent);
        return {static_cast<T>(root.real()), static_cast<T>(root.imag())};
    }

private:
    Index order_;
    int shift_ = 0;
    std::vector<std::complex<double>> low_, high_;
};

/// What the rows of a folded block are multiplied by: of `root` the powers 0, -step, -2 step, ...,
/// as pairs of numbers.
template <class T>
std::vector<T> fold_twist(const Roots& root, Index step, Index rows) {
    std::vector<T> twist;
    for (Index y = 0; y < rows; ++y) {
        const std::complex<T> factor = root.rounded<T>(-y * step);
        twist.push_back(factor.real());
        twist.push_back(factor.imag());
    }
    return twist;
}

/// Complex numbers as pairs.
template <class T>
T* numbers_of(std::complex<T>* z) {
    return reinterpret_cast<T*>(z);
}
template <class T>
const T* numbers_of(const std::complex<T>* z) {
    return reinterpret_cast<const T*>(z);
}

}  // namespace faltung
