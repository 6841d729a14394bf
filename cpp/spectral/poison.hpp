// Samples that are not finite, kept out of transforms and put back into exactly the outputs whose
// window holds them.
#pragma once

#include <mutex>
#include <vector>

#include "core/kernel.hpp"
#include "spectral/block.hpp"

namespace faltung {

/// Samples of one block that were replaced by zero. Filled by several threads.
template <class T>
class Poison {
public:
    Poison(const GridShape& shape, const microkernels::Table& table)
        : shape_(shape), table_(table) {}

    /// Replaces what is not finite among a line's numbers and remembers it; see Feed::line.
    void scrub(const Index* at, Index begin, T* numbers, Index count);

    void forget() {
        samples_.clear();
        huge_ = false;
    }

    bool empty() const { return samples_.empty(); }

    /// Whether a finite sample was so large that the transform may have overflowed.
    bool huge() const { return huge_; }

    /// What to add to the outputs: nothing, an infinity or a NaN for each, as the sum that defines
    /// it would give.
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
    const microkernels::Table& table_;
    std::mutex mutex_;
    std::vector<Sample> samples_;
    bool huge_ = false;
    std::vector<T> outputs_;
};

extern template class Poison<float>;
extern template class Poison<double>;

}  // namespace faltung
