#include "core/workspace.hpp"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#if defined(_WIN32)
#include <malloc.h>
#elif defined(__linux__)
#include <sys/mman.h>
#endif

namespace faltung {

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t huge_page = std::size_t{2} << 20;

std::byte* allocate(std::size_t bytes) {
    const std::size_t alignment = bytes >= huge_page ? huge_page : page;
#if defined(_WIN32)
    void* block = _aligned_malloc(bytes, alignment);
#else
    void* block = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#endif
    if (!block) throw std::bad_alloc();
    advise_huge(block, bytes);
    return static_cast<std::byte*>(block);
}

void release(std::byte* block) {
#if defined(_WIN32)
    _aligned_free(block);
#else
    std::free(block);
#endif
}

/// Blocks that calls have given back. A fresh block costs page faults; a kept one costs nothing.
class Shelf {
public:
    struct Block {
        std::byte* data;
        std::size_t bytes;
    };

    /// The smallest kept block that fits without wasting more than it holds.
    Block take(std::size_t bytes) {
        {
            const std::lock_guard lock(mutex_);
            auto best = blocks_.end();
            for (auto block = blocks_.begin(); block != blocks_.end(); ++block)
                if (block->bytes >= bytes && block->bytes <= 2 * bytes &&
                    (best == blocks_.end() || block->bytes < best->bytes))
                    best = block;
            if (best != blocks_.end()) {
                const Block found = *best;
                blocks_.erase(best);
                kept_ -= found.bytes;
                return found;
            }
        }
        return {allocate(bytes), bytes};
    }

    void put(Block block) {
        std::vector<Block> leaving;
        {
            const std::lock_guard lock(mutex_);
            blocks_.push_back(block);
            kept_ += block.bytes;
            while (kept_ > most_kept) {
                leaving.push_back(blocks_.front());
                kept_ -= blocks_.front().bytes;
                blocks_.erase(blocks_.begin());
            }
        }
        for (const Block& old : leaving) release(old.data);
    }

    void clear() {
        const std::lock_guard lock(mutex_);
        for (const Block& block : blocks_) release(block.data);
        blocks_.clear();
        kept_ = 0;
    }

private:
    static constexpr std::size_t most_kept = std::size_t{64}
                                             << 20;  // bytes, of all threads together

    std::mutex mutex_;
    std::vector<Block> blocks_;  // oldest first
    std::size_t kept_ = 0;
};

Shelf& shelf() {
    static Shelf* const instance =
        new Shelf;  // never destroyed: threads may outlive static objects
    return *instance;
}

}  // namespace

Workspace::Workspace(std::size_t bytes) {
    const std::size_t rounded = std::max(page, (bytes + page - 1) / page * page);
    const Shelf::Block block = shelf().take(rounded);
    data_ = block.data;
    bytes_ = block.bytes;
}

Workspace::~Workspace() {
    if (data_) shelf().put({data_, bytes_});
}

Workspace::Workspace(Workspace&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

void advise_huge(void* data, std::size_t bytes) {
#if defined(__linux__)
    const auto begin = (reinterpret_cast<std::uintptr_t>(data) + page - 1) / page * page;
    const auto end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / page * page;
    if (end > begin && end - begin >= huge_page)
        madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
    static_cast<void>(data);
    static_cast<void>(bytes);
#endif
}

void trim_workspaces() { shelf().clear(); }

}  // namespace faltung
