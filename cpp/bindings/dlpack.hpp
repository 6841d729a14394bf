// DLPack: how array libraries hand memory to each other within a process. The structures are those
// of its C interface, version 1, and of the one before it, which had no version.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace faltung::bindings::dlpack {

struct Device {
    std::int32_t kind;  // 1 is the host
    std::int32_t index;
};

struct Element {
    std::uint8_t code;  // of what: `codes` in dlpack.cpp
    std::uint8_t bits;
    std::uint16_t lanes;
};

struct Tensor {
    void* data;
    Device device;
    std::int32_t rank;
    Element element;
    std::int64_t* shape;
    std::int64_t* strides;  // in elements; none where the array is compact, last axis fastest
    std::uint64_t byte_offset;
};

/// What a capsule "dltensor" holds.
struct Managed {
    Tensor tensor;
    void* owner;
    void (*release)(Managed*);
};

struct Version {
    std::uint32_t major, minor;
};

inline constexpr Version spoken{1, 0};
inline constexpr std::uint64_t read_only_flag = 1;

/// What a capsule "dltensor_versioned" holds. Of other major versions only `version` and `release`
/// may be looked at.
struct ManagedVersioned {
    Version version;
    void* owner;
    void (*release)(ManagedVersioned*);
    std::uint64_t flags;
    Tensor tensor;
};

/// A tensor in terms of this library.
struct Description {
    std::uintptr_t address;
    std::string element;                       // NumPy's name, or bfloat16
    std::vector<std::int64_t> shape, strides;  // strides in bytes
    Device device;
};

/// Throws TypeError for elements that are not served, ValueError for what no array can be.
Description describe(const Tensor& tensor);

/// The element of that name; throws TypeError.
Element element_named(const std::string& name);

}  // namespace faltung::bindings::dlpack
