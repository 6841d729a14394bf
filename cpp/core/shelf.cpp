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
        // of equal ones the newest, which is the likeliest to be in the caches
        for (auto kept = blocks_.begin(); kept != blocks_.end(); ++kept)
            if (kept->block.bytes >= bytes && kept->block.bytes / terms_.largest_for <= bytes &&
                (best == blocks_.end() || kept->block.bytes <= best->block.bytes))
                best = kept;
        if (best != blocks_.end()) {
            const Block found = best->block;
            blocks_.erase(best);
            kept_ -= found.bytes;
            return found;
        }
    }
    if (bytes >= terms_.clears_for) clear();
    return {allocate(bytes), bytes};
}

void Shelf::put(Block block) {
    std::vector<Block> leaving;
    {
        const std::lock_guard lock(mutex_);
        if (holds_ == 0 && block.bytes > terms_.most_kept) return release_aligned(block.data);
        blocks_.push_back({block, false});
        kept_ += block.bytes;
        if (terms_.reclaimable) leaving = offer_old_ones();
        if (holds_ == 0) drop_beyond_most(leaving);
    }
    for (const Block& old : leaving) release_aligned(old.data);
}

void Shelf::hold() {
    const std::lock_guard lock(mutex_);
    ++holds_;
}

void Shelf::release() {
    std::vector<Block> leaving;
    {
        const std::lock_guard lock(mutex_);
        if (--holds_ == 0) drop_beyond_most(leaving);
    }
    for (const Block& old : leaving) release_aligned(old.data);
}

/// The largest first where one alone is too much, then the oldest.
void Shelf::drop_beyond_most(std::vector<Block>& leaving) {
    const auto drop = [&](std::size_t i) {
        leaving.push_back(blocks_[i].block);
        kept_ -= blocks_[i].block.bytes;
        blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(i));
    };
    for (std::size_t i = blocks_.size(); i-- > 0;)
        if (blocks_[i].block.bytes > terms_.most_kept) drop(i);
    while (kept_ > terms_.most_kept) drop(0);
}

/// Answers those that the system does not take as an offer.
std::vector<Shelf::Block> Shelf::offer_old_ones() {
    std::vector<Block> refused;
    std::size_t newer = 0;
    for (std::size_t i = blocks_.size(); i-- > 0;) {
        Kept& kept = blocks_[i];
        newer += kept.block.bytes;
        if (newer <= terms_.most_warm || kept.offered) continue;
        kept.offered = offer_to_system(kept.block.data, kept.block.bytes);
        if (kept.offered) continue;
        refused.push_back(kept.block);
        kept_ -= kept.block.bytes;
        blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return refused;
}

void Shelf::clear() {
    const std::lock_guard lock(mutex_);
    for (const Kept& kept : blocks_) release_aligned(kept.block.data);
    blocks_.clear();
    kept_ = 0;
}

}  // namespace faltung
