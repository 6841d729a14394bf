// Samples that are not finite, kept out of transforms and put back into exactly the outputs whose window holds them.
#pragma once

#include <mutex>
#include <vector>

#include "core/kernel.hpp"
#include "spectral/grid.hpp"

namespace faltung {

/// Samples of one block that were replaced by zero. Filled by several threads.
template <class T>
class Poison {
public:
    explicit Poison(const GridShape& shape) : shape_(shape) {}

    /// Replaces what is not finite among a line's numbers and remembers it; see Feed::line.
    void scrub(const Index* at, Index begin, T* numbers, Index count);

    bool empty() const { return samples_.empty(); }

    /// What to add to the outputs: nothing, an infinity or a NaN for each, as the sum that defines it would give.
    void spread(const Kernel& kernel, const Context& context);

    /// Adds to a line of outputs; see Drain::line. Does nothing unless spread() was called.
    void apply(const Index* at, Index begin, Index end, T* numbers) const;

private:
    struct Sample {
        Index line, number;
        T value;
    };

    void scatter(const KernelPlanes<T>& planes);
    void classify(const KernelPlanes<T>& planes, const Context& context);
    Index output_line(const Index* at) const;

    const GridShape& shape_;
    std::mutex mutex_;
    std::vector<Sample> samples_;
    std::vector<T> outputs_;
};

extern template class Poison<float>;
extern template class Poison<double>;

/// The reversed kernel laid out as a Grid wants it; `value(tap)` maps each tap's index to what is placed.
template <class Value>
std::vector<double> place_kernel(const GridShape& shape, Value&& value) {
    PerAxis<const Span*> spans;
    for (const Span& axis : shape.columns) spans.push_back(&axis);
    if (shape.row != Row::flat) spans.push_back(&shape.span);
    std::size_t size = 1;
    Index taps = 1;
    for (const Span* span : spans) {
        size *= static_cast<std::size_t>(span->kernel_points());
        taps *= span->taps;
    }
    std::vector<double> placed(size);
    Extents at(spans.size(), 0);
    for (Index tap = 0; tap < taps; ++tap) {
        Index point = 0;
        for (int a = 0; a < spans.size(); ++a) {
            const Span& span = *spans[a];
            point = point * span.kernel_points() +
                    (span.reach - 1 - at[a] * span.dilation) % span.length;
        }
        placed[static_cast<std::size_t>(point)] += value(tap);
        for (int a = spans.size() - 1; a >= 0; --a) {
            if (++at[a] < spans[a]->taps) break;
            at[a] = 0;
        }
    }
    return placed;
}

}  // namespace faltung
