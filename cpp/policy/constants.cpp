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

/// A level runs unlike on two makers' processors: 512-bit operations take two cycles on one of
/// them.
std::span<const LevelCosts> measured() {
    static const bool from_intel = machine().vendor == "GenuineIntel";
    return from_intel ? std::span<const LevelCosts>(intel) : std::span<const LevelCosts>(amd);
}

}  // namespace

const LevelCosts& level_costs(const microkernels::Table& level, Arithmetic arithmetic) {
    const LevelCosts* nearest = nullptr;
    for (const LevelCosts& costs : measured()) {  // slowest level first
        if (costs.arithmetic != arithmetic) continue;
        if (std::strcmp(costs.level, level.level) == 0) return costs;
        if (!nearest) nearest = &costs;
    }
    return *nearest;
}

}  // namespace faltung
