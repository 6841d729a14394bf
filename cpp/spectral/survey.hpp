// Whether one transform can serve all samples of a block: its rounding noise spreads evenly, so
// faint places must not be much fainter than the whole.
#pragma once

#include "spectral/block.hpp"

namespace faltung {

/// One transform serves samples whose magnitudes span this: the noise of the brightest then stays
/// within what semantics.md allows the faintest.
inline constexpr double transform_range = 256;

/// Samples beside a window, along each axis, whose noise it may bear whatever their size; a
/// kernel's length where that is more.
Index surroundings(const GridShape& shape);

/// Whether some place of the block is fainter than that, against the root mean square of all. Of a
/// flat row only the first `numbers` count, and each column is judged by itself.
template <class T>
bool spans_too_much(const GridShape& shape, Index numbers, Feed<T>& feed,
                    const microkernels::SpectrumTable<T>& loops, const Context& context);

extern template bool spans_too_much(const GridShape&, Index, Feed<float>&,
                                    const microkernels::SpectrumTable<float>&, const Context&);
extern template bool spans_too_much(const GridShape&, Index, Feed<double>&,
                                    const microkernels::SpectrumTable<double>&, const Context&);

}  // namespace faltung
