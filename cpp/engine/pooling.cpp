#include "engine/pooling.hpp"

#include "policy/machine.hpp"

namespace faltung {

void run_pool(const layers::PoolSpec& spec, const ArrayView& x, const ArrayView& out,
              const ArrayView* places, const Context& context) {
    layers::pool(spec, x, out, places, current_level(), context);
}

void run_pool_backward(const layers::PoolSpec& spec, const ArrayView& grad, const ArrayView& x,
                       const ArrayView* y, const ArrayView& dx, const Context& context) {
    layers::pool_backward(spec, grad, x, y, dx, current_level(), context);
}

}  // namespace faltung
