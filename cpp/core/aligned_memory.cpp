#include "core/aligned_memory.hpp"

#include <cstdint>
#include <cstdlib>

#if defined(_WIN32)
#include <malloc.h>
#else
#include <sys/mman.h>
#endif

namespace faltung {

void* allocate_aligned(std::size_t bytes, std::size_t alignment) noexcept {
    if (bytes > SIZE_MAX - alignment) return nullptr;
    const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
#if defined(_WIN32)
    return _aligned_malloc(whole, alignment);
#else
    return std::aligned_alloc(alignment, whole);
#endif
}

void* reallocate_aligned(void* block, std::size_t bytes) noexcept {
#if defined(_WIN32)
    return _aligned_realloc(block, bytes, 64);
#else
    return std::realloc(block, bytes);
#endif
}

void release_aligned(void* block) noexcept {
#if defined(_WIN32)
    _aligned_free(block);
#else
    std::free(block);
#endif
}

void advise_huge([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__linux__)
    const auto begin = (reinterpret_cast<std::uintptr_t>(data) + page - 1) / page * page;
    const auto end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / page * page;
    if (end > begin && end - begin >= huge_page)
        madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

bool offer_to_system([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(MADV_FREE)
    const auto begin = (reinterpret_cast<std::uintptr_t>(data) + page - 1) / page * page;
    const auto end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / page * page;
    return end > begin && madvise(reinterpret_cast<void*>(begin), end - begin, MADV_FREE) == 0;
#else
    return false;
#endif
}

}  // namespace faltung
