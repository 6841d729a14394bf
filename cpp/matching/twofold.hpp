// Sums that carry their own rounding error: about 106 bits from two doubles (Dekker 1971, Knuth).
#pragma once

#include <cmath>

namespace faltung::matching {

struct Twofold {
    double high = 0, low = 0;

    void add(double value) {
        const double sum = high + value;
        const double part = sum - high;
        low += (high - (sum - part)) + (value - part);
        high = sum;
    }
    void add_square(double value, double sign) {
        const double square = value * value;
        add(sign * square);
        low += sign * std::fma(value, value, -square);
    }
    void add(const Twofold& other) {
        add(other.high);
        low += other.low;
    }
    void subtract(const Twofold& other) {
        add(-other.high);
        low -= other.low;
    }
};

/// square - sum^2 / count, rounded once or twice at the end.
inline double spread_of(const Twofold& square, const Twofold& sum, double count) {
    const double top = sum.high * sum.high;
    const double rest = std::fma(sum.high, sum.high, -top) + 2 * sum.high * sum.low;
    const double share = top / count;
    const double remainder = (std::fma(-share, count, top) + rest) / count;
    return (square.high - share) + (square.low - remainder);
}

}  // namespace faltung::matching
