// Names that Python passes, as values.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "core/problem.hpp"

namespace faltung::bindings {

template <class Enum, std::size_t n>
Enum parse(const char* argument, const std::string& name,
           const std::array<std::pair<const char*, Enum>, n>& known) {
    std::string allowed;
    for (const auto& [text, value] : known) {
        if (name == text) return value;
        allowed += allowed.empty() ? "'" : ", '";
        allowed += text;
        allowed += "'";
    }
    throw ValueError(std::string(argument) + " is '" + name + "'; allowed are " + allowed);
}

inline constexpr std::array<std::pair<const char*, Boundary>, 6> boundaries{
    {{"zero", Boundary::zero},
     {"constant", Boundary::constant},
     {"edge", Boundary::edge},
     {"symmetric", Boundary::symmetric},
     {"mirror", Boundary::mirror},
     {"wrap", Boundary::wrap}}};

}  // namespace faltung::bindings
