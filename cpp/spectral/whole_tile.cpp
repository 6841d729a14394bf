#include "spectral/whole_tile.hpp"

#include <algorithm>
#include <atomic>

#include "core/error.hpp"
#include "parallel/parallel_for.hpp"
#include "spectral/box_tuples.hpp"
#include "spectral/roots.hpp"

namespace faltung {
namespace {

constexpr std::size_t gathered_bytes = std::size_t{1} << 19;  // of panels: half of a common L2
// Fewer panels than that read single lines of memory from far rows.
constexpr Index least_panels = 2, most_panels = 4;
/// Lines that do not stand in memory as they are needed are read or written piece by piece, which
/// takes the time of a call each.
constexpr Index most_panels_apart = 16;
constexpr Index task_points = Index{1} << 14;
constexpr Index rows_at_once = 8;  // of slabs: a kilobyte or more from each

}  // namespace

Index own_length(Index n, bool whole_panels, const microkernels::Table& table) {
    const auto& lengths = table.transform_f32;
    for (int i = 0; i < lengths.length_count; ++i) {
        const Index length = lengths.lengths[i].n;
        if (length >= n && find_length(table.transform_f64, length) &&
            (!whole_panels ||
             (length % lengths.lanes == 0 && length % table.transform_f64.lanes == 0)))
            return length;
    }
    return 0;
}

TilePlan plan_whole_tile(const GridShape& shape, const microkernels::Table& table) {
    TilePlan plan;
    if (shape.columns.empty() || shape.row == Row::flat) return plan;
    if (shape.row == Row::real && !shape.upright) return plan;
    const auto serves = [&](Index n, bool whole_panels) {
        return own_length(n, whole_panels, table) == n;
    };
    const int last = shape.columns.size() - 1;
    for (int a = 0; a <= last; ++a) {
        const bool folded = a == last && shape.upright && !shape.paired;
        const Index length = shape.columns[a].length / (folded ? 2 : 1);
        if (!serves(length, a == last && !shape.paired)) return plan;
        plan.column_lengths.push_back(length);
    }
    plan.column_valid = plan.column_lengths;
    plan.width = plan.width_valid = shape.span.length;
    plan.paired = shape.paired;
    plan.inner = shape.inner;
    plan.good = serves(plan.width, false);
    return plan;
}

/// Where the samples of one slab are: lines of a feed, or rows in memory.
template <class T>
struct WholeTile<T>::Source {
    Feed<T>& feed;
    Extents at;  // the last one is overwritten
    Index have, row_have;
    const T* plane;
    Index stride;
};

template <class T>
WholeTile<T>::WholeTile(const GridShape& shape, const TilePlan& plan,
                        const microkernels::Table& table)
    : shape_(shape), levels_(table), frame_(plan, transforms_of<T>(table)) {
    if (shape.points() * 2 * sizeof(Complex) >= static_cast<double>(Index{1} << 60))
        throw TooLarge("a transform of the whole array needs more memory than there can be");
    const std::size_t panel = static_cast<std::size_t>(frame_.layout().panel) * sizeof(T);
    const auto fitting = static_cast<Index>(gathered_bytes / panel);
    panels_at_once_ = std::clamp(fitting, least_panels, most_panels);
    panels_apart_ = std::clamp(fitting, least_panels, most_panels_apart);
    Index step = 1;
    slab_step_.resize(static_cast<std::size_t>(slab_axes()));
    for (int a = slab_axes() - 1; a >= 0; --a) {
        slab_step_[static_cast<std::size_t>(a)] = step;
        step *= shape.columns[a].length;
    }
    if (!folded()) return;
    twist_ = fold_twist<T>(Roots(4 * frame_.height()), 1, frame_.height());
}

/// Rows of a slab that are transformed together along `axis`.
template <class T>
Index WholeTile<T>::slab_block(int axis) const {
    const auto row =
        static_cast<std::size_t>(shape_.columns[axis].length * frame_.element()) * sizeof(T);
    return std::clamp<Index>(static_cast<Index>(gathered_bytes / row), 1, rows_at_once);
}

/// A row of a piece, and of the positions that it cuts through.
template <class T>
Index WholeTile<T>::scratch_row() const {
    constexpr Index line = 64 / static_cast<Index>(sizeof(T));
    const Index cut = 2 * shape_.inner * per();
    return 2 * panels_apart_ * frame_.lanes() + (cut + line - 1) / line * line;
}

template <class T>
std::size_t WholeTile<T>::worker_bytes() const {
    std::size_t numbers =
        std::max(frame_.buffer_numbers(), static_cast<std::size_t>(2 * scratch_row()));
    for (int a = 0; a < slab_axes(); ++a)
        numbers = std::max(numbers, static_cast<std::size_t>(shape_.columns[a].length *
                                                             slab_block(a) * frame_.element()));
    return (numbers * sizeof(T) + 63) / 64 * 64;
}

template <class T>
microkernels::PanelRange WholeTile<T>::panels_back() const {
    return {row_samples(shape_.span.wanted_begin()) / frame_.panel_columns(),
            panels_of(shape_.span.wanted_end())};
}

/// body(number, piece) for every piece of the panels, for each of `slabs` numbers.
template <class T>
template <class Body>
void WholeTile<T>::for_pieces(Index slabs, microkernels::PanelRange panels, Index at_once,
                              const Pass& pass, Body&& body) const {
    const Index lanes = frame_.lanes(), columns = frame_.panel_columns();
    const Index pieces = (panels.end - panels.begin + at_once - 1) / at_once;
    const Index items = slabs * pieces;
    const Index group = std::max<Index>(1, task_points / (at_once * lanes * frame_.height()));
    parallel_for((items + group - 1) / group, pass.context, [&](Index task, int worker) {
        T* const scratch = reinterpret_cast<T*>(pass.scratch(worker));
        for (Index item = task * group; item < std::min(items, (task + 1) * group); ++item) {
            const Index first = panels.begin + item % pieces * at_once;
            const Index count = std::min(at_once, panels.end - first);
            body(item / pieces, Piece{nullptr,
                                      first,
                                      count,
                                      first * columns,
                                      count * columns,
                                      scratch,
                                      scratch + scratch_row(),
                                      {frame_.layout().panel, count}});
        }
    });
}

/// Rows [y, y + rows) of the piece from rows `stride` numbers apart; false as Feed's moderate.
template <class T>
bool WholeTile<T>::put_rows(const Piece& piece, Index y, Index rows, const T* a, const T* b,
                            Index stride) const {
    T* const to = piece.data + y * frame_.element();
    if (shape_.paired) return frame_.table().pair(to, piece.layout, rows, a, stride);
    if (real())
        return frame_.table().fold(to, piece.layout, rows, a, b, stride, twist_.data() + 2 * y);
    microkernels::Glance<T> seen[2]{};
    frame_.table().load(to, piece.layout, {a, stride, 2}, {a ? a + 1 : nullptr, stride, 2}, rows,
                        piece.columns, microkernels::whole_row, seen[0], seen[1]);
    constexpr T most = std::is_same_v<T, float> ? T(0x1p+120) : T(0x1p+1000);
    return seen[0].total < most && seen[1].total < most;
}

/// The samples of a piece's columns. False if one of them is not finite, or so large that the
/// transform might overflow; lines of the feed never are.
template <class T>
bool WholeTile<T>::gather(const Source& source, const Piece& piece) const {
    const Index height = frame_.height();
    const Index begin = piece.column,
                end = std::min(piece.column + piece.columns, row_samples(source.row_have));
    if (source.plane && end - begin == piece.columns) {
        const Index low = std::min(source.have, height), high = source.have - low;
        const T* const from = source.plane + begin * per();
        bool moderate =
            put_rows(piece, 0, high, from, from + height * source.stride, source.stride);
        moderate &=
            put_rows(piece, high, low - high, from + high * source.stride, nullptr, source.stride);
        return put_rows(piece, low, height - low, nullptr, nullptr, 0) && moderate;
    }
    Extents at = source.at;
    const Index inner = shape_.inner;
    const auto from_line = [&](const Extents& where, T* numbers) {
        const Index first = begin / inner, last = (end + inner - 1) / inner;
        return source.feed.line(where.data(), first, last, numbers) +
               (begin - row_samples(first)) * per();
    };
    const auto row = [&](Index y, T* numbers) -> const T* {
        if (y >= source.have) return nullptr;
        at[at.size() - 1] = y;
        const T* found = source.plane ? source.plane + y * source.stride + begin * per()
                                      : from_line(at, numbers);
        if (end - begin == piece.columns) return found;
        if (found != numbers) std::copy_n(found, (end - begin) * per(), numbers);
        std::fill(numbers + (end - begin) * per(), numbers + piece.columns * per(), T(0));
        return numbers;
    };
    bool moderate = true;
    for (Index y = 0; y < height; ++y) {
        const T* a = row(y, piece.a);
        moderate &= put_rows(piece, y, 1, a, folded() ? row(y + height, piece.b) : nullptr, 0);
    }
    return moderate;
}

/// All axes but the rows, from the samples `have`. False as gather().
template <class T>
bool WholeTile<T>::forward(Feed<T>& feed, const Extents& have, Index row_have, bool in_place,
                           const Pass& pass) const {
    const int axes = slab_axes();
    const Extents none(axes, 0);
    const microkernels::PanelRange there{0, panels_of(row_have)};
    std::atomic<bool> moderate{true};
    const Index at_once = in_place ? panels_at_once_ : panels_apart_;
    for_pieces(box_size(none, have, axes), there, at_once, pass, [&](Index number, Piece piece) {
        Source source{feed, tuple(number, none, have, axes), have[axes], row_have, nullptr, 0};
        Index slab_number = 0;
        for (int a = 0; a < axes; ++a)
            slab_number += source.at[a] * slab_step_[static_cast<std::size_t>(a)];
        source.at.push_back(0);
        if (in_place) {
            source.plane = feed.plane_in_place(source.at.data(), source.stride);
            if (!source.plane) {
                moderate = false;
                return;
            }
        }
        piece.data = slab(pass, slab_number) + piece.first * frame_.layout().panel;
        if (!gather(source, piece)) moderate = false;
        frame_.columns_forward(slab(pass, slab_number), piece.first, piece.first + piece.panels);
    });
    for (int a = axes - 1; a >= 0 && moderate; --a) along_slabs(a, true, none, have, there, pass);
    return moderate;
}

/// Along one of the axes that count slabs, for all tuples of the slower ones in [begin, end).
/// Forward, the slabs before end[axis] are there and the others zero; backward, those in
/// [begin, end) are kept.
template <class T>
void WholeTile<T>::along_slabs(int axis, bool forward, const Extents& begin, const Extents& end,
                               microkernels::PanelRange panels, const Pass& pass) const {
    const Index length = shape_.columns[axis].length, block = slab_block(axis);
    const Index inner = slab_step_[static_cast<std::size_t>(axis)];
    const Index blocks = (frame_.height() + block - 1) / block, count = panels.end - panels.begin;
    const Index items = box_size(begin, end, axis) * inner * count * blocks;
    const Index group = std::max<Index>(1, task_points / (length * block * frame_.lanes()));
    const Index step = inner * frame_.slab_stride(), pace = block * frame_.element();
    const Index there = forward ? end[axis] : length;
    const Index from = forward ? 0 : begin[axis], to = forward ? length : end[axis];
    parallel_for((items + group - 1) / group, pass.context, [&](Index task, int worker) {
        T* const scratch = reinterpret_cast<T*>(pass.scratch(worker));
        for (Index item = task * group; item < std::min(items, (task + 1) * group); ++item) {
            const Index y = item % blocks * block, rows = std::min(block, frame_.height() - y);
            Index rest = item / blocks;
            const Index panel = panels.begin + rest % count;
            rest /= count;
            const Extents at = tuple(rest / inner, begin, end, axis);
            Index number = rest % inner;
            for (int a = 0; a < axis; ++a)
                number += at[a] * slab_step_[static_cast<std::size_t>(a)];
            T* const base =
                slab(pass, number) + panel * frame_.layout().panel + y * frame_.element();
            const Index numbers = rows * frame_.element();
            for (Index s = 0; s < there; ++s)
                std::copy_n(base + s * step, numbers, scratch + s * pace);
            for (Index s = there; s < length; ++s) std::fill_n(scratch + s * pace, numbers, T(0));
            if (forward)
                frame_.slabs_forward(axis, scratch, pace, rows, frame_.element());
            else
                frame_.slabs_back(axis, scratch, pace, rows, frame_.element());
            for (Index s = from; s < to; ++s)
                std::copy_n(scratch + s * pace, numbers, base + s * step);
        }
    });
}

/// body(slab, begin, end, scratch) for groups of rows of every slab.
template <class T>
template <class Body>
void WholeTile<T>::for_row_groups(const Pass& pass, Body&& body) const {
    const Index lanes = frame_.lanes(), height = frame_.rows_in_slab();
    const Index rows = lanes * std::max<Index>(1, task_points / (lanes * frame_.plan().width));
    const Index groups = (height + rows - 1) / rows;
    parallel_for(frame_.slabs_in_rows() * groups, pass.context, [&](Index task, int worker) {
        const Index begin = task % groups * rows;
        body(task / groups, begin, std::min(height, begin + rows),
             reinterpret_cast<T*>(pass.scratch(worker)));
    });
}

template <class T>
Spectrum<T> WholeTile<T>::spectrum(Feed<T>& feed, const Context& context) const {
    const Pass pass(*this, context);
    Extents have(shape_.columns.size(), 0);
    Index stride = 0;
    const bool in_place = feed.plane_in_place(have.data(), stride) != nullptr;
    for (int a = 0; a < have.size(); ++a) have[a] = shape_.columns[a].kernel_points();
    forward(feed, have, shape_.span.kernel_points(), in_place, pass);

    const Index width = frame_.plan().width, there = panels_of(shape_.span.kernel_points());
    Spectrum<T> result(frame_.spectrum_places());
    const auto places = static_cast<double>(frame_.slabs() * frame_.height() * width);
    // Pairs come out doubled here and when they are convolved.
    const T scale = static_cast<T>((shape_.paired ? 0.25 : 1) / places);
    for_row_groups(pass, [&](Index number, Index begin, Index end, T*) {
        T* const to = numbers_of(result.data()) + number * 2 * frame_.height() * width;
        frame_.rows_forward(slab(pass, number), begin, end, there, to);
        for (Index i = 2 * begin * width; i < 2 * end * width; ++i) to[i] *= scale;
    });
    return result;
}

template <class T>
Spectrum<T> WholeTile<T>::rounded(const Spectrum<double>& exact, const Context& context) const {
    Spectrum<T> result(frame_.spectrum_places());
    round_spectrum(numbers_of(static_cast<const std::complex<double>*>(exact.data())),
                   levels_.transform_f64.lanes, numbers_of(result.data()), frame_.lanes(),
                   frame_.spectrum_places() / frame_.plan().width, frame_.plan().width, 1.0,
                   context, exact.points() / frame_.plan().width);
    return result;
}

template <class T>
void WholeTile<T>::run(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
                       const Context& context) const {
    const Pass pass(*this, context);
    const int axes = slab_axes();
    Extents have, begin, end;
    for (const Span& axis : shape_.columns) {
        have.push_back(axis.have);
        begin.push_back(axis.wanted_begin());
        end.push_back(axis.wanted_end());
    }
    if (!forward(feed, have, shape_.span.have, true, pass))
        forward(feed, have, shape_.span.have, false, pass);

    const Index there = panels_of(shape_.span.have), width = frame_.plan().width;
    const microkernels::PanelRange back = panels_back();
    const T* const by = numbers_of(static_cast<const Complex*>(spectrum.data()));
    for_row_groups(pass, [&](Index number, Index first, Index last, T* buffer) {
        frame_.rows_convolve(slab(pass, number), first, last, there, back,
                             by + number * 2 * frame_.height() * width, buffer, {});
    });
    for (int a = 0; a < axes; ++a) along_slabs(a, false, begin, end, back, pass);
    drain.begin(context);
    backward(drain, pass);
}

/// The columns' way back, and out.
template <class T>
void WholeTile<T>::backward(Drain<T>& drain, const Pass& pass) const {
    const int axes = slab_axes();
    const Extents none(axes, 0);
    Extents outs(axes, 0);
    for (int a = 0; a < axes; ++a) outs[a] = shape_.columns[a].out;
    // Outputs of one slab follow one another: more than one where a periodic axis is read twice.
    std::vector<std::pair<Index, Index>> by_slab;
    for (Index output = 0; output < box_size(none, outs, axes); ++output) {
        const Extents at = tuple(output, none, outs, axes);
        Index number = 0;
        for (int a = 0; a < axes; ++a)
            number += shape_.columns[a].place(at[a]) * slab_step_[static_cast<std::size_t>(a)];
        by_slab.emplace_back(number, output);
    }
    std::sort(by_slab.begin(), by_slab.end());
    std::vector<std::size_t> starts;
    for (std::size_t i = 0; i < by_slab.size(); ++i)
        if (i == 0 || by_slab[i].first != by_slab[i - 1].first) starts.push_back(i);

    const auto slabs = static_cast<Index>(starts.size());
    Index stride = 0;
    const Extents first(axes + 1, 0);
    const bool in_place = drain.plane_in_place(first.data(), stride) != nullptr;
    for_pieces(slabs, panels_back(), in_place ? panels_at_once_ : panels_apart_, pass,
               [&](Index number, Piece piece) {
                   std::size_t i = starts[static_cast<std::size_t>(number)];
                   const Index wanted = by_slab[i].first;
                   piece.data = slab(pass, wanted) + piece.first * frame_.layout().panel;
                   frame_.columns_back(slab(pass, wanted), piece.first, piece.first + piece.panels);
                   for (; i < by_slab.size() && by_slab[i].first == wanted; ++i)
                       scatter(drain, tuple(by_slab[i].second, none, outs, axes), piece);
               });
}

template class WholeTile<float>;
template class WholeTile<double>;

}  // namespace faltung
