#include "bindings/arrays.hpp"

#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include "bindings/result_memory.hpp"
#include "core/error.hpp"

namespace faltung::bindings {

DType dtype_of(const py::dtype& dtype, const char* name) {
    const auto bytes = dtype.itemsize();
    switch (dtype.kind()) {
        case 'b': return DType::boolean;
        case 'i':
            return bytes == 1   ? DType::int8
                   : bytes == 2 ? DType::int16
                   : bytes == 4 ? DType::int32
                                : DType::int64;
        case 'u':
            return bytes == 1   ? DType::uint8
                   : bytes == 2 ? DType::uint16
                   : bytes == 4 ? DType::uint32
                                : DType::uint64;
        case 'f':
            if (bytes == 2) return DType::float16;
            if (bytes == 4) return DType::float32;
            if (bytes == 8) return DType::float64;
            break;
        case 'c':
            if (bytes == 8) return DType::complex64;
            if (bytes == 16) return DType::complex128;
            break;
        default: break;
    }
    throw TypeError(
        std::string(name) + " has dtype " + py::str(dtype).cast<std::string>() +
        "; allowed are bool, all integers, float16, float32, float64, complex64 and complex128");
}

py::dtype to_numpy(DType dtype) {
    // looking a dtype up by its name takes longer than a small convolution; these live as long as
    // the process
    static const auto* const dtypes = [] {
        auto* all = new std::array<py::dtype, dtype_count>;
        for (int i = 0; i < dtype_count; ++i)
            (*all)[static_cast<std::size_t>(i)] =
                py::dtype(std::string(name_of(static_cast<DType>(i))));
        return all;
    }();
    return (*dtypes)[static_cast<std::size_t>(dtype)];
}

ArrayView view_of(const py::array& array, DType dtype) {
    if (array.ndim() > max_rank)
        throw ValueError("arrays of more than " + std::to_string(max_rank) +
                         " axes are not served, got " + std::to_string(array.ndim()));
    ArrayView view{.data = static_cast<std::byte*>(const_cast<void*>(array.data())),
                   .dtype = dtype};
    for (int a = 0; a < array.ndim(); ++a) {
        view.shape.push_back(array.shape(a));
        view.strides.push_back(array.strides(a));
    }
    return view;
}

py::array well_behaved(py::array array) {
    const bool aligned = (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
    const char order = array.dtype().byteorder();
    const bool native = order == '=' || order == '|';
    if (aligned && native) return array;
    return array.attr("astype")(array.dtype().attr("newbyteorder")("="), py::arg("copy") = true);
}

Extents extents_of(const py::tuple& shape, const char* name) {
    if (shape.size() > static_cast<std::size_t>(max_rank))
        throw ValueError(std::string(name) + " has " + std::to_string(shape.size()) +
                         " axes; at most " + std::to_string(max_rank) + " are served");
    Extents extents;
    for (const py::handle extent : shape) extents.push_back(extent.cast<Index>());
    return extents;
}

void check_shape(const py::array& array, const Extents& shape, const char* name) {
    bool same = array.ndim() == shape.size();
    for (int a = 0; same && a < shape.size(); ++a) same = array.shape(a) == shape[a];
    if (same) return;
    std::string wanted;
    for (Index extent : shape) wanted += std::to_string(extent) + ", ";
    throw ValueError(std::string(name) + " has shape " +
                     py::str(array.attr("shape")).cast<std::string>() + "; it must have shape (" +
                     wanted + ")");
}

py::array allocate_like(const Extents& shape, DType dtype, const ArrayView& like) {
    // the fastest axis of `like` gets the smallest stride; axes without an order stay in C order
    PerAxis<int> order;
    for (int a = 0; a < shape.size(); ++a) order.push_back(a);
    const auto faster = [&](int a, int b) {
        return like.shape[a] > 1 && like.shape[b] > 1 && like.strides[a] != 0 &&
               like.strides[b] != 0 && std::abs(like.strides[a]) < std::abs(like.strides[b]);
    };
    for (int i = 1; i < order.size(); ++i)
        for (int j = i; j > 0 && faster(order[j - 1], order[j]); --j)
            std::swap(order[j - 1], order[j]);

    Index bytes = static_cast<Index>(size_of(dtype));
    static_assert(sizeof(Index) == sizeof(Py_intptr_t));
    Py_intptr_t extents[max_rank], strides[max_rank];
    for (int i = shape.size() - 1; i >= 0; --i) {
        extents[order[i]] = shape[order[i]];
        strides[order[i]] = bytes;
        if (__builtin_mul_overflow(bytes, std::max<Index>(1, shape[order[i]]), &bytes))
            throw TooLarge("the result would take more than 2^63 bytes");
    }
    std::optional<ResultMemory> memory;
    if (static_cast<std::size_t>(bytes) >= aligned_result) memory.emplace();
    // as py::array's constructor does, without its vectors
    const py::detail::npy_api& numpy = py::detail::npy_api::get();
    PyObject* const out =
        numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, to_numpy(dtype).release().ptr(),
                                    shape.size(), extents, strides, nullptr, 0, nullptr);
    if (out == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::array>(out);
}

}  // namespace faltung::bindings
