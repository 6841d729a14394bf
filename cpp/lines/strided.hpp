// Moves positions that stand `stride` bytes apart in an array from and to a contiguous run, bytes
// unchanged.
#pragma once

#include "core/types.hpp"

namespace faltung {

/// How one position looks: `count` neighbouring numbers of `bytes` each (1, 2, 4 or 8).
struct PositionLayout {
    Index count = 1;
    Index bytes = 8;

    Index size() const { return count * bytes; }
};

void gather(const std::byte* array, Index stride, const PositionLayout& layout, Index positions,
            void* run);
void scatter(const void* run, const PositionLayout& layout, Index positions, std::byte* array,
             Index stride);

/// Every `step`-th of positions that hold `count` numbers each; `to` may be where they stand.
template <class T>
void keep_every(Index step, const T* from, Index count, Index positions, T* to) {
    const PositionLayout layout{count, static_cast<Index>(sizeof(T))};
    gather(reinterpret_cast<const std::byte*>(from), step * layout.size(), layout, positions, to);
}

/// A chunk of unconverted numbers on the stack.
inline constexpr Index chunk_bytes = 4096;

}  // namespace faltung
