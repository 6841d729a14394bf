// Recursive filters along one axis: sections one after another, with the state of each.
#pragma once

#include <vector>

#include "core/array_view.hpp"
#include "core/executor.hpp"
#include "core/problem.hpp"
#include "recursive/stage.hpp"

namespace faltung {

/// The state of each section along each line: axes (section, then those of x with the filtered axis
/// `states` long), float64 or complex128 as the samples are; data is nullptr where nobody asks.
struct States {
    ArrayView initial, final;
};

class Cascade {
public:
    /// Every section has the same number of states.
    Cascade(std::vector<Section> sections, const microkernels::Table& level);

    /// out has x's shape and is complex exactly if x, the coefficients or the states are. They do
    /// not overlap.
    void run(const ArrayView& x, int axis, const ArrayView& out, const States& states,
             const Context& context) const;

private:
    struct Call;
    void lines(const Call& call) const;
    void columns(const Call& call) const;
    void complex_lines(const Call& call) const;

    std::vector<Section> sections_;
    std::vector<Stage> stages_;  // empty where a coefficient is complex
    const microkernels::Table* level_;
    Index history_ = 0;
};

}  // namespace faltung
