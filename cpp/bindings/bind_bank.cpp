// Banks of kernels.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/outputs.hpp"
#include "engine/bank.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::bindings {

namespace {

/// Python's Bank: the prepared kernels with the array that they borrow.
class BoundBank {
public:
    BoundBank(const Request& request, const py::array& kernels, std::optional<int> workers)
        : kernels_(well_behaved(kernels)),
          workers_(workers),
          prepared_(request, view_of(kernels_, request.kernel_dtype)) {}

    py::array call(const py::array& x_given, const py::object& out,
                   std::optional<int> workers) const {
        const Request& request = prepared_.request();
        const DType dtype = request.problem.x_dtype;
        if (dtype_of(x_given.dtype(), "x") != dtype)
            throw TypeError("x has dtype " + py::str(x_given.dtype()).cast<std::string>() +
                            "; this bank is for " + std::string(name_of(dtype)));
        const py::array x_array = well_behaved(x_given);
        Extents shape;
        for (const Axis& axis : request.problem.axes) shape.push_back(axis.x);
        check_shape(x_array, shape, "x");
        const ArrayView x = view_of(x_array, dtype);
        Extents maps{prepared_.count()};
        for (const Index extent : request.out_shape()) maps.push_back(extent);
        ArrayView like{
            .dtype = dtype, .shape = maps, .strides = {0}};  // no order for the first axis
        for (const Index stride : x.strides) like.strides.push_back(stride);
        const int threads = workers.value_or(workers_.value_or(default_workers()));
        return with_output(maps, request.problem.out_dtype, like, x, out,
                           [&](const ArrayView& from, const ArrayView& to, Interrupt& interrupt) {
                               prepared_.run(from, to,
                                             {.workers = threads, .interrupt = &interrupt});
                           });
    }

    const PreparedBank& prepared() const { return prepared_; }

private:
    py::array kernels_;
    std::optional<int> workers_;
    PreparedBank prepared_;
};

}  // namespace

void bind_bank(py::module_& module) {
    py::class_<BoundBank>(module, "Bank")
        .def(py::init<const Request&, const py::array&, std::optional<int>>(), py::arg("request"),
             py::arg("kernels"), py::arg("workers"))
        .def("__call__", &BoundBank::call, py::arg("x"), py::arg("out") = py::none(),
             py::arg("workers") = py::none())
        .def_property_readonly("count",
                               [](const BoundBank& bank) { return bank.prepared().count(); })
        .def_property_readonly("shared",
                               [](const BoundBank& bank) { return bank.prepared().shared(); })
        .def_property_readonly(
            "predicted_seconds",
            [](const BoundBank& bank) { return bank.prepared().predicted_seconds(); })
        .def("explain", [](const BoundBank& bank) { return bank.prepared().explain(); });
}

}  // namespace faltung::bindings
