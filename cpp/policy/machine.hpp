// What this machine is: instruction-set level, caches, processor. Read once.
#pragma once

#include <string>
#include <vector>

#include "core/types.hpp"
#include "microkernels/table.hpp"

namespace faltung {

struct Caches {
    Index l1 = 32 << 10, l2 = 1 << 20, l3 = 16 << 20;  // data bytes; per core, per core, shared
};

struct Machine {
    std::string vendor, processor;  // as /proc/cpuinfo calls them
    int family = 0;                 // likewise
    Caches caches;
    std::vector<const microkernels::Table*>
        levels;  // those that this processor runs, slowest first
};

const Machine& machine();

/// Results of so many bytes are better stored past the caches.
std::size_t streamed_results();

/// The level that plans are built for: FALTUNG_ISA if set, else the best one. Throws ValueError for
/// a level that is unknown or that this processor does not run.
const microkernels::Table& current_level();

/// Overrides current_level(); nullptr or "" goes back to the default. Throws as current_level()
/// does.
void force_level(const char* name);

}  // namespace faltung
