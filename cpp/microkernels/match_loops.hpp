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

/// Lane i is lane i - steps of the first vector; the lanes below that are the last of the second.
template <int steps>
struct Back {
    static constexpr int at(int i) {
        return i >= steps ? i - steps : 2 * lanes<double> + i - steps;
    }
};

/// The first `count` numbers; zero in place of the others, whatever they are.
FALTUNG_INLINE Vec<double> first_of(Vec<double> v, std::int64_t count) {
    return Picks<double>::from(-count) < 0 ? v : Vec<double>{};
}

/// Sums of `width` neighbours, a register of them at a time: each is the one a register to its
/// left, more by what has entered since and less by what has left.
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
        sums_ = splat(total<double>(even + odd));  // as if nothing had moved before
    }
    FALTUNG_INLINE Vec<double> next() {
        sums_ += run<1>(loadu(enter_) - loadu(leave_));
        leave_ += lanes<double>;
        enter_ += lanes<double>;
        return sums_;
    }

private:
    /// The sum of a register of neighbours that ends at each place, from the sum of `steps` of
    /// them.
    template <int steps, int step = 0>
    FALTUNG_INLINE Vec<double> run(Vec<double> some) {
        if constexpr (steps < lanes<double>) {
            const Vec<double> twice =
                some + transform::shuffle<double>(some, before_[step], Back<steps>{});
            before_[step] = some;
            return run<2 * steps, step + 1>(twice);
        } else {
            return some;
        }
    }

    const double *leave_, *enter_;
    Vec<double> sums_, before_[3]{};  // the latter as run() had them for the register to the left
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
std::int64_t score(const T* products, std::int64_t pace, const T* spreads, double flat,
                   double doubtful, T* scores, std::int64_t n) {
    const Vec<T> one = splat(T{1}), none{}, doubt = splat(static_cast<T>(doubtful_score));
    const Vec<T> low = splat(static_cast<T>(flat)), high = splat(static_cast<T>(doubtful));
    const auto next = [&](std::int64_t i) {
        const Vec<T> spread = loadu(spreads + i);
        const auto trusted = spread > high, is_flat = spread <= low;
        Vec<T> value = loadu(products) * inverse_root(trusted ? spread : one);
        products += pace;
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

/// Numbers that belong together, a lane for each window, on their way to their spread: how far they
/// are from one of them, then from their mean. Where squares would vanish all are scaled.
struct Sample {
    Vec<double> one{}, sum{}, reach{}, scale{}, square{};

    FALTUNG_INLINE void add(Vec<double> off) {
        sum += off;
        reach += off * off;
    }
    FALTUNG_INLINE void close(Vec<double> count) {
        sum /= count;  // the mean now
        scale = reach < splat(0x1p-800) ? splat(0x1p+600) : splat(1.0);
    }
    FALTUNG_INLINE Vec<double> centred(Vec<double> off) const { return (off - sum) * scale; }
    /// A score, or zero where all numbers are equal.
    FALTUNG_INLINE Vec<double> unless_flat(Vec<double> score) const {
        return square > 0 ? score : Vec<double>{};
    }
    FALTUNG_INLINE Vec<double> inverse_length() const {
        return inverse_root(square > 0 ? square : splat(1.0));
    }
};

template <int vectors>
FALTUNG_NOINLINE void score_whole(const double* values, const WindowTap* taps, std::int64_t count,
                                  double* scores) {
    Sample x[vectors];
    Vec<double> cross[vectors]{};
    const auto for_each = [&](auto&& body) {
        for (std::int64_t t = 0; t < count; ++t) {
            const double* const at = values + taps[t].place;
            FALTUNG_UNROLL
            for (int v = 0; v < vectors; ++v)
                body(v, loadu(at + v * lanes<double>) - x[v].one, splat(taps[t].value));
        }
    };
    for (int v = 0; v < vectors; ++v) x[v].one = loadu(values + taps[0].place + v * lanes<double>);
    for_each([&](int v, Vec<double> off, Vec<double>) { x[v].add(off); });
    for (int v = 0; v < vectors; ++v) x[v].close(splat(static_cast<double>(count)));
    for_each([&](int v, Vec<double> off, Vec<double> tap) {
        const Vec<double> centred = x[v].centred(off);
        x[v].square += centred * centred;
        cross[v] += centred * tap;
    });
    for (int v = 0; v < vectors; ++v)
        storeu(scores + v * lanes<double>, x[v].unless_flat(cross[v]) * x[v].inverse_length());
}

/// Of each window the first pair that counts, or none where there is no other in it.
FALTUNG_INLINE void find_first(const double* values, const double* keep, const WindowTap* taps,
                               std::int64_t count, Sample& x, Sample& y) {
    Vec<double> found{};
    for (std::int64_t t = 0; t < count; ++t) {
        const std::int64_t at = taps[t].place;
        const Vec<double> kept = loadu(keep + at);
        const auto first = (kept > 0) & (found == 0);
        x.one = first ? loadu(values + at) : x.one;
        y.one = first ? splat(taps[t].value) : y.one;
        found = first ? kept : found;
        if (t % 8 == 7 && total<double>(found) == lanes<double>) return;
    }
}

template <int vectors>
FALTUNG_NOINLINE void score_kept(const double* values, const double* keep, const WindowTap* taps,
                                 std::int64_t count, double* scores) {
    Sample x[vectors], y[vectors];
    Vec<double> share[vectors]{}, cross[vectors]{};
    const auto for_each = [&](auto&& body) {
        for (std::int64_t t = 0; t < count; ++t) {
            const std::int64_t at = taps[t].place;
            FALTUNG_UNROLL
            for (int v = 0; v < vectors; ++v) {
                const std::int64_t there = at + v * lanes<double>;
                body(v, loadu(values + there) - x[v].one, splat(taps[t].value) - y[v].one,
                     loadu(keep + there));
            }
        }
    };
    for (int v = 0; v < vectors; ++v)
        find_first(values + v * lanes<double>, keep + v * lanes<double>, taps, count, x[v], y[v]);
    for_each([&](int v, Vec<double> x_off, Vec<double> y_off, Vec<double> kept) {
        x[v].add(x_off * kept);
        y[v].add(y_off * kept);
        share[v] += kept;
    });
    for (int v = 0; v < vectors; ++v) {
        share[v] = share[v] > 0 ? share[v] : splat(1.0);
        x[v].close(share[v]);
        y[v].close(share[v]);
    }
    for_each([&](int v, Vec<double> x_off, Vec<double> y_off, Vec<double> kept) {
        const Vec<double> a = x[v].centred(x_off) * kept, b = y[v].centred(y_off) * kept;
        x[v].square += a * a;
        y[v].square += b * b;
        cross[v] += a * b;
    });
    for (int v = 0; v < vectors; ++v)
        storeu(scores + v * lanes<double>, y[v].unless_flat(x[v].unless_flat(cross[v])) *
                                               x[v].inverse_length() * y[v].inverse_length());
}

inline void score_lone(const double* values, const double* keep, const WindowTap* taps,
                       std::int64_t count, double* scores, std::int64_t n) {
    constexpr int most = vector_registers / 8;  // vectors, where only samples vary
    static_assert(most * lanes<double> <= lone_windows);
    while (n > 0) {
        const int vectors = n > lanes<double> ? (keep ? most / 2 : most) : 1;
        if (keep)
            (vectors > 1 ? score_kept<most / 2> : score_kept<1>)(values, keep, taps, count, scores);
        else
            (vectors > 1 ? score_whole<most> : score_whole<1>)(values, taps, count, scores);
        const std::int64_t done = vectors * lanes<double>;
        values += done;
        if (keep) keep += done;
        scores += done;
        n -= done;
    }
}

}  // namespace match

template <class T>
constexpr MatchTable<T> match_table() {
    return {match::centre<T>, match::move<T>, match::spread<T>, match::score<T>};
}
constexpr WindowTable window_table() { return {match::move_sums, match::score_lone}; }

}  // namespace
}  // namespace faltung::microkernels
