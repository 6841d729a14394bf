// What each method is expected to take on a device. Arithmetic alone, so it is tested without one.
#pragma once

#include "cuda/device.hpp"
#include "cuda/direct.hpp"
#include "cuda/geometry.hpp"
#include "cuda/tile_transform.hpp"
#include "cuda/tiling.hpp"
#include "cuda/whole.hpp"

namespace faltung::cuda {

class CostModel {
public:
    CostModel(const General& general, Arithmetic arithmetic, const DeviceInfo& device);

    double general() const;
    double direct(const Regular& g, const DirectShape& shape) const;
    double separable(const Regular& g, int passes) const;
    double fused(const FusedTile& tile, const TileGrid& grid) const;
    double large(const LargeTile& tile, const TileGrid& grid) const;
    double whole(const WholeShape& shape, Index entries) const;

private:
    double traffic() const;  // seconds to read the input and to write the output once

    double outputs_, taps_, bytes_, width_;
    Arithmetic arithmetic_;
    const DeviceInfo& device_;
};

}  // namespace faltung::cuda
