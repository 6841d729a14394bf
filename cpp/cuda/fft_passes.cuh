// In-place transforms of a block of shared memory, pass by pass.
//
// Forward passes decimate in frequency, inverse ones in time, so that the spectrum stands in
// digit-reversed order between them and nothing is ever permuted: products with a spectrum made the
// same way are elementwise (Gentleman and Sande, "Fast Fourier transforms: for fun and profit",
// 1966).
#pragma once

#include <utility>

#include "cuda/access.cuh"
#include "cuda/fft_shape.hpp"

namespace faltung::cuda {

template <class T>
__device__ __forceinline__ Pair<T> operator+(Pair<T> a, Pair<T> b) {
    return {a.re + b.re, a.im + b.im};
}
template <class T>
__device__ __forceinline__ Pair<T> operator-(Pair<T> a, Pair<T> b) {
    return {a.re - b.re, a.im - b.im};
}
template <class T>
__device__ __forceinline__ Pair<T> operator*(Pair<T> a, Pair<T> b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class T>
__device__ __forceinline__ Pair<T> conjugate(Pair<T> a) {
    return {a.re, -a.im};
}

/// roots[L + j] = exp(-2 pi i j / L) for every power of two L.
template <class T>
__device__ __forceinline__ Pair<T> root_at(const Pair<T>* roots, int i) {
    if constexpr (sizeof(T) == 4) {
        const float2 w = __ldg(reinterpret_cast<const float2*>(roots) + i);
        return {w.x, w.y};
    } else {
        const double2 w = __ldg(reinterpret_cast<const double2*>(roots) + i);
        return {w.x, w.y};
    }
}

/// cos(2 pi i / 32) for any i.
constexpr double cosine_32(int i) {
    constexpr double quarter[9] = {1.0,
                                   0.98078528040323044913,
                                   0.92387953251128675613,
                                   0.83146961230254523708,
                                   0.70710678118654752440,
                                   0.55557023301960222474,
                                   0.38268343236508977173,
                                   0.19509032201612826785,
                                   0.0};
    i &= 31;
    if (i > 16) i = 32 - i;
    return i <= 8 ? quarter[i] : -quarter[16 - i];
}

/// v * exp(-+2 pi i E / R), minus for the forward transform.
template <int R, int E, bool inverse, class T>
__device__ __forceinline__ Pair<T> rotated(Pair<T> v) {
    constexpr int e = E % R;
    if constexpr (e == 0) {
        return v;
    } else if constexpr (4 * e == R) {
        return inverse ? Pair<T>{-v.im, v.re} : Pair<T>{v.im, -v.re};
    } else if constexpr (2 * e == R) {
        return {-v.re, -v.im};
    } else {
        constexpr T c = static_cast<T>(cosine_32(e * (32 / R)));
        constexpr T s = static_cast<T>((inverse ? 1 : -1) * cosine_32(e * (32 / R) - 8));
        return {v.re * c - v.im * s, v.re * s + v.im * c};
    }
}

template <int R, bool inverse, class T>
__device__ __forceinline__ void dft(Pair<T> (&v)[R]);

template <int R, int A, int B, int b, bool inverse, class T>
__device__ __forceinline__ void dft_rows(Pair<T> (&v)[R]) {
    if constexpr (b < B) {
        Pair<T> row[A];
#pragma unroll
        for (int a = 0; a < A; ++a) row[a] = v[B * a + b];
        dft<A, inverse>(row);
        [&]<int... k>(std::integer_sequence<int, k...>) {
            ((v[B * k + b] = rotated<R, b * k, inverse>(row[k])), ...);
        }(std::make_integer_sequence<int, A>{});
        dft_rows<R, A, B, b + 1, inverse>(v);
    }
}

/// The discrete Fourier transform of R numbers in registers, in natural order.
template <int R, bool inverse, class T>
__device__ __forceinline__ void dft(Pair<T> (&v)[R]) {
    if constexpr (R == 1) {
        return;
    } else if constexpr (R == 2) {
        const Pair<T> a = v[0], b = v[1];
        v[0] = a + b;
        v[1] = a - b;
    } else if constexpr (R == 4) {
        const Pair<T> a = v[0] + v[2], b = v[0] - v[2], c = v[1] + v[3];
        const Pair<T> d = rotated<4, 1, inverse>(v[1] - v[3]);
        v[0] = a + c;
        v[1] = b + d;
        v[2] = a - c;
        v[3] = b - d;
    } else {
        // R = A * B: transforms over the slow index, rotations, transforms over the fast one
        constexpr int A = R == 8 ? 2 : 4, B = R / A;
        dft_rows<R, A, B, 0, inverse>(v);
        Pair<T> out[R];
#pragma unroll
        for (int k = 0; k < A; ++k) {
            Pair<T> column[B];
#pragma unroll
            for (int b = 0; b < B; ++b) column[b] = v[B * k + b];
            dft<B, inverse>(column);
#pragma unroll
            for (int q = 0; q < B; ++q) out[k + A * q] = column[q];
        }
#pragma unroll
        for (int i = 0; i < R; ++i) v[i] = out[i];
    }
}

/// v[q] *= w^q, w of absolute value one; conjugated for the inverse.
template <int R, bool inverse, class T>
__device__ __forceinline__ void twiddle(Pair<T> (&v)[R], Pair<T> w) {
    if constexpr (R > 1) {
        if constexpr (inverse) w = conjugate(w);
        Pair<T> power[R];
        power[1] = w;
#pragma unroll
        for (int q = 2; q < R; ++q) power[q] = power[q / 2] * power[q - q / 2];
#pragma unroll
        for (int q = 1; q < R; ++q) v[q] = v[q] * power[q];
    }
}

/// Where element i of a block stands in shared memory: a gap every 128 bytes spreads strided
/// accesses over the banks.
template <class T>
__device__ __forceinline__ int bank_place(int i) {
    return i + i / static_cast<int>(128 / (2 * sizeof(T)));
}

/// A butterfly of one pass: where its first element stands. All extents are powers of two and the
/// bits of m * apart are zero in `first`, so offsets of the others are constants.
template <class Shape, int pass, class T>
struct Butterfly {
    static constexpr FftPass p = Shape::passes[pass];
    static constexpr int axis = p.axis, apart = p.stride * (p.length / p.radix);
    static constexpr int hop = p.length / p.radix;  // along the axis, from one element to the next

    int j, first;

    __device__ __forceinline__ explicit Butterfly(int b) {
        const int low = b % p.stride, high = b / (p.stride * hop);
        j = b / p.stride % hop;
        first = high * (p.stride * p.length) + j * p.stride + low;
    }
    __device__ __forceinline__ int i0() const { return first / (Shape::extent1 * Shape::extent2); }
    __device__ __forceinline__ int i1() const { return first / Shape::extent2 % Shape::extent1; }
    __device__ __forceinline__ int i2() const { return first % Shape::extent2; }

    static constexpr __device__ int shared_offset(int m) {
        return m * apart + m * apart / static_cast<int>(128 / (2 * sizeof(T)));
    }
};

/// One pass over `Shape::points` elements by a block of `Shape::threads` threads: `read(f)` gives
/// what reads element m of butterfly f, `write(f)` what writes it.
template <class Shape, int pass, bool inverse, class T, class Read, class Write>
__device__ __forceinline__ void run_pass(const Pair<T>* roots, Read&& read, Write&& write) {
    using F = Butterfly<Shape, pass, T>;
    constexpr int R = F::p.radix, L = F::p.length;
#pragma unroll 1
    for (int b = threadIdx.x; b < Shape::points / R; b += Shape::threads) {
        const F f(b);
        Pair<T> v[R];
        auto&& from = read(f);
#pragma unroll
        for (int m = 0; m < R; ++m) v[m] = from(m);
        if constexpr (inverse && L > R) twiddle<R, true>(v, root_at(roots, L + f.j));
        dft<R, inverse>(v);
        if constexpr (!inverse && L > R) twiddle<R, false>(v, root_at(roots, L + f.j));
        auto&& to = write(f);
#pragma unroll
        for (int m = 0; m < R; ++m) to(m, v[m]);
    }
}

/// Reading and writing shared memory.
template <class T>
__device__ __forceinline__ auto from_shared(const Pair<T>* block) {
    return [block](const auto& f) {
        const Pair<T>* at = block + bank_place<T>(f.first);
        return [at, &f](int m) { return at[f.shared_offset(m)]; };
    };
}

template <class T>
__device__ __forceinline__ auto to_shared(Pair<T>* block) {
    return [block](const auto& f) {
        Pair<T>* at = block + bank_place<T>(f.first);
        return [at, &f](int m, Pair<T> v) { at[f.shared_offset(m)] = v; };
    };
}

/// The last forward pass, the product and the first inverse pass, in registers. `spectrum` is the
/// block's part, element m of all butterflies beside each other.
template <class Shape, class T>
__device__ __forceinline__ void run_middle(Pair<T>* block, const Pair<T>* spectrum) {
    using F = Butterfly<Shape, Shape::count - 1, T>;
    constexpr int R = F::p.radix;
    static_assert(F::p.length == R);
#pragma unroll 1
    for (int b = threadIdx.x; b < Shape::points / R; b += Shape::threads) {
        const F f(b);
        Pair<T>* at = block + bank_place<T>(f.first);
        Pair<T> v[R];
#pragma unroll
        for (int m = 0; m < R; ++m) v[m] = at[f.shared_offset(m)];
        dft<R, false>(v);
#pragma unroll
        for (int m = 0; m < R; ++m) v[m] = v[m] * root_at(spectrum, m * (Shape::points / R) + b);
        dft<R, true>(v);
#pragma unroll
        for (int m = 0; m < R; ++m) at[f.shared_offset(m)] = v[m];
    }
}

/// The last forward pass, scaled, in the order in which run_middle wants a spectrum.
template <class Shape, class T>
__device__ __forceinline__ void write_spectrum(const Pair<T>* block, Pair<T>* spectrum, T scale) {
    using F = Butterfly<Shape, Shape::count - 1, T>;
    constexpr int R = F::p.radix;
    for (int b = threadIdx.x; b < Shape::points / R; b += Shape::threads) {
        const F f(b);
        Pair<T> v[R];
#pragma unroll
        for (int m = 0; m < R; ++m) v[m] = block[bank_place<T>(f.first) + f.shared_offset(m)];
        dft<R, false>(v);
#pragma unroll
        for (int m = 0; m < R; ++m)
            spectrum[m * (Shape::points / R) + b] = {v[m].re * scale, v[m].im * scale};
    }
}

/// The passes between the first and the last one, forward, without what comes after them.
template <class Shape, int pass, class T>
__device__ __forceinline__ void forward_between(Pair<T>* block, const Pair<T>* roots) {
    if constexpr (pass + 1 < Shape::count) {
        run_pass<Shape, pass, false, T>(roots, from_shared(block), to_shared(block));
        __syncthreads();
        forward_between<Shape, pass + 1>(block, roots);
    }
}

template <class Shape, int pass, class T>
__device__ __forceinline__ void inverse_between(Pair<T>* block, const Pair<T>* roots) {
    if constexpr (pass > 0) {
        run_pass<Shape, pass, true, T>(roots, from_shared(block), to_shared(block));
        __syncthreads();
        inverse_between<Shape, pass - 1>(block, roots);
    }
}

}  // namespace faltung::cuda
