#include "core/kernel.hpp"

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

        double square = 0;
        Extents at(view.rank(), 0);
        for (Index i = 0; i < count; ++i) {
            const std::byte* address = view.data;
            for (int a = 0; a < view.rank(); ++a)
                address += (flip ? shape_[a] - 1 - at[a] : at[a]) * view.strides[a];
            const Tap<T> tap = read_tap<T>(view.dtype, address);
            planes.real[static_cast<std::size_t>(i)] = tap.real;
            if (complex_)
                planes.imag[static_cast<std::size_t>(i)] = conjugate ? -tap.imag : tap.imag;
            const double re = static_cast<double>(tap.real), im = static_cast<double>(tap.imag);
            square += re * re + im * im;
            finite_ = finite_ && std::isfinite(re) && std::isfinite(im);
            for (int a = view.rank() - 1; a >= 0 && ++at[a] == shape_[a]; --a) at[a] = 0;
        }
        norm_ = std::sqrt(square);
        planes_ = std::move(planes);
    });
}

}  // namespace faltung
