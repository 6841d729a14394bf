#include "policy/constants.hpp"

#include <cstring>
#include <span>
#include <string_view>

#include "policy/machine.hpp"

namespace faltung {

namespace {

#define FALTUNG_COSTS(...) {__VA_ARGS__},
constexpr LevelCosts amd_25[] = {
// Zen 3 (baseline, v3) and Zen 4 (v4: a 512-bit operation takes two cycles)
#include "policy/constants/authenticamd-25.inc"
};
constexpr LevelCosts amd_26[] = {
// Zen 5
#include "policy/constants/authenticamd-26.inc"
};
constexpr LevelCosts intel_6[] = {
#include "policy/constants/genuineintel-6.inc"
};
#undef FALTUNG_COSTS

#define FALTUNG_BYTE_COSTS(...) {__VA_ARGS__},
constexpr ByteCosts amd_26_bytes[] = {
#include "policy/constants/bytes-authenticamd-26.inc"
};
#undef FALTUNG_BYTE_COSTS

#define FALTUNG_LAYER_COSTS(...) {__VA_ARGS__},
constexpr LayerCosts amd_25_layers[] = {
#include "policy/constants/layers-authenticamd-25.inc"
// Measured on Zen 3, which has no v4; Zen 4's v4 has not been: Zen 5's stands for it. (Its other
// levels stand behind those above, and are not looked at.)
#include "policy/constants/layers-authenticamd-26.inc"
};
constexpr LayerCosts amd_26_layers[] = {
#include "policy/constants/layers-authenticamd-26.inc"
};
constexpr LayerCosts intel_6_layers[] = {
#include "policy/constants/layers-genuineintel-6.inc"
};
#undef FALTUNG_LAYER_COSTS

struct Family {
    std::string_view vendor;
    int number;
    std::span<const LevelCosts> costs;
    std::span<const LayerCosts> layers;
    std::span<const ByteCosts> bytes;  // of the one family where they were measured
};
constexpr Family families[] = {
    // of each maker the oldest first
    {"AuthenticAMD", 25, amd_25, amd_25_layers, amd_26_bytes},
    {"AuthenticAMD", 26, amd_26, amd_26_layers, amd_26_bytes},
    {"GenuineIntel", 6, intel_6, intel_6_layers, amd_26_bytes},
};

/// A level runs unlike on different processors. One that nobody measured is taken for its maker's
/// newest that is no newer, or for the first of all.
const Family& measured() {
    static const Family& here = []() -> const Family& {
        const Machine& mine = machine();
        const Family* nearest = nullptr;
        for (const Family& family : families)
            if (family.vendor == mine.vendor && (!nearest || family.number <= mine.family))
                nearest = &family;
        return nearest ? *nearest : families[0];
    }();
    return here;
}

/// Those of the level that the loops belong to, or of the slowest one that was measured.
template <class Costs>
const Costs& of_level(std::span<const Costs> all, const microkernels::Table& level,
                      Arithmetic arithmetic) {
    const Costs* slowest = nullptr;
    for (const Costs& costs : all) {  // slowest level first
        if (costs.arithmetic != arithmetic) continue;
        if (std::strcmp(costs.level, level.loops) == 0) return costs;
        if (!slowest) slowest = &costs;
    }
    return *slowest;
}

}  // namespace

const LevelCosts& level_costs(const microkernels::Table& level, Arithmetic arithmetic) {
    return of_level(measured().costs, level, arithmetic);
}

const ByteCosts& byte_costs(const microkernels::Table& level) {
    for (const ByteCosts& costs : measured().bytes)
        if (std::strcmp(costs.level, level.level) == 0) return costs;
    return measured().bytes.front();
}

const LayerCosts& layer_costs(const microkernels::Table& level, Arithmetic arithmetic) {
    return of_level(measured().layers, level, arithmetic);
}

}  // namespace faltung
