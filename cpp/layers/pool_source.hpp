// The samples that a pooling reads, as lines of numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "layers/pool_frame.hpp"
#include "lines/line_reader.hpp"

namespace faltung::layers {

/// What every combination may be joined with and stays what it is.
template <class T>
T neutral(Pool kind) {
    if (kind != Pool::max) return T{0};
    return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                : std::numeric_limits<T>::lowest();
}

/// Between the bits of a uint64 and the int64 that compares as it does.
inline void flip_signs(std::int64_t* line, Index n) {
    for (Index i = 0; i < n; ++i) line[i] ^= std::numeric_limits<std::int64_t>::min();
}

/// Divides the sums (or gradients) of outputs [begin, end) of the line `at` by what their windows
/// count.
template <class T>
void divide_by_taps(const PoolSpec& spec, const PoolFrame& frame,
                    const microkernels::PoolTable<T>& loops, const Index* at, Index begin,
                    Index end, T* line) {
    const Index full_begin = std::clamp(frame.full_begin, begin, end);
    const Index full_end = std::clamp(frame.full_end, full_begin, end);
    const auto divide = [&](Index from, Index to) {
        if (from < to)
            loops.divide(line + (from - begin) * frame.lanes, (to - from) * frame.lanes,
                         frame.divisor(spec, at[2], at[3], from));
    };
    for (Index o = begin; o < full_begin; ++o) divide(o, o + 1);
    divide(full_begin, full_end);
    for (Index o = full_end; o < end; ++o) divide(o, o + 1);
}

/// Lines of planes. What comes out may be combined as `how` says.
template <class T>
class PoolSource {
public:
    PoolSource(const PoolFrame& frame, const PoolSpec& spec, const ArrayView& planes,
               const microkernels::Table& table)
        : reader_(frame.lines(planes, arithmetic_of<T>, {}), planes, table),
          lanes_(frame.lanes),
          flips_(planes.dtype == DType::uint64 && std::is_same_v<T, std::int64_t>),
          power_(spec.power) {
        using microkernels::Combine;
        if (spec.kind == Pool::max) how = Combine::max;
        if (spec.kind == Pool::norm) {
            if (power_ == 2) how = Combine::sum_squares;
            if (power_ == 1) how = Combine::sum_sizes;
            raises_ = how == Combine::sum;
        }
    }

    /// Positions [begin, end), all inside, of the line at (sample, group, depth, height): where
    /// they stand, or copied to `line`.
    const T* read(const Index* at, Index begin, Index end, T* line) const {
        if (const T* there = in_place(at, begin, end)) return there;
        reader_.read(at, begin, end, line);
        prepare(line, (end - begin) * lanes_);
        return line;
    }

    const T* in_place(const Index* at, Index begin, Index end) const {
        return flips_ || raises_ ? nullptr : reader_.in_place(at, begin, end);
    }

    microkernels::Combine how = microkernels::Combine::sum;

private:
    void prepare(T* line, Index n) const {
        if constexpr (std::is_same_v<T, std::int64_t>) {
            if (flips_) flip_signs(line, n);
        } else if (raises_) {
            for (Index i = 0; i < n; ++i)
                line[i] = std::pow(std::abs(line[i]), static_cast<T>(power_));
        }
    }

    LineReader<T> reader_;
    Index lanes_;
    bool flips_, raises_ = false;
    double power_;
};

}  // namespace faltung::layers
