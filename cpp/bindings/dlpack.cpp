#include "bindings/dlpack.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/error.hpp"

namespace faltung::bindings::dlpack {

namespace {

/// The numbers that DLPack has for kinds of elements, with the names that NumPy has.
constexpr std::array<std::pair<std::uint8_t, const char*>, 6> codes{
    {{0, "int"}, {1, "uint"}, {2, "float"}, {4, "bfloat"}, {5, "complex"}, {6, "bool"}}};

constexpr std::array<std::string_view, 15> served{
    "bool",   "int8",    "uint8",   "int16",   "uint16",   "int32",     "uint32",    "int64",
    "uint64", "float16", "float32", "float64", "bfloat16", "complex64", "complex128"};

std::string name_of(const Element& element) {
    for (const auto& [code, kind] : codes) {
        if (code != element.code) continue;
        if (code == 6 && element.bits == 8) return kind;  // bool has no number
        return kind + std::to_string(element.bits);
    }
    return "type code " + std::to_string(element.code) + " with " + std::to_string(element.bits) +
           " bits";
}

}  // namespace

Element element_named(const std::string& name) {
    for (const auto& [code, kind] : codes) {
        for (const std::uint8_t bits : {8, 16, 32, 64, 128}) {
            const Element element{code, bits, 1};
            if (name_of(element) == name) return element;
        }
    }
    throw TypeError("DLPack has no elements of type " + name);
}

Description describe(const Tensor& tensor) {
    Description found{.address = 0,
                      .element = name_of(tensor.element),
                      .shape = {},
                      .strides = {},
                      .device = tensor.device};
    if (tensor.element.lanes != 1)
        found.element += " in vectors of " + std::to_string(tensor.element.lanes);
    if (std::find(served.begin(), served.end(), found.element) == served.end())
        throw TypeError("an array of " + found.element +
                        " is not served; allowed are bool, all integers, float16, bfloat16, "
                        "float32, float64, complex64 and complex128");
    if (tensor.rank < 0 || (tensor.rank > 0 && tensor.shape == nullptr))
        throw ValueError("a DLPack tensor says that it has " + std::to_string(tensor.rank) +
                         " axes, and no shape");
    const auto rank = static_cast<std::size_t>(tensor.rank);
    found.shape.assign(tensor.shape, tensor.shape + rank);
    found.strides.resize(rank);
    std::int64_t compact = tensor.element.bits / 8;
    bool fits = true;
    for (std::size_t a = rank; a-- > 0;) {
        if (found.shape[a] < 0)
            throw ValueError("a DLPack tensor says that its axis " + std::to_string(a) + " has " +
                             std::to_string(found.shape[a]) + " elements");
        found.strides[a] = compact;
        if (tensor.strides != nullptr)
            fits = fits && !__builtin_mul_overflow(tensor.strides[a], tensor.element.bits / 8,
                                                   &found.strides[a]);
        else
            fits = fits && !__builtin_mul_overflow(compact, found.shape[a], &compact);
    }
    if (!fits) throw ValueError("a DLPack tensor says that it is larger than 2^63 bytes");
    found.address = reinterpret_cast<std::uintptr_t>(tensor.data) + tensor.byte_offset;
    return found;
}

}  // namespace faltung::bindings::dlpack
