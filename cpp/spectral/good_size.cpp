#include "spectral/good_size.hpp"

#include <cmath>
#include <string>

#include "core/error.hpp"

namespace faltung {
namespace {

constexpr Index largest = Index{1} << 62;

struct Factor {
    Index prime;
    double cost;  // of one butterfly pass per point and per log2(prime), against radix 2
};

constexpr Factor factors[] = {{2, 1.0}, {3, 1.08}, {5, 1.15}, {7, 1.3}, {11, 1.7}, {13, 1.8}};

}  // namespace

bool is_good_size(Index n) {
    if (n < 1) return false;
    for (const Index prime : {2, 3, 5, 7})
        while (n % prime == 0) n /= prime;
    return n == 1 || n == 11 || n == 13;
}

double transform_cost(Index n) {
    double steps = 0;
    Index rest = n;
    for (const Factor& factor : factors)
        while (rest % factor.prime == 0) {
            steps += factor.cost * std::log2(static_cast<double>(factor.prime));
            rest /= factor.prime;
        }
    if (rest > 1) steps += 6 * std::log2(static_cast<double>(rest));
    return static_cast<double>(n) * (steps + 2);
}

Index good_size(Index n) {
    if (n <= 1) return 1;
    if (n > largest)
        throw TooLarge("a transform of " + std::to_string(n) + " points is too long");
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

}  // namespace faltung
