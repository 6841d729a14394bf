#include "bindings/errors.hpp"

#include <new>

#include <pybind11/pybind11.h>

#include "core/error.hpp"

namespace faltung::bindings {

namespace py = pybind11;

void translate(std::exception_ptr failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const ValueError& error) {
        py::set_error(PyExc_ValueError, error.what());
    } catch (const TypeError& error) {
        py::set_error(PyExc_TypeError, error.what());
    } catch (const OverflowError& error) {
        py::set_error(PyExc_OverflowError, error.what());
    } catch (const TooLarge& error) {
        py::set_error(PyExc_MemoryError, error.what());
    } catch (const std::bad_alloc&) {
        py::set_error(PyExc_MemoryError, "there is not enough memory to work in");
    } catch (const ProviderError& error) {
        py::set_error(PyExc_RuntimeError, error.what());
    }
}

}  // namespace faltung::bindings
