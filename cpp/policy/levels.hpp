// The levels that were compiled in, from the list in cmake/IsaLevels.cmake.
#pragma once

#include <span>

#include "microkernels/table.hpp"

namespace faltung {

struct CompiledLevel {
    const microkernels::Table* table;
    bool (*runs_here)();
};

/// Slowest first.
std::span<const CompiledLevel> compiled_levels();

}  // namespace faltung
