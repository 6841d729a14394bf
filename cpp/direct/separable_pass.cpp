#include "direct/separable_pass.hpp"

#include <algorithm>
#include <cmath>

namespace faltung {

namespace direct {

namespace {

/// A pass of its own reads and writes the first-level cache.
constexpr double chain_pass = 4;

}  // namespace

double BoxChain::work() const {
    return static_cast<double>(parts()) + (near > 1 ? static_cast<double>(near) + chain_pass : 0) +
           (far > 1 ? static_cast<double>(far) + chain_pass : 0);
}

BoxChain box_chain(Index taps) {
    BoxChain best{.longs = taps};
    const auto root = static_cast<Index>(2 * std::cbrt(static_cast<double>(taps))) + 2;
    for (Index near = 1; near <= root; ++near)
        for (Index far = 1; near * far <= taps && far <= root; ++far) {
            if (near == 1 && far > 1) continue;
            const Index reach = near * far, rest = taps % reach;
            const BoxChain chain{near, far, taps / reach, rest / near, rest % near};
            if (chain.work() < best.work()) best = chain;
        }
    return best;
}

bool equal_taps(const std::vector<std::complex<double>>& numbers) {
    return numbers.front().imag() == 0 &&
           std::all_of(numbers.begin(), numbers.end(),
                       [&](const auto& number) { return number == numbers.front(); });
}

template <class T>
Pass<T>::Pass(const std::vector<std::complex<double>>& numbers)
    : Pass(std::vector<std::vector<std::complex<double>>>{numbers}) {
    equal = equal_taps(numbers);
    if (!equal) return;
    chain = box_chain(static_cast<Index>(numbers.size()));
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
