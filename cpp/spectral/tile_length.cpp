#include "spectral/tile_length.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace faltung {

template <class T>
const microkernels::TransformLength* find_length(const microkernels::TransformTable<T>& table,
                                                 Index n) {
    const microkernels::TransformLength* end = table.lengths + table.length_count;
    const auto* found =
        std::ranges::lower_bound(table.lengths, end, n, {}, &microkernels::TransformLength::n);
    return found != end && found->n == n ? found : nullptr;
}

template <class T>
std::vector<T> pass_factors(const microkernels::TransformLength& length) {
    std::vector<T> factors;
    int n = length.n;
    for (const int radix : length.radix) {
        const int count = n / radix;
        if (radix == 1 || count == 1) break;  // the last pass has none
        for (int place = 0; place < count; ++place) {
            for (int leg = 1; leg < radix; ++leg) {
                const double angle = -2 * std::numbers::pi * place * leg / n;
                factors.push_back(static_cast<T>(std::cos(angle)));
                factors.push_back(static_cast<T>(std::sin(angle)));
            }
        }
        n = count;
    }
    return factors;
}

std::vector<Index> frequency_at(const microkernels::TransformLength& length) {
    std::vector<Index> frequency(static_cast<std::size_t>(length.n));
    for (int place = 0; place < length.n; ++place) {
        Index value = 0, weight = 1;
        int n = length.n, rest = place;
        for (const int radix :
             length.radix) {  // digits from the most significant place, least frequency
            n /= radix;
            value += weight * (rest / n);
            weight *= radix;
            rest %= n;
        }
        frequency[static_cast<std::size_t>(place)] = value;
    }
    return frequency;
}

template const microkernels::TransformLength* find_length(
    const microkernels::TransformTable<float>&, Index);
template const microkernels::TransformLength* find_length(
    const microkernels::TransformTable<double>&, Index);
template std::vector<float> pass_factors(const microkernels::TransformLength&);
template std::vector<double> pass_factors(const microkernels::TransformLength&);

}  // namespace faltung
