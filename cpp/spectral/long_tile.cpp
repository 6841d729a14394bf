#include "spectral/long_tile.hpp"

#include <algorithm>
#include <atomic>
#include <vector>

#include "parallel/parallel_for.hpp"
#include "spectral/roots.hpp"

namespace faltung {
namespace {

constexpr std::size_t gathered_bytes = std::size_t{1} << 19;  // of panels: half of a common L2
constexpr Index most_panels = 4;
constexpr Index task_points = Index{1} << 13;
constexpr Index longest = Index{1} << 14;  // rows and columns that the caches hold

/// How much of `count` numbers from `at` on lies in [begin, end).
enum class Part : std::uint8_t { none, some, all };
Part part_of(Index at, Index count, Index begin, Index end) {
    if (at + count <= begin || at >= end) return Part::none;
    return at >= begin && at + count <= end ? Part::all : Part::some;
}

/// Rows [y, y + count) of a piece, alike in how much of them matters: of the line's first half,
/// which begins at number `at` of it, and of its second, which is the imaginary part of the first.
struct Rows {
    Index y, count, at;
    Part low, high;
};

/// body(rows) for all rows of a piece that starts at `column`; part(at) says what matters. No
/// second half: `half` is 0. A row of which only some matters comes alone.
template <class PartAt, class Body>
void for_alike_rows(Index height, Index width, Index column, Index half, PartAt&& part,
                    Body&& body) {
    const auto low = [&](Index y) { return part(y * width + column); };
    const auto high = [&](Index y) {
        return half > 0 ? part(y * width + column + half) : Part::none;
    };
    for (Index y = 0; y < height;) {
        Rows rows{y, 1, y * width + column, low(y), high(y)};
        const bool cut = rows.low == Part::some || rows.high == Part::some;
        for (++y; !cut && y < height && low(y) == rows.low && high(y) == rows.high; ++y)
            ++rows.count;
        body(rows);
    }
}

/// What a fold may measure: whole panels of either precision, ascending.
std::vector<Index> fold_sides(const microkernels::Table& table) {
    const auto& lengths = table.transform_f32;
    std::vector<Index> sides;
    sides.reserve(static_cast<std::size_t>(lengths.length_count));
    for (int i = 0; i < lengths.length_count; ++i) {
        const Index n = lengths.lengths[i].n;
        if (n <= longest && n % lengths.lanes == 0 && n % table.transform_f64.lanes == 0 &&
            find_length(table.transform_f64, n))
            sides.push_back(n);
    }
    return sides;
}

}  // namespace

TilePlan plan_long_tile(Index points, const microkernels::Table& table) {
    const std::vector<Index> sides = fold_sides(table);
    TilePlan plan;
    Index least = 0;
    // The higher a fold, the narrower it may be.
    for (std::size_t i = 0, narrowest = sides.size(); i < sides.size(); ++i) {
        const Index height = sides[i];
        narrowest = std::max(narrowest, i);
        while (narrowest > i && height * sides[narrowest - 1] >= points) --narrowest;
        if (narrowest == sides.size()) continue;
        const Index width = sides[narrowest];
        // of equals the most square, which comes last
        if (plan.good && height * width > least) continue;
        least = height * width;
        plan.good = plan.fold = true;
        plan.column_lengths = plan.column_valid = {height};
        plan.width = plan.width_valid = width;
    }
    return plan;
}

TilePlan plan_line_tile(const GridShape& shape, const microkernels::Table& table) {
    if (!shape.is_line_over(own_line)) return {};
    TilePlan plan = plan_long_tile(shape.row_points(), table);
    plan.good = serves_exactly(plan, shape.row_points());
    plan.quarter = shape.row == Row::real;
    return plan;
}

/// Some panels of the tile, and where they start.
template <class T>
struct LongTile<T>::Piece {
    T* data;
    Index column, columns, panels;
    T* line;  // scratch for a row of it, of both planes
};

template <class T>
LongTile<T>::LongTile(const GridShape& shape, const TilePlan& plan,
                      const microkernels::Table& table)
    : LongLine<T>(shape), levels_(table), frame_(plan, transforms_of<T>(table)) {
    const std::size_t panel = static_cast<std::size_t>(frame_.layout().panel) * sizeof(T);
    panels_at_once_ = std::clamp<Index>(static_cast<Index>(gathered_bytes / panel), 1, most_panels);
    // Folding a real line multiplies point n by the n-th power of a quarter of the step of the
    // transform itself: the part that depends on the row is the twist, the other one is the
    // frame's.
    if (shape.row != Row::real) return;
    twist_ = fold_twist<T>(Roots(4 * shape.row_points()), plan.width, frame_.height());
}

template <class T>
std::size_t LongTile<T>::worker_bytes() const {
    const auto line = static_cast<std::size_t>(2 * most_panels * frame_.lanes());
    return (std::max(frame_.buffer_numbers(), line) * sizeof(T) + 63) / 64 * 64;
}

template <class T>
template <class Body>
void LongTile<T>::for_pieces(const Pass& pass, Body&& body) const {
    const Index panels = frame_.layout().panels;
    parallel_for(
        (panels + panels_at_once_ - 1) / panels_at_once_, pass.context,
        [&](Index task, int worker) {
            const Index first = task * panels_at_once_;
            const Index count = std::min(panels_at_once_, panels - first);
            body(Piece{tile(pass) + first * frame_.layout().panel, first * frame_.lanes(),
                       count * frame_.lanes(), count, reinterpret_cast<T*>(pass.scratch(worker))},
                 first, first + count);
        });
}

template <class T>
template <class Body>
void LongTile<T>::for_row_groups(const Pass& pass, Body&& body) const {
    const Index lanes = frame_.lanes(), height = frame_.height();
    const Index rows = lanes * std::max<Index>(1, task_points / (lanes * frame_.plan().width));
    parallel_for((height + rows - 1) / rows, pass.context, [&](Index task, int worker) {
        body(task * rows, std::min(height, (task + 1) * rows),
             reinterpret_cast<T*>(pass.scratch(worker)));
    });
}

/// Columns of the samples, folded, twisted; see forward().
template <class T>
bool LongTile<T>::gather(const T* samples, Index have, const Piece& piece) const {
    const microkernels::TileLayout layout{frame_.layout().panel, piece.panels};
    const Index width = frame_.plan().width, height = frame_.height(), count = piece.columns;
    const bool real = shape_.row == Row::real;
    const Index half = real ? shape_.row_points() : 0;
    const auto part = [&](Index at) { return part_of(at, count, 0, have); };
    // What a row holds of a plane that ends within it, and zeros.
    const auto padded = [&](Index at, T* line) {
        const Index there = std::clamp<Index>((have - at) * per(), 0, count * per());
        std::copy_n(samples + at * per(), there, line);
        std::fill(line + there, line + count * per(), T(0));
        return line;
    };
    bool moderate = true;
    for_alike_rows(height, width, piece.column, half, part, [&](const Rows& rows) {
        const auto [y, run, at, low, high] = rows;
        T* const to = piece.data + y * frame_.element();
        const T *a = samples + at * per(), *b = samples + at + half;
        if (low == Part::some) a = padded(at, piece.line);
        if (high == Part::some) b = padded(at + half, piece.line + count);
        if (low == Part::none) a = nullptr;
        if (high == Part::none) b = nullptr;
        if (real) {
            moderate &= frame_.table().fold(to, layout, run, a, b, width, twist_.data() + 2 * y);
        } else {
            microkernels::Glance<T> seen[2]{};
            frame_.table().load(to, layout, {a, 2 * width, 2}, {a ? a + 1 : nullptr, 2 * width, 2},
                                run, count, microkernels::whole_row, seen[0], seen[1]);
            constexpr T most = std::is_same_v<T, float> ? T(0x1p+120) : T(0x1p+1000);
            moderate &= seen[0].total < most && seen[1].total < most;
        }
    });
    return moderate;
}

/// The way back, to the points that hold outputs.
template <class T>
void LongTile<T>::scatter(const Piece& piece, T* outputs) const {
    const microkernels::TileLayout layout{frame_.layout().panel, piece.panels};
    const Index width = frame_.plan().width, height = frame_.height(), count = piece.columns;
    const bool real = shape_.row == Row::real;
    const Index half = real ? shape_.row_points() : 0;
    const Index begin = shape_.span.wanted_begin(), end = shape_.span.wanted_end();
    const auto part = [&](Index at) { return part_of(at, count, begin, end); };
    const auto copy_some = [&](Index at, const T* line) {
        const Index from = std::max(at, begin), to = std::min(at + count, end);
        if (from < to)
            std::copy_n(line + (from - at) * per(), (to - from) * per(),
                        outputs + (from - begin) * per());
    };
    for_alike_rows(height, width, piece.column, half, part, [&](const Rows& rows) {
        const auto [y, run, at, low, high] = rows;
        const T* const from = piece.data + y * frame_.element();
        T *a = low == Part::all ? outputs + (at - begin) * per() : nullptr,
          *b = high == Part::all ? outputs + (at + half - begin) : nullptr;
        if (low == Part::some) a = piece.line;
        if (high == Part::some) b = piece.line + count;
        if (real) {
            if (a || b)
                frame_.table().unfold(from, layout, run, twist_.data() + 2 * y, a, b, width);
        } else if (a) {
            const T* const planes[2] = {from, from + frame_.lanes()};
            frame_.table().store_interleaved(planes, 2, layout, a, 2 * width, run, count, false);
        }
        if (low == Part::some) copy_some(at, a);
        if (high == Part::some) copy_some(at + half, b);
    });
}

template <class T>
bool LongTile<T>::forward(const T* samples, Index have, const Pass& pass) const {
    std::atomic<bool> moderate{true};
    for_pieces(pass, [&](const Piece& piece, Index first, Index end) {
        if (!gather(samples, have, piece)) moderate = false;
        frame_.columns_forward(tile(pass), first, end);
    });
    return moderate;
}

template <class T>
void LongTile<T>::keep(const Spectrum<T>& spectrum, const Pass& pass) const {
    T* const to = numbers_of(spectrum.data());
    const T scale = static_cast<T>(1 / static_cast<double>(spectrum.points()));
    const Index per_row = 2 * frame_.plan().width;
    for_row_groups(pass, [&](Index begin, Index end, T*) {
        frame_.rows_forward(tile(pass), begin, end, frame_.layout().panels, to);
        for (Index i = begin * per_row; i < end * per_row; ++i) to[i] *= scale;
    });
}

template <class T>
void LongTile<T>::middle(const Spectrum<T>& spectrum, const Pass& pass) const {
    const T* const by = numbers_of(static_cast<const Complex*>(spectrum.data()));
    for_row_groups(pass, [&](Index begin, Index end, T* buffer) {
        frame_.rows_convolve(tile(pass), begin, end, frame_.layout().panels,
                             {0, frame_.layout().panels}, by, buffer, {});
    });
}

template <class T>
void LongTile<T>::backward(T* outputs, const Pass& pass) const {
    for_pieces(pass, [&](const Piece& piece, Index first, Index end) {
        frame_.columns_back(tile(pass), first, end);
        scatter(piece, outputs);
    });
}

template <class T>
Spectrum<T> LongTile<T>::rounded(const Spectrum<double>& exact, const Context& context) const {
    Spectrum<T> result(exact.points());
    round_spectrum(numbers_of(static_cast<const std::complex<double>*>(exact.data())),
                   levels_.transform_f64.lanes, numbers_of(result.data()), frame_.lanes(),
                   frame_.height(), frame_.plan().width, 1.0, context);
    return result;
}

template class LongTile<float>;
template class LongTile<double>;

}  // namespace faltung
