// The extension _cuda: the device's side of the package, beside _core and never needed by it.
#include <memory>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/errors.hpp"
#include "bindings/names.hpp"
#include "bindings/parse_request.hpp"
#include "core/error.hpp"
#include "cuda/check.hpp"
#include "cuda/cufft_api.hpp"
#include "cuda/device.hpp"
#include "cuda/engine.hpp"
#include "cuda/fft_shape.hpp"
#include "cuda/layer.hpp"
#include "cuda/match.hpp"
#include "cuda/transfer.hpp"

namespace py = pybind11;

namespace faltung::cuda {

namespace {

Storage storage_named(const std::string& name) {
    if (name == "bfloat16") return Storage::bfloat16;
    for (int i = 0; i < dtype_count; ++i)
        if (name == name_of(static_cast<DType>(i))) return static_cast<Storage>(i);
    throw TypeError("arrays of " + name +
                    " are not served on the device; allowed are bool, all integers, float16, "
                    "bfloat16, float32, float64, complex64 and complex128");
}

/// Where an array stands in device memory. Borrowed: Python keeps the array alive.
TypedView view_at(std::uintptr_t address, const std::string& type, const std::vector<Index>& shape,
                  const std::vector<Index>& strides) {
    TypedView found{.view = {}, .type = storage_named(type)};
    found.view.data = reinterpret_cast<std::byte*>(address);
    found.view.dtype = dtype_of(found.type);
    if (shape.size() > static_cast<std::size_t>(max_rank) || shape.size() != strides.size())
        throw ValueError("arrays of more than " + std::to_string(max_rank) +
                         " axes are not served, got " + std::to_string(shape.size()));
    const auto size = static_cast<Index>(size_of(found.view.dtype));
    bool aligned = address % static_cast<std::uintptr_t>(size) == 0;
    for (std::size_t a = 0; a < shape.size(); ++a) {
        found.view.shape.push_back(shape[a]);
        found.view.strides.push_back(strides[a]);
        aligned = aligned && strides[a] % size == 0;
    }
    if (!aligned)
        throw ValueError(
            "a device array's address and strides must be multiples of its element's " +
            std::to_string(size) + " bytes");
    return found;
}

KernelArray kernel_of(const Request& request, const py::object& k, py::array& kept) {
    if (py::isinstance<TypedView>(k)) return {k.cast<TypedView>(), true};
    kept = bindings::well_behaved(k.cast<py::array>());
    return {
        {bindings::view_of(kept, request.kernel_dtype), static_cast<Storage>(request.kernel_dtype)},
        false};
}

cudaStream_t stream_of(std::uintptr_t stream) { return reinterpret_cast<cudaStream_t>(stream); }

void check_shape(const TypedView& x, const Request& request) {
    bool same = x.view.rank() == request.problem.axes.size();
    for (int a = 0; same && a < x.view.rank(); ++a)
        same = x.view.shape[a] == request.problem.axes[a].x;
    if (same) return;
    std::string wanted, given;
    for (const Axis& axis : request.problem.axes) wanted += std::to_string(axis.x) + ", ";
    for (const Index extent : x.view.shape) given += std::to_string(extent) + ", ";
    throw ValueError("x has shape (" + given + "); it must have shape (" + wanted + ")");
}

constexpr std::array<std::pair<const char*, std::optional<Method>>, 4> methods{
    {{"auto", std::nullopt},
     {"direct", Method::direct},
     {"fft", Method::fft},
     {"overlap_save", Method::overlap_save}}};

/// The layer behind _core.ConvLayer.numbers.
ConvLayer layer_of(const std::vector<Index>& numbers) {
    constexpr std::size_t head = 7, per_axis = 6;
    if (numbers.size() != head + per_axis * layer_axes)
        throw ValueError("a layer has " + std::to_string(head + per_axis * layer_axes) +
                         " numbers");
    ConvLayer layer;
    layer.arithmetic = numbers[0] ? Arithmetic::f64 : Arithmetic::f32;
    layer.boundary = static_cast<Boundary>(numbers[1]);
    layer.batch = numbers[2];
    layer.groups = numbers[3];
    layer.inputs = numbers[4];
    layer.outputs = numbers[5];
    layer.spatial = static_cast<int>(numbers[6]);
    for (std::size_t a = 0; a < layer_axes; ++a) {
        const Index* n = numbers.data() + head + per_axis * a;
        layer.axes[a] = {
            .x = n[0], .k = n[1], .first = n[2], .out = n[3], .step = n[4], .dilation = n[5]};
    }
    return layer;
}

void bind_calls(py::module_& module) {
    py::class_<Request> requests(module, "Request", py::module_local());
    bindings::bind_request(requests);

    py::class_<TypedView>(module, "View", py::module_local())
        .def(py::init(&view_at), py::arg("address"), py::arg("element"), py::arg("shape"),
             py::arg("strides"));

    module.def(
        "run",
        [](const Request& request, const TypedView& x, const py::object& k, const TypedView& out,
           int device, std::uintptr_t stream) {
            py::array kept;
            const KernelArray kernel = kernel_of(request, k, kept);
            const py::gil_scoped_release unlocked;
            run_once(request, x, kernel, out, device, stream_of(stream));
        },
        py::arg("request"), py::arg("x"), py::arg("k"), py::arg("out"), py::arg("device"),
        py::arg("stream"));

    module.def(
        "match",
        [](const Request& request, const TypedView& x, const py::object& pattern,
           const std::optional<TypedView>& mask, const std::optional<TypedView>& image_mask,
           const TypedView& out, int device, std::uintptr_t stream) {
            py::array kept;
            const KernelArray kernel = kernel_of(request, pattern, kept);
            const py::gil_scoped_release unlocked;
            run_match(request, x, kernel, {.pattern = mask, .image = image_mask}, out, device,
                      stream_of(stream));
        },
        py::arg("request"), py::arg("x"), py::arg("template"), py::arg("mask"),
        py::arg("image_mask"), py::arg("out"), py::arg("device"), py::arg("stream"));

    py::class_<PreparedKernel>(module, "Plan", py::module_local())
        .def(py::init([](const Request& request, const py::object& k, const std::string& x_type,
                         const std::string& out_type, int device, std::uintptr_t stream) {
                 py::array kept;
                 const KernelArray kernel = kernel_of(request, k, kept);
                 const Storage x = storage_named(x_type), out = storage_named(out_type);
                 const py::gil_scoped_release unlocked;
                 return std::make_unique<PreparedKernel>(request, kernel, x, out, device,
                                                         stream_of(stream));
             }),
             py::arg("request"), py::arg("k"), py::arg("x_type"), py::arg("out_type"),
             py::arg("device"), py::arg("stream"))
        .def(
            "__call__",
            [](const PreparedKernel& plan, const TypedView& x, const TypedView& out,
               std::uintptr_t stream) {
                check_shape(x, plan.request());
                const py::gil_scoped_release unlocked;
                plan.run(x, out, stream_of(stream));
            },
            py::arg("x"), py::arg("out"), py::arg("stream"))
        .def_property_readonly("device", &PreparedKernel::device)
        .def_property_readonly("method",
                               [](const PreparedKernel& plan) {
                                   return std::string(name_of(plan.plan().choice().method));
                               })
        .def_property_readonly(
            "predicted_seconds",
            [](const PreparedKernel& plan) { return plan.plan().choice().taken().seconds; })
        .def_property_readonly(
            "workspace_bytes",
            [](const PreparedKernel& plan) { return plan.plan().workspace_bytes(); })
        .def("explain", [](const PreparedKernel& plan) { return plan.plan().choice().explain(); });

    module.def(
        "run_layer",
        [](const std::vector<Index>& numbers, const TypedView& x, const TypedView& w,
           const std::optional<TypedView>& bias, bool relu, const std::string& method,
           const TypedView& out, int device, std::uintptr_t stream) {
            const ConvLayer layer = layer_of(numbers);
            const std::optional<Method> asked = bindings::parse("method", method, methods);
            const py::gil_scoped_release unlocked;
            run_layer(layer, {.x = x, .w = w, .out = out, .bias = bias, .relu = relu}, asked,
                      device, stream_of(stream));
        },
        py::arg("numbers"), py::arg("x"), py::arg("w"), py::arg("bias"), py::arg("relu"),
        py::arg("method"), py::arg("out"), py::arg("device"), py::arg("stream"));

    module.def(
        "run_gradients",
        [](const std::vector<Index>& numbers, const TypedView& grad, const TypedView& x,
           const TypedView& w, const std::optional<TypedView>& dx, const TypedView& dw,
           const std::optional<TypedView>& db, int device, std::uintptr_t stream) {
            const ConvLayer layer = layer_of(numbers);
            const py::gil_scoped_release unlocked;
            run_gradients(layer, {.grad = grad, .x = x, .w = w, .dw = dw, .dx = dx, .db = db},
                          device, stream_of(stream));
        },
        py::arg("numbers"), py::arg("grad"), py::arg("x"), py::arg("w"), py::arg("dx"),
        py::arg("dw"), py::arg("db"), py::arg("device"), py::arg("stream"));

    module.def(
        "copy_to_host",
        [](const TypedView& from, py::array& to, int device, std::uintptr_t stream) {
            const auto bytes = static_cast<std::size_t>(to.nbytes());
            auto* data = static_cast<std::byte*>(to.mutable_data());
            const py::gil_scoped_release unlocked;
            const DeviceGuard guard(device);
            const std::vector<std::byte> packed = copy_to_host(from, stream_of(stream));
            if (packed.size() != bytes) throw ValueError("the arrays differ in size");
            std::copy(packed.begin(), packed.end(), data);
        },
        py::arg("source"), py::arg("to"), py::arg("device"), py::arg("stream"));

    module.def("clear_plans", &clear_plans);
    module.def(
        "force_tile",
        [](const std::optional<std::vector<Index>>& length, bool fused) {
            if (!length) return force_tile(std::nullopt);
            ForcedTile tile{.length = {}, .fused = fused};
            for (const Index n : *length) tile.length.push_back(n);
            clear_plans();
            force_tile(tile);
        },
        py::arg("length"), py::arg("fused") = true);
}

void bind_devices(py::module_& module) {
    module.def("device_count", [] {
        std::string reason;
        const int count = device_count(reason);
        return std::pair(count, reason);
    });
    module.def("device_info", [](int device) {
        const DeviceInfo& info = device_info(device);
        py::dict found;
        found["index"] = info.index;
        found["name"] = info.name;
        found["capability"] = std::pair(info.capability_major, info.capability_minor);
        found["multiprocessors"] = info.multiprocessors;
        found["memory_bytes"] = info.memory_bytes;
        found["l2_bytes"] = info.l2_bytes;
        found["shared_bytes_per_block"] = info.shared_bytes;
        found["clock_hz"] = info.clock_hz;
        found["memory_bytes_per_second"] = info.memory_bytes_per_second;
        return found;
    });
    module.def(
        "device_of",
        [](std::uintptr_t address) {
            cudaPointerAttributes found{};
            FALTUNG_CHECK(cudaPointerGetAttributes(&found, reinterpret_cast<const void*>(address)));
            if (found.type != cudaMemoryTypeDevice && found.type != cudaMemoryTypeManaged)
                throw ValueError("the array's address is not one of a device");
            return found.device;
        },
        py::arg("address"));
    module.def(
        "synchronize",
        [](std::uintptr_t stream, int device) {
            const py::gil_scoped_release unlocked;
            const DeviceGuard guard(device);
            FALTUNG_CHECK(cudaStreamSynchronize(stream_of(stream)));
        },
        py::arg("stream"), py::arg("device"));
    // what is put on `reader` from now on comes after what is on `writer`
    module.def(
        "wait_for",
        [](std::uintptr_t writer, std::uintptr_t reader, int device) {
            const py::gil_scoped_release unlocked;
            const DeviceGuard guard(device);
            cudaEvent_t written = nullptr;
            FALTUNG_CHECK(cudaEventCreateWithFlags(&written, cudaEventDisableTiming));
            const std::unique_ptr<CUevent_st, void (*)(cudaEvent_t)> owned(
                written, [](cudaEvent_t event) { cudaEventDestroy(event); });
            FALTUNG_CHECK(cudaEventRecord(written, stream_of(writer)));
            FALTUNG_CHECK(cudaStreamWaitEvent(stream_of(reader), written, 0));
        },
        py::arg("writer"), py::arg("reader"), py::arg("device"));
    module.def("set_cufft_candidates", &set_cufft_candidates, py::arg("files"));
    module.def("cufft", []() -> py::object {
        const CufftApi* api = find_cufft();
        if (!api) return py::none();
        int version = 0;
        api->get_version(&version);
        return py::make_tuple(api->path, version);
    });

    py::class_<DeviceMemory>(module, "Memory", py::module_local())
        .def(py::init<std::size_t, int>(), py::arg("size"), py::arg("device"))
        .def_property_readonly("address",
                               [](const DeviceMemory& memory) {
                                   return reinterpret_cast<std::uintptr_t>(memory.data());
                               })
        .def("copy_from",
             [](DeviceMemory& memory, const py::array& from) {
                 const auto bytes = static_cast<std::size_t>(from.nbytes());
                 const void* data = from.data();
                 const py::gil_scoped_release unlocked;
                 memory.copy_from(data, bytes);
             })
        .def("copy_to", [](const DeviceMemory& memory, py::array& to) {
            const auto bytes = static_cast<std::size_t>(to.nbytes());
            void* data = to.mutable_data();
            const py::gil_scoped_release unlocked;
            memory.copy_to(data, bytes);
        });
}

/// Plain arithmetic that tests look at, on machines without a device too.
void bind_arithmetic(py::module_& module) {
    module.def("passes", [](int n0, int n1, int n2, unsigned axes) {
        const FftPasses passes = passes_of(n0, n1, n2, axes);
        std::vector<std::tuple<int, int, int>> found;
        for (int i = 0; i < passes.count; ++i)
            found.emplace_back(passes[i].length, passes[i].radix, passes[i].stride);
        return found;
    });
    module.def("frequency_at", &frequency_at, py::arg("place"), py::arg("length"));
    module.def("smooth_length", &smooth_length);
    module.def("slots", [](const std::array<Index, 3>& x, const std::array<Index, 3>& k,
                           const std::array<Index, 3>& step, Index entries,
                           const std::array<Index, 3>& length) {
        Regular g;
        for (int a = 0; a < 3; ++a) {
            const auto i = static_cast<std::size_t>(a);
            g.axis[a] = {.x = x[i], .k = k[i], .out = (x[i] - k[i]) / step[i] + 1, .step = step[i]};
        }
        g.per_kernel = entries;
        const TileGrid grid = tile_grid(g, length[0], length[1], length[2], true);
        py::list found;
        for (Index s = 0; s < 2 * grid.carriers; ++s) {
            const Slot slot = slot_of(grid, s);
            if (!slot.valid) continue;
            found.append(py::make_tuple(slot.entry,
                                        py::make_tuple(slot.at[0], slot.at[1], slot.at[2]),
                                        py::make_tuple(grid.hop[0], grid.hop[1], grid.hop[2])));
        }
        return found;
    });
}

}  // namespace

}  // namespace faltung::cuda

PYBIND11_MODULE(_cuda, module, py::mod_gil_not_used()) {
    module.doc() = "The CUDA target of faltung. Private: the public face is faltung.cuda.";
    module.attr("__version__") = FALTUNG_VERSION;
    py::register_local_exception_translator(faltung::bindings::translate);
    faltung::cuda::bind_calls(module);
    faltung::cuda::bind_devices(module);
    faltung::cuda::bind_arithmetic(module);
}
