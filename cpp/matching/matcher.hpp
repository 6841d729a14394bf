// Normalised correlation of an image with a template: Pearson's coefficient of every window.
#pragma once

#include <memory>

#include "core/executor.hpp"
#include "matching/pattern.hpp"
#include "microkernels/table.hpp"

namespace faltung::matching {

/// Prepared for images of one shape; const and thread-safe.
class Matcher {
public:
    virtual ~Matcher() = default;
    /// `keep` (or null) says which samples of x count; all have the axes of the problem.
    virtual void run(const ArrayView& x, const ArrayView* keep, const ArrayView& out,
                     const Context& context) const = 0;
    /// About how much memory it keeps.
    virtual std::size_t bytes() const = 0;
};

/// `problem` in float32 or float64, real, the last axis not a batch; `tile` the transform length
/// per axis; `masked` where run() gets a `keep` or the pattern has one. Throws ProviderError where
/// a length needs the library and there is none.
std::unique_ptr<const Matcher> make_matcher(const Problem& problem,
                                            std::shared_ptr<const Pattern> pattern,
                                            const Extents& tile, bool masked,
                                            const microkernels::Table& table);

}  // namespace faltung::matching
