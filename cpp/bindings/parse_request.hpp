// What Python says of a call, by name and number, as a Request; every extension of ours has one.
#pragma once

#include <pybind11/pybind11.h>

#include "engine/request.hpp"

namespace faltung::bindings {

/// Constructor and shape of the answer.
void bind_request(pybind11::class_<Request>& type);

}  // namespace faltung::bindings
