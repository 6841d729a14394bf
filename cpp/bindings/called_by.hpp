// Objects that are called often: their type's own slot, past pybind11's dispatch, which takes as
// long as a small convolution.
#pragma once

#include <exception>
#include <new>

#include <pybind11/pybind11.h>

#include "bindings/errors.hpp"

namespace faltung::bindings {

namespace py = pybind11;

using Call = PyObject* (*)(PyObject* self, PyObject* arguments, PyObject* named);

/// `call` with its exceptions made Python's.
template <Call call>
PyObject* guarded(PyObject* self, PyObject* arguments, PyObject* named) {
    try {
        try {
            return call(self, arguments, named);
        } catch (py::error_already_set& raised) {
            raised.restore();
        } catch (const py::builtin_exception& error) {
            error.set_error();
        } catch (...) {
            translate(std::current_exception());
        }
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::exception& error) {
        py::set_error(PyExc_RuntimeError, error.what());
    }
    return nullptr;
}

/// For py::class_: an object of the type is called by `call`; so are those of Python's subclasses,
/// unless they say otherwise.
template <Call call>
py::custom_type_setup called_by() {
    return py::custom_type_setup(
        [](PyHeapTypeObject* type) { type->ht_type.tp_call = guarded<call>; });
}

}  // namespace faltung::bindings
