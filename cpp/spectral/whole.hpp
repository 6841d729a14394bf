// One transform of the whole array (per batch entry), for kernels about as large as the array.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "core/executor.hpp"
#include "core/kernel.hpp"
#include "core/problem.hpp"
#include "microkernels/table.hpp"
#include "spectral/transform_engine.hpp"

namespace faltung {

/// Bytes that an array's transform and a kernel's may take together. Where they would need more,
/// the outputs are cut into blocks, each of which is transformed with what its windows see.
inline constexpr double unlimited_memory = std::numeric_limits<double>::infinity();

/// What a call has to transform, for predictions: blocks of `points` complex numbers, `lines` and
/// `steps` butterfly levels each way, by transforms of our own or the library's.
struct WholeWork {
    double blocks = 1, points = 1, lines = 0, steps = 0;
    bool own = false;
    std::string objection;  // why that cannot be
};
WholeWork whole_work(const Problem& problem, const microkernels::Table& table,
                     double memory = unlimited_memory);

/// What serves samples that span more levels of magnitude than `cost`, in transforms of the whole
/// array; `make` may be empty.
struct OtherWay {
    std::function<std::unique_ptr<Executor>()> make;
    double cost = 0;
};

/// Samples that span too much for one transform are convolved level by level, or by tiles where
/// that is quicker. The kernel's spectrum is computed by the first run, with that run's workers.
/// Throws ProviderError where the library is needed and none is found, std::logic_error for
/// Arithmetic::i64.
std::unique_ptr<Executor> make_whole(const Problem& problem, std::shared_ptr<const Kernel> kernel,
                                     OtherWay by_tiles, const microkernels::Table& table,
                                     double memory = unlimited_memory,
                                     TransformEngine engine = TransformEngine::own);

}  // namespace faltung
