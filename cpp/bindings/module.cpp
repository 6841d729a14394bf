// The extension module: error translation, then one function per topic.
#include <pybind11/pybind11.h>

#include "bindings/errors.hpp"

namespace py = pybind11;

namespace faltung::bindings {

void bind_bank(py::module_& module);
void bind_conv_layer(py::module_& module);
void bind_convolve(py::module_& module);
void bind_config(py::module_& module);
void bind_dlpack(py::module_& module);
void bind_pooling(py::module_& module);
void bind_recursive(py::module_& module);
void bind_match(py::module_& module);

}  // namespace faltung::bindings

PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
    module.doc() = "The compiled core of faltung. Private: the public face is the package.";
    module.attr("__version__") = FALTUNG_VERSION;
    py::register_local_exception_translator(faltung::bindings::translate);
    faltung::bindings::bind_convolve(module);
    faltung::bindings::bind_bank(module);
    faltung::bindings::bind_conv_layer(module);
    faltung::bindings::bind_config(module);
    faltung::bindings::bind_dlpack(module);
    faltung::bindings::bind_pooling(module);
    faltung::bindings::bind_recursive(module);
    faltung::bindings::bind_match(module);
}
