#include "spectral/roots.hpp"

#include <numbers>

namespace faltung {

Roots::Roots(Index order) : order_(order) {
    while (Index{1} << 2 * shift_ < order) ++shift_;
    const Index step = Index{1} << shift_;
    const double turn = -2 * std::numbers::pi / static_cast<double>(order);
    for (Index k = 0; k < step; ++k) low_.push_back(std::polar(1.0, turn * static_cast<double>(k)));
    for (Index k = 0; k <= order / step; ++k)
        high_.push_back(std::polar(1.0, turn * static_cast<double>(k * step)));
}

}  // namespace faltung
