// What tests and calibration may force on transforms, in place of what the policy chose.
#pragma once

#include <optional>

#include "core/extents.hpp"
#include "spectral/transform_engine.hpp"

namespace faltung {

struct TileOverride {
    std::optional<Extents> tile;  // transform length per axis of the canonical problem
    TransformEngine engine = TransformEngine::own;
};

TileOverride tile_override();
/// Forgets all cached plans: they were made under the old one.
void set_tile_override(const TileOverride& value);

}  // namespace faltung
