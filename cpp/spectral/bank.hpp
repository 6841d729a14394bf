// Overlap-save for many kernels of one shape: every tile of x is transformed once, and for each
// kernel multiplied by its spectrum and transformed back.
#pragma once

#include <memory>
#include <vector>

#include "core/executor.hpp"
#include "core/kernel.hpp"
#include "direct/dense.hpp"
#include "microkernels/table.hpp"

namespace faltung {

class BankTiles {
public:
    virtual ~BankTiles() = default;
    /// `outs` holds one array per kernel. Const and thread-safe.
    virtual void run(const ArrayView& x, const std::vector<ArrayView>& outs,
                     const Context& context) const = 0;
    /// Bytes of scratch one worker borrows.
    virtual std::size_t workspace_bytes() const = 0;
};

/// Bytes that a kernel's spectrum takes, for tiles of this transform length per axis.
std::size_t bank_kernel_bytes(const Problem& problem, const Extents& tile);

/// As make_overlap_save; `dense` serves tiles that must not meet a transform. nullptr where
/// transforms of our own do not serve the tile.
std::unique_ptr<const BankTiles> make_bank(
    const Problem& problem, const std::vector<std::shared_ptr<const Kernel>>& kernels,
    const Extents& tile, std::vector<std::shared_ptr<const Dense>> dense,
    const microkernels::Table& table, const Context& context);

}  // namespace faltung
