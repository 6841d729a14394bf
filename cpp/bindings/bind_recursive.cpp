// Recursive filters: sections of coefficients, along one axis of an array.
#include <optional>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/signal_poll.hpp"
#include "core/error.hpp"
#include "parallel/parallel_for.hpp"
#include "policy/machine.hpp"
#include "recursive/cascade.hpp"

namespace faltung::bindings {

namespace {

using Coefficients = py::array_t<std::complex<double>, py::array::c_style>;

std::vector<Section> sections_of(const Coefficients& b, const Coefficients& a) {
    if (b.ndim() != 2 || a.ndim() != 2 || b.shape(0) != a.shape(0) || b.shape(0) == 0 ||
        b.shape(1) == 0 || a.shape(1) == 0)
        throw ValueError("b and a must have one row of coefficients for each section");
    std::vector<Section> sections;
    for (py::ssize_t s = 0; s < b.shape(0); ++s) {
        const std::complex<double>*numerator = b.data(s, 0), *denominator = a.data(s, 0);
        sections.push_back(
            {{numerator, numerator + b.shape(1)}, {denominator, denominator + a.shape(1)}});
        if (sections.back().a[0] != 1.0) throw ValueError("a must begin with 1 in every section");
    }
    return sections;
}

py::tuple recursive_filter(const Coefficients& b, const Coefficients& a, const py::array& x_given,
                           int axis, const std::optional<py::array>& initial_given,
                           const py::dtype& out_dtype, std::optional<int> workers) {
    std::vector<Section> sections = sections_of(b, a);
    const py::array x_array = well_behaved(x_given);
    const ArrayView x = view_of(x_array, dtype_of(x_array.dtype(), "x"));
    if (axis < 0 || axis >= x.rank() || x.rank() >= max_rank)
        throw ValueError("axis is " + std::to_string(axis) + ", and x has " +
                         std::to_string(x.rank()) + " axes");
    const DType dtype = dtype_of(out_dtype, "dtype");
    const DType kept = is_complex(dtype) ? DType::complex128 : DType::float64;
    if (!is_complex(dtype)) {
        for (const Section& section : sections)
            for (const auto* list : {&section.b, &section.a})
                for (const std::complex<double> value : *list)
                    if (value.imag() != 0) throw TypeError("complex coefficients, real result");
        if (is_complex(x.dtype)) throw TypeError("x is complex, and the result real");
    }

    Extents states_shape(1, static_cast<Index>(sections.size()));
    for (Index extent : x.shape) states_shape.push_back(extent);
    states_shape[axis + 1] = sections.front().states();
    py::array out = allocate_like(x.shape, dtype, x);
    py::array initial, final;
    States states;
    if (initial_given) {
        initial = well_behaved(*initial_given);
        bool fits = initial.ndim() == states_shape.size();
        for (int i = 0; fits && i < states_shape.size(); ++i)
            fits = initial.shape(i) == states_shape[i];
        if (!fits || dtype_of(initial.dtype(), "zi") != kept)
            throw ValueError("zi must hold the state of each section, in double precision");
        states.initial = view_of(initial, kept);
        final = allocate_like(states_shape, kept, states.initial);
        states.final = view_of(final, kept);
    }
    const ArrayView to = view_of(out, dtype);
    const microkernels::Table& level = current_level();
    SignalPoll poll;
    try {
        const py::gil_scoped_release unlocked;
        const Cascade cascade(std::move(sections), level);
        cascade.run(x, axis, to, states,
                    {.workers = workers.value_or(default_workers()), .interrupt = &poll});
    } catch (const Cancelled&) {
        throw py::error_already_set();  // poll() left Python's exception behind
    }
    return py::make_tuple(out, initial_given ? py::object(final) : py::none());
}

}  // namespace

void bind_recursive(py::module_& module) {
    module.def("recursive_filter", &recursive_filter, py::arg("b"), py::arg("a"), py::arg("x"),
               py::arg("axis"), py::arg("zi"), py::arg("dtype"), py::arg("workers"));
}

}  // namespace faltung::bindings
