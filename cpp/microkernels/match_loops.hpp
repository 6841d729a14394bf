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
FALTUNG_INLINE void move_one(const T* __restrict enter, const T* __restrict leave, T centre,
                             double* __restrict sum, double* __restrict square, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
        const double in = static_cast<double>(enter[i] - centre);
        const double out = leaves ? static_cast<double>(leave[i] - centre) : 0.0;
        sum[i] += in - out;
        square[i] += in * in - out * out;
    }
}

template <class T>
void move(const T* enter, const T* leave, T centre, double* sum, double* square, std::int64_t n) {
    if (leave)
        move_one<true>(enter, leave, centre, sum, square, n);
    else
        move_one<false>(enter, enter, centre, sum, square, n);
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

struct Last {
    static constexpr int at(int) { return lanes<double> - 1; }
};
FALTUNG_INLINE Vec<double> last_of(Vec<double> v) {
    return transform::shuffle<double>(v, v, Last{});
}

/// The first `count` numbers; zero in place of the others, whatever they are.
FALTUNG_INLINE Vec<double> first_of(Vec<double> v, std::int64_t count) {
    return Picks<double>::from(-count) < 0 ? v : Vec<double>{};
}

/// Sums of `width` neighbours, a register of them at a time: each is its left neighbour, more by
/// what enters and less by what leaves. Prefix sums do that within a register, the last sum goes on
/// to the next.
class Slide {
public:
    FALTUNG_INLINE Slide(const double* in, std::int64_t width)
        : leave_(in - 1), enter_(in + width - 1) {
        Vec<double> even{}, odd{};
        const double* at = in;
        for (; enter_ - at >= 2 * lanes<double>; at += 2 * lanes<double>) {
            even += loadu(at);
            odd += loadu(at + lanes<double>);
        }
        even += first_of(loadu(at), enter_ - at);
        odd += first_of(loadu(at + lanes<double>), enter_ - at - lanes<double>);
        last_ = last_of(sum_up<1>(even + odd));
    }
    FALTUNG_INLINE Vec<double> next() {
        const Vec<double> sums = last_ + sum_up<1>(loadu(enter_) - loadu(leave_));
        last_ = last_of(sums);
        leave_ += lanes<double>;
        enter_ += lanes<double>;
        return sums;
    }

private:
    const double *leave_, *enter_;
    Vec<double> last_;
};

template <class T>
void spread(const double* sum, const double* square, std::int64_t width, double share, T* spreads,
            std::int64_t n) {
    Slide sums(sum, width), squares(square, width);
    const auto next = [&] {
        const Vec<double> total = sums.next();
        return squares.next() - total * (total * share);
    };
    for (std::int64_t i = 0; i < n; i += lanes<T>) {
        const Vec<double> low = next();
        if constexpr (sizeof(T) == 8)
            storeu<T>(spreads + i, low);
        else
            storeu<T>(spreads + i, narrow(low, next()));
    }
}

template <class T>
std::int64_t score(const T* products, const T* spreads, double flat, double doubtful, T* scores,
                   std::int64_t n) {
    const Vec<T> one = splat(T{1}), none{}, doubt = splat(static_cast<T>(doubtful_score));
    const Vec<T> low = splat(static_cast<T>(flat)), high = splat(static_cast<T>(doubtful));
    const auto next = [&](std::int64_t i) {
        const Vec<T> spread = loadu(spreads + i);
        const auto trusted = spread > high, is_flat = spread <= low;
        Vec<T> value = loadu(products + i) * inverse_root(trusted ? spread : one);
        value = value < one ? value : one;
        value = value > -one ? value : -one;
        storeu<T>(scores + i, trusted ? value : is_flat ? none : doubt);
        return trusted | is_flat;  // -1 where sure
    };
    auto sure = none < none;
    std::int64_t i = 0;
    for (; i + lanes<T> <= n; i += lanes<T>) sure += next(i);
    std::int64_t count = i;
    for (int l = 0; l < lanes<T>; ++l) count += sure[l];
    if (i == n) return count;
    sure = next(i);
    for (int l = 0; l < n - i; ++l) count += 1 + sure[l];
    return count;
}

inline void move_sums(const double* __restrict enter, const double* __restrict leave,
                      double* __restrict sum, std::int64_t n) {
    if (leave)
        for (std::int64_t i = 0; i < n; ++i) sum[i] += enter[i] - leave[i];
    else
        for (std::int64_t i = 0; i < n; ++i) sum[i] += enter[i];
}

}  // namespace match

template <class T>
constexpr MatchTable<T> match_table() {
    return {match::centre<T>, match::move<T>, match::spread<T>, match::score<T>};
}
constexpr WindowTable window_table() { return {match::move_sums}; }

}  // namespace
}  // namespace faltung::microkernels
