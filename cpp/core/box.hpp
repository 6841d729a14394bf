// A block of outputs: one half-open range per axis of the problem.
#pragma once

#include "core/extents.hpp"

namespace faltung {

struct Box {
    Extents begin, end;

    Index length(int axis) const { return end[axis] - begin[axis]; }
};

}  // namespace faltung
