#include "chance/alias_table.hpp"

#include <algorithm>
#include <cmath>

namespace faltung {

AliasTable::AliasTable(std::span<const double> weights) {
    // 1. what may come up, in units of the mean; weights are scaled first, lest their sum overflow
    const double largest = *std::max_element(weights.begin(), weights.end());
    std::vector<double> share;
    double total = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        if (!(weights[i] / largest > 0)) continue;
        share.push_back(weights[i] / largest);
        total += share.back();
        cells.push_back({0, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i)});
    }
    std::vector<std::size_t> small, large;
    for (std::size_t c = 0; c < cells.size(); ++c) {
        share[c] *= static_cast<double>(cells.size()) / total;
        (share[c] < 1 ? small : large).push_back(c);
    }
    // 2. fill up a cell that is too small from an outcome that has too much; the last ones on
    // either list are full but for rounding, and alias themselves
    while (!small.empty() && !large.empty()) {
        const std::size_t to = small.back(), from = large.back();
        small.pop_back();
        cells[to].threshold =
            static_cast<std::uint32_t>(std::min(std::round(share[to] * 0x1p32), 0x1p32 - 1));
        cells[to].other = cells[from].own;
        share[from] -= 1 - share[to];
        if (share[from] < 1) {
            large.pop_back();
            small.push_back(from);
        }
    }
}

}  // namespace faltung
