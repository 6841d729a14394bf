// Request, run and Plan: check the ticket, open the views, drop the GIL, make one call.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/called_by.hpp"
#include "bindings/outputs.hpp"
#include "bindings/parse_request.hpp"
#include "chance/drawn.hpp"
#include "core/error.hpp"
#include "engine/plan.hpp"
#include "engine/plan_cache.hpp"
#include "parallel/parallel_for.hpp"
#include "policy/machine.hpp"

namespace faltung::bindings {

namespace {

py::array run(const Request& request, const py::array& x_given, const py::array& k_given,
              const py::object& out, std::optional<int> workers) {
    const py::array x_array = well_behaved(x_given), k_array = well_behaved(k_given);
    const ArrayView x = view_of(x_array, request.problem.x_dtype);
    const ArrayView k = view_of(k_array, request.kernel_dtype);
    return with_output(
        request, x, out, [&](const ArrayView& from, const ArrayView& to, Interrupt& interrupt) {
            run_once(request, from, k, to,
                     {.workers = workers.value_or(default_workers()), .interrupt = &interrupt});
        });
}

py::array run_separable(const Request& request, const py::array& x_given,
                        const std::vector<py::array>& given, const py::object& out,
                        std::optional<int> workers) {
    const py::array x_array = well_behaved(x_given);
    const ArrayView x = view_of(x_array, request.problem.x_dtype);
    std::vector<py::array> kept;
    std::vector<ArrayView> factors;
    for (const py::array& factor : given) {
        kept.push_back(well_behaved(factor));
        factors.push_back(view_of(kept.back(), request.kernel_dtype));
    }
    return with_output(
        request, x, out, [&](const ArrayView& from, const ArrayView& to, Interrupt& interrupt) {
            run_factors(request, from, factors, to,
                        {.workers = workers.value_or(default_workers()), .interrupt = &interrupt});
        });
}

py::array run_by_chance(const Request& request, const py::array& x_given, const py::array& k_given,
                        Index samples, std::uint64_t seed, const py::object& out,
                        std::optional<int> workers) {
    const py::array x_array = well_behaved(x_given), k_array = well_behaved(k_given);
    const ArrayView x = view_of(x_array, request.problem.x_dtype);
    const ArrayView k = view_of(k_array, request.kernel_dtype);
    const Kernel kernel(request.problem, request.spread(k), request.flip, !request.flip);
    return with_output(
        request, x, out, [&](const ArrayView& from, const ArrayView& to, Interrupt& interrupt) {
            convolve_by_chance(
                request.problem, kernel, samples, seed, current_level(), from, to,
                {.workers = workers.value_or(default_workers()), .interrupt = &interrupt});
        });
}

/// Python's Plan: the prepared kernel with the array that it borrows.
class BoundPlan {
public:
    BoundPlan(const Request& request, const py::array& k, std::optional<int> workers)
        : k_(well_behaved(k)),
          workers_(workers),
          prepared_(request, view_of(k_, request.kernel_dtype)) {}

    py::array call(const py::array& x_given, const py::object& out) const {
        const Request& request = prepared_.request();
        const DType dtype = request.problem.x_dtype;
        if (dtype_of(x_given.dtype(), "x") != dtype)
            throw TypeError("x has dtype " + py::str(x_given.dtype()).cast<std::string>() +
                            "; this plan is for " + std::string(name_of(dtype)));
        const py::array x_array = well_behaved(x_given);
        Extents shape;
        for (const Axis& axis : request.problem.axes) shape.push_back(axis.x);
        check_shape(x_array, shape, "x");
        const ArrayView x = view_of(x_array, dtype);
        return with_output(
            request, x, out, [&](const ArrayView& from, const ArrayView& to, Interrupt& interrupt) {
                prepared_.run(
                    from, to,
                    {.workers = workers_.value_or(default_workers()), .interrupt = &interrupt});
            });
    }

    std::string method() const { return std::string(name_of(prepared_.plan().choice.method)); }
    std::string explain() const { return prepared_.plan().choice.explain(); }
    std::string level() const { return prepared_.plan().level->level; }
    double seconds() const { return prepared_.plan().choice.taken().seconds; }
    std::size_t workspace() const { return prepared_.plan().executor->workspace_bytes(); }

private:
    py::array k_;
    std::optional<int> workers_;
    PreparedKernel prepared_;
};

/// Plan(x) and Plan(x, out), for plain arrays; whatever else a call may hold is for the Python
/// class to normalise, in its method `_call`.
PyObject* call_plan(PyObject* self, PyObject* arguments, PyObject* named) {
    const Py_ssize_t count = PyTuple_GET_SIZE(arguments);
    bool plain = named == nullptr && (count == 1 || count == 2);
    for (Py_ssize_t i = 0; plain && i < count; ++i)
        plain = is_plain_array(PyTuple_GET_ITEM(arguments, i));
    if (plain) {
        const auto argument = [&](Py_ssize_t i) {
            return py::reinterpret_borrow<py::array>(PyTuple_GET_ITEM(arguments, i));
        };
        const BoundPlan& plan = py::cast<const BoundPlan&>(py::handle(self));
        return plan.call(argument(0), count == 2 ? py::object(argument(1)) : py::none())
            .release()
            .ptr();
    }
    const py::object general = py::handle(self).attr("_call");
    return PyObject_Call(general.ptr(), arguments, named);
}

}  // namespace

void bind_convolve(py::module_& module) {
    py::class_<Request> request(module, "Request");
    bind_request(request);

    module.def("run", &run, py::arg("request"), py::arg("x"), py::arg("k"), py::arg("out"),
               py::arg("workers"));

    module.def("run_separable", &run_separable, py::arg("request"), py::arg("x"),
               py::arg("factors"), py::arg("out"), py::arg("workers"));

    module.def("run_by_chance", &run_by_chance, py::arg("request"), py::arg("x"), py::arg("k"),
               py::arg("samples"), py::arg("seed"), py::arg("out"), py::arg("workers"));
    module.def(
        "random_words",
        [](std::uint64_t key, std::uint64_t low, std::uint64_t high) {
            std::uint64_t lows[8], highs[8], first[8], second[8];
            std::fill_n(lows, 8, low);
            std::fill_n(highs, 8, high);
            current_level().random.uniform(key, lows, highs, 8, ~std::uint32_t{0}, first, second);
            return std::pair{first[0], second[0]};
        },
        py::arg("key"), py::arg("low"), py::arg("high"));

    py::class_<BoundPlan>(module, "Plan", called_by<call_plan>())
        .def(py::init<const Request&, const py::array&, std::optional<int>>(), py::arg("request"),
             py::arg("k"), py::arg("workers"))
        .def("run", &BoundPlan::call, py::arg("x"), py::arg("out"))
        .def_property_readonly("method", &BoundPlan::method)
        .def_property_readonly("level", &BoundPlan::level)
        .def_property_readonly("predicted_seconds", &BoundPlan::seconds)
        .def_property_readonly("workspace_bytes", &BoundPlan::workspace)
        .def("explain", &BoundPlan::explain);

    module.def(
        "chosen_method",
        [](const Request& asked, const py::array& k_given) {
            const py::array k = well_behaved(k_given);
            return std::string(name_of(choice_for(asked, view_of(k, asked.kernel_dtype)).method));
        },
        py::arg("request"), py::arg("k"));

    module.def("clear_plans", [] { plan_cache().clear(); });
}

}  // namespace faltung::bindings
