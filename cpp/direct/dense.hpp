// Direct correlation: every output is the sum that defines it.
#pragma once

#include <memory>
#include <vector>

#include "core/box.hpp"
#include "core/executor.hpp"
#include "core/kernel.hpp"
#include "core/problem.hpp"
#include "microkernels/table.hpp"

namespace faltung {

class Dense : public Executor {
public:
    /// The outputs of one box, on the calling thread. What run() does in parallel; the transform
    /// methods send single tiles here.
    virtual void run_box(const ArrayView& x, const ArrayView& out, const Box& box) const = 0;
    /// The same as one of many: what is far from the caches is treated as in run().
    virtual void run_part(const ArrayView& x, const ArrayView& out, const Box& box) const = 0;
    /// The extents of parts of the outputs whose samples stay in a second-level cache.
    virtual Extents part() const = 0;
};

/// Kernels of one shape over one array: all of them part by part, so that its samples are fetched
/// once. `outs` holds an array per kernel.
void run_together(const std::vector<const Dense*>& kernels, const ArrayView& x,
                  const std::vector<ArrayView>& outs, const Context& context);

/// Arrays of more than `far_from` bytes are treated as lying in memory and not in the last-level
/// cache: results are stored past the caches, samples fetched early.
std::unique_ptr<Dense> make_dense(const Problem& problem, std::shared_ptr<const Kernel> kernel,
                                  const microkernels::Table& table,
                                  std::size_t far_from = std::size_t{8} << 20);

/// How many products of four taps each a number of the result takes; 0 where samples are not summed
/// as bytes.
double byte_products(const Problem& problem, const Kernel& kernel,
                     const microkernels::Table& table);

}  // namespace faltung
