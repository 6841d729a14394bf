// Pooling: what becomes of the samples under a window that moves over each channel.
#pragma once

#include "core/array_view.hpp"
#include "core/executor.hpp"
#include "core/problem.hpp"
#include "microkernels/table.hpp"

namespace faltung::layers {

enum class Pool : std::uint8_t {
    max,
    sum,  // an average, once it is divided
    norm  // (sum of |x|^power)^(1/power)
};

/// What the sum under a window is divided by.
enum class Divisor : std::uint8_t {
    one,
    inside,  // how many taps lie on samples
    padded,  // how many lie on samples or padding, but not beyond it
    fixed
};

/// One spatial axis as the caller describes it.
struct PoolAxis {
    Index x = 1;  // samples
    Index size = 1, stride = 1, dilation = 1;
    Index before = 0, after = 0;  // padding
    bool ceil = false;            // a last window that is only partly filled counts too
    bool empty = false;           // windows without a sample are allowed
};

/// Windows along one axis; `first` is minus the padding before. `name` is the axis of x, for
/// errors. Throws ValueError where no window fits, or one would hold no sample.
Axis make_axis(const PoolAxis& asked, int name);

struct PoolSpec {
    Pool kind = Pool::max;
    PerAxis<Axis> axes;  // the spatial ones, one to three; x has samples and channels before them
    Extents after;       // their padding behind
    Divisor divisor = Divisor::one;
    Index fixed_divisor = 1;
    double power = 2;

    Extents out_shape(const Extents& x) const;
};

/// In which order the axes of a result lie in memory, slowest first: as x's do. `places` asks that
/// spatial axes keep theirs.
PerAxis<int> memory_order(const ArrayView& x, bool places);

/// `out` is contiguous in the order that memory_order says. `places`, int64 and like out, is where
/// the maxima are, as positions in the C order of x's spatial axes; or nullptr.
void pool(const PoolSpec& spec, const ArrayView& x, const ArrayView& out, const ArrayView* places,
          const microkernels::Table& table, const Context& context);

/// The gradient with respect to x, given the one with respect to the result. `y` is the result
/// itself, which a norm needs, or the places of maxima, if they are known. dx is contiguous in
/// memory_order(x, true), grad and y likewise.
void pool_backward(const PoolSpec& spec, const ArrayView& grad, const ArrayView& x,
                   const ArrayView* y, const ArrayView& dx, const microkernels::Table& table,
                   const Context& context);

}  // namespace faltung::layers
