#include "bindings/result_memory.hpp"

#include <pybind11/pybind11.h>

#include <cstdint>
#include <cstring>
#include <new>

#include "core/aligned_memory.hpp"
#include "core/shelf.hpp"

namespace faltung::bindings {

namespace {

namespace py = pybind11;

/// From here on blocks are kept: the C library maps many of them anew, and what it does with huge
/// pages varies. ones it reuses itself.
constexpr std::size_t large = huge_page;
constexpr std::size_t most_kept = std::size_t{256} << 20;  // bytes; the system may take them ...
constexpr std::size_t most_warm = std::size_t{64} << 20;   // ... but for the newest
constexpr std::size_t vector = 64;

/// Blocks go to results of the same size only, so that the size that NumPy tells is enough to know
/// the block.
Shelf& shelf() {
    static Shelf* const instance =  // never destroyed: arrays may outlive static objects
        new Shelf({.most_kept = most_kept,
                   .largest_for = 1,
                   .reclaimable = true,
                   .most_warm = most_warm});
    return *instance;
}

/// The bytes behind an array of `bytes`; 0 if there cannot be so many.
std::size_t rounded(std::size_t bytes) {
    const std::size_t unit = bytes < large ? vector : huge_page;
    return bytes > SIZE_MAX - unit ? 0 : (bytes + unit - 1) / unit * unit;
}

void* allocate(void*, std::size_t bytes) {
    const std::size_t whole = rounded(bytes);
    if (whole == 0) return nullptr;
    if (whole < large) {
        void* const block = allocate_aligned(whole, vector);
        if (block) advise_huge(block, whole);
        return block;
    }
    try {
        return shelf().take(whole).data;
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void* allocate_zeros(void*, std::size_t count, std::size_t size) {
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) return nullptr;
    void* const block = allocate(nullptr, bytes);
    return block ? std::memset(block, 0, bytes) : nullptr;
}

void* reallocate(void*, void* block, std::size_t bytes) {
    const std::size_t whole = rounded(bytes);
    return whole ? reallocate_aligned(block, whole) : nullptr;
}

void release(void*, void* block, std::size_t bytes) {
    const std::size_t whole = rounded(bytes);
    if (whole < large)
        release_aligned(block);
    else
        shelf().put({static_cast<std::byte*>(block), whole});
}

/// What NumPy's C API calls PyDataMem_Handler, version 1.
struct Handler {
    char name[127];
    std::uint8_t version;
    void* context;
    void* (*malloc)(void*, std::size_t);
    void* (*calloc)(void*, std::size_t, std::size_t);
    void* (*realloc)(void*, void*, std::size_t);
    void (*free)(void*, void*, std::size_t);
};

Handler handler{"faltung", 1, nullptr, allocate, allocate_zeros, reallocate, release};

using SetHandler = PyObject* (*)(PyObject*);

SetHandler set_handler() {
    constexpr int place = 304;  // of PyDataMem_SetHandler in NumPy's table, since 1.22
    static const SetHandler function = [] {
        const py::object table =
            py::module_::import("numpy._core._multiarray_umath").attr("_ARRAY_API");
        return reinterpret_cast<SetHandler>(
            static_cast<void**>(PyCapsule_GetPointer(table.ptr(), nullptr))[place]);
    }();
    return function;
}

PyObject* capsule() {
    static PyObject* const instance = PyCapsule_New(&handler, "mem_handler", nullptr);
    if (!instance) throw py::error_already_set();
    return instance;
}

}  // namespace

ResultMemory::ResultMemory() : previous_(set_handler()(capsule())) {
    if (!previous_) throw py::error_already_set();
}

ResultMemory::~ResultMemory() {
    auto* const previous = static_cast<PyObject*>(previous_);
    PyObject* const ours = set_handler()(previous);
    Py_XDECREF(ours);
    Py_DECREF(previous);
}

void trim_results() { shelf().clear(); }

}  // namespace faltung::bindings
