// Predicted seconds for each method. Pure arithmetic over the problem and the measured constants.
//
// One worker's nanoseconds are summed and divided by the workers that find something to do. The
// workers counted are those of the machine, not of the call: the choice, and with it every bit of
// the answer, must not depend on how many threads a call is given.
#pragma once

#include "policy/choose.hpp"
#include "policy/constants.hpp"

namespace faltung {

class CostModel {
public:
    CostModel(const Problem& problem, const Traits& traits, const microkernels::Table& level);

    Prediction direct() const;
    Prediction separable() const;
    Prediction whole() const;
    Prediction overlap_save() const;

private:
    /// Why no transform may serve, or nothing; `points` enter its rounding error.
    std::string transform_objection(double points) const;
    /// What is left of one worker's time where several find something to do.
    double shared(double nanoseconds, double tasks) const;
    /// For memory, where the shared cache does not hold the arrays and `scratch` bytes that are
    /// walked `trips` times.
    double waiting(double scratch, double trips) const;
    Prediction bytes() const;  // direct, by products of bytes
    /// Of results from the arithmetic to integers.
    double conversion() const;
    double rows() const;     // of outputs along the last axis
    double numbers() const;  // that the direct loops write
    double tile_nanoseconds(const Extents& tile) const;
    double line_nanoseconds(double points) const;
    double square_cost(double n) const;
    PerAxis<Index> tile_candidates(int axis) const;

    const Problem& problem_;
    const Traits& traits_;
    const microkernels::Table& level_;
    Arithmetic transform_arithmetic_;
    int convolved_ = 0;  // axes with more than one tap
};

}  // namespace faltung
