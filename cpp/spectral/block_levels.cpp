#include "spectral/block_levels.hpp"

#include <algorithm>

#include "parallel/parallel_for.hpp"
#include "spectral/box_tuples.hpp"
#include "spectral/survey.hpp"

namespace faltung {

namespace {

constexpr Index task_samples = Index{1} << 15;  // a multiple of Marks::word_bits

}  // namespace

template <class T>
BlockLevels<T>::BlockLevels(const GridShape& shape, bool complex_samples)
    : shape_(shape), per_(complex_samples ? 2 : 1) {
    const auto extent = [](const Span& axis) { return std::max(axis.have, axis.wanted_end()); };
    for (const Span& axis : shape.columns) extents_.push_back(extent(axis));
    extents_.push_back(flat() ? row_samples() : extent(shape.span));
}

template <class T>
Extents BlockLevels<T>::line_at(Index line) const {
    const int axes = shape_.columns.size();
    Extents have(axes, 0);
    for (int a = 0; a < axes; ++a) have[a] = shape_.columns[a].have;
    return tuple(line, Extents(axes, 0), have, axes);
}

template <class T>
Index BlockLevels<T>::lines() const {
    Index total = 1;
    for (const Span& axis : shape_.columns) total *= axis.have;
    return total;
}

/// body(at, first sample, samples, where they are, worker) for pieces of all lines of samples.
template <class T>
template <class Body>
void BlockLevels<T>::for_samples(Feed<T>& feed, const Context& context, Body&& body) const {
    const Index have = flat() ? row_samples() : shape_.span.have;
    const Index piece = flat() ? have : std::min(have, task_samples);
    if (have == 0) return;
    const Index pieces = (have + piece - 1) / piece, items = lines() * pieces;
    const Index group = std::max<Index>(1, task_samples / piece);
    parallel_for((items + group - 1) / group, context, [&](Index task, int worker) {
        std::vector<T> space(static_cast<std::size_t>(std::max(piece * per_, 2 * shape_.width)));
        for (Index item = task * group; item < std::min(items, (task + 1) * group); ++item) {
            const Extents at = line_at(item / pieces);
            const Index begin = item % pieces * piece, end = std::min(have, begin + piece);
            const T* from = feed.line(at.data(), begin, end, space.data());
            body(at, begin, end - begin, from, worker);
        }
    });
}

template <class T>
std::vector<MagnitudeLevel<T>> BlockLevels<T>::of(Feed<T>& feed, Index numbers,
                                                  const Context& context) const {
    const Index place = surroundings(shape_) / 2 / per_;
    if (!flat()) {
        std::vector<Magnitudes<T>> seen(static_cast<std::size_t>(std::max(1, context.workers)));
        const Index whole = std::min(place, shape_.span.have);
        for_samples(feed, context,
                    [&](const Extents&, Index, Index count, const T* from, int worker) {
                        seen[static_cast<std::size_t>(worker)].see(from, count, per_, whole);
                    });
        for (std::size_t i = 1; i < seen.size(); ++i) seen[0].add(seen[i]);
        return seen[0].levels(lines() * shape_.span.have);
    }
    // Columns keep their noise to themselves, so that each is looked at by itself.
    const Index samples = numbers / per_, depth = shape_.columns.back().have, all = lines();
    std::vector<T> columns(static_cast<std::size_t>(samples * all * per_));
    Index line = 0;
    for_samples(feed, Context{}, [&](const Extents&, Index, Index, const T* from, int) {
        for (Index i = 0; i < samples; ++i)
            std::copy_n(from + i * per_, per_, columns.data() + (i * all + line) * per_);
        ++line;
    });
    Magnitudes<T> seen;
    for (Index i = 0; i < samples * all; i += depth)
        seen.see(columns.data() + i * per_, depth, per_, std::min(place * per_, depth));
    return seen.levels(all);
}

/// The windows that hold a sample of the level, by the points where their results stand.
template <class T>
Marks BlockLevels<T>::marked(const MagnitudeLevel<T>& level, Feed<T>& feed,
                             const Context& context) const {
    Marks marks(extents_);
    for_samples(feed, context,
                [&](const Extents& at, Index begin, Index count, const T* from, int) {
                    level.mark(from, count, per_, marks.row(row_number(at)), begin);
                });
    const auto spread = [&](int axis, const Span& span) {
        marks.spread(axis, span.taps, span.dilation, span.periodic);
    };
    if (!flat()) spread(shape_.columns.size(), shape_.span);
    for (int a = 0; a < shape_.columns.size(); ++a) spread(a, shape_.columns[a]);
    return marks;
}

/// Samples of one level among zeros.
template <class T>
class BlockLevels<T>::LevelFeed final : public Feed<T> {
public:
    LevelFeed(const BlockLevels& levels, const MagnitudeLevel<T>& level, Feed<T>& feed)
        : levels_(levels), level_(level), feed_(feed) {}

    const T* line(const Index* at, Index begin, Index end, T* numbers) override {
        const T* from = feed_.line(at, begin, end, numbers);
        level_.pick(from, levels_.flat() ? levels_.row_samples() : end - begin, levels_.per_,
                    numbers);
        return numbers;
    }

private:
    const BlockLevels& levels_;
    const MagnitudeLevel<T>& level_;
    Feed<T>& feed_;
};

/// Adds the results of one level to those of the levels before, and hands on those of the last.
template <class T>
class BlockLevels<T>::LevelDrain final : public Drain<T> {
public:
    LevelDrain(const BlockLevels& levels, const MagnitudeLevel<T>& level, const Marks& marks,
               bool first, bool last, T* sums, Drain<T>& drain)
        : levels_(levels),
          level_(level),
          marks_(marks),
          first_(first),
          last_(last),
          sums_(sums),
          drain_(drain) {}

    void begin(const Context& context) override {
        if (last_) drain_.begin(context);
    }

    void line(const Index* at, Index begin, Index end, T* numbers) override {
        const GridShape& shape = levels_.shape_;
        Index line = 0;
        Extents place(shape.columns.size(), 0);
        for (int a = 0; a < shape.columns.size(); ++a) {
            line = line * shape.columns[a].out + at[a];
            place[a] = shape.columns[a].place(at[a]);
        }
        const Index per = levels_.per_, first = levels_.flat() ? 0 : begin;
        const Index count = levels_.flat() ? levels_.row_samples() : end - begin;
        const Marks::Word* row = marks_.row(levels_.row_number(place));
        Index from = first;
        std::vector<Marks::Word> picked;
        if (!levels_.flat()) {
            const Span& span = shape.span;
            from = span.offset + first;
            if (span.step > 1 || span.periodic) {
                from = 0;
                picked.resize(static_cast<std::size_t>(count / Marks::word_bits + 1));
                for (Index j = 0; j < count; ++j)
                    picked[static_cast<std::size_t>(j / Marks::word_bits)] |=
                        Marks::Word{Marks::at(row, span.place(first + j))}
                        << (j % Marks::word_bits);
                row = picked.data();
            }
        }
        T* sums = numbers;
        if (!(first_ && last_)) {
            sums = drain_.kept_line(at);
            sums = (sums ? sums : sums_ + line * shape.numbers_out()) + first * per;
        }
        level_.add(numbers, count, per, row, from, first_, sums);
        if (!last_) return;
        if (sums != numbers) std::copy_n(sums, count * per, numbers);
        drain_.line(at, begin, end, numbers);
    }

private:
    const BlockLevels& levels_;
    const MagnitudeLevel<T>& level_;
    const Marks& marks_;
    bool first_, last_;
    T* sums_;
    Drain<T>& drain_;
};

template <class T>
void BlockLevels<T>::run(const std::vector<MagnitudeLevel<T>>& levels,
                         const BlockTransform<T>& transform, const Spectrum<T>& spectrum,
                         Feed<T>& feed, Drain<T>& drain, const Context& context) const {
    Index outputs = shape_.numbers_out();
    for (const Span& axis : shape_.columns) outputs *= axis.out;
    const bool kept = levels.size() == 1 || drain.keeps_lines();
    const Workspace sums(kept ? 0 : static_cast<std::size_t>(outputs) * sizeof(T));
    for (std::size_t l = 0; l < levels.size(); ++l) {
        feed.restart();
        const Marks marks = marked(levels[l], feed, context);
        feed.restart();
        LevelFeed samples(*this, levels[l], feed);
        LevelDrain results(*this, levels[l], marks, l == 0, l + 1 == levels.size(),
                           sums.template as<T>(), drain);
        transform.run(spectrum, samples, results, context);
    }
}

template class BlockLevels<float>;
template class BlockLevels<double>;

}  // namespace faltung
