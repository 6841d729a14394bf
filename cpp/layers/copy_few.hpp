// Short copies.
#pragma once

#include <cstring>

#include "core/array_view.hpp"

namespace faltung::layers {

/// A few numbers; calling memcpy would take longer.
template <class T>
void copy_few(const T* from, Index count, T* to) {
    constexpr Index chunk = 16 / static_cast<Index>(sizeof(T));
    if (count < chunk) {
        for (Index i = 0; i < count; ++i) to[i] = from[i];
        return;
    }
    for (Index i = 0; i + chunk < count; i += chunk) std::memcpy(to + i, from + i, 16);
    std::memcpy(to + count - chunk, from + count - chunk, 16);
}

}  // namespace faltung::layers
