// Windows laid out as columns of a matrix, and the sum that brings columns back.
#pragma once

#include "layers/pool.hpp"

namespace faltung::layers {

/// `x` (samples, channels, spatial), any strides; `columns` is contiguous, of x's dtype:
/// (samples, channels * taps, windows), or (samples, windows, taps * channels) for `last`. Outside
/// x there are zeros.
void unfold(const PoolSpec& spec, const ArrayView& x, const ArrayView& columns, bool last,
            const Context& context);

/// The adjoint: every sample of x is the sum of the numbers that unfold() copied it to. Both are
/// contiguous, float32 or float64: x is (samples, channels, spatial), or channels are last.
void fold(const PoolSpec& spec, const ArrayView& columns, const ArrayView& x, bool last,
          const Context& context);

}  // namespace faltung::layers
