#include "spectral/roots.hpp"

#include <numbers>

namespace faltung {

Roots::Roots(Index order) : order_(order) {
    while (step_ * step_ < order) step_ *= 2;
    const double turn = -2 * std::numbers::pi / static_cast<double>(order);
    for (Index k = 0; k < step_; ++k)
        low_.push_back(std::polar(1.0, turn * static_cast<double>(k)));
    for (Index k = 0; k <= order / step_; ++k)
        high_.push_back(std::polar(1.0, turn * static_cast<double>(k * step_)));
}

}  // namespace faltung
