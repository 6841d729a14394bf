#include "spectral/poison.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "spectral/kernel_feed.hpp"
#include "spectral/place_kernel.hpp"

namespace faltung {
namespace {

/// Up to this many products are added one by one, in well under 50 ms; beyond, transforms count
/// them.
constexpr double most_products = 1 << 23;

Index sample_line(const GridShape& shape, const Index* at) {
    Index line = 0;
    for (int a = 0; a < shape.columns.size(); ++a) line = line * shape.columns[a].have + at[a];
    return line;
}

/// An output and the tap through which it sees a sample.
struct Hit {
    Index output, tap;
};

std::vector<Hit> hits(const Span& span, Index sample) {
    std::vector<Hit> found;
    for (Index tap = 0; tap < span.taps; ++tap) {
        Index place = sample + span.reach - 1 - tap * span.dilation - span.offset;
        if (span.periodic) {
            place %= span.length;
            if (place < 0) place += span.length;
        }
        for (; place <= (span.out - 1) * span.step; place += span.length) {
            if (place >= 0 && place % span.step == 0) found.push_back({place / span.step, tap});
            if (!span.periodic) break;
        }
    }
    return found;
}

}  // namespace

template <class T>
void Poison<T>::scrub(const Index* at, Index begin, T* numbers, Index count) {
    if (loops_of<T>(table_).moderate(numbers, count)) return;
    const Index line = sample_line(shape_, at);
    const Index first = begin * (shape_.row == Row::real ? 1 : 2);
    const std::lock_guard lock(mutex_);
    for (Index i = 0; i < count; ++i)
        if (!std::isfinite(numbers[i])) {
            samples_.push_back({line, first + i, numbers[i]});
            numbers[i] = 0;
        }
    for (Index i = 0; i < count && !huge_; ++i)
        huge_ = !loops_of<T>(table_).moderate(numbers + i, 1);
}

template <class T>
Index Poison<T>::output_line(const Index* at) const {
    Index line = 0;
    for (int a = 0; a < shape_.columns.size(); ++a) line = line * shape_.columns[a].out + at[a];
    return line;
}

template <class T>
void Poison<T>::apply(const Index* at, Index begin, Index end, T* numbers) const {
    if (outputs_.empty()) return;
    const Index per = shape_.row == Row::real ? 1 : 2;
    const T* line = outputs_.data() + output_line(at) * shape_.numbers_out() + begin * per;
    for (Index i = 0; i < (end - begin) * per; ++i)
        if (line[i] != 0) numbers[i] += line[i];
}

template <class T>
void Poison<T>::spread(const Kernel& kernel, const Context& context) {
    if (samples_.empty()) return;
    // In the order of the samples, whoever found them.
    std::sort(samples_.begin(), samples_.end(), [](const Sample& a, const Sample& b) {
        return a.line != b.line ? a.line < b.line : a.number < b.number;
    });
    Index lines = 1;
    for (const Span& axis : shape_.columns) lines *= axis.out;
    outputs_.assign(static_cast<std::size_t>(lines * shape_.numbers_out()), T(0));
    const KernelPlanes<T>& planes = kernel.planes<T>();
    const double products =
        static_cast<double>(samples_.size()) * static_cast<double>(planes.real.size());
    products <= most_products ? scatter(planes) : classify(planes, context);
}

template <class T>
void Poison<T>::scatter(const KernelPlanes<T>& planes) {
    const int columns = shape_.columns.size();
    const bool flat = shape_.row == Row::flat, pairs = shape_.row != Row::real;
    const auto add = [&](Index at, Index part, Index tap, T value) {
        const auto index = static_cast<std::size_t>(tap);
        if (!pairs) {
            outputs_[static_cast<std::size_t>(at)] += planes.real[index] * value;
            return;
        }
        outputs_[static_cast<std::size_t>(2 * at + part)] += planes.real[index] * value;
        if (planes.imag.empty()) return;
        const T turned = planes.imag[index] * value;
        outputs_[static_cast<std::size_t>(2 * at + 1 - part)] += part ? -turned : turned;
    };
    for (const Sample& sample : samples_) {
        std::vector<std::vector<Hit>> per_axis(static_cast<std::size_t>(columns));
        Index line = sample.line;
        bool none = false;
        for (int a = columns - 1; a >= 0; --a) {
            auto& mine = per_axis[static_cast<std::size_t>(a)];
            mine = hits(shape_.columns[a], line % shape_.columns[a].have);
            line /= shape_.columns[a].have;
            none = none || mine.empty();
        }
        if (none) continue;
        const Index position = pairs ? sample.number / 2 : sample.number;
        const Index part = pairs ? sample.number % 2 : 0;
        const std::vector<Hit> row =
            flat ? std::vector<Hit>{{position, 0}} : hits(shape_.span, position);
        const Index row_outputs = shape_.row_outputs(), row_taps = flat ? 1 : shape_.span.taps;
        Extents at(columns, 0);
        for (;;) {
            Index out_line = 0, tap_line = 0;
            for (int a = 0; a < columns; ++a) {
                const Hit& hit =
                    per_axis[static_cast<std::size_t>(a)][static_cast<std::size_t>(at[a])];
                out_line = out_line * shape_.columns[a].out + hit.output;
                tap_line = tap_line * shape_.columns[a].taps + hit.tap;
            }
            for (const Hit& hit : row)
                add(out_line * row_outputs + hit.output, part, tap_line * row_taps + hit.tap,
                    sample.value);
            int a = columns - 1;
            for (; a >= 0; --a) {
                if (++at[a] < static_cast<Index>(per_axis[static_cast<std::size_t>(a)].size()))
                    break;
                at[a] = 0;
            }
            if (a < 0) break;
        }
    }
}

namespace {

/// Few numbers among zeros.
class SparseFeed final : public Feed<double> {
public:
    struct Entry {
        Index line, number;
        double value;
    };

    SparseFeed(const GridShape& shape, std::vector<Entry> entries)
        : shape_(shape), entries_(std::move(entries)) {}

    const double* line(const Index* at, Index begin, Index end, double* numbers) override {
        const Index per = shape_.row == Row::real ? 1 : 2, wanted = sample_line(shape_, at);
        std::fill_n(numbers, (end - begin) * per, 0.0);
        auto entry = std::lower_bound(entries_.begin(), entries_.end(), wanted,
                                      [](const Entry& e, Index key) { return e.line < key; });
        for (; entry != entries_.end() && entry->line == wanted; ++entry)
            if (entry->number >= begin * per && entry->number < end * per)
                numbers[entry->number - begin * per] = entry->value;
        return numbers;
    }

private:
    const GridShape& shape_;
    std::vector<Entry> entries_;  // sorted by line
};

class ArrayDrain final : public Drain<double> {
public:
    ArrayDrain(const GridShape& shape, std::vector<double>& outputs)
        : shape_(shape), outputs_(outputs) {}

    void line(const Index* at, Index begin, Index end, double* numbers) override {
        Index line = 0;
        for (int a = 0; a < shape_.columns.size(); ++a) line = line * shape_.columns[a].out + at[a];
        const Index per = shape_.row == Row::real ? 1 : 2;
        std::copy_n(numbers, (end - begin) * per,
                    outputs_.data() + line * shape_.numbers_out() + begin * per);
    }

private:
    const GridShape& shape_;
    std::vector<double>& outputs_;
};

double sign_of(double value) { return value > 0 ? 1 : value < 0 ? -1 : 0; }

}  // namespace

/// Counts, by transforms of zeros and ones: how many such samples a window holds, how many of them
/// are infinities under a tap that is not zero, and what signs these products have. Three small
/// integers settle an output.
template <class T>
void Poison<T>::classify(const KernelPlanes<T>& planes, const Context& context) {
    const auto transform = make_block_transform<double>(shape_, table_);
    const auto count = [&](auto&& of_sample, auto&& of_tap) {
        std::vector<SparseFeed::Entry> entries;
        for (const Sample& sample : samples_)
            entries.push_back(
                {sample.line, sample.number, of_sample(static_cast<double>(sample.value))});
        SparseFeed feed(shape_, std::move(entries));
        std::vector<double> counts(outputs_.size());
        ArrayDrain drain(shape_, counts);
        const Workspace placed(static_cast<std::size_t>(shape_.kernel_points()) * sizeof(double));
        place_kernel(shape_, of_tap, placed.as<double>(), context);
        PlacedFeed<double> kernel(shape_, placed.as<double>(), nullptr);
        transform->run(transform->spectrum(kernel, context), feed, drain, context);
        return counts;
    };
    const auto one = [](auto) { return 1.0; };
    const std::vector<double> present = count(one, one);

    const auto outcome = [&](const Taps<T>& taps) {
        const auto tap_sign = [&](Index t) {
            return sign_of(static_cast<double>(taps[static_cast<std::size_t>(t)]));
        };
        const auto infinite_sign = [](double v) { return std::isinf(v) ? sign_of(v) : 0.0; };
        const std::vector<double> products =
            count([&](double v) { return std::abs(infinite_sign(v)); },
                  [&](Index t) { return std::abs(tap_sign(t)); });
        const std::vector<double> balance = count(infinite_sign, tap_sign);
        std::vector<T> result(outputs_.size());
        for (std::size_t i = 0; i < result.size(); ++i) {
            if (present[i] < 0.5) continue;
            const bool nan =
                present[i] - products[i] > 0.5 || std::abs(balance[i]) < products[i] - 0.5;
            result[i] =
                nan ? std::numeric_limits<T>::quiet_NaN()
                    : std::copysign(std::numeric_limits<T>::infinity(), static_cast<T>(balance[i]));
        }
        return result;
    };
    outputs_ = outcome(planes.real);
    if (planes.imag.empty()) return;
    const std::vector<T> turned = outcome(planes.imag);
    for (std::size_t i = 0; i + 1 < outputs_.size(); i += 2) {
        outputs_[i] -= turned[i + 1];
        outputs_[i + 1] += turned[i];
    }
}

template class Poison<float>;
template class Poison<double>;

}  // namespace faltung
