// NumPy arrays as views.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "core/array_view.hpp"

namespace faltung::bindings {

namespace py = pybind11;

/// Throws TypeError for dtypes that are not served; `name` is the argument.
DType dtype_of(const py::dtype& dtype, const char* name);

py::dtype to_numpy(DType dtype);

/// True for an ndarray that is of no subclass.
inline bool is_plain_array(PyObject* object) {
    return Py_TYPE(object) == py::detail::npy_api::get().PyArray_Type_;
}

/// An aligned array in native byte order as a view; throws ValueError for more axes than max_rank.
ArrayView view_of(const py::array& array, DType dtype);

/// A native, aligned array of the same values: the array itself where it already is one.
py::array well_behaved(py::array array);

Extents extents_of(const py::tuple& shape, const char* name);

/// Throws ValueError unless the array has this shape; `name` is the argument.
void check_shape(const py::array& array, const Extents& shape, const char* name);

/// An uninitialised array whose axes lie in memory in the order of `like`'s.
py::array allocate_like(const Extents& shape, DType dtype, const ArrayView& like);

}  // namespace faltung::bindings
