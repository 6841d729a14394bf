#include "core/types.hpp"

namespace faltung {

std::string_view name_of(DType type) {
    constexpr std::string_view names[dtype_count] = {
        "bool",   "int8",   "int16",   "int32",   "int64",   "uint8",     "uint16",
        "uint32", "uint64", "float16", "float32", "float64", "complex64", "complex128"};
    return names[static_cast<int>(type)];
}

std::string_view name_of(Arithmetic arithmetic) {
    constexpr std::string_view names[3] = {"float32", "float64", "int64"};
    return names[static_cast<int>(arithmetic)];
}

}  // namespace faltung
