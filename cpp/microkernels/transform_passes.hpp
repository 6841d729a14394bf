// One pass over one or more blocks of a panel, for each radix. Decimation in frequency forward:
// small transform, then factors. Decimation in time back: factors, then small transform. `stride`
// counts numbers between elements.
#pragma once

#include "microkernels/small_dft.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

using Size = std::ptrdiff_t;

/// Numbers in one element: the real and the imaginary parts of all lanes.
template <class T>
constexpr Size element = 2 * lanes<T>;

/// A block of n = radix * count elements; twiddles hold radix - 1 pairs for each of the `count`
/// places.
template <int radix, class T>
FALTUNG_NOINLINE void forward_pass(T* block, Size stride, Size count, const T* twiddles) {
    const Size leg = count * stride;
    for (Size j = 0; j < count; ++j, block += stride, twiddles += 2 * (radix - 1)) {
        Complex<T> x[radix];
        FALTUNG_UNROLL
        for (int m = 0; m < radix; ++m) x[m] = load_complex(block + m * leg);
        dft<radix, Way::forward>(x);
        store_complex(block, x[0]);
        FALTUNG_UNROLL
        for (int m = 1; m < radix; ++m)
            store_complex(block + m * leg, x[m] * splat_complex(twiddles + 2 * (m - 1)));
    }
}

template <int radix, class T>
FALTUNG_NOINLINE void inverse_pass(T* block, Size stride, Size count, const T* twiddles) {
    const Size leg = count * stride;
    for (Size j = 0; j < count; ++j, block += stride, twiddles += 2 * (radix - 1)) {
        Complex<T> x[radix];
        x[0] = load_complex(block);
        FALTUNG_UNROLL
        for (int m = 1; m < radix; ++m)
            x[m] = times_conjugate(load_complex(block + m * leg),
                                   splat_complex(twiddles + 2 * (m - 1)));
        dft<radix, Way::inverse>(x);
        FALTUNG_UNROLL
        for (int m = 0; m < radix; ++m) store_complex(block + m * leg, x[m]);
    }
}

/// The pass that has no factors: `blocks` neighbouring blocks of radix elements.
template <int radix, Way way, class T>
FALTUNG_NOINLINE void plain_pass(T* block, Size stride, Size blocks) {
    for (Size b = 0; b < blocks; ++b, block += radix * stride) {
        Complex<T> x[radix];
        FALTUNG_UNROLL
        for (int m = 0; m < radix; ++m) x[m] = load_complex(block + m * stride);
        dft<radix, way>(x);
        FALTUNG_UNROLL
        for (int m = 0; m < radix; ++m) store_complex(block + m * stride, x[m]);
    }
}

/// Last pass forward, times the spectrum, first pass back. The spectrum has a vector per element
/// and lane, or with `same` one pair for all lanes.
template <int radix, bool same, class T>
FALTUNG_NOINLINE void middle_pass(T* block, Size stride, Size blocks, const T* spectrum) {
    constexpr Size pace = same ? 2 : element<T>;
    for (Size b = 0; b < blocks; ++b, block += radix * stride, spectrum += radix * pace) {
        Complex<T> x[radix];
        FALTUNG_UNROLL
        for (int m = 0; m < radix; ++m) x[m] = load_complex(block + m * stride);
        dft<radix, Way::forward>(x);
        FALTUNG_UNROLL
        for (int m = 0; m < radix; ++m) {
            if constexpr (same)
                x[m] = x[m] * splat_complex(spectrum + m * pace);
            else
                x[m] = x[m] * load_complex(spectrum + m * pace);
        }
        dft<radix, Way::inverse>(x);
        FALTUNG_UNROLL
        for (int m = 0; m < radix; ++m) store_complex(block + m * stride, x[m]);
    }
}

/// The passes above for a radix that is known at run time.
template <class T>
struct Pass {
    void (*forward)(T*, Size, Size, const T*);
    void (*inverse)(T*, Size, Size, const T*);
    void (*plain_forward)(T*, Size, Size);
    void (*plain_inverse)(T*, Size, Size);
    void (*middle)(T*, Size, Size, const T*);
    void (*middle_same)(T*, Size, Size, const T*);
};

template <int radix, class T>
constexpr Pass<T> make_pass() {
    return {forward_pass<radix, T>,
            inverse_pass<radix, T>,
            plain_pass<radix, Way::forward, T>,
            plain_pass<radix, Way::inverse, T>,
            middle_pass<radix, false, T>,
            middle_pass<radix, true, T>};
}

template <class T>
constexpr Pass<T> passes[] = {make_pass<4, T>(), make_pass<5, T>(),  make_pass<6, T>(),
                              make_pass<8, T>(), make_pass<10, T>(), make_pass<12, T>(),
                              make_pass<16, T>()};

template <class T>
FALTUNG_INLINE const Pass<T>& pass(int radix) {
    return passes<T>[radix <= 6 ? radix - 4 : radix < 16 ? radix / 2 - 1 : 6];
}

}  // namespace transform
}  // namespace
}  // namespace faltung::microkernels
