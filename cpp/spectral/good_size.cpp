#include "spectral/good_size.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/error.hpp"

namespace faltung {
namespace {

constexpr Index largest = Index{1} << 62;

/// How much slower an odd part makes a transform than a power of two of that length would be,
/// about.
double slowdown(Index odd) {
    constexpr double threes[] = {1, 1.25, 1.7, 2.0}, fives[] = {1, 1, 1.3, 1.6},
                     sevens[] = {1, 1.3, 1.6, 1.8};
    const auto times = [&odd](Index prime) {
        int count = 0;
        for (; odd % prime == 0; odd /= prime) ++count;
        return std::min(count, 3);
    };
    double factor = threes[times(3)] * fives[times(5)] * sevens[times(7)];
    if (odd % 11 == 0 || odd % 13 == 0) {
        factor *= 1.6;
        odd /= odd % 11 == 0 ? 11 : 13;
    }
    return odd > 1 ? 6 * factor : factor;
}

}  // namespace

bool is_good_size(Index n) {
    if (n < 1) return false;
    for (const Index prime : {2, 3, 5, 7})
        while (n % prime == 0) n /= prime;
    return n == 1 || n == 11 || n == 13;
}

double transform_cost(Index n) {
    Index odd = n;
    while (odd % 2 == 0) odd /= 2;
    const double size = static_cast<double>(n);
    // Moving the numbers about costs as much as some butterfly levels.
    return size * (std::log2(size) * slowdown(odd) + 10);
}

Index good_size(Index n) {
    if (n <= 1) return 1;
    if (n > largest) throw TooLarge("a transform of " + std::to_string(n) + " points is too long");
    // The least power of two is an upper bound; every even product below it competes.
    Index best = 2;
    while (best < n) best *= 2;
    double least = transform_cost(best);
    const Index bound = best;
    for (const Index odd : {1, 11, 13})
        for (Index seven = odd; seven <= bound; seven *= 7) {
            for (Index five = seven; five <= bound; five *= 5) {
                for (Index three = five; three <= bound; three *= 3) {
                    Index length = three;
                    if (length > bound / 2) break;
                    do length *= 2;
                    while (length < n);
                    if (length <= bound) {
                        const double cost = transform_cost(length);
                        if (cost < least || (cost == least && length < best)) {
                            least = cost;
                            best = length;
                        }
                    }
                    if (three > bound / 3) break;
                }
                if (five > bound / 5) break;
            }
            if (seven > bound / 7) break;
        }
    return best;
}

Split good_split(Index n) {
    Split best{1, good_size(n)};
    double least = std::numeric_limits<double>::infinity();
    const double root = std::sqrt(static_cast<double>(n));
    for (const Index odd : {1, 3, 5, 7, 9, 15, 25, 35, 45})
        for (Index rows = 2 * odd; static_cast<double>(rows) < 1.5 * root; rows *= 2) {
            if (static_cast<double>(rows) * 1.5 < root) continue;
            const Index columns = good_size((n - 1) / rows + 1);
            const double cost = transform_cost(rows) * static_cast<double>(columns) +
                                transform_cost(columns) * static_cast<double>(rows);
            if (cost < least) {
                least = cost;
                best = {rows, columns};
            }
        }
    return best;
}

Split split_of(Index n) {
    Split best{1, n};
    for (Index rows = 1; rows <= n / rows; ++rows)
        if (n % rows == 0) best = {rows, n / rows};
    return best;
}

}  // namespace faltung
