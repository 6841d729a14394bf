// A kernel of low rank as a sum of a few outer products.
#pragma once

#include <complex>
#include <vector>

#include "direct/tensor.hpp"

namespace faltung::direct {

/// What is left of a kernel beyond its rank is rounding: taps rounded once miss by one tolerance in
/// the l2 norm, those of a short calculation by a few.
inline constexpr double rank_tolerance = 4;

/// Up to `most` outer products, one short kernel per axis each, whose sum is within `bound` of the
/// kernel in the l2 norm; none if there are no so few, or if their passes would take more
/// multiplications than the kernel itself. Two axes: a truncated singular value decomposition;
/// more: the slowest axis is split off by one, and each of the rest treated alike.
template <class F>
std::vector<Vectors<F>> outer_products(const Tensor<F>& kernel, double bound, int most);

extern template std::vector<Vectors<double>> outer_products(const Tensor<double>&, double, int);
extern template std::vector<Vectors<std::complex<double>>> outer_products(
    const Tensor<std::complex<double>>&, double, int);

}  // namespace faltung::direct
