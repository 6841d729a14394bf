#include "core/shelf.hpp"

#include <new>

#include "core/aligned_memory.hpp"

namespace faltung {

namespace {

std::byte* allocate(std::size_t bytes) {
    void* const block = allocate_aligned(bytes, bytes >= huge_page ? huge_page : page);
    if (!block) throw std::bad_alloc();
    advise_huge(block, bytes);
    return static_cast<std::byte*>(block);
}

}  // namespace

Shelf::Block Shelf::take(std::size_t bytes) {
    {
        const std::lock_guard lock(mutex_);
        auto best = blocks_.end();
        for (auto block = blocks_.begin(); block != blocks_.end(); ++block)
            if (block->bytes >= bytes && block->bytes / terms_.largest_for <= bytes &&
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

void Shelf::put(Block block) {
    if (block.bytes > terms_.most_kept ||
        (terms_.reclaimable && !offer_to_system(block.data, block.bytes))) {
        release_aligned(block.data);
        return;
    }
    std::vector<Block> leaving;
    {
        const std::lock_guard lock(mutex_);
        blocks_.push_back(block);
        kept_ += block.bytes;
        while (kept_ > terms_.most_kept) {
            leaving.push_back(blocks_.front());
            kept_ -= blocks_.front().bytes;
            blocks_.erase(blocks_.begin());
        }
    }
    for (const Block& old : leaving) release_aligned(old.data);
}

void Shelf::clear() {
    const std::lock_guard lock(mutex_);
    for (const Block& block : blocks_) release_aligned(block.data);
    blocks_.clear();
    kept_ = 0;
}

}  // namespace faltung
