// A borrowed, strided, typed piece of memory. Native byte order, elements aligned.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/extents.hpp"

namespace faltung {

struct ArrayView {
    std::byte* data = nullptr;  // inputs are only ever read; the executors take them as const views
    DType dtype = DType::float64;
    Extents shape;
    Extents strides;  // bytes; may be negative or zero

    int rank() const { return shape.size(); }
};

/// Calls body(address) for every element, the last axis fastest.
template <class Body>
void for_each_element(const ArrayView& view, Body&& body) {
    const Index count = product(view.shape);
    const std::byte* address = view.data;
    Extents at(view.rank(), 0);
    for (Index i = 0; i < count; ++i) {
        body(address);
        for (int a = view.rank() - 1; a >= 0; --a) {
            address += view.strides[a];
            if (++at[a] < view.shape[a]) break;
            address -= view.strides[a] * view.shape[a];
            at[a] = 0;
        }
    }
}

/// All elements in C order, by as long runs as stand together.
inline std::vector<std::byte> packed_bytes(const ArrayView& view) {
    ArrayView runs = view;
    auto run = static_cast<Index>(size_of(view.dtype));
    for (int a = view.rank() - 1; a >= 0; --a) {
        if (view.shape[a] != 1 && view.strides[a] != run) break;
        run *= view.shape[a];
        runs.shape[a] = std::min<Index>(1, view.shape[a]);
    }
    const auto size = static_cast<std::size_t>(run);
    std::vector<std::byte> bytes(static_cast<std::size_t>(product(runs.shape)) * size);
    std::byte* to = bytes.data();
    for_each_element(runs, [&](const std::byte* address) {
        std::memcpy(to, address, size);
        to += size;
    });
    return bytes;
}

/// The lowest and one-past-the-highest byte that a view touches.
struct ByteRange {
    const std::byte* begin;
    const std::byte* end;
};

inline ByteRange byte_range(const ArrayView& view) {
    const std::byte* low = view.data;
    const std::byte* high = view.data + size_of(view.dtype);
    for (int a = 0; a < view.rank(); ++a) {
        if (view.shape[a] == 0) return {view.data, view.data};
        const Index reach = (view.shape[a] - 1) * view.strides[a];
        (reach < 0 ? low : high) += reach;
    }
    return {low, high};
}

inline bool may_overlap(const ArrayView& a, const ArrayView& b) {
    const ByteRange ra = byte_range(a), rb = byte_range(b);
    return ra.begin < rb.end && rb.begin < ra.end;
}

}  // namespace faltung
