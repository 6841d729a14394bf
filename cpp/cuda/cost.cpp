#include "cuda/cost.hpp"

#include <algorithm>
#include <cmath>

namespace faltung::cuda {

namespace {

// Measured on an H100 (docs/performance/gpu.md), as shares of the peaks that the driver states or
// as cycles of a multiprocessor, so that other devices are predicted by theirs.
constexpr double launch = 3e-6;           // seconds of a kernel that does nothing
constexpr double bandwidth_share = 0.85;  // of a copy
constexpr double square_share = 0.36;     // of the multiply-add peak: unrolled squares
constexpr double rows_share = 0.36;       // rows of any length
constexpr double general_share = 0.02;
constexpr double separable_share = 0.20;
constexpr double volume_factor = 1.5;   // what blocks of volumes read twice
constexpr double edge_factor = 1.3;     // what tiles of transforms read twice
constexpr double lonely_factor = 1.8;   // the same where few or tiny blocks hide little of it
constexpr double large_cycles = 3.3;    // per point of a tile that takes three kernels
constexpr double large_start = 150e-6;  // seconds until its kernels are in step
constexpr double whole_share = 0.23;    // of memory bandwidth

}  // namespace

CostModel::CostModel(const General& general, Arithmetic arithmetic, const DeviceInfo& device)
    : arithmetic_(arithmetic), device_(device) {
    double samples = 1;
    outputs_ = static_cast<double>(general.outputs);
    taps_ = static_cast<double>(general.taps);
    for (int a = 0; a < general.rank; ++a) {
        const DeviceAxis& axis = general.axis[a];
        samples *= static_cast<double>(std::min(axis.x, (axis.out - 1) * axis.step + axis.reach()));
    }
    if (general.complex_samples) taps_ *= general.complex_kernel ? 4 : 2;
    width_ = static_cast<double>(size_of(arithmetic));
    bytes_ = samples * static_cast<double>(size_of(dtype_of(general.x_type))) +
             outputs_ * static_cast<double>(size_of(dtype_of(general.out_type)));
}

double CostModel::traffic() const {
    return bytes_ / (device_.memory_bytes_per_second * bandwidth_share);
}

double CostModel::general() const {
    return launch +
           std::max(traffic(), outputs_ * taps_ / (device_.peak(arithmetic_) * general_share));
}

double CostModel::direct(const Regular& g, const DirectShape& shape) const {
    const double share = shape.side ? square_share : rows_share;
    // rows of taps are taken a patch at a time
    const double length = static_cast<double>(g.axis[2].k);
    const double padded = shape.side ? 1 : std::ceil(length / shape.wide) * shape.wide / length;
    const double work = outputs_ * taps_ * std::sqrt(padded) / (device_.peak(arithmetic_) * share);
    // blocks that fit beside each other hide each other's reading
    const double resident =
        std::floor(static_cast<double>(device_.shared_bytes) / std::max(1, shape.shared_bytes));
    const double visible = resident < 2 ? 1.0 : 0.3;
    return launch + (std::max(traffic(), work) + visible * std::min(traffic(), work)) *
                        (g.axis[0].k > 1 ? volume_factor : 1);
}

double CostModel::separable(const Regular& g, int passes) const {
    const double taps = static_cast<double>(g.axis[0].k + g.axis[1].k + g.axis[2].k);
    const double work = outputs_ * taps / (device_.peak(arithmetic_) * separable_share);
    return passes * (launch + 1.6 * traffic()) + work;
}

double CostModel::fused(const FusedTile& tile, const TileGrid& grid) const {
    const double carriers = static_cast<double>(grid.carriers * grid.kernels);
    const double points = static_cast<double>(tile.points);
    const double slots = static_cast<double>(device_.multiprocessors * tile.blocks);
    // the last round of blocks is seldom full
    const double rounds = carriers < 8 * slots ? std::ceil(carriers / slots) : carriers / slots;
    const double work = rounds * tile.blocks * points * tile.cycles / device_.clock_hz;
    const bool lonely = tile.blocks == 1 || tile.points <= 1024;
    return 2 * launch + (lonely ? lonely_factor : edge_factor) * traffic() + work;
}

double CostModel::large(const LargeTile& tile, const TileGrid& grid) const {
    const double points =
        static_cast<double>(grid.carriers * grid.kernels) * static_cast<double>(tile.points());
    const double wide = arithmetic_ == Arithmetic::f32 ? 1 : 2;
    return large_start + edge_factor * traffic() +
           points * large_cycles * wide / (device_.multiprocessors * device_.clock_hz) *
               (tile.rows > 512 ? 1.1 : 1.0);
}

double CostModel::whole(const WholeShape& shape, Index entries) const {
    const double points = static_cast<double>(shape.spectrum()) * static_cast<double>(entries);
    const double passes = 2 + 2 * 2 * std::max(1.0, std::ceil(std::log2(points) / 13)) + 2;
    return 7 * launch + traffic() +
           passes * points * 2 * width_ / (device_.memory_bytes_per_second * whole_share);
}

}  // namespace faltung::cuda
