#include "matching/flat_windows.hpp"

namespace faltung::matching {

/// Axis by axis from the last: where the box over the later axes that ends here is flat, how many
/// such boxes of this value stand in a row.
FlatWindows::FlatWindows(const WindowShape& shape, const double* values)
    : enough_(static_cast<std::int32_t>(shape.window[0])) {
    const int last = shape.outer();
    const Index line = shape.line(), points = shape.inner(0) * shape.samples[0];
    run_.resize(static_cast<std::size_t>(points));
    std::int32_t* const run = run_.data();
    for (Index begin = 0; begin < points; begin += line) {
        std::int32_t length = 0;
        for (Index i = begin; i < begin + line; ++i) {
            const bool again = i > begin && values[i] == values[i - 1];
            length = values[i] == values[i] ? (again ? length : 0) + 1 : 0;
            run[i] = length;
        }
    }
    to_end_ = shape.window[last] - 1;
    for (int a = last - 1; a >= 0; --a) {
        const Index inner = shape.inner(a), count = shape.samples[a];
        const auto needed = static_cast<std::int32_t>(shape.window[a + 1]);
        for (Index begin = 0; begin < points; begin += inner * count) {
            for (Index i = begin; i < begin + inner; ++i) run[i] = run[i] >= needed ? 1 : 0;
            for (Index i = begin + inner; i < begin + inner * count; ++i) {
                const std::int32_t before = values[i] == values[i - inner] ? run[i - inner] : 0;
                run[i] = run[i] >= needed ? before + 1 : 0;
            }
        }
        to_end_ += (shape.window[a] - 1) * inner;
    }
}

}  // namespace faltung::matching
