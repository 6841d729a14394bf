// Where answers go: a new array or the caller's, written while Python's lock is released.
#pragma once

#include <string>
#include <utility>

#include "bindings/arrays.hpp"
#include "bindings/signal_poll.hpp"
#include "core/error.hpp"
#include "engine/request.hpp"

namespace faltung::bindings {

/// Calls run(x view, out view) with the GIL released, on `out` or a new array; a result that would
/// overwrite what is still to be read goes through an array of its own. A new array has its axes in
/// memory in the order of `like`'s, which has the rank of the result.
template <class Run>
py::array with_output(const Extents& shape, DType dtype, const ArrayView& like, const ArrayView& x,
                      const py::object& given, Run&& run) {
    py::array out;
    bool staged = false;
    if (given.is_none()) {
        out = allocate_like(shape, dtype, like);
    } else {
        out = py::reinterpret_borrow<py::array>(given);
        check_shape(out, shape, "out");
        if (!out.writeable()) throw ValueError("out is read-only");
        if (dtype_of(out.dtype(), "out") != dtype)
            throw TypeError("out has dtype " + py::str(out.dtype()).cast<std::string>() +
                            "; the result has dtype " + std::string(name_of(dtype)));
        staged = may_overlap(view_of(out, dtype), x) || well_behaved(out).ptr() != out.ptr();
    }
    py::array target = staged ? allocate_like(shape, dtype, like) : out;
    if (target.size() != 0) {
        const ArrayView view = view_of(target, dtype);
        SignalPoll poll;
        try {
            const py::gil_scoped_release unlocked;
            run(x, view, poll);
        } catch (const Cancelled&) {
            throw py::error_already_set();  // poll() left Python's exception behind
        }
    }
    if (staged) out[py::ellipsis()] = target;
    return out;
}

/// The same for the answer to a request.
template <class Run>
py::array with_output(const Request& request, const ArrayView& x, const py::object& given,
                      Run&& run) {
    return with_output(request.out_shape(), request.problem.out_dtype, x, x, given,
                       std::forward<Run>(run));
}

}  // namespace faltung::bindings
