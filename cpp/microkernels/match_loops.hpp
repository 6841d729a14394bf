// The loops behind MatchTable and WindowTable. Plain ones are vectorised by compilers; the prefix
// sums of slide() say how.
#pragma once

#include "microkernels/match_table.hpp"
#include "microkernels/transpose.hpp"

namespace faltung::microkernels {
namespace {
namespace match {

template <class T>
double centre(const T* from, T centre, T* to, std::int64_t n) {
    constexpr std::int64_t width = lanes<T>;
    const Vec<T> middle = splat<T>(centre);
    Vec<T> even{}, odd{};
    std::int64_t i = 0;
    for (; i + 2 * width <= n; i += 2 * width) {
        const Vec<T> a = loadu(from + i) - middle, b = loadu(from + i + width) - middle;
        storeu<T>(to + i, a);
        storeu<T>(to + i + width, b);
        even += a * a;
        odd += b * b;
    }
    double total = 0;
    for (; i < n; ++i) {
        to[i] = from[i] - centre;
        total += static_cast<double>(to[i]) * static_cast<double>(to[i]);
    }
    for (int l = 0; l < lanes<T>; ++l)
        total += static_cast<double>(even[l]) + static_cast<double>(odd[l]);
    return total;
}

template <bool leaves, class T>
FALTUNG_INLINE void move_one(const T* __restrict enter, const T* __restrict leave,
                             double* __restrict sum, double* __restrict square, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
        const double in = static_cast<double>(enter[i]);
        const double out = leaves ? static_cast<double>(leave[i]) : 0.0;
        sum[i] += in - out;
        square[i] += in * in - out * out;
    }
}

template <class T>
void move(const T* enter, const T* leave, double* sum, double* square, std::int64_t n) {
    if (leave)
        move_one<true>(enter, leave, sum, square, n);
    else
        move_one<false>(enter, enter, sum, square, n);
}

template <class T>
std::int64_t score(const T* products, const double* sum, const double* square, double samples,
                   double flat, double doubtful, T* scores, std::int64_t n) {
    const double share = 1 / samples;
    const T low = static_cast<T>(flat), high = static_cast<T>(doubtful);
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const T spread = static_cast<T>(square[i] - sum[i] * sum[i] * share);
        const T safe = spread > T{0} ? spread : T{1};
        T value = products[i] / (sizeof(T) == 4
                                     ? static_cast<T>(__builtin_sqrtf(static_cast<float>(safe)))
                                     : static_cast<T>(__builtin_sqrt(static_cast<double>(safe))));
        value = value < T{1} ? value : T{1};
        value = value > T{-1} ? value : T{-1};
        value = spread > high ? value : static_cast<T>(doubtful_score);
        value = spread > low ? value : T{0};
        count += value > T{1} ? 1 : 0;
        scores[i] = value;
    }
    return count;
}

inline void move_sums(const double* __restrict enter, const double* __restrict leave,
                      double* __restrict sum, std::int64_t n) {
    if (leave)
        for (std::int64_t i = 0; i < n; ++i) sum[i] += enter[i] - leave[i];
    else
        for (std::int64_t i = 0; i < n; ++i) sum[i] += enter[i];
}

/// Lane i is lane i - steps of the first vector, the lanes below that are of the second.
template <int steps>
struct Shift {
    static constexpr int at(int i) { return i >= steps ? i - steps : lanes<double> + i; }
};

template <int steps>
FALTUNG_INLINE Vec<double> sum_up(Vec<double> v) {
    if constexpr (steps < lanes<double>)
        return sum_up<2 * steps>(v + transform::shuffle<double>(v, Vec<double>{}, Shift<steps>{}));
    else
        return v;
}

/// Every window is its left neighbour, more by the sample that enters and less by the one that
/// leaves: prefix sums within a vector, the last lane carried to the next.
inline void slide(const double* in, std::int64_t width, double* out, std::int64_t n) {
    constexpr std::int64_t step = lanes<double>;
    double first = 0;
    for (std::int64_t t = 0; t < width; ++t) first += in[t];
    out[0] = first;
    std::int64_t i = 1;
    Vec<double> carry = splat(first);
    for (; i + step <= n; i += step) {
        const Vec<double> change = loadu(in + i - 1 + width) - loadu(in + i - 1);
        const Vec<double> result = carry + sum_up<1>(change);
        storeu<double>(out + i, result);
        carry = splat<double>(result[step - 1]);
    }
    for (; i < n; ++i) out[i] = out[i - 1] + (in[i - 1 + width] - in[i - 1]);
}

}  // namespace match

template <class T>
constexpr MatchTable<T> match_table() {
    return {match::centre<T>, match::move<T>, match::score<T>};
}
constexpr WindowTable window_table() { return {match::move_sums, match::slide}; }

}  // namespace
}  // namespace faltung::microkernels
