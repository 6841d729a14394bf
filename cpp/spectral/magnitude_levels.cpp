#include "spectral/magnitude_levels.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace faltung {

namespace {

/// A level's root mean square may be 2 to this power times what its faintest samples are; of the
/// first one, times the largest sample of the faintest place, whose root mean square is some half
/// of that.
constexpr int reach = 8, first_reach = 7;

template <class T>
typename MagnitudeLevel<T>::Word size_of_sample(const T* numbers, Index per) {
    const auto size = MagnitudeLevel<T>::word(numbers[0]);
    return per == 1 ? size : std::max(size, MagnitudeLevel<T>::word(numbers[1]));
}

/// Calls body(word, first bit in it, position of that, how many) for the words of a row that hold
/// the positions [at, at + count); positions are counted from `at`.
template <class Body>
void for_words(Index at, Index count, Body&& body) {
    for (Index i = 0; i < count;) {
        const Index bit = (at + i) % Marks::word_bits;
        const Index some = std::min(Marks::word_bits - bit, count - i);
        body((at + i) / Marks::word_bits, bit, i, some);
        i += some;
    }
}

}  // namespace

template <class T>
void MagnitudeLevel<T>::pick(const T* from, Index count, Index per, T* to) const {
    if (per == 1) {
        for (Index i = 0; i < count; ++i) to[i] = holds(word(from[i])) ? from[i] * scale : T(0);
        return;
    }
    for (Index i = 0; i < 2 * count; i += 2) {
        const bool mine = holds(size_of_sample(from + i, 2));
        to[i] = mine ? from[i] * scale : T(0);
        to[i + 1] = mine ? from[i + 1] * scale : T(0);
    }
}

template <class T>
void MagnitudeLevel<T>::mark(const T* numbers, Index count, Index per, Marks::Word* row,
                             Index at) const {
    for_words(at, count, [&](Index word, Index bit, Index begin, Index some) {
        Marks::Word found = 0;
        for (Index j = 0; j < some; ++j) {
            const bool mine = holds(size_of_sample(numbers + (begin + j) * per, per));
            found |= Marks::Word{mine} << (bit + j);
        }
        row[word] |= found;
    });
}

template <class T>
void MagnitudeLevel<T>::add(const T* results, Index count, Index per, const Marks::Word* row,
                            Index at, bool first, T* sums) const {
    for_words(at, count, [&](Index word, Index bit, Index begin, Index some) {
        const T* const from = results + begin * per;
        T* const to = sums + begin * per;
        const Marks::Word all =
            some < Marks::word_bits ? (Marks::Word{1} << some) - 1 : ~Marks::Word{0};
        const Marks::Word bits = row[word] >> bit & all;
        if (bits == all && first) {
            for (Index i = 0; i < some * per; ++i) to[i] = from[i] * back;
        } else if (bits == all) {
            for (Index i = 0; i < some * per; ++i) to[i] += from[i] * back;
        } else if (bits == 0) {
            if (first) std::fill_n(to, some * per, T(0));
        } else {
            for (Index i = 0; i < some * per; ++i) {
                const T result = bits >> (i / per) & 1 ? from[i] * back : T(0);
                to[i] = first ? result : to[i] + result;
            }
        }
    });
}

template <class T>
void Magnitudes<T>::see(const T* numbers, Index count, Index per, Index place) {
    for (Index begin = 0; begin < count; begin += place) {
        const Index some = std::min(place, count - begin);
        Word largest = 0;
        for (Index i = begin; i < begin + some; ++i) {
            const Word size = size_of_sample(numbers + i * per, per);
            largest = std::max(largest, size);
            count_[size >> fraction_bits] += size != 0;
        }
        if (some == place && largest > 0) faintest_ = std::min(faintest_, largest);
    }
}

template <class T>
void Magnitudes<T>::add(const Magnitudes& other) {
    faintest_ = std::min(faintest_, other.faintest_);
    for (int e = 0; e < exponents; ++e)
        count_[static_cast<std::size_t>(e)] += other.count_[static_cast<std::size_t>(e)];
}

template <class T>
std::vector<MagnitudeLevel<T>> Magnitudes<T>::levels(Index samples) const {
    std::vector<MagnitudeLevel<T>> found;
    const auto count = [&](int e) {
        return static_cast<double>(count_[static_cast<std::size_t>(e)]);
    };
    const int largest = exponents - 2;  // what is beyond is not finite
    int e = 0;
    while (e <= largest && count(e) == 0) ++e;
    int faint = static_cast<int>(faintest_ >> fraction_bits);  // of the first level
    if (faint > largest) faint = e;                            // no place is complete
    int room = first_reach;
    while (e <= largest) {
        const int low = e;
        int high = e;
        double squares = 0;
        for (; e <= largest; ++e) {
            if (count(e) == 0) continue;
            squares += count(e) * std::ldexp(1.0, std::min(2 * (e + 1 - faint), 1000));
            const double most = static_cast<double>(samples) * std::ldexp(1.0, 2 * room);
            if (e > std::max(low, faint) && squares > most) break;
            high = e;
        }
        constexpr int bias = exponents / 2 - 1;
        const Word first = found.empty() ? Word{1} : static_cast<Word>(low) << fraction_bits;
        const Word end = static_cast<Word>(high + 1) << fraction_bits;
        const int unit = std::clamp(high, 1, exponents - 3) - bias;  // so that neither is denormal
        found.push_back({first, end - first, std::ldexp(T(1), -unit), std::ldexp(T(1), unit)});
        faint = e;
        room = reach;
    }
    return found;
}

template struct MagnitudeLevel<float>;
template struct MagnitudeLevel<double>;
template class Magnitudes<float>;
template class Magnitudes<double>;

}  // namespace faltung
