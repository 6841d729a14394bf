// What belongs to one transform length of our own: its factors, and the order of its frequencies.
#pragma once

#include <vector>

#include "core/types.hpp"
#include "microkernels/table.hpp"

namespace faltung {

template <class T>
constexpr const microkernels::TransformTable<T>& transforms_of(const microkernels::Table& table) {
    if constexpr (std::is_same_v<T, float>)
        return table.transform_f32;
    else
        return table.transform_f64;
}

/// The entry for n points, or nullptr.
template <class T>
const microkernels::TransformLength* find_length(const microkernels::TransformTable<T>& table,
                                                 Index n);

/// The factors between the passes, in the order that the microkernels read them.
template <class T>
std::vector<T> pass_factors(const microkernels::TransformLength& length);

/// The frequency that a forward transform leaves at each place.
std::vector<Index> frequency_at(const microkernels::TransformLength& length);

}  // namespace faltung
