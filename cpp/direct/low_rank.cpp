#include "direct/low_rank.hpp"

#include <algorithm>
#include <cmath>

namespace faltung::direct {

namespace {

using Complex = std::complex<double>;

double conjugated(double value) { return value; }
Complex conjugated(const Complex& value) { return std::conj(value); }

template <class F>
double norm_of(const std::vector<F>& values) {
    double square = 0;
    for (const F& value : values) square += std::norm(value);
    return std::sqrt(square);
}

/// `rows` x `columns` in C order.
template <class F>
struct Matrix {
    std::size_t rows, columns;
    std::vector<F> values;

    const F* row(std::size_t i) const { return values.data() + i * columns; }
    F* row(std::size_t i) { return values.data() + i * columns; }
};

/// Matrix = sum over i of columns[i] (outer) rows[i].
template <class F>
struct Split {
    Vectors<F> columns, rows;
};

/// Gram and Schmidt, twice, since once loses orthogonality where the vectors are nearly parallel.
template <class F>
void orthonormalise(Vectors<F>& vectors) {
    for (std::size_t i = 0; i < vectors.size(); ++i) {
        for (int turn = 0; turn < 2; ++turn)
            for (std::size_t j = 0; j < i; ++j) {
                F along{};
                for (std::size_t t = 0; t < vectors[i].size(); ++t)
                    along += conjugated(vectors[j][t]) * vectors[i][t];
                for (std::size_t t = 0; t < vectors[i].size(); ++t)
                    vectors[i][t] -= along * vectors[j][t];
            }
        const double norm = norm_of(vectors[i]);
        for (F& number : vectors[i]) number /= norm > 0 ? norm : 1;
    }
}

/// conj(q)^T * matrix for each q.
template <class F>
Vectors<F> project(const Matrix<F>& matrix, const Vectors<F>& basis) {
    Vectors<F> rows;
    for (const auto& q : basis) {
        auto& sums = rows.emplace_back(matrix.columns);
        for (std::size_t i = 0; i < matrix.rows; ++i)
            for (std::size_t j = 0; j < matrix.columns; ++j)
                sums[j] += conjugated(q[i]) * matrix.row(i)[j];
    }
    return rows;
}

/// matrix * conj(p) for each p.
template <class F>
Vectors<F> product_with(const Matrix<F>& matrix, const Vectors<F>& basis) {
    Vectors<F> columns;
    for (const auto& p : basis) {
        auto& sums = columns.emplace_back(matrix.rows);
        for (std::size_t i = 0; i < matrix.rows; ++i)
            for (std::size_t j = 0; j < matrix.columns; ++j)
                sums[i] += matrix.row(i)[j] * conjugated(p[j]);
    }
    return columns;
}

template <class F>
double residual(const Matrix<F>& matrix, const Split<F>& split) {
    double square = 0;
    std::vector<F> rest(matrix.columns);
    for (std::size_t i = 0; i < matrix.rows; ++i) {
        std::copy_n(matrix.row(i), matrix.columns, rest.begin());
        for (std::size_t r = 0; r < split.rows.size(); ++r)
            for (std::size_t j = 0; j < matrix.columns; ++j)
                rest[j] -= split.columns[r][i] * split.rows[r][j];
        for (const F& number : rest) square += std::norm(number);
    }
    return std::sqrt(square);
}

/// The space of the first singular vectors: from crosses through the largest element of what is
/// left, turned to the best one by subspace iteration.
template <class F>
Split<F> truncated_svd(const Matrix<F>& matrix, double bound, int most) {
    // Crosses come no nearer than rounding times a growth factor; more is left for the iteration.
    constexpr double near = 64;
    Matrix<F> left = matrix;
    Vectors<F> columns;
    while (static_cast<int>(columns.size()) < most) {
        const auto largest = static_cast<std::size_t>(
            std::max_element(left.values.begin(), left.values.end(),
                             [](const F& a, const F& b) { return std::norm(a) < std::norm(b); }) -
            left.values.begin());
        const std::size_t pivot_row = largest / left.columns, pivot = largest % left.columns;
        const F value = left.values[largest];
        if (value == F{}) break;
        auto& column = columns.emplace_back(left.rows);
        for (std::size_t i = 0; i < left.rows; ++i) column[i] = left.row(i)[pivot] / value;
        const std::vector<F> through(left.row(pivot_row), left.row(pivot_row) + left.columns);
        for (std::size_t i = 0; i < left.rows; ++i)
            for (std::size_t j = 0; j < left.columns; ++j) left.row(i)[j] -= column[i] * through[j];
        if (norm_of(left.values) > near * bound) continue;

        Split<F> split{columns, {}};
        for (int turn = 0; turn < 2; ++turn) {
            orthonormalise(split.columns);
            split.rows = project(matrix, split.columns);
            if (turn > 0) break;
            Vectors<F> right = split.rows;
            orthonormalise(right);
            split.columns = product_with(matrix, right);
        }
        if (residual(matrix, split) <= bound) return split;
    }
    return {};
}

}  // namespace

template <class F>
std::vector<Vectors<F>> outer_products(const Tensor<F>& kernel, double bound, int most) {
    PerAxis<int> longer;
    double passes = 0, taps = 1;
    for (int a = 0; a < kernel.rank(); ++a) {
        if (kernel.shape[a] == 1) continue;
        longer.push_back(a);
        passes += static_cast<double>(kernel.shape[a]);
        taps *= static_cast<double>(kernel.shape[a]);
    }
    most = std::min(most, static_cast<int>(taps / passes));
    if (longer.size() < 2 || most < 1) return {};

    const auto rows = static_cast<std::size_t>(kernel.shape[longer[0]]);
    const Matrix<F> matrix{rows, kernel.values.size() / rows, kernel.values};
    const Split<F> split = truncated_svd(matrix, bound / std::sqrt(2.0), most);
    std::vector<Vectors<F>> terms;
    for (std::size_t r = 0; r < split.columns.size(); ++r) {
        Vectors<F> term(static_cast<std::size_t>(kernel.rank()), std::vector<F>{F{1}});
        term[static_cast<std::size_t>(longer[0])] = split.columns[r];
        if (longer.size() == 2) {
            term[static_cast<std::size_t>(longer[1])] = split.rows[r];
            terms.push_back(std::move(term));
            continue;
        }
        Extents shape = kernel.shape;
        shape[longer[0]] = 1;
        const double share = bound / std::sqrt(2.0 * static_cast<double>(split.rows.size()));
        const auto inner =
            outer_products(Tensor<F>{shape, split.rows[r]}, share,
                           most - static_cast<int>(terms.size() + split.rows.size() - r - 1));
        if (inner.empty()) return {};
        for (const Vectors<F>& part : inner) {
            terms.push_back(part);
            terms.back()[static_cast<std::size_t>(longer[0])] = split.columns[r];
        }
    }
    return terms;
}

template std::vector<Vectors<double>> outer_products(const Tensor<double>&, double, int);
template std::vector<Vectors<Complex>> outer_products(const Tensor<Complex>&, double, int);

}  // namespace faltung::direct
