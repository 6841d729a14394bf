// Blocks of memory that are kept for the next borrower: a fresh block costs page faults, a kept one
// nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace faltung {

class Shelf {
public:
    struct Block {
        std::byte* data;
        std::size_t bytes;
    };

    struct Terms {
        std::size_t most_kept;    ///< bytes; the oldest blocks leave beyond it
        std::size_t largest_for;  ///< a block serves requests of its size down to 1 / this of it
        std::size_t clears_for = SIZE_MAX;  ///< a request of so many bytes that no kept block
                                            ///< serves makes all of them leave, so that memory is
                                            ///< not there twice
        bool reclaimable =
            false;  ///< the system may take what is in kept blocks when it is short of memory
        std::size_t most_warm = 0;  ///< but for the newest blocks, of so many bytes together: what
                                    ///< was offered is slow to write on again
    };

    explicit Shelf(const Terms& terms) : terms_(terms) {}

    /// The smallest kept block that fits, else a fresh one of exactly this size.
    Block take(std::size_t bytes);

    /// Keeps the block, which `take` or `allocate` gave.
    void put(Block block);

    void clear();

    /// Until as many release()s, whatever is put stays, so that steps of one call can hand blocks
    /// to each other that are too large to be kept between calls.
    void hold();
    void release();

private:
    struct Kept {
        Block block;
        bool offered;
    };

    std::vector<Block> offer_old_ones();
    void drop_beyond_most(std::vector<Block>& leaving);

    const Terms terms_;
    std::mutex mutex_;
    std::vector<Kept> blocks_;  // oldest first
    std::size_t kept_ = 0;
    int holds_ = 0;
};

}  // namespace faltung
