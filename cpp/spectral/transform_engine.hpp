#pragma once

#include <cstdint>

namespace faltung {

/// Who computes transforms, where the microkernels and the library both can.
enum class TransformEngine : std::uint8_t { own, library };

}  // namespace faltung
