// Capsules of DLPack: memory borrowed from another library, and memory of ours lent to one.
#include <memory>
#include <tuple>
#include <utility>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/dlpack.hpp"
#include "core/error.hpp"

namespace faltung::bindings {

namespace py = pybind11;

namespace {

// A capsule is taken by giving it another name; under its first one, whoever made it releases it.
constexpr const char *plain = "dltensor", *plain_taken = "used_dltensor";
constexpr const char *versioned = "dltensor_versioned",
                     *versioned_taken = "used_dltensor_versioned";

/// A tensor taken out of its capsule, and given back when this goes.
class Borrowed {
public:
    explicit Borrowed(const py::object& capsule) {
        PyObject* const given = capsule.ptr();
        if (PyCapsule_IsValid(given, versioned)) {
            auto* const managed = take<dlpack::ManagedVersioned>(given, versioned);
            if (managed->version.major != dlpack::spoken.major)
                throw ValueError("the array speaks version " +
                                 std::to_string(managed->version.major) + "." +
                                 std::to_string(managed->version.minor) +
                                 " of DLPack; version 1 and the one before it are understood");
            description_ = dlpack::describe(managed->tensor);
            read_only_ = (managed->flags & dlpack::read_only_flag) != 0;
            keep(managed, given, versioned_taken);
        } else if (PyCapsule_IsValid(given, plain)) {
            auto* const managed = take<dlpack::Managed>(given, plain);
            description_ = dlpack::describe(managed->tensor);
            keep(managed, given, plain_taken);
        } else {
            throw TypeError(
                std::string("__dlpack__ gave ") +
                py::str(py::type::of(capsule)).cast<std::string>() +
                ", or a capsule that somebody has taken already; it must be one named '" + plain +
                "' or '" + versioned + "'");
        }
    }
    ~Borrowed() {
        const py::error_scope kept;  // a deleter may run Python
        release_(managed_);
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;

    const dlpack::Description& description() const { return description_; }
    bool read_only() const { return read_only_; }

private:
    template <class M>
    static M* take(PyObject* capsule, const char* name) {
        return static_cast<M*>(PyCapsule_GetPointer(capsule, name));
    }

    template <class M>
    void keep(M* managed, PyObject* capsule, const char* taken) {
        if (PyCapsule_SetName(capsule, taken) != 0) throw py::error_already_set();
        managed_ = managed;
        release_ = [](void* held) {
            auto* const tensor = static_cast<M*>(held);
            if (tensor->release != nullptr) tensor->release(tensor);
        };
    }

    dlpack::Description description_;
    bool read_only_ = false;
    void* managed_ = nullptr;
    void (*release_)(void*) = nullptr;
};

/// Memory of ours, lent: the structure that the borrower sees and what it points to.
template <class M>
struct Lent {
    M managed{};
    std::vector<std::int64_t> shape, strides;
};

template <class M>
void release(M* managed) {
    auto* const lent = reinterpret_cast<Lent<M>*>(managed);  // its first member
    if (Py_IsInitialized()) {
        const py::gil_scoped_acquire lock;
        Py_XDECREF(static_cast<PyObject*>(managed->owner));
    }
    delete lent;
}

template <class M>
void release_untaken(PyObject* capsule, const char* name) {
    if (!PyCapsule_IsValid(capsule, name)) return;  // taken: the borrower's to release
    const py::error_scope kept;
    auto* const managed = static_cast<M*>(PyCapsule_GetPointer(capsule, name));
    managed->release(managed);
}

template <class M>
py::object lend(const dlpack::Tensor& tensor, const std::vector<std::int64_t>& shape,
                const py::object& owner, const char* name, PyCapsule_Destructor destroy,
                M managed) {
    auto lent = std::make_unique<Lent<M>>();
    lent->shape = shape;
    lent->strides.resize(shape.size());
    std::int64_t stride = 1;
    for (std::size_t a = shape.size(); a-- > 0; stride *= shape[a]) lent->strides[a] = stride;
    lent->managed = managed;
    lent->managed.tensor = tensor;
    lent->managed.tensor.rank = static_cast<std::int32_t>(shape.size());
    lent->managed.tensor.shape = lent->shape.data();
    lent->managed.tensor.strides = lent->strides.data();
    lent->managed.owner = owner.ptr();
    lent->managed.release = &release<M>;
    PyObject* const capsule = PyCapsule_New(&lent->managed, name, destroy);
    if (capsule == nullptr) throw py::error_already_set();
    lent.release();
    Py_INCREF(owner.ptr());
    return py::reinterpret_steal<py::object>(capsule);
}

/// A capsule for compact memory at an address, which `owner` keeps alive.
py::object capsule_of(std::uintptr_t address, const std::string& element,
                      const std::vector<std::int64_t>& shape, std::pair<int, int> device,
                      const py::object& owner, bool with_version, bool read_only) {
    const dlpack::Tensor tensor{.data = reinterpret_cast<void*>(address),
                                .device = {device.first, device.second},
                                .rank = 0,
                                .element = dlpack::element_named(element),
                                .shape = nullptr,
                                .strides = nullptr,
                                .byte_offset = 0};
    if (!with_version) {
        if (read_only)
            throw ValueError("DLPack before version 1 cannot say that an array is read-only");
        return lend<dlpack::Managed>(
            tensor, shape, owner, plain,
            [](PyObject* capsule) { release_untaken<dlpack::Managed>(capsule, plain); }, {});
    }
    dlpack::ManagedVersioned managed{};
    managed.version = dlpack::spoken;
    managed.flags = read_only ? dlpack::read_only_flag : 0;
    return lend<dlpack::ManagedVersioned>(
        tensor, shape, owner, versioned,
        [](PyObject* capsule) { release_untaken<dlpack::ManagedVersioned>(capsule, versioned); },
        managed);
}

}  // namespace

void bind_dlpack(py::module_& module) {
    py::class_<Borrowed>(module, "Borrowed")
        .def(py::init<const py::object&>(), py::arg("capsule"))
        .def_property_readonly("address",
                               [](const Borrowed& self) { return self.description().address; })
        .def_property_readonly("element",
                               [](const Borrowed& self) { return self.description().element; })
        .def_property_readonly(
            "shape",
            [](const Borrowed& self) { return py::tuple(py::cast(self.description().shape)); })
        .def_property_readonly(
            "strides",
            [](const Borrowed& self) { return py::tuple(py::cast(self.description().strides)); })
        .def_property_readonly("device",
                               [](const Borrowed& self) {
                                   const dlpack::Device device = self.description().device;
                                   return std::pair(device.kind, device.index);
                               })
        .def_property_readonly("read_only", &Borrowed::read_only);
    module.def("dlpack_capsule", &capsule_of, py::arg("address"), py::arg("element"),
               py::arg("shape"), py::arg("device"), py::arg("owner"), py::arg("versioned"),
               py::arg("read_only"));
}

}  // namespace faltung::bindings
