#include "core/kernel.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/half.hpp"

namespace faltung {

namespace {

template <class S>
S read_as(const std::byte* at) {
    S value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

/// One tap: real and imaginary part in the arithmetic type. Integers pass through 64 bits, never
/// through a float.
template <class T>
struct Tap {
    T real, imag;
};

template <class T>
Tap<T> read_tap(DType dtype, const std::byte* at) {
    switch (dtype) {
        case DType::boolean: return {static_cast<T>(read_as<std::uint8_t>(at) != 0), T{}};
        case DType::int8: return {static_cast<T>(read_as<std::int8_t>(at)), T{}};
        case DType::int16: return {static_cast<T>(read_as<std::int16_t>(at)), T{}};
        case DType::int32: return {static_cast<T>(read_as<std::int32_t>(at)), T{}};
        case DType::int64: return {static_cast<T>(read_as<std::int64_t>(at)), T{}};
        case DType::uint8: return {static_cast<T>(read_as<std::uint8_t>(at)), T{}};
        case DType::uint16: return {static_cast<T>(read_as<std::uint16_t>(at)), T{}};
        case DType::uint32: return {static_cast<T>(read_as<std::uint32_t>(at)), T{}};
        case DType::uint64: return {static_cast<T>(read_as<std::uint64_t>(at)), T{}};
        case DType::float16:
            return {static_cast<T>(half_to_float(read_as<std::uint16_t>(at))), T{}};
        case DType::float32: return {static_cast<T>(read_as<float>(at)), T{}};
        case DType::float64: return {static_cast<T>(read_as<double>(at)), T{}};
        case DType::complex64:
            return {static_cast<T>(read_as<float>(at)),
                    static_cast<T>(read_as<float>(at + sizeof(float)))};
        case DType::complex128:
            return {static_cast<T>(read_as<double>(at)),
                    static_cast<T>(read_as<double>(at + sizeof(double)))};
    }
    return {};
}

}  // namespace

Kernel::Kernel(const Problem& problem, const ArrayView& view, bool flip, bool conjugate)
    : shape_(view.shape), complex_(problem.complex_kernel) {
    with_arithmetic(problem.arithmetic, [&]<class T>(T) {
        const Index count = product(shape_);
        KernelPlanes<T> planes;
        planes.real.resize(static_cast<std::size_t>(count));
        if (complex_) planes.imag.resize(static_cast<std::size_t>(count));

        ArrayView walk = view;
        for (int a = 0; flip && a < view.rank(); ++a) {
            walk.data += (shape_[a] - 1) * view.strides[a];
            walk.strides[a] = -view.strides[a];
        }
        double largest = 0;
        std::size_t i = 0;
        for_each_element(walk, [&](const std::byte* address) {
            const Tap<T> tap = read_tap<T>(view.dtype, address);
            planes.real[i] = tap.real;
            if (complex_) planes.imag[i] = conjugate ? -tap.imag : tap.imag;
            const double re = static_cast<double>(tap.real), im = static_cast<double>(tap.imag);
            largest = std::max({largest, std::abs(re), std::abs(im)});
            finite_ = finite_ && std::isfinite(re) && std::isfinite(im);
            not_zero_ += re != 0 || im != 0;
            constant_ = constant_ && tap.real == planes.real[0] &&
                        (!complex_ || planes.imag[i] == planes.imag[0]);
            ++i;
        });
        // relative to the largest, so that no square overflows or vanishes
        double square = 0;
        for (const std::vector<T>* plane : {&planes.real, &planes.imag})
            for (const T value : *plane) {
                const double part = static_cast<double>(value) / largest;
                square += part * part;
            }
        norm_ = largest > 0 ? largest * std::sqrt(square) : 0;
        planes_ = std::move(planes);
    });
}

}  // namespace faltung
