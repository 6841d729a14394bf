#include "recursive/complex_line.hpp"

namespace faltung {

namespace {

using Complex = std::complex<double>;

/// Without the rules for infinities that operator* calls a function for.
Complex times(Complex p, Complex q) {
    return {p.real() * q.real() - p.imag() * q.imag(), p.real() * q.imag() + p.imag() * q.real()};
}

}  // namespace

void complex_line(const Section& section, Complex* samples, Index n, Complex* state) {
    const Index states = section.states();
    const auto at = [](const std::vector<Complex>& values, Index k) {
        return k < static_cast<Index>(values.size()) ? values[static_cast<std::size_t>(k)]
                                                     : Complex{};
    };
    std::vector<Complex> b, a;
    for (Index k = 0; k <= states; ++k) {
        b.push_back(at(section.b, k));
        a.push_back(at(section.a, k));
    }
    for (Index i = 0; i < n; ++i) {
        const Complex x = samples[i];
        const Complex y = times(b[0], x) + (states > 0 ? state[0] : Complex{});
        for (Index s = 0; s < states; ++s) {
            const auto k = static_cast<std::size_t>(s + 1);
            const Complex next = s + 1 < states ? state[s + 1] : Complex{};
            state[s] = next + times(b[k], x) - times(a[k], y);
        }
        samples[i] = y;
    }
}

}  // namespace faltung
