#include "layers/pool.hpp"

#include <limits>

#include "layers/pool_frame.hpp"
#include "layers/pool_passes.hpp"

namespace faltung::layers {

namespace {

/// Narrow integers are exact in float32, 32 bits in float64. Sums are floating-point numbers.
Arithmetic arithmetic_for(const PoolSpec& spec, DType dtype) {
    if (spec.kind != Pool::max)
        return dtype == DType::float16 || dtype == DType::float32 ? Arithmetic::f32
                                                                  : Arithmetic::f64;
    switch (dtype) {
        case DType::int64:
        case DType::uint64: return Arithmetic::i64;
        case DType::int32:
        case DType::uint32:
        case DType::float64: return Arithmetic::f64;
        default: return Arithmetic::f32;
    }
}

/// Places of maxima are as wide as the numbers.
Arithmetic arithmetic_with_places(const PoolSpec& spec, const ArrayView& x) {
    const Arithmetic arithmetic = arithmetic_for(spec, x.dtype);
    Index plane = 1;
    for (const Axis& axis : spec.axes) plane *= axis.x;
    return arithmetic == Arithmetic::f32 && plane >= std::numeric_limits<std::int32_t>::max()
               ? Arithmetic::f64
               : arithmetic;
}

}  // namespace

void pool(const PoolSpec& spec, const ArrayView& x, const ArrayView& out, const ArrayView* places,
          const microkernels::Table& table, const Context& context) {
    if (places) {
        with_arithmetic(arithmetic_with_places(spec, x), [&](auto number) {
            pool_places<decltype(number)>(spec, x, out, *places, table, context);
        });
    } else {
        with_arithmetic(arithmetic_for(spec, x.dtype), [&](auto number) {
            pool_values<decltype(number)>(spec, x, out, table, context);
        });
    }
}

void pool_backward(const PoolSpec& spec, const ArrayView& grad, const ArrayView& x,
                   const ArrayView* y, const ArrayView& dx, const microkernels::Table& table,
                   const Context& context) {
    const auto run = [&](auto number) {
        using T = decltype(number);
        if (spec.kind == Pool::max)
            max_gradient<T>(spec, grad, x, y, dx, table, context);
        else
            sum_gradient<T>(spec, grad, x, y, dx, table, context);
    };
    const Arithmetic arithmetic =
        spec.kind == Pool::max ? arithmetic_with_places(spec, x) : arithmetic_for(spec, x.dtype);
    if (arithmetic == Arithmetic::f32)
        run(float{});
    else
        run(double{});
}

}  // namespace faltung::layers
