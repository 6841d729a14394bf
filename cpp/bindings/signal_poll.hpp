// Python's signals as an interrupt.
#pragma once

#include <pybind11/pybind11.h>

#include "core/executor.hpp"

namespace faltung::bindings {

namespace py = pybind11;

/// Lets Ctrl-C end a long call. Python delivers signals to its main thread only; elsewhere poll()
/// finds nothing.
class SignalPoll : public Interrupt {
public:
    bool poll() override {
        const py::gil_scoped_acquire lock;
        return PyErr_CheckSignals() != 0;
    }
};

}  // namespace faltung::bindings
