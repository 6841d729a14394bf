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
    struct Side;
    struct Load {
        double nanoseconds, tasks;  // of one worker, who may be helped with so many
    };

    /// Why no transform may serve, or nothing; `points` enter its rounding error.
    std::string transform_objection(double points) const;
    /// What is left of one worker's time where several find something to do, and wait for each
    /// other `joins` times.
    double shared(double nanoseconds, double tasks, double joins = 1) const;
    /// The share of the arrays and `scratch` bytes that the shared cache does not hold: where
    /// little is too much, part of it stays.
    double unkept(double scratch) const;
    /// For memory, where the shared cache does not hold the arrays and `scratch` bytes that are
    /// walked `trips` times.
    double waiting(double scratch, double trips) const;
    Prediction bytes() const;  // direct, by products of bytes
    double row_of_samples() const;
    double left_over_share() const;
    double spaced_tap() const;
    /// Vectors as long as a line of the caches.
    bool wide_vectors() const { return level_.vector_bytes >= 64; }
    /// For results that are converted on their way out.
    double writing(Arithmetic arithmetic) const;
    bool converts_samples(Arithmetic arithmetic) const;
    double array_bytes() const;
    double beyond_l2() const;  // the bytes of both arrays that half of it does not hold
    double rows() const;       // of outputs along the last axis
    double vectors() const;    // of results in a row
    double numbers() const;    // that the direct loops write: whole vectors
    double byte_numbers() const;
    double far(double points) const;
    double moved() const;
    bool channels_together() const;
    double passing(double memory) const;
    double library_block(double points) const;  // of the whole array, by the library
    double own_block(double points) const;      // or by transforms of our own
    double own_columns(double points) const;
    double line_nanoseconds(double points) const;
    double square_cost(double n) const;
    double column_cost(double n) const;
    PerAxis<Index> tile_lengths(int axis) const;
    Side side_of(int axis, Index length) const;
    Load load_of(const PerAxis<const Side*>& sides) const;

    const Problem& problem_;
    const Traits& traits_;
    const microkernels::Table& level_;
    Arithmetic transform_arithmetic_;
    double pace_;  // of what was fitted on another processor: calls, rows, lines, but not memory
    int convolved_ = 0;  // axes with more than one tap
};

/// Whether numbers of this dtype are read and written as they are computed with.
bool stands_as(DType dtype, Arithmetic arithmetic);

}  // namespace faltung
