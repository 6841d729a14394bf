// Memory whose address is a multiple of what vectors, pages or huge pages want.
#pragma once

#include <cstddef>

namespace faltung {

/// At least `bytes`, whose address is a multiple of `alignment`, a power of two; null if there is
/// none.
void* allocate_aligned(std::size_t bytes, std::size_t alignment) noexcept;

/// The same contents in more or less memory, whose alignment may be smaller; null, and `block` as
/// it was, if there is none.
void* reallocate_aligned(void* block, std::size_t bytes) noexcept;

void release_aligned(void* block) noexcept;

/// Asks for huge pages behind a block that is about to be written; a hint, never an error.
void advise_huge(void* data, std::size_t bytes) noexcept;

/// Lets the system take what is in the block when it needs memory; until then it is written again
/// without a fault. False where the system knows no such thing.
bool offer_to_system(void* data, std::size_t bytes) noexcept;

inline constexpr std::size_t page = 4096;
inline constexpr std::size_t huge_page = std::size_t{2} << 20;

}  // namespace faltung
