// Pooling at the current level of instructions.
#pragma once

#include "layers/pool.hpp"
#include "layers/unfold.hpp"

namespace faltung {

/// See layers/pool.hpp. Throws ValueError for a forced level that this processor does not run.
void run_pool(const layers::PoolSpec& spec, const ArrayView& x, const ArrayView& out,
              const ArrayView* places, const Context& context);

void run_pool_backward(const layers::PoolSpec& spec, const ArrayView& grad, const ArrayView& x,
                       const ArrayView* y, const ArrayView& dx, const Context& context);

}  // namespace faltung
