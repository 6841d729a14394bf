#include "matching/tile_samples.hpp"

#include <algorithm>

namespace faltung::matching {

int row_axis(const TileShape& shape) {
    int axis = shape.length.size() - 2;
    while (axis >= 0 && shape.length[axis] == 1) --axis;
    return axis;
}

WindowShape windows_of(const Problem& problem, const TileShape& shape, const TilePlace& place) {
    WindowShape windows;
    for (int a = 0; a < shape.length.size(); ++a) {
        if (shape.length[a] == 1 && a + 1 < shape.length.size()) continue;
        windows.samples.push_back(shape.length[a]);
        windows.window.push_back(problem.axes[a].k);
        windows.outputs.push_back(place.outputs[a]);
    }
    return windows;
}

WindowShape windows_at_start(const Problem& problem, const TileShape& shape) {
    const Extents nothing(shape.length.size(), 0);
    return windows_of(problem, shape, {nothing, nothing, nothing, nothing});
}

void read_tile(const LineReader<double>& x, const TileShape& shape, const TilePlace& place,
               PowerOfTwo scale, double* to) {
    const Index line = shape.length.back(), begin = place.start.back(), n = place.need.back();
    for_each_tile_row(shape, place, [&](Index row, const Extents& at, bool needed) {
        if (!needed) return;
        double* const samples = to + row * line;
        x.read(at.data(), begin, begin + n, samples);
        std::transform(samples, samples + n, samples, scale);
    });
}

template <class T>
void load_tile(const TileTransform<T>& transform, const TileShape& shape, const T* re, const T* im,
               T* tile) {
    using ConstPlane = typename TileTransform<T>::ConstPlane;
    const int y = row_axis(shape);
    const Index n = shape.length.back(), rows = y < 0 ? 1 : shape.length[y];
    for (Index row = 0; row < shape.rows(); row += rows)
        transform.load(tile, row, rows, ConstPlane{re + row * n, n, 1},
                       im ? ConstPlane{im + row * n, n, 1} : ConstPlane{nullptr, 0, 1}, n);
}

template <class T>
void store_tile(const TileTransform<T>& transform, const TileShape& shape, const Extents& outputs,
                int part, const T* tile, T* to) {
    const int last = shape.length.size() - 1, y = row_axis(shape);
    const Index n = outputs[last], rows = y < 0 ? 1 : outputs[y];
    Extents offset(last, 0);
    for (;;) {
        Index row = 0;
        for (int a = 0; a < last; ++a) row = row * shape.length[a] + offset[a];
        transform.store(tile, row, rows, part, {to, n, 1}, n, false);
        to += rows * n;
        int a = last - 1;
        for (; a >= 0; --a) {
            if (a == y) continue;
            if (++offset[a] < outputs[a]) break;
            offset[a] = 0;
        }
        if (a < 0) return;
    }
}

template void load_tile(const TileTransform<float>&, const TileShape&, const float*, const float*,
                        float*);
template void load_tile(const TileTransform<double>&, const TileShape&, const double*,
                        const double*, double*);
template void store_tile(const TileTransform<float>&, const TileShape&, const Extents&, int,
                         const float*, float*);
template void store_tile(const TileTransform<double>&, const TileShape&, const Extents&, int,
                         const double*, double*);

}  // namespace faltung::matching
