#include "policy/constants.hpp"

#include <cstring>

namespace faltung {

namespace {

#define FALTUNG_COSTS(...) {__VA_ARGS__},
constexpr LevelCosts table[] = {
#include "policy/constants.inc"
};
#undef FALTUNG_COSTS

}  // namespace

const LevelCosts& level_costs(const microkernels::Table& level, Arithmetic arithmetic) {
    const LevelCosts* nearest = nullptr;
    for (const LevelCosts& costs : table) {  // slowest level first
        if (costs.arithmetic != arithmetic) continue;
        if (std::strcmp(costs.level, level.level) == 0) return costs;
        if (!nearest) nearest = &costs;
    }
    return *nearest;
}

}  // namespace faltung
