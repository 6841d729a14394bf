// Normalised correlation and its peaks.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/outputs.hpp"
#include "engine/match.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::bindings {

namespace {

/// A view of an array that may be None, with the array that keeps it alive.
struct MaybeView {
    py::array array;
    std::optional<ArrayView> view;

    explicit MaybeView(const std::optional<py::array>& given) {
        if (!given) return;
        array = well_behaved(*given);
        view = view_of(array, dtype_of(array.dtype(), "a mask"));
    }
    const ArrayView* get() const { return view ? &*view : nullptr; }
};

py::array match(const Request& request, const py::array& image, const py::array& pattern,
                const std::optional<py::array>& mask, const std::optional<py::array>& keep,
                const py::object& out, std::optional<int> workers) {
    const py::array x_array = well_behaved(image), pattern_array = well_behaved(pattern);
    const ArrayView x = view_of(x_array, request.problem.x_dtype);
    const ArrayView taps = view_of(pattern_array, request.kernel_dtype);
    const MaybeView pattern_mask(mask), sample_mask(keep);
    return with_output(
        request, x, out, [&](const ArrayView& from, const ArrayView& to, Interrupt& interrupt) {
            run_match(request, from, taps, pattern_mask.get(), sample_mask.get(), to,
                      {.workers = workers.value_or(default_workers()), .interrupt = &interrupt});
        });
}

/// Positions and scores, one row per peak: entries of the batch that have fewer than others are
/// filled up with NaN.
py::tuple find_peaks(const Request& request, const py::array& scores, Index most) {
    const ArrayView view = view_of(scores, dtype_of(scores.dtype(), "scores"));
    std::vector<std::vector<matching::Peak>> found;
    {
        const py::gil_scoped_release unlocked;
        found = match_peaks(request, view, most);
    }
    std::size_t rows = 0;
    for (const auto& peaks : found) rows = std::max(rows, peaks.size());
    const auto entries = static_cast<py::ssize_t>(found.size()),
               count = static_cast<py::ssize_t>(rows),
               axes = static_cast<py::ssize_t>(request.kernel_axes.size());
    py::array_t<std::int64_t> positions({entries, count, axes});
    py::array_t<double> values({entries, count});
    std::int64_t* position = positions.mutable_data();
    double* value = values.mutable_data();
    for (const auto& peaks : found) {
        for (std::size_t p = 0; p < rows; ++p) {
            *value++ = p < peaks.size() ? peaks[p].score : std::numeric_limits<double>::quiet_NaN();
            for (py::ssize_t a = 0; a < axes; ++a)
                *position++ = p < peaks.size() ? peaks[p].at[static_cast<int>(a)] : -1;
        }
    }
    return py::make_tuple(positions, values);
}

}  // namespace

void bind_match(py::module_& module) {
    module.def("match", &match, py::arg("request"), py::arg("image"), py::arg("template"),
               py::arg("mask"), py::arg("image_mask"), py::arg("out"), py::arg("workers"));
    module.def("find_peaks", &find_peaks, py::arg("request"), py::arg("scores"), py::arg("most"));
}

}  // namespace faltung::bindings
