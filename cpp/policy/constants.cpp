#include "policy/constants.hpp"

#include <cstring>
#include <span>

#include "policy/machine.hpp"

namespace faltung {

namespace {

#define FALTUNG_COSTS(...) {__VA_ARGS__},
constexpr LevelCosts amd[] = {
#include "policy/constants/authenticamd.inc"
};
constexpr LevelCosts intel[] = {
#include "policy/constants/genuineintel.inc"
};
#undef FALTUNG_COSTS

#define FALTUNG_LAYER_COSTS(...) {__VA_ARGS__},
constexpr LayerCosts amd_layers[] = {
#include "policy/constants/layers_authenticamd.inc"
};
constexpr LayerCosts intel_layers[] = {
#include "policy/constants/layers_genuineintel.inc"
};
#undef FALTUNG_LAYER_COSTS

/// A level runs unlike on two makers' processors: 512-bit operations take two cycles on one of
/// them.
template <class Costs>
std::span<const Costs> measured(std::span<const Costs> of_amd, std::span<const Costs> of_intel) {
    static const bool from_intel = machine().vendor == "GenuineIntel";
    return from_intel ? of_intel : of_amd;
}

/// Those of the level, or of the slowest one.
template <class Costs>
const Costs& nearest(std::span<const Costs> all, const microkernels::Table& level,
                     Arithmetic arithmetic) {
    const Costs* slowest = nullptr;
    for (const Costs& costs : all) {  // slowest level first
        if (costs.arithmetic != arithmetic) continue;
        if (std::strcmp(costs.level, level.level) == 0) return costs;
        if (!slowest) slowest = &costs;
    }
    return *slowest;
}

}  // namespace

const LevelCosts& level_costs(const microkernels::Table& level, Arithmetic arithmetic) {
    return nearest(measured<LevelCosts>(amd, intel), level, arithmetic);
}

const LayerCosts& layer_costs(const microkernels::Table& level, Arithmetic arithmetic) {
    return nearest(measured<LayerCosts>(amd_layers, intel_layers), level, arithmetic);
}

}  // namespace faltung
