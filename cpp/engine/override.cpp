#include "engine/override.hpp"

#include <mutex>

#include "engine/plan_cache.hpp"

namespace faltung {

namespace {
std::mutex mutex;
TileOverride current;
}  // namespace

TileOverride tile_override() {
    const std::lock_guard lock(mutex);
    return current;
}

void set_tile_override(const TileOverride& value) {
    {
        const std::lock_guard lock(mutex);
        current = value;
    }
    plan_cache().clear();
}

}  // namespace faltung
