// Divide and conquer: the outputs are cut into tiles, each read with its surroundings, transformed,
// multiplied by the kernel's spectrum, and transformed back. No padded copy of x is ever made.
#pragma once

#include <memory>

#include "core/executor.hpp"
#include "core/kernel.hpp"
#include "core/problem.hpp"
#include "direct/dense.hpp"
#include "microkernels/table.hpp"
#include "spectral/transform_engine.hpp"

namespace faltung {

/// `tile` holds the transform length on every axis (1 on axes that are not convolved). Outputs
/// whose window holds a sample that is not finite come from `dense`. TransformEngine::own takes the
/// library for lengths that it lacks. The context serves the kernel's transform, here and now.
/// Throws ProviderError where none is found, std::logic_error for integer arithmetic.
std::unique_ptr<Executor> make_overlap_save(const Problem& problem,
                                            std::shared_ptr<const Kernel> kernel,
                                            const Extents& tile, std::shared_ptr<const Dense> dense,
                                            const microkernels::Table& table,
                                            const Context& context,
                                            TransformEngine engine = TransformEngine::own);

}  // namespace faltung
