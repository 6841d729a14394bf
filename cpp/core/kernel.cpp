#include "core/kernel.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/half.hpp"

namespace faltung {

namespace {

template <class S>
S read_as(const std::byte* at) {
    S value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

/// What the arithmetic's numbers are in memory.
template <class T>
constexpr DType plain_dtype = std::is_same_v<T, float>    ? DType::float32
                              : std::is_same_v<T, double> ? DType::float64
                                                          : DType::int64;

/// Taps of one row, `stride` bytes apart. Integers pass through 64 bits, never through a float.
struct Row {
    const std::byte* first;
    Index stride, count;
};

/// value(address) of every tap of the row; a stride that is known is worth a loop of its own.
template <class S, class T, class Value>
void read_each(const Row& row, T* to, Value&& value) {
    constexpr auto size = static_cast<Index>(sizeof(S));
    if (row.stride == size)
        for (Index i = 0; i < row.count; ++i) to[i] = value(row.first + i * size);
    else
        for (Index i = 0; i < row.count; ++i) to[i] = value(row.first + i * row.stride);
}

/// Into `real`, and where there is one into `imag`, whose sign `conjugate` turns.
template <class T>
void read_row(DType dtype, const Row& row, bool conjugate, T* real, T* imag) {
    const auto reals = [&]<class S>(S) {
        read_each<S>(row, real, [](const std::byte* at) { return static_cast<T>(read_as<S>(at)); });
    };
    const auto pairs = [&]<class S>(S sign) {
        struct Pair {
            S re, im;
        };
        read_each<Pair>(row, real,
                        [](const std::byte* at) { return static_cast<T>(read_as<S>(at)); });
        if (imag)
            read_each<Pair>(row, imag, [&](const std::byte* at) {
                return static_cast<T>(sign * read_as<S>(at + sizeof(S)));
            });
    };
    if (imag && !is_complex(dtype)) std::fill(imag, imag + row.count, T{});
    switch (dtype) {
        case DType::boolean:
            return read_each<std::uint8_t>(row, real, [](const std::byte* at) {
                return static_cast<T>(read_as<std::uint8_t>(at) != 0);
            });
        case DType::int8: return reals(std::int8_t{});
        case DType::int16: return reals(std::int16_t{});
        case DType::int32: return reals(std::int32_t{});
        case DType::int64: return reals(std::int64_t{});
        case DType::uint8: return reals(std::uint8_t{});
        case DType::uint16: return reals(std::uint16_t{});
        case DType::uint32: return reals(std::uint32_t{});
        case DType::uint64: return reals(std::uint64_t{});
        case DType::float16:
            return read_each<std::uint16_t>(row, real, [](const std::byte* at) {
                return static_cast<T>(half_to_float(read_as<std::uint16_t>(at)));
            });
        case DType::float32: return reals(float{});
        case DType::float64: return reals(double{});
        case DType::complex64: return pairs(conjugate ? -1.0F : 1.0F);
        case DType::complex128: return pairs(conjugate ? -1.0 : 1.0);
    }
}

/// All taps of a view in C order.
template <class T>
void read_taps(const ArrayView& view, bool conjugate, T* real, T* imag) {
    const int last = view.rank() - 1;
    ArrayView rows = view;
    Row row{nullptr, 0, 1};
    if (last >= 0) {
        row.stride = view.strides[last];
        row.count = view.shape[last];
        rows.shape[last] = 1;
    }
    for_each_element(rows, [&](const std::byte* address) {
        row.first = address;
        read_row(view.dtype, row, conjugate, real, imag);
        real += row.count;
        if (imag) imag += row.count;
    });
}

/// The taps of a real view where they stand, if that is as the arithmetic wants them, one beside
/// the other from the first to the last or (`reversed`) the other way round; else null.
template <class T>
const T* plain_memory(const ArrayView& view, bool& reversed) {
    if (view.dtype != plain_dtype<T>) return nullptr;
    Index step = static_cast<Index>(sizeof(T));
    for (int a = view.rank() - 1; a >= 0; --a) {
        if (view.shape[a] == 1) continue;
        if (step == static_cast<Index>(sizeof(T))) reversed = view.strides[a] < 0;
        if (view.strides[a] != (reversed ? -step : step)) return nullptr;
        step *= view.shape[a];
    }
    const std::byte* first = view.data;
    if (reversed) first -= step - static_cast<Index>(sizeof(T));
    return reinterpret_cast<const T*>(first);
}

/// What a look at some taps finds.
struct Seen {
    Index not_zero = 0;
    double squares = 0;
    bool constant = true;
};

/// Of `count` taps at `real`, where `imag` may be null; the first ones of all are those at 0 of
/// `all_real` and `all_imag`. Sums in parts that a compiler puts side by side.
template <class T>
Seen look(const T* re, const T* im, Index count, const T* all_re, const T* all_im) {
    constexpr Index lanes = 8;
    Seen seen;
    double sums[lanes] = {};
    const auto square = [](T tap) {
        const double value = static_cast<double>(tap);
        return value * value;
    };
    for (const T* at : {re, im}) {
        if (!at) continue;
        const Index whole = count / lanes * lanes;
        for (Index i = 0; i < whole; i += lanes)
            for (Index l = 0; l < lanes; ++l) sums[l] += square(at[i + l]);
        for (Index i = whole; i < count; ++i) sums[i - whole] += square(at[i]);
        const T first = at == re ? all_re[0] : all_im[0];
        seen.constant =
            seen.constant && std::all_of(at, at + count, [&](T tap) { return tap == first; });
    }
    seen.squares = std::accumulate(sums, sums + lanes, 0.0);
    if (!im)
        for (Index i = 0; i < count; ++i) seen.not_zero += re[i] != 0 ? 1 : 0;
    else
        for (Index i = 0; i < count; ++i) seen.not_zero += (re[i] != 0) | (im[i] != 0) ? 1 : 0;
    return seen;
}

/// Whether all taps are finite, and their l2 norm: relative to the largest, so that no square
/// overflows or vanishes.
template <class T>
std::pair<bool, double> careful_norm(const T* real, const T* imag, Index count) {
    bool finite = true;
    double largest = 0, squares = 0;
    for (const T* taps : {real, imag})
        for (Index i = 0; taps && i < count; ++i) {
            finite = finite && std::isfinite(static_cast<double>(taps[i]));
            largest = std::max(largest, std::abs(static_cast<double>(taps[i])));
        }
    if (largest == 0) return {finite, 0};
    for (const T* taps : {real, imag})
        for (Index i = 0; taps && i < count; ++i) {
            const double part = static_cast<double>(taps[i]) / largest;
            squares += part * part;
        }
    return {finite, largest * std::sqrt(squares)};
}

constexpr Index chunk = Index{1} << 16;  // taps looked at or copied by one task

/// body(begin, end) for chunks of `count`.
template <class Body>
void in_chunks(Index count, const KernelCare& care, Body&& body) {
    const auto one = [&](Index i) { body(i * chunk, std::min(count, (i + 1) * chunk)); };
    const Index chunks = (count + chunk - 1) / chunk;
    if (care.for_all && chunks > 1) return care.for_all(chunks, one);
    for (Index i = 0; i < chunks; ++i) one(i);
}

template <class T>
void copy_plain(const T* from, bool reversed, Index count, T* to, const KernelCare& care) {
    in_chunks(count, care, [&](Index begin, Index end) {
        if (!reversed) {
            std::copy(from + begin, from + end, to + begin);
            return;
        }
        const T* last = from + count - 1;
        for (Index i = begin; i < end; ++i) to[i] = last[-i];
    });
}

}  // namespace

Kernel::Kernel(const Problem& problem, const ArrayView& view, bool flip, bool conjugate,
               const KernelCare& care)
    : shape_(view.shape), complex_(problem.complex_kernel) {
    constexpr Index worth_borrowing = Index{1} << 18;  // taps
    with_arithmetic(problem.arithmetic, [&]<class T>(T) {
        const Index count = product(shape_);
        ArrayView walk = view;
        for (int a = 0; flip && a < view.rank(); ++a) {
            walk.data += (shape_[a] - 1) * view.strides[a];
            walk.strides[a] = -view.strides[a];
        }
        const T* const plain = complex_ ? nullptr : plain_memory<T>(walk, reversed_);
        KernelPlanes<T> planes;
        if (plain && care.borrow && count >= worth_borrowing) {
            borrowed_ = plain;
            look_at(plain, static_cast<const T*>(nullptr), care);
        } else {
            planes.real = Taps<T>(count);
            if (complex_) planes.imag = Taps<T>(count);
            if (plain) {
                copy_plain(plain, reversed_, count, planes.real.data(), care);
            } else {
                read_taps(walk, conjugate, planes.real.data(), planes.imag.data());
            }
            look_at(static_cast<const T*>(planes.real.data()),
                    static_cast<const T*>(planes.imag.data()), care);
        }
        planes_ = std::move(planes);
    });
}

/// Counts and sums in chunks, which are added in order, whoever looked at them.
template <class T>
void Kernel::look_at(const T* real, const T* imag, const KernelCare& care) {
    const Index count = product(shape_);
    double squares = 0;
    const auto add = [&](const Seen& part) {
        not_zero_ += part.not_zero;
        squares += part.squares;
        constant_ = constant_ && part.constant;
    };
    if (count <= chunk) {
        add(look(real, imag, count, real, imag));
    } else {
        std::vector<Seen> parts(static_cast<std::size_t>((count + chunk - 1) / chunk));
        in_chunks(count, care, [&](Index begin, Index end) {
            parts[static_cast<std::size_t>(begin / chunk)] =
                look(real + begin, imag ? imag + begin : nullptr, end - begin, real, imag);
        });
        for (const Seen& part : parts) add(part);
    }
    constexpr double least = 1e-200, most = 1e200;  // sums of squares that lost nothing
    if (squares >= least && squares <= most)
        norm_ = std::sqrt(squares);
    else
        std::tie(finite_, norm_) = careful_norm(real, imag, count);
}

void Kernel::copy_borrowed() const {
    std::call_once(copied_, [&] {
        std::visit(
            [&]<class T>(KernelPlanes<T>& planes) {
                const Index count = product(shape_);
                Taps<T> taps(count);
                copy_plain(static_cast<const T*>(borrowed_), reversed_, count, taps.data(), {});
                planes.real = std::move(taps);
            },
            planes_);
    });
}

}  // namespace faltung
