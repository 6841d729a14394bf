// Our exceptions as Python's.
#pragma once

#include <exception>

namespace faltung::bindings {

/// For pybind11's registration of exception translators.
void translate(std::exception_ptr failure);

}  // namespace faltung::bindings
