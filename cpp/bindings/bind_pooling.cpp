// Pooling: check the ticket, open the views, drop the GIL, make one call.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/names.hpp"
#include "bindings/signal_poll.hpp"
#include "core/error.hpp"
#include "engine/pooling.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::bindings {

namespace {

using layers::PoolSpec;

constexpr std::array<std::pair<const char*, layers::Pool>, 3> kinds{
    {{"max", layers::Pool::max}, {"sum", layers::Pool::sum}, {"norm", layers::Pool::norm}}};

constexpr std::array<std::pair<const char*, layers::Divisor>, 4> divisors{
    {{"one", layers::Divisor::one},
     {"inside", layers::Divisor::inside},
     {"padded", layers::Divisor::padded},
     {"fixed", layers::Divisor::fixed}}};

/// Python's Pooling: windows along the spatial axes of arrays of one shape.
PoolSpec make_spec(const std::string& kind, const std::vector<Index>& x_shape,
                   const std::vector<Index>& size, const std::vector<Index>& stride,
                   const std::vector<std::pair<Index, Index>>& padding,
                   const std::vector<Index>& dilation, bool ceil_mode, const std::string& divisor,
                   Index fixed_divisor, double power, bool channels_last, bool empty_windows) {
    PoolSpec spec;
    spec.kind = parse("kind", kind, kinds);
    spec.divisor = parse("divisor", divisor, divisors);
    spec.fixed_divisor = fixed_divisor;
    spec.power = power;
    for (std::size_t i = 0; i < size.size(); ++i) {
        const int name = static_cast<int>(i) + (channels_last ? 1 : 2);  // as the caller counts
        spec.axes.push_back(layers::make_axis({.x = x_shape[i + 2],
                                               .size = size[i],
                                               .stride = stride[i],
                                               .dilation = dilation[i],
                                               .before = padding[i].first,
                                               .after = padding[i].second,
                                               .ceil = ceil_mode,
                                               .empty = empty_windows},
                                              name));
        spec.after.push_back(padding[i].second);
    }
    return spec;
}

py::array allocate(const Extents& shape, DType dtype, const PerAxis<int>& order) {
    // allocate_like follows the strides of another array: one that lies in the order asked for
    ArrayView like{
        .data = nullptr, .dtype = dtype, .shape = {}, .strides = Extents(shape.size(), 0)};
    Index stride = 2;
    for (int i = order.size() - 1; i >= 0; --i, stride *= 2) like.strides[order[i]] = stride;
    like.shape = Extents(shape.size(), 2);
    return allocate_like(shape, dtype, like);
}

/// The array, if it is contiguous in this order; else a copy that is.
py::array in_order(const py::array& array, const char* name, const PerAxis<int>& order) {
    const DType dtype = dtype_of(array.dtype(), name);
    Index stride = static_cast<Index>(size_of(dtype));
    bool dense = well_behaved(array).ptr() == array.ptr();
    for (int i = order.size() - 1; i >= 0; --i) {
        dense = dense && array.strides(order[i]) == stride;
        stride *= array.shape(order[i]);
    }
    if (dense) return array;
    py::array copy = allocate(view_of(array, dtype).shape, dtype, order);
    copy[py::ellipsis()] = array;
    return copy;
}

/// Runs with the GIL released; what Ctrl-C left behind is raised.
template <class Run>
void released(std::optional<int> workers, Run&& run) {
    SignalPoll poll;
    const Context context{.workers = workers.value_or(default_workers()), .interrupt = &poll};
    try {
        const py::gil_scoped_release unlocked;
        run(context);
    } catch (const Cancelled&) {
        throw py::error_already_set();  // poll() left Python's exception behind
    }
}

py::array pool(const PoolSpec& spec, const py::array& x_given, const py::dtype& out_dtype,
               std::optional<int> workers) {
    const py::array x_array = well_behaved(x_given);
    const ArrayView x = view_of(x_array, dtype_of(x_array.dtype(), "x"));
    const DType dtype = dtype_of(out_dtype, "the result");
    py::array out = allocate(spec.out_shape(x.shape), dtype, layers::memory_order(x, false));
    if (out.size() == 0) return out;
    const ArrayView to = view_of(out, dtype);
    released(workers, [&](const Context& context) { run_pool(spec, x, to, nullptr, context); });
    return out;
}

py::tuple pool_places(const PoolSpec& spec, const py::array& x_given, std::optional<int> workers) {
    const py::array x_array = well_behaved(x_given);
    const ArrayView x = view_of(x_array, dtype_of(x_array.dtype(), "x"));
    const PerAxis<int> order = layers::memory_order(x, true);
    py::array out = allocate(spec.out_shape(x.shape), x.dtype, order);
    py::array places = allocate(spec.out_shape(x.shape), DType::int64, order);
    if (out.size() != 0) {
        const ArrayView to = view_of(out, x.dtype), found = view_of(places, DType::int64);
        released(workers, [&](const Context& context) { run_pool(spec, x, to, &found, context); });
    }
    return py::make_tuple(out, places);
}

py::array pool_backward(const PoolSpec& spec, const py::array& grad_given, const py::array& x_given,
                        const std::optional<py::array>& y_given, std::optional<int> workers) {
    const py::array x_array = well_behaved(x_given);
    const ArrayView x = view_of(x_array, dtype_of(x_array.dtype(), "x"));
    const PerAxis<int> order = layers::memory_order(x, true);
    const py::array grad_array = in_order(grad_given, "grad", order);
    const ArrayView grad = view_of(grad_array, dtype_of(grad_array.dtype(), "grad"));
    py::array y_array;
    ArrayView y;
    if (y_given) {
        y_array = in_order(*y_given, "y", order);
        y = view_of(y_array, dtype_of(y_array.dtype(), "y"));
    }
    py::array dx = allocate(x.shape, x.dtype, order);
    if (dx.size() != 0) {
        const ArrayView to = view_of(dx, x.dtype);
        released(workers, [&](const Context& context) {
            run_pool_backward(spec, grad, x, y_given ? &y : nullptr, to, context);
        });
    }
    return dx;
}

py::array unfold(const PoolSpec& spec, const py::array& x_given, bool last,
                 std::optional<int> workers) {
    const py::array x_array = well_behaved(x_given);
    const ArrayView x = view_of(x_array, dtype_of(x_array.dtype(), "x"));
    Index taps = 1, windows = 1, rows;
    bool too_many = false;
    for (const Axis& axis : spec.axes) {
        too_many |= __builtin_mul_overflow(taps, axis.k, &taps);
        too_many |= __builtin_mul_overflow(windows, axis.out, &windows);
    }
    too_many |= __builtin_mul_overflow(taps, x.shape[1], &rows);
    if (too_many) throw TooLarge("the windows hold more than 2^63 samples");
    const Extents shape =
        last ? Extents{x.shape[0], windows, rows} : Extents{x.shape[0], rows, windows};
    py::array columns = allocate(shape, x.dtype, {0, 1, 2});
    if (columns.size() == 0) return columns;
    const ArrayView to = view_of(columns, x.dtype);
    released(workers, [&](const Context& context) { layers::unfold(spec, x, to, last, context); });
    return columns;
}

/// `columns` is contiguous, float32 or float64; `shape` has axes N, C, spatial.
py::array fold(const PoolSpec& spec, const py::array& columns, const py::tuple& shape, bool last,
               std::optional<int> workers) {
    const ArrayView from = view_of(columns, dtype_of(columns.dtype(), "columns"));
    const Extents extents = extents_of(shape, "shape");
    PerAxis<int> order{0};
    if (!last) order.push_back(1);
    for (int a = 2; a < extents.size(); ++a) order.push_back(a);
    if (last) order.push_back(1);
    py::array x = allocate(extents, from.dtype, order);
    if (x.size() == 0) return x;
    const ArrayView to = view_of(x, from.dtype);
    released(workers, [&](const Context& context) { layers::fold(spec, from, to, last, context); });
    return x;
}

}  // namespace

void bind_pooling(py::module_& module) {
    py::class_<PoolSpec>(module, "Pooling")
        .def(py::init(&make_spec), py::arg("kind"), py::arg("x_shape"), py::arg("size"),
             py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("ceil_mode"),
             py::arg("divisor"), py::arg("fixed_divisor"), py::arg("power"),
             py::arg("channels_last"), py::arg("empty_windows") = false)
        .def_property_readonly("outputs", [](const PoolSpec& spec) {
            py::tuple outputs(static_cast<std::size_t>(spec.axes.size()));
            for (int a = 0; a < spec.axes.size(); ++a)
                outputs[static_cast<std::size_t>(a)] = spec.axes[a].out;
            return outputs;
        });

    module.def("pool", &pool, py::arg("pooling"), py::arg("x"), py::arg("out_dtype"),
               py::arg("workers"));
    module.def("pool_places", &pool_places, py::arg("pooling"), py::arg("x"), py::arg("workers"));
    module.def("unfold", &unfold, py::arg("windows"), py::arg("x"), py::arg("last"),
               py::arg("workers"));
    module.def("fold", &fold, py::arg("windows"), py::arg("columns"), py::arg("shape"),
               py::arg("last"), py::arg("workers"));
    module.def("pool_backward", &pool_backward, py::arg("pooling"), py::arg("grad"), py::arg("x"),
               py::arg("y"), py::arg("workers"));
}

}  // namespace faltung::bindings
