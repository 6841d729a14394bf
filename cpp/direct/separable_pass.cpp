#include "direct/separable_pass.hpp"

#include <algorithm>
#include <cmath>

namespace faltung {

namespace direct {

// Measured where a level is the best that there is: v4 on a Zen 5 (2048 x 2048), the others on a
// Zen 3 (400 x 470, 8192), float32 and float64, November 2026. Added runs are loads that straddle
// cache lines, against which wide vectors gain nothing. Sliding sums begin to pay at 22 to 26 taps
// (v4), 17 to 19 (v3) and 8 or 9 (baseline).
BoxCosts box_costs(const microkernels::Table& table, Arithmetic arithmetic) {
    if (table.vector_bytes >= 64 && arithmetic != Arithmetic::i64)
        return {.part = 2, .pass = 14, .across = 24};
    if (table.vector_bytes >= 32) return {.part = 1, .pass = 7, .across = 18};
    return {.part = 1, .pass = 4, .across = 9};
}

double BoxChain::work(const BoxCosts& costs) const {
    if (near == 1) return static_cast<double>(parts());  // no runs: every tap for itself
    const double sums = static_cast<double>(parts() + near + (far > 1 ? far : 0));
    return costs.part * sums + (far > 1 ? 2 : 1) * costs.pass;
}

BoxChain box_chain(Index taps, const BoxCosts& costs) {
    BoxChain best{.longs = taps};
    const auto root = static_cast<Index>(2 * std::cbrt(static_cast<double>(taps))) + 2;
    for (Index near = 2; near <= root; ++near)
        for (Index far = 1; near * far <= taps && far <= root; ++far) {
            const Index reach = near * far, rest = taps % reach;
            const BoxChain chain{near, far, taps / reach, rest / near, rest % near};
            if (chain.work(costs) < best.work(costs)) best = chain;
        }
    return best;
}

bool equal_taps(const std::vector<std::complex<double>>& numbers) {
    return numbers.front().imag() == 0 &&
           std::all_of(numbers.begin(), numbers.end(),
                       [&](const auto& number) { return number == numbers.front(); });
}

template <class T>
Pass<T>::Pass(const std::vector<std::complex<double>>& numbers, const BoxCosts& costs)
    : Pass(std::vector<std::vector<std::complex<double>>>{numbers}) {
    equal = equal_taps(numbers);
    if (!equal) return;
    chain = box_chain(static_cast<Index>(numbers.size()), costs);
    slid = static_cast<double>(numbers.size()) > costs.across;
    ones.assign(static_cast<std::size_t>(chain.far), T{1});
    // the scale comes with the single numbers, so that no sum is larger than the taps make it
    parts.assign(static_cast<std::size_t>(chain.longs + chain.shorts), T{1});
    parts.insert(parts.end(), static_cast<std::size_t>(chain.singles), real[0]);
}

template <class T>
Pass<T>::Pass(const std::vector<std::vector<std::complex<double>>>& terms) {
    bool is_real = true;
    for (const auto& numbers : terms)
        for (const auto& number : numbers) {
            real.push_back(static_cast<T>(number.real()));
            imag.push_back(static_cast<T>(number.imag()));
            is_real = is_real && number.imag() == 0;
        }
    if (is_real) imag.clear();
}

template struct Pass<float>;
template struct Pass<double>;
template struct Pass<std::int64_t>;

}  // namespace direct

}  // namespace faltung
