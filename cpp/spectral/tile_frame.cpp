#include "spectral/tile_frame.hpp"

#include <cmath>
#include <cstdint>
#include <numbers>

namespace faltung {

namespace {

constexpr Index line_bytes = 64;

/// exp(-2 pi i m / n) for every m < n, from two small tables, to within two roundings of double.
class Roots {
public:
    explicit Roots(Index n) : n_(n) {
        while ((Index{1} << 2 * shift_) < n) ++shift_;
        for (Index m = 0; m < Index{1} << shift_; ++m) {
            low_.push_back(root(m));
            high_.push_back(root(m << shift_));
        }
    }
    std::pair<double, double> operator()(Index m) const {
        const auto [lr, li] = low_[static_cast<std::size_t>(m & ((Index{1} << shift_) - 1))];
        const auto [hr, hi] = high_[static_cast<std::size_t>(m >> shift_)];
        return {lr * hr - li * hi, lr * hi + li * hr};
    }

private:
    std::pair<double, double> root(Index m) const {
        const double angle =
            -2 * std::numbers::pi * static_cast<double>(m % n_) / static_cast<double>(n_);
        return {std::cos(angle), std::sin(angle)};
    }
    Index n_;
    int shift_ = 0;
    std::vector<std::pair<double, double>> low_, high_;
};

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
    layout_.panels = (plan.width + lanes() - 1) / lanes();
    layout_.panel = height_ * element() + (height_ >= 64 ? 18 * in_line : 0);
    slab_stride_ = layout_.panels * layout_.panel;
    if (slabs_ > 1) slab_stride_ += (slab_stride_ / in_line) % 2 == 0 ? in_line : 0;
    panels_back_ = (plan.width_valid + lanes() - 1) / lanes();

    if (plan.columns) return;
    rows_.length = find_length(table, plan.width);
    rows_.factors = pass_factors<T>(*rows_.length);
    if (!plan.fold) return;

    const std::vector<Index> frequency = frequency_at(*columns_.back().length);
    const Roots root(height_ * plan.width);
    twist_storage_.resize(spectrum_numbers() + static_cast<std::size_t>(in_line));
    const auto address = reinterpret_cast<std::uintptr_t>(twist_storage_.data());
    T* twist = twist_storage_.data() + (line_bytes - address % line_bytes) % line_bytes / sizeof(T);
    for (Index y = 0; y < height_; ++y) {
        T* place = twist + spectrum_at(y, 0);
        for (Index x = 0; x < plan.width; ++x, place += element()) {
            const auto [re, im] = root(frequency[static_cast<std::size_t>(y)] * x);
            place[0] = static_cast<T>(re);
            place[imag_offset()] = static_cast<T>(im);
        }
    }
    twist_ = twist;
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
void TileFrame<T>::convolve(T* tile, const T* spectrum, T* buffer,
                            const microkernels::Ahead& ahead) const {
    const AxisPlan& y = columns_.back();
    const T* factors = y.factors.data();
    transform_slabs(tile, true);
    for (Index s = 0; s < slabs_; ++s) {
        T* slab = tile + s * slab_stride_;
        if (plan_.columns) {
            table_.convolve(slab, element(), layout_.panels, layout_.panel, *y.length, factors,
                            spectrum + 2 * s * height_);
        } else {
            table_.forward(slab, element(), layout_.panels, layout_.panel, *y.length, factors);
            table_.convolve_rows(slab, layout_, height_, panels_back_, *rows_.length,
                                 rows_.factors.data(), spectrum + 2 * s * height_ * plan_.width,
                                 twist_, buffer, s == 0 ? ahead : microkernels::Ahead{});
            table_.inverse(slab, element(), panels_back_, layout_.panel, *y.length, factors);
        }
    }
    transform_slabs(tile, false);
}

template <class T>
void TileFrame<T>::forward(T* tile, T* spectrum) const {
    const AxisPlan& y = columns_.back();
    transform_slabs(tile, true);
    for (Index s = 0; s < slabs_; ++s) {
        T* slab = tile + s * slab_stride_;
        table_.forward(slab, element(), layout_.panels, layout_.panel, *y.length, y.factors.data());
        if (plan_.columns) {  // every lane holds the same; the first one is enough
            for (Index r = 0; r < height_; ++r) {
                spectrum[2 * (s * height_ + r)] = slab[r * element()];
                spectrum[2 * (s * height_ + r) + 1] = slab[r * element() + lanes()];
            }
        } else {
            table_.forward_rows(slab, layout_, height_, *rows_.length, rows_.factors.data(), twist_,
                                spectrum + 2 * s * height_ * plan_.width);
        }
    }
}

template <class T>
void TileFrame<T>::back(const T* image, const T* spectrum, T* tile, T* buffer) const {
    const AxisPlan& y = columns_.back();
    const Index slab_numbers = 2 * height_ * plan_.width;
    for (Index s = 0; s < slabs_; ++s) {
        T* slab = tile + s * slab_stride_;
        table_.inverse_rows(image + s * slab_numbers, spectrum + s * slab_numbers, slab, layout_,
                            height_, panels_back_, *rows_.length, rows_.factors.data(), twist_,
                            buffer);
        table_.inverse(slab, element(), panels_back_, layout_.panel, *y.length, y.factors.data());
    }
    transform_slabs(tile, false);
}

template TilePlan plan_tile(const TileShape&, const microkernels::TransformTable<float>&);
template TilePlan plan_tile(const TileShape&, const microkernels::TransformTable<double>&);
template class TileFrame<float>;
template class TileFrame<double>;

}  // namespace faltung
