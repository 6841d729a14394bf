// The measured constants of the cost model. benchmarks/calibrate.py makes constants/*.inc, one per
// family of processors.
#pragma once

#include <array>

#include "core/types.hpp"
#include "microkernels/table.hpp"

namespace faltung {

/// Nanoseconds: once per output, and per output and tap.
struct TapCost {
    double output, tap;
};

/// Lengths of transforms of our own that tiles are offered, ascending.
inline constexpr std::array<Index, 18> own_lengths = {8,   12,  16,  24,  32,  48,  64,  96,  128,
                                                      160, 192, 256, 320, 384, 512, 640, 768, 1024};

struct LevelCosts {
    const char* level;
    Arithmetic arithmetic;
    double
        calls;  // what a short call takes, against Zen 5's: what was fitted there is scaled by it
    TapCost line, column, image,
        wide;  // direct: taps along the last axis only; none along it; both, few; both, many
    TapCost separable;  // taps of all axes together
    TapCost whole;      // the library's, per complex point, and per point and butterfly level
    double lines;  // transformed whole by transforms of our own: against what tiles say, Zen 5's 1
    std::array<double, own_lengths.size()>
        square;  // per point of a square tile of that side, all passes and traffic
};

/// Direct sums of 8-bit samples: nanoseconds once per output, and per output and product of four
/// taps; and per byte of an output.
struct ByteCosts {
    const char* level;
    TapCost line, image;
    double stored;
};
const ByteCosts& byte_costs(const microkernels::Table& level);

/// What layers do, in the order of LayerWork: nanoseconds per full vector on one core.
/// benchmarks/calibrate_layers.py measures them.
struct LayerCosts {
    const char* level;
    Arithmetic arithmetic;
    std::array<double, 16> work;
};
const LayerCosts& layer_costs(const microkernels::Table& level, Arithmetic arithmetic);

/// Those of the level, or of the nearest one that was measured.
const LevelCosts& level_costs(const microkernels::Table& level, Arithmetic arithmetic);

}  // namespace faltung
