#include "matching/peaks.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/half.hpp"

namespace faltung::matching {

namespace {

double read(DType dtype, const std::byte* at) {
    switch (dtype) {
        case DType::float16: {
            std::uint16_t half;
            std::memcpy(&half, at, sizeof half);
            return static_cast<double>(half_to_float(half));
        }
        case DType::float32: {
            float value;
            std::memcpy(&value, at, sizeof value);
            return static_cast<double>(value);
        }
        default: {
            double value;
            std::memcpy(&value, at, sizeof value);
            return value;
        }
    }
}

/// Keeps the best score of every stretch of a line, so that a new peak costs a look at the
/// stretches near it and not at the whole map.
class Search {
public:
    Search(const ArrayView& scores, const Extents& window)
        : scores_(scores),
          window_(window),
          last_(scores.rank() - 1),
          line_(scores.shape[last_]),
          per_line_((line_ + stretch - 1) / stretch),
          taken_(static_cast<std::size_t>(product(scores.shape))) {
        const Index lines = product(scores.shape) / line_;
        best_.resize(static_cast<std::size_t>(lines * per_line_));
        for (Index s = 0; s < static_cast<Index>(best_.size()); ++s) look(s);
    }

    /// The next peak, or false where nothing is left.
    bool next(Peak& peak) {
        const auto found = std::max_element(
            best_.begin(), best_.end(),
            [](const Candidate& a, const Candidate& b) { return a.score < b.score; });
        if (found->index < 0) return false;
        peak.score = found->score;
        peak.at = Extents(last_ + 1, 0);
        Index rest = found->index;
        for (int a = last_; a >= 0; --a) {
            peak.at[a] = rest % scores_.shape[a];
            rest /= scores_.shape[a];
        }
        take(peak.at);
        return true;
    }

private:
    static constexpr Index stretch = 1024;
    struct Candidate {
        double score = -std::numeric_limits<double>::infinity();
        Index index = -1;  // in C order
    };

    void look(Index s) {
        const Index line = s / per_line_, begin = s % per_line_ * stretch;
        const std::byte* row = scores_.data;
        Index rest = line;
        for (int a = last_ - 1; a >= 0; --a) {
            row += rest % scores_.shape[a] * scores_.strides[a];
            rest /= scores_.shape[a];
        }
        Candidate best;
        for (Index i = begin; i < std::min(line_, begin + stretch); ++i) {
            if (taken_[static_cast<std::size_t>(line * line_ + i)]) continue;
            const double score = read(scores_.dtype, row + i * scores_.strides[last_]);
            if (score > best.score) best = {score, line * line_ + i};
        }
        best_[static_cast<std::size_t>(s)] = best;
    }

    /// Nothing that overlaps the window at `at` may come after it.
    void take(const Extents& at) {
        Extents begin, end;
        for (int a = 0; a <= last_; ++a) {
            begin.push_back(std::max<Index>(0, at[a] - window_[a] + 1));
            end.push_back(std::min(scores_.shape[a], at[a] + window_[a]));
        }
        Extents line = begin;
        for (;;) {
            Index row = 0;
            for (int a = 0; a < last_; ++a) row = row * scores_.shape[a] + line[a];
            for (Index i = begin[last_]; i < end[last_]; ++i)
                taken_[static_cast<std::size_t>(row * line_ + i)] = true;
            for (Index s = begin[last_] / stretch; s * stretch < end[last_]; ++s)
                look(row * per_line_ + s);
            int a = last_ - 1;
            for (; a >= 0; --a) {
                if (++line[a] < end[a]) break;
                line[a] = begin[a];
            }
            if (a < 0) return;
        }
    }

    const ArrayView& scores_;
    const Extents& window_;
    int last_;
    Index line_, per_line_;
    std::vector<bool> taken_;
    std::vector<Candidate> best_;
};

}  // namespace

std::vector<Peak> find_peaks(const ArrayView& scores, const Extents& window, Index most) {
    std::vector<Peak> peaks;
    if (product(scores.shape) == 0) return peaks;
    Search search(scores, window);
    Peak peak;
    while (static_cast<Index>(peaks.size()) < most && search.next(peak)) peaks.push_back(peak);
    return peaks;
}

}  // namespace faltung::matching
