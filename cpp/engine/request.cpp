#include "engine/request.hpp"

#include "core/error.hpp"

namespace faltung {

Extents Request::out_shape() const {
    Extents shape;
    for (const Axis& axis : problem.axes) shape.push_back(axis.out);
    return shape;
}

Request Request::with_some_batch() const {
    Request request = *this;
    for (Axis& axis : request.problem.axes)
        if (axis.x == 0) axis.x = axis.out = 1;
    return request;
}

ArrayView Request::spread(const ArrayView& k) const {
    const int rank = problem.axes.size();
    ArrayView view{
        .data = k.data, .dtype = k.dtype, .shape = Extents(rank, 1), .strides = Extents(rank, 0)};
    for (int a = 0; a < k.rank(); ++a) {
        view.shape[kernel_axes[a]] = k.shape[a];
        view.strides[kernel_axes[a]] = k.strides[a];
    }
    return view;
}

namespace {

Arithmetic arithmetic_for(DType result) {
    switch (result) {
        case DType::float16:
        case DType::float32:
        case DType::complex64: return Arithmetic::f32;
        case DType::float64:
        case DType::complex128: return Arithmetic::f64;
        default: return Arithmetic::i64;  // until the call settles it
    }
}

}  // namespace

Request make_request(const RequestFields& fields) {
    Request request;
    Problem& problem = request.problem;
    problem.x_dtype = fields.x_dtype;
    problem.out_dtype = fields.out_dtype;
    problem.arithmetic = arithmetic_for(fields.result_dtype);
    problem.complex_kernel = is_complex(fields.k_dtype);
    problem.complex_samples =
        is_complex(fields.x_dtype) || is_complex(fields.out_dtype) || is_complex(fields.k_dtype);
    problem.unsigned_result = fields.result_dtype == DType::uint64;
    problem.c_casts = fields.c_casts;
    problem.boundary = fields.boundary;
    problem.cval = fields.cval;
    request.kernel_dtype = fields.k_dtype;
    request.kernel_axes = fields.axes;
    request.flip = fields.flip;
    request.exact_integers = is_integer(fields.result_dtype);
    request.method = fields.method;

    for (Index extent : fields.x_shape) problem.axes.push_back({.x = extent, .out = extent});
    for (int a = 0; a < fields.axes.size(); ++a) {
        const int name = fields.axes[a];
        const Mode mode = fields.lags ? Mode::full : fields.mode;  // lags take its place
        problem.axes[name] = make_axis(fields.x_shape[name], fields.k_shape[a], mode, name,
                                       fields.strides[a], fields.dilations[a]);
    }
    if (fields.lags) {
        for (int a = 0; a < fields.axes.size(); ++a) {
            const auto [first, last] = (*fields.lags)[a];
            Axis& axis = problem.axes[fields.axes[a]];
            axis.first = first;
            axis.out = (last - first) / axis.step + 1;
        }
    }
    problem.outputs();  // throws where they are too many to count
    constexpr Index most_taps = Index{1} << 34;
    if (problem.taps() > most_taps)
        throw TooLarge("k has " + std::to_string(problem.taps()) +
                       " taps; at most 2^34 are served");
    return request;
}

}  // namespace faltung
