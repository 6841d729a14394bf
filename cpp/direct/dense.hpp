// Direct correlation: every output is the sum that defines it.
#pragma once

#include <memory>

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
};

/// Results of `stream_from` bytes and more are stored past the caches: a quarter of the last-level
/// cache is a good value.
std::unique_ptr<Dense> make_dense(const Problem& problem, std::shared_ptr<const Kernel> kernel,
                                  const microkernels::Table& table,
                                  std::size_t stream_from = std::size_t{8} << 20);

}  // namespace faltung
