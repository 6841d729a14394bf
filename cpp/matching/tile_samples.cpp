#include "matching/tile_samples.hpp"

namespace faltung::matching {

namespace {

/// The axis whose rows lie in one block: the innermost before the last with more than one row.
int block_axis(const TileShape& shape) {
    int y = shape.length.size() - 2;
    while (y > 0 && shape.length[y] == 1) --y;
    return y;
}

}  // namespace

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

template <class T>
void load_tile(const TileTransform<T>& transform, const TileShape& shape, const T* re, const T* im,
               T* tile) {
    using ConstPlane = typename TileTransform<T>::ConstPlane;
    const Index n = shape.length.back(), y = block_axis(shape);
    const Index rows = y < 0 ? 1 : shape.length[static_cast<int>(y)];
    for (Index row = 0; row < shape.rows(); row += rows)
        transform.load(tile, row, rows, ConstPlane{re + row * n, n, 1},
                       im ? ConstPlane{im + row * n, n, 1} : ConstPlane{nullptr, 0, 1}, n);
}

template <class T>
void store_tile(const TileTransform<T>& transform, const TileShape& shape, const Extents& outputs,
                int part, const T* tile, T* to) {
    const int last = shape.length.size() - 1, y = block_axis(shape);
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
