#include "bindings/parse_request.hpp"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/names.hpp"
#include "core/error.hpp"

namespace faltung::bindings {

namespace {

constexpr std::array<std::pair<const char*, Mode>, 3> modes{
    {{"full", Mode::full}, {"same", Mode::same}, {"valid", Mode::valid}}};

constexpr std::array<std::pair<const char*, std::optional<Method>>, 5> methods{
    {{"auto", std::nullopt},
     {"direct", Method::direct},
     {"separable", Method::separable},
     {"fft", Method::fft},
     {"overlap_save", Method::overlap_save}}};

Request new_request(const py::tuple& x_shape, const py::dtype& x_dtype, const py::tuple& k_shape,
                    const py::dtype& k_dtype, const py::dtype& result_dtype,
                    const py::dtype& out_dtype, const std::vector<int>& axes,
                    const std::vector<Index>& strides, const std::vector<Index>& dilations,
                    const std::string& mode, const std::string& method, const std::string& boundary,
                    const py::array& cval, bool flip, bool c_casts,
                    const std::optional<std::vector<std::pair<Index, Index>>>& lags) {
    RequestFields fields{.x_shape = extents_of(x_shape, "x"),
                         .k_shape = extents_of(k_shape, "k"),
                         .x_dtype = dtype_of(x_dtype, "x"),
                         .k_dtype = dtype_of(k_dtype, "k"),
                         .result_dtype = dtype_of(result_dtype, "the result"),
                         .out_dtype = dtype_of(out_dtype, "dtype"),
                         .axes = {},
                         .strides = {},
                         .dilations = {},
                         .mode = parse("mode", mode, modes),
                         .boundary = parse("boundary", boundary, boundaries),
                         .cval = {},
                         .flip = flip,
                         .c_casts = c_casts,
                         .method = parse("method", method, methods),
                         .lags = {}};
    if (lags) {
        fields.lags.emplace();
        for (const auto& [first, last] : *lags) fields.lags->push_back({first, last});
    }
    for (int axis : axes) fields.axes.push_back(axis);
    for (Index stride : strides) fields.strides.push_back(stride);
    for (Index dilation : dilations) fields.dilations.push_back(dilation);
    // cval arrives as complex128, int64 or uint64, already checked against the result's dtype
    switch (dtype_of(cval.dtype(), "cval")) {
        case DType::complex128: {
            const double* parts = static_cast<const double*>(cval.data());
            fields.cval = {.real = parts[0], .imag = parts[1], .integer = 0};
            break;
        }
        default:
            fields.cval.integer = *static_cast<const std::int64_t*>(cval.data());
            fields.cval.real =
                fields.result_dtype == DType::uint64
                    ? static_cast<double>(static_cast<std::uint64_t>(fields.cval.integer))
                    : static_cast<double>(fields.cval.integer);
    }
    return make_request(fields);
}

}  // namespace

void bind_request(py::class_<Request>& type) {
    type.def(py::init(&new_request), py::arg("x_shape"), py::arg("x_dtype"), py::arg("k_shape"),
             py::arg("k_dtype"), py::arg("result_dtype"), py::arg("out_dtype"), py::arg("axes"),
             py::arg("strides"), py::arg("dilations"), py::arg("mode"), py::arg("method"),
             py::arg("boundary"), py::arg("cval"), py::arg("flip"), py::arg("c_casts"),
             py::arg("lags"))
        .def_property_readonly("out_shape", [](const Request& request) {
            py::tuple shape(static_cast<std::size_t>(request.problem.axes.size()));
            for (int a = 0; a < request.problem.axes.size(); ++a)
                shape[static_cast<std::size_t>(a)] = request.problem.axes[a].out;
            return shape;
        });
}

}  // namespace faltung::bindings
