// How outputs are cut into tiles; plain arithmetic, the same for host and device.
#pragma once

#include "cuda/geometry.hpp"

namespace faltung::cuda {

/// A grid of tiles over the dense positions of three axes. Tiles of all batch entries that share a
/// kernel form one row of slots; a transform of complex numbers carries two slots of real ones.
struct TileGrid {
    Index length[3] = {1, 1, 1};  // samples of a tile
    Index hop[3] = {1, 1, 1};     // positions that one tile answers
    Index count[3] = {1, 1, 1};   // tiles along each axis
    Index tiles = 1;              // of one batch entry
    Index slots = 1;              // tiles of all entries with one kernel
    Index carriers = 1;           // transforms per kernel: slots, or pairs of them
    Index kernels = 1;

    /// Whether all numbers of tiles can be divided as 32-bit ones, as slot_of does.
    constexpr bool countable() const {
        return slots < (Index{1} << 31) && carriers * kernels < (Index{1} << 31);
    }
    bool paired = false;
};

/// The grid of tiles of `length` samples. A length is at least the reach of the kernel.
constexpr TileGrid tile_grid(const Regular& g, Index n0, Index n1, Index n2, bool paired) {
    TileGrid grid;
    const Index length[3] = {n0, n1, n2};
    for (int a = 0; a < 3; ++a) {
        const Index positions = g.axis[a].positions();
        grid.length[a] = length[a];
        grid.hop[a] = length[a] - g.axis[a].reach() + 1;
        if (grid.hop[a] > positions) grid.hop[a] = positions;
        grid.count[a] = (positions + grid.hop[a] - 1) / grid.hop[a];
        grid.tiles *= grid.count[a];
    }
    grid.slots = grid.tiles * g.per_kernel;
    grid.paired = paired;
    grid.carriers = paired ? (grid.slots + 1) / 2 : grid.slots;
    grid.kernels = g.bank.x;
    return grid;
}

/// One tile of one batch entry.
struct Slot {
    Index entry = 0;          // among those that share the kernel
    Index at[3] = {0, 0, 0};  // the dense position of the tile's first answer
    bool valid = false;
};

constexpr Slot slot_of(const TileGrid& grid, Index slot) {
    Slot found;
    found.valid = slot < grid.slots;
    if (!found.valid) return found;
    // 64-bit division is slow on a device
    const auto narrow = static_cast<std::uint32_t>(slot);
    const auto tiles = static_cast<std::uint32_t>(grid.tiles);
    found.entry = narrow / tiles;
    std::uint32_t tile = narrow % tiles;
    for (int a = 2; a >= 0; --a) {
        const auto count = static_cast<std::uint32_t>(grid.count[a]);
        found.at[a] = tile % count * grid.hop[a];
        tile /= count;
    }
    return found;
}

}  // namespace faltung::cuda
