// Convolution layers: check the ticket, open the views, drop the GIL, make one call.
#include <optional>
#include <variant>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/names.hpp"
#include "bindings/signal_poll.hpp"
#include "core/error.hpp"
#include "engine/conv.hpp"
#include "parallel/parallel_for.hpp"
#include "policy/layer_counts.hpp"

namespace faltung::bindings {

namespace {

using PadList = std::vector<std::pair<Index, Index>>;

constexpr std::array<std::pair<const char*, std::optional<ConvMethod>>, 6> methods{
    {{"auto", std::nullopt},
     {"direct", ConvMethod::direct},
     {"winograd4", ConvMethod::winograd4},
     {"winograd2", ConvMethod::winograd2},
     {"nested", ConvMethod::nested},
     {"fft", ConvMethod::fft}}};

Extents to_extents(const std::vector<Index>& values) {
    Extents extents;
    for (Index value : values) extents.push_back(value);
    return extents;
}

ConvLayerFields fields_of(const py::tuple& x_shape, const py::tuple& w_shape,
                          const std::vector<Index>& stride,
                          const std::variant<PadList, std::string>& padding,
                          const std::vector<Index>& dilation, Index groups,
                          const std::string& boundary, bool wide) {
    ConvLayerFields fields{.x_shape = extents_of(x_shape, "x"),
                           .w_shape = extents_of(w_shape, "w"),
                           .stride = to_extents(stride),
                           .dilation = to_extents(dilation),
                           .groups = groups,
                           .boundary = parse("boundary", boundary, boundaries),
                           .arithmetic = wide ? Arithmetic::f64 : Arithmetic::f32};
    if (const PadList* pads = std::get_if<PadList>(&padding)) {
        fields.padding = Padding::given;
        for (const auto& [before, after] : *pads) fields.pads.push_back({before, after});
    } else {
        fields.padding = std::get<std::string>(padding) == "same" ? Padding::same : Padding::valid;
    }
    return fields;
}

py::tuple to_tuple(const Extents& extents) {
    py::tuple shape(static_cast<std::size_t>(extents.size()));
    for (int a = 0; a < extents.size(); ++a) shape[static_cast<std::size_t>(a)] = extents[a];
    return shape;
}

/// A layer as plain numbers, for the extension that computes on a device: whether it is in float64,
/// boundary, batch, groups, inputs, outputs, spatial axes; then six numbers per axis.
std::vector<Index> numbers_of(const ConvLayer& layer) {
    std::vector<Index> numbers{layer.arithmetic == Arithmetic::f64,
                               static_cast<Index>(layer.boundary),
                               layer.batch,
                               layer.groups,
                               layer.inputs,
                               layer.outputs,
                               layer.spatial};
    for (const Axis& axis : layer.axes)
        numbers.insert(numbers.end(),
                       {axis.x, axis.k, axis.first, axis.out, axis.step, axis.dilation});
    return numbers;
}

/// An argument that is read: checked, aligned, kept alive.
struct Input {
    Input(const py::array& given, const Extents& shape, const char* name)
        : array(well_behaved(given)) {
        check_shape(array, shape, name);
        view = view_of(array, dtype_of(array.dtype(), name));
    }

    py::array array;
    ArrayView view;
};

/// An array that is written: the caller's own, or where that overlaps what is read or is not
/// aligned, another one that is copied into it at the end.
class Output {
public:
    Output(const py::array& given, const Extents& shape, const char* name,
           std::initializer_list<const Input*> inputs)
        : given_(given), target_(given) {
        check_shape(given, shape, name);
        if (!given.writeable()) throw ValueError(std::string(name) + " is read-only");
        const DType dtype = dtype_of(given.dtype(), name);
        bool staged = well_behaved(given).ptr() != given.ptr();
        for (const Input* input : inputs)
            staged = staged || (input && may_overlap(view_of(given, dtype), input->view));
        if (staged) target_ = allocate_like(shape, dtype, view_of(given, dtype));
        view = view_of(target_, dtype);
    }

    void finish() const {
        if (target_.ptr() != given_.ptr()) given_[py::ellipsis()] = target_;
    }

    ArrayView view;

private:
    py::array given_, target_;
};

template <class Run>
void unlocked(std::optional<int> workers, Run&& run) {
    SignalPoll poll;
    const Context context{.workers = workers.value_or(default_workers()), .interrupt = &poll};
    try {
        const py::gil_scoped_release release;
        run(context);
    } catch (const Cancelled&) {
        throw py::error_already_set();  // poll() left Python's exception behind
    }
}

std::optional<Input> optional_input(const std::optional<py::array>& array, const Extents& shape,
                                    const char* name) {
    if (!array) return std::nullopt;
    return Input(*array, shape, name);
}

void forward(const ConvLayer& layer, const py::array& x_given, const py::array& w_given,
             const std::optional<py::array>& bias_given, const py::array& out_given, bool relu,
             const std::string& method, std::optional<int> workers) {
    const std::optional<ConvMethod> asked = parse("method", method, methods);
    const Input x(x_given, x_shape(layer), "x"), w(w_given, w_shape(layer), "w");
    const auto bias = optional_input(bias_given, {layer.groups * layer.outputs}, "bias");
    const Output out(out_given, out_shape(layer), "out", {&x, &w, bias ? &*bias : nullptr});
    unlocked(workers, [&](const Context& context) {
        run_conv(layer,
                 {.x = x.view,
                  .w = w.view,
                  .out = out.view,
                  .bias = bias ? &bias->view : nullptr,
                  .relu = relu},
                 asked, context);
    });
    out.finish();
}

/// The transposed layer: its x has the layer's output shape.
void adjoint(const ConvLayer& layer, const py::array& x_given, const py::array& w_given,
             const std::optional<py::array>& bias_given, const py::array& out_given,
             const std::string& method, std::optional<int> workers) {
    const std::optional<ConvMethod> asked = parse("method", method, methods);
    const Input x(x_given, out_shape(layer), "x"), w(w_given, w_shape(layer), "w");
    const auto bias = optional_input(bias_given, {layer.groups * layer.inputs}, "bias");
    const Output out(out_given, x_shape(layer), "out", {&x, &w, bias ? &*bias : nullptr});
    unlocked(workers, [&](const Context& context) {
        run_conv_adjoint(
            layer,
            {.x = out.view, .w = w.view, .out = x.view, .bias = bias ? &bias->view : nullptr},
            asked, context);
    });
    out.finish();
}

void gradients(const ConvLayer& layer, const py::array& grad_given, const py::array& x_given,
               const py::array& w_given, const std::optional<py::array>& dx_given,
               const std::optional<py::array>& dw_given, const std::optional<py::array>& db_given,
               const std::string& method, std::optional<int> workers) {
    const std::optional<ConvMethod> asked = parse("method", method, methods);
    const Input grad(grad_given, out_shape(layer), "grad"), x(x_given, x_shape(layer), "x"),
        w(w_given, w_shape(layer), "w");
    std::vector<Output> outputs;
    ConvGradients wanted;
    const auto want = [&](const std::optional<py::array>& given, const Extents& shape,
                          const char* name) -> std::optional<ArrayView> {
        if (!given) return std::nullopt;
        outputs.emplace_back(*given, shape, name,
                             std::initializer_list<const Input*>{&grad, &x, &w});
        return outputs.back().view;
    };
    wanted.x = want(dx_given, x_shape(layer), "dx");
    wanted.w = want(dw_given, w_shape(layer), "dw");
    wanted.bias = want(db_given, {layer.groups * layer.outputs}, "db");
    unlocked(workers, [&](const Context& context) {
        run_conv_gradients(layer, grad.view, x.view, w.view, wanted, asked, context);
    });
    for (const Output& output : outputs) output.finish();
}

/// What a forced method would do, for the calibration of what it costs.
py::dict work(const ConvLayer& layer, const std::string& method, bool prepared, bool gradient) {
    const auto asked = parse("method", method, methods);
    const microkernels::Table& level = current_level();
    const ConvUse use{.prepared = prepared};
    const ConvChoice choice = gradient
                                  ? choose_weight_gradient(layer, level, available_workers(), asked)
                                  : choose_conv(layer, level, use, available_workers(), asked);
    const std::array<Index, 3>& tile = choice.taken().tile;
    const LayerCounts counts = gradient ? count_gradient(layer, level, choice.method, tile)
                                        : count_forward(layer, level, choice.method, tile, use);
    py::dict named;
    for (std::size_t i = 0; i < counts.work.size(); ++i)
        named[py::str(std::string(name_of(static_cast<LayerWork>(i))))] = counts.work[i];
    return named;
}

/// Python's ConvPlan: the weights are packed or transformed, and not kept.
class BoundConvPlan {
public:
    BoundConvPlan(const ConvLayer& layer, const py::array& w, const std::optional<py::array>& bias,
                  bool relu, bool apart, const std::string& method, std::optional<int> workers)
        : bias_(optional_input(bias, {layer.groups * layer.outputs}, "bias")),
          relu_(relu),
          workers_(workers),
          plan_(layer, Input(w, w_shape(layer), "w").view, parse("method", method, methods), apart,
                {.workers = workers.value_or(default_workers()), .interrupt = nullptr}) {}

    void run(const py::array& x_given, const py::array& out_given) const {
        const Input x(x_given, x_shape(plan_.layer()), "x");
        const Output out(out_given, out_shape(plan_.layer()), "out",
                         {&x, bias_ ? &*bias_ : nullptr});
        unlocked(workers_, [&](const Context& context) {
            plan_.run({.x = x.view,
                       .out = out.view,
                       .bias = bias_ ? &bias_->view : nullptr,
                       .relu = relu_},
                      context);
        });
        out.finish();
    }

    std::string method() const { return std::string(name_of(plan_.choice().method)); }
    std::string explain() const { return plan_.choice().explain(); }
    std::string level() const { return plan_.level().level; }
    double seconds() const { return plan_.choice().taken().seconds; }
    std::size_t workspace() const { return plan_.workspace_bytes(); }

private:
    std::optional<Input> bias_;
    bool relu_;
    std::optional<int> workers_;
    ConvPlan plan_;
};

}  // namespace

void bind_conv_layer(py::module_& module) {
    py::class_<ConvLayer>(module, "ConvLayer")
        .def(py::init([](const py::tuple& x, const py::tuple& w, const std::vector<Index>& stride,
                         const std::variant<PadList, std::string>& padding,
                         const std::vector<Index>& dilation, Index groups,
                         const std::string& boundary, bool wide) {
                 return make_conv_layer(
                     fields_of(x, w, stride, padding, dilation, groups, boundary, wide));
             }),
             py::arg("x_shape"), py::arg("w_shape"), py::arg("stride"), py::arg("padding"),
             py::arg("dilation"), py::arg("groups"), py::arg("boundary"), py::arg("wide"))
        .def_static(
            "transposed",
            [](const py::tuple& x, const py::tuple& w, const std::vector<Index>& stride,
               const std::variant<PadList, std::string>& padding,
               const std::vector<Index>& dilation, Index groups,
               const std::vector<Index>& output_padding,
               const std::optional<std::vector<Index>>& output_shape, bool wide) {
                std::optional<Extents> shape;
                if (output_shape) shape = to_extents(*output_shape);
                return make_transposed_layer(
                    fields_of(x, w, stride, padding, dilation, groups, "zero", wide),
                    to_extents(output_padding), shape);
            },
            py::arg("x_shape"), py::arg("w_shape"), py::arg("stride"), py::arg("padding"),
            py::arg("dilation"), py::arg("groups"), py::arg("output_padding"),
            py::arg("output_shape"), py::arg("wide"))
        .def_property_readonly("numbers", &numbers_of)
        .def_property_readonly("x_shape",
                               [](const ConvLayer& layer) { return to_tuple(x_shape(layer)); })
        .def_property_readonly("w_shape",
                               [](const ConvLayer& layer) { return to_tuple(w_shape(layer)); })
        .def_property_readonly("out_shape",
                               [](const ConvLayer& layer) { return to_tuple(out_shape(layer)); })
        .def("forward", &forward, py::arg("x"), py::arg("w"), py::arg("bias"), py::arg("out"),
             py::arg("relu"), py::arg("method"), py::arg("workers"))
        .def("adjoint", &adjoint, py::arg("x"), py::arg("w"), py::arg("bias"), py::arg("out"),
             py::arg("method"), py::arg("workers"))
        .def("gradients", &gradients, py::arg("grad"), py::arg("x"), py::arg("w"), py::arg("dx"),
             py::arg("dw"), py::arg("db"), py::arg("method"), py::arg("workers"))
        .def(
            "explain",
            [](const ConvLayer& layer, const std::string& method) {
                return choose_conv(layer, current_level(), {}, available_workers(),
                                   parse("method", method, methods))
                    .explain();
            },
            py::arg("method"))
        .def(
            "explain_gradients",
            [](const ConvLayer& layer, bool apart, const std::string& method) {
                return explain_conv_gradients(layer, apart, parse("method", method, methods));
            },
            py::arg("apart"), py::arg("method"))
        .def("work", &work, py::arg("method"), py::arg("prepared"), py::arg("gradient"));

    py::class_<BoundConvPlan>(module, "ConvPlan")
        .def(py::init<const ConvLayer&, const py::array&, const std::optional<py::array>&, bool,
                      bool, const std::string&, std::optional<int>>(),
             py::arg("layer"), py::arg("w"), py::arg("bias"), py::arg("relu"), py::arg("apart"),
             py::arg("method"), py::arg("workers"))
        .def("run", &BoundConvPlan::run, py::arg("x"), py::arg("out"))
        .def_property_readonly("method", &BoundConvPlan::method)
        .def_property_readonly("level", &BoundConvPlan::level)
        .def_property_readonly("predicted_seconds", &BoundConvPlan::seconds)
        .def_property_readonly("workspace_bytes", &BoundConvPlan::workspace)
        .def("explain", &BoundConvPlan::explain);
}

}  // namespace faltung::bindings
