// Predicted seconds for each method. Pure arithmetic over the problem and the measured constants.
#pragma once

#include "policy/choose.hpp"

namespace faltung {

class CostModel {
public:
    CostModel(const Problem& problem, const Traits& traits, const microkernels::Table& level);

    Prediction direct() const;
    Prediction separable() const;
    Prediction whole() const;
    Prediction overlap_save() const;

private:
    const Problem& problem_;
    const Traits& traits_;
    const microkernels::Table& level_;
};

}  // namespace faltung
