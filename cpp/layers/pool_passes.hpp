// What pool.cpp dispatches to, by the arithmetic.
#pragma once

#include "layers/pool.hpp"
#include "microkernels/table.hpp"

namespace faltung::layers {

template <class T>
void pool_values(const PoolSpec& spec, const ArrayView& x, const ArrayView& out,
                 const microkernels::Table& table, const Context& context);

template <class T>
void pool_places(const PoolSpec& spec, const ArrayView& x, const ArrayView& out,
                 const ArrayView& places, const microkernels::Table& table, const Context& context);

template <class T>
void max_gradient(const PoolSpec& spec, const ArrayView& grad, const ArrayView& x,
                  const ArrayView* places, const ArrayView& dx, const microkernels::Table& table,
                  const Context& context);

template <class T>
void sum_gradient(const PoolSpec& spec, const ArrayView& grad, const ArrayView& x,
                  const ArrayView* y, const ArrayView& dx, const microkernels::Table& table,
                  const Context& context);

}  // namespace faltung::layers
