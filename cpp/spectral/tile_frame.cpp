#include "spectral/tile_frame.hpp"

#include <algorithm>

#include "parallel/parallel_for.hpp"
#include "spectral/roots.hpp"

namespace faltung {

namespace {

constexpr Index line_bytes = 64;
constexpr Index task_points = Index{1} << 15;  // less is not worth a second worker

}  // namespace

template <class T>
TilePlan plan_tile(const TileShape& shape, const microkernels::TransformTable<T>& table) {
    TilePlan plan;
    const int last = shape.length.size() - 1;
    const auto served = [&](Index n) { return find_length(table, n) != nullptr; };
    const auto whole_panels = [&](Index n) { return n % table.lanes == 0; };
    for (int a = 0; a < last; ++a) {
        if (shape.length[a] == 1) continue;
        if (!served(shape.length[a])) return plan;
        plan.column_lengths.push_back(shape.length[a]);
        plan.column_valid.push_back(shape.valid[a]);
    }
    plan.columns = shape.columns;
    plan.width = shape.length[last];
    plan.width_valid = shape.valid[last];
    if (plan.columns) {
        plan.good = !plan.column_lengths.empty();
    } else if (!plan.column_lengths.empty()) {
        plan.good = served(plan.width) && whole_panels(plan.width) &&
                    whole_panels(plan.column_lengths.back());
    } else {  // a line: the most square pair of lengths, the longer one along x
        const Index n = plan.width;
        for (int i = 0; i < table.length_count; ++i) {
            const Index y = table.lengths[i].n;
            if (n % y != 0 || y * y > n || !whole_panels(y) || !whole_panels(n / y) ||
                !served(n / y))
                continue;
            plan.column_lengths = {y};
            plan.width = n / y;
        }
        plan.fold = plan.good = !plan.column_lengths.empty();
        if (plan.good) {
            plan.column_valid = plan.column_lengths;
            plan.width_valid = plan.width;
        }
    }
    return plan;
}

template <class T>
TileFrame<T>::TileFrame(const TilePlan& plan, const microkernels::TransformTable<T>& table)
    : plan_(plan), table_(table) {
    for (std::size_t i = 0; i < plan.column_lengths.size(); ++i) {
        const microkernels::TransformLength* length = find_length(table, plan.column_lengths[i]);
        columns_.push_back({length, pass_factors<T>(*length), plan.column_valid[i]});
        if (i + 1 < plan.column_lengths.size()) slabs_ *= length->n;
    }
    height_ = plan.column_lengths.back();

    // Panels a little more than a round number apart, slabs an odd number of cache lines: no two
    // neighbours compete for the same sets.
    constexpr Index in_line = line_bytes / static_cast<Index>(sizeof(T));
    layout_.panels = (plan.width * plan.inner + panel_columns() - 1) / panel_columns();
    layout_.panel = height_ * element() + (height_ >= 64 ? 18 * in_line : 0);
    slab_stride_ = layout_.panels * layout_.panel;
    if (slabs_ > 1) slab_stride_ += (slab_stride_ / in_line) % 2 == 0 ? in_line : 0;
    panels_back_ = (plan.width_valid * plan.inner + panel_columns() - 1) / panel_columns();

    if (plan.columns) return;
    rows_.length = find_length(table, plan.width);
    rows_.factors = pass_factors<T>(*rows_.length);
    if (plan.paired) lay_pairs();
    if (plan.fold) lay_twist();
}

/// Every row of every slab once, with the one of the opposite frequency. The last group
/// is filled with its last pair, which is the same sum and lands where it belongs as often.
template <class T>
void TileFrame<T>::lay_pairs() {
    std::vector<Index> opposite{0};  // of all rows, slowest axis first
    for (const AxisPlan& axis : columns_) {
        const std::vector<Index> frequency = frequency_at(*axis.length);
        const auto n = static_cast<Index>(frequency.size());
        std::vector<Index> place(frequency.size()), all;
        for (Index i = 0; i < n; ++i)
            place[static_cast<std::size_t>(frequency[static_cast<std::size_t>(i)])] = i;
        for (const Index slower : opposite)
            for (const Index f : frequency)
                all.push_back(slower * n + place[static_cast<std::size_t>((n - f) % n)]);
        opposite = std::move(all);
    }
    const auto at = [&](Index row) {
        return row / height_ * slab_stride_ + row % height_ * element();
    };
    for (std::size_t row = 0; row < opposite.size(); ++row) {
        const auto mine = static_cast<Index>(row);
        if (mine > opposite[row]) continue;
        pairs_.push_back(at(mine));
        pairs_.push_back(at(opposite[row]));
    }
    while (rows_in_slab() % lanes() != 0)
        for (int i = 0; i < 2; ++i) pairs_.push_back(pairs_[pairs_.size() - 2]);
}

/// Point x of row y is multiplied by the power x * f of the transform's root, where f is the
/// frequency that the columns' transform leaves in the row.
template <class T>
void TileFrame<T>::lay_twist() {
    const std::vector<Index> frequency = frequency_at(*columns_.back().length);
    const Index quarter = plan_.quarter ? 4 : 1, shift = plan_.quarter ? -1 : 0;
    const Index order = quarter * height_ * plan_.width;
    const Roots root(order);
    twist_.emplace(static_cast<std::size_t>(height_ / lanes() * twist_numbers()) * sizeof(T));
    T* twist = twist_->template as<T>();
    for (Index group = 0; group < height_; group += lanes()) {
        for (Index l = 0; l < lanes(); ++l) {
            const Index f = quarter * frequency[static_cast<std::size_t>(group + l)] + shift;
            T* place = twist + l;
            const auto put = [&](Index count, Index step) {
                step = (step + order) % order;
                Index exponent = 0;
                for (Index i = 0; i < count; ++i, place += element()) {
                    const std::complex<double> factor = root.reduced(exponent);
                    place[0] = static_cast<T>(factor.real());
                    place[lanes()] = static_cast<T>(factor.imag());
                    exponent += step;
                    if (exponent >= order) exponent -= order;
                }
            };
            put(lanes(), f);
            put(layout_.panels, f * lanes());
        }
        twist += twist_numbers();
    }
}

/// Along the axes that count slabs, row by row of y.
template <class T>
void TileFrame<T>::transform_slabs(T* tile, bool forward) const {
    const Index panels = forward ? layout_.panels : panels_back_;
    const Index rows = forward ? height_ : columns_.back().valid;
    Index inner = 1;  // slabs between neighbours along the axis
    for (std::size_t i = columns_.size() - 1; i-- > 0;) {
        const AxisPlan& axis = columns_[i];
        const Index n = axis.length->n, stride = inner * slab_stride_;
        for (Index outer = 0; outer < slabs_; outer += inner * n) {
            for (Index s = 0; s < inner; ++s) {
                T* start = tile + (outer + s) * slab_stride_;
                for (Index p = 0; p < panels; ++p, start += layout_.panel)
                    (forward ? table_.forward : table_.inverse)(start, stride, rows, element(),
                                                                *axis.length, axis.factors.data());
            }
        }
        inner *= n;
    }
}

template <class T>
void TileFrame<T>::columns_forward(T* slab, Index begin, Index end) const {
    const AxisPlan& y = columns_.back();
    table_.forward(slab + begin * layout_.panel, element(), end - begin, layout_.panel, *y.length,
                   y.factors.data());
}

template <class T>
void TileFrame<T>::columns_back(T* slab, Index begin, Index end) const {
    const AxisPlan& y = columns_.back();
    table_.inverse(slab + begin * layout_.panel, element(), end - begin, layout_.panel, *y.length,
                   y.factors.data());
}

template <class T>
void TileFrame<T>::columns_convolve(T* slab, Index begin, Index end, const T* spectrum) const {
    const AxisPlan& y = columns_.back();
    table_.convolve(slab + begin * layout_.panel, element(), end - begin, layout_.panel, *y.length,
                    y.factors.data(), spectrum);
}

template <class T>
void TileFrame<T>::rows_convolve(T* slab, Index begin, Index end, Index there,
                                 microkernels::PanelRange back, const T* spectrum, T* buffer,
                                 const microkernels::Ahead& ahead) const {
    if (plan_.paired)
        return table_.convolve_pairs(slab, layout_, pairs_.data() + 2 * begin, end - begin, there,
                                     back, *rows_.length, plan_.inner, rows_.factors.data(),
                                     spectrum + 2 * begin * plan_.width, buffer);
    table_.convolve_rows(slab + begin * element(), layout_, end - begin, there, back, *rows_.length,
                         plan_.inner, rows_.factors.data(), spectrum + 2 * begin * plan_.width,
                         twist_of(begin), buffer, ahead);
}

template <class T>
void TileFrame<T>::rows_forward(const T* slab, Index begin, Index end, Index there,
                                T* spectrum) const {
    if (plan_.paired)
        return table_.forward_pairs(slab, layout_, pairs_.data() + 2 * begin, end - begin, there,
                                    *rows_.length, rows_.factors.data(),
                                    spectrum + 2 * begin * plan_.width);
    table_.forward_rows(slab + begin * element(), layout_, end - begin, there, *rows_.length,
                        rows_.factors.data(), twist_of(begin), spectrum + 2 * begin * plan_.width);
}

template <class T>
void TileFrame<T>::slabs_forward(int axis, T* data, Index stride, Index count,
                                 Index distance) const {
    const AxisPlan& plan = columns_[static_cast<std::size_t>(axis)];
    table_.forward(data, stride, count, distance, *plan.length, plan.factors.data());
}

template <class T>
void TileFrame<T>::slabs_back(int axis, T* data, Index stride, Index count, Index distance) const {
    const AxisPlan& plan = columns_[static_cast<std::size_t>(axis)];
    table_.inverse(data, stride, count, distance, *plan.length, plan.factors.data());
}

template <class T>
void TileFrame<T>::convolve(T* tile, const T* spectrum, T* buffer, const TileAhead& ahead) const {
    transform_slabs(tile, true);
    for (Index s = 0; s < slabs_; ++s) {
        T* slab = tile + s * slab_stride_;
        if (plan_.columns) {
            columns_convolve(slab, 0, layout_.panels, spectrum + 2 * s * height_);
        } else {
            columns_forward(slab, 0, layout_.panels);
            rows_convolve(slab, 0, height_, layout_.panels, {0, panels_back_},
                          spectrum + 2 * s * height_ * plan_.width, buffer, ahead.of(s));
            columns_back(slab, 0, panels_back_);
        }
    }
    transform_slabs(tile, false);
}

template <class T>
void TileFrame<T>::forward(T* tile, T* spectrum, const Context& context) const {
    transform_slabs(tile, true);
    // a task's panels, and its groups of rows
    const Index panels = std::max<Index>(1, task_points / (height_ * lanes()));
    const Index rows = lanes() * std::max<Index>(1, task_points / (lanes() * plan_.width));
    for (Index s = 0; s < slabs_; ++s) {
        T* slab = tile + s * slab_stride_;
        parallel_for((layout_.panels + panels - 1) / panels, context, [&](Index task, int) {
            columns_forward(slab, task * panels, std::min(layout_.panels, (task + 1) * panels));
        });
        if (plan_.columns) {  // every lane holds the same; the first one is enough
            for (Index r = 0; r < height_; ++r) {
                spectrum[2 * (s * height_ + r)] = slab[r * element()];
                spectrum[2 * (s * height_ + r) + 1] = slab[r * element() + lanes()];
            }
        } else {
            T* to = spectrum + 2 * s * height_ * plan_.width;
            parallel_for((height_ + rows - 1) / rows, context, [&](Index task, int) {
                rows_forward(slab, task * rows, std::min(height_, (task + 1) * rows),
                             layout_.panels, to);
            });
        }
    }
}

template <class T>
void TileFrame<T>::back(const T* image, const T* spectrum, T* tile, T* buffer) const {
    const Index slab_numbers = 2 * height_ * plan_.width;
    for (Index s = 0; s < slabs_; ++s) {
        T* slab = tile + s * slab_stride_;
        table_.inverse_rows(image + s * slab_numbers, spectrum + s * slab_numbers, slab, layout_,
                            height_, {0, panels_back_}, *rows_.length, rows_.factors.data(),
                            twist_of(0), buffer);
        columns_back(slab, 0, panels_back_);
    }
    transform_slabs(tile, false);
}

template <class E, class T>
void round_spectrum(const E* from, Index from_lanes, T* to, Index to_lanes, Index rows, Index width,
                    double scale, const Context& context, Index from_rows) {
    const Index lanes = std::max(from_lanes, to_lanes);
    const Index group = lanes * std::max<Index>(1, task_points / (lanes * width));
    parallel_for((rows + group - 1) / group, context, [&](Index task, int) {
        for (Index r = task * group; r < std::min(rows, (task + 1) * group); ++r) {
            const Index s = from_rows > 0 ? std::min(r, from_rows - 1) : r;
            const E* source = from + s / from_lanes * 2 * from_lanes * width + s % from_lanes;
            T* place = to + r / to_lanes * 2 * to_lanes * width + r % to_lanes;
            for (Index x = 0; x < width; ++x, source += 2 * from_lanes, place += 2 * to_lanes) {
                place[0] = static_cast<T>(static_cast<double>(source[0]) * scale);
                place[to_lanes] = static_cast<T>(static_cast<double>(source[from_lanes]) * scale);
            }
        }
    });
}

template void round_spectrum(const float*, Index, float*, Index, Index, Index, double,
                             const Context&, Index);
template void round_spectrum(const double*, Index, float*, Index, Index, Index, double,
                             const Context&, Index);
template void round_spectrum(const double*, Index, double*, Index, Index, Index, double,
                             const Context&, Index);
template TilePlan plan_tile(const TileShape&, const microkernels::TransformTable<float>&);
template TilePlan plan_tile(const TileShape&, const microkernels::TransformTable<double>&);
template class TileFrame<float>;
template class TileFrame<double>;

}  // namespace faltung
