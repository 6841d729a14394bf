// Overlap-save by tiles of rows x columns elements in global memory: three kernels, each of which
// reads and writes the tile once. A line of n = rows * columns samples folds into such a tile, with
// rotations between its columns and its rows (Bailey, "FFTs in external or hierarchical memory",
// 1990).
#include <type_traits>

#include "core/error.hpp"
#include "cuda/fft_passes.cuh"
#include "cuda/launch.cuh"
#include "cuda/tile_access.cuh"
#include "cuda/tile_transform.hpp"

namespace faltung::cuda {

namespace {

/// exp(-2 pi i numerator / denominator), for a power of two.
template <class T>
__device__ __forceinline__ Pair<T> root_of_unity(std::uint32_t numerator,
                                                 std::uint32_t denominator) {
    const T angle =
        T(2) * (static_cast<T>(numerator & (denominator - 1)) / static_cast<T>(denominator));
    Pair<T> w;
    if constexpr (sizeof(T) == 4)
        sincospif(angle, &w.im, &w.re);
    else
        sincospi(angle, &w.im, &w.re);
    w.im = -w.im;
    return w;
}

/// What a column kernel reads: samples, or the taps of a kernel.
enum class From : std::uint8_t { samples, taps };

/// How a column of a tile lies among the positions of samples.
struct Column {
    int axis, hop;  // from one row to the next
    int i1, i2;

    __device__ __forceinline__ Column(Fold fold, int row, int column, int columns)
        : axis(fold == Fold::line ? 2 : 1),
          hop(fold == Fold::line ? columns : 1),
          i1(fold == Fold::line ? 0 : row),
          i2(fold == Fold::line ? row * columns + column : column) {}
};

/// The rotation between columns and rows of a folded line, and its inverse.
template <class T, bool inverse>
__device__ __forceinline__ Pair<T> rotate_line(Pair<T> v, int column, int frequency, int points) {
    const Pair<T> w = root_of_unity<T>(static_cast<std::uint32_t>(column) * frequency,
                                       static_cast<std::uint32_t>(points));
    return v * (inverse ? conjugate(w) : w);
}

template <class T, class Shape, From from, bool fast>
__global__ void __launch_bounds__(Shape::threads, Shape::blocks)
    columns_forward(const __grid_constant__ TileArguments<T> a, Pair<T>* work, int columns,
                    Index carrier0) {
    constexpr int rows = Shape::extent1, width = Shape::extent2;
    Pair<T>* block = dynamic_shared<Pair<T>>();
    const unsigned groups = columns / width;
    const int c0 = static_cast<int>(blockIdx.x % groups) * width;
    const Index local = blockIdx.x / groups, global = carrier0 + local;
    Pair<T>* tile = work + local * rows * columns;

    bool bad = false;
    if constexpr (from == From::samples) {
        const auto carriers = static_cast<std::uint32_t>(a.grid.carriers);
        const Index kernel = static_cast<std::uint32_t>(global) / carriers;
        __shared__ Carrier<T> carrier;
        carrier.open(a, kernel, static_cast<std::uint32_t>(global) % carriers);
        run_pass<Shape, 0, false, T>(
            a.roots,
            [&](const auto& f) {
                const Column c(a.fold, f.i1(), c0 + f.i2(), columns);
                return carrier.template lines_in<fast>(a, f, c.axis, f.hop * c.hop, 0, c.i1, c.i2,
                                                       bad, block + bank_place<T>(f.first));
            },
            to_shared(block));
        const bool any_bad = __syncthreads_or(bad || a.bad_kernels[kernel]);
        if (any_bad && threadIdx.x == 0) a.flags[global] = 1;
    } else {
        run_pass<Shape, 0, false, T>(
            a.roots,
            [&](const auto& f) {
                return [&](int m) {
                    const Column c(a.fold, f.i1() + m * f.hop, c0 + f.i2(), columns);
                    const Pair<T> tap = placed_tap(a.g, a.grid, a.taps, global, 0, c.i1, c.i2);
                    bad = bad || not_finite(tap.re) || not_finite(tap.im);
                    return tap;
                };
            },
            to_shared(block));
        if (__syncthreads_or(bad) && threadIdx.x == 0) a.bad_kernels[global] = 1;
    }
    forward_between<Shape, 1>(block, a.roots);
    run_pass<Shape, Shape::count - 1, false, T>(a.roots, from_shared(block), [&](const auto& f) {
        const int row = f.i1(), column = c0 + f.i2();
        Pair<T>* to = tile + row * columns + column;
        return [&, to, row, column](int m, Pair<T> v) {
            if (a.fold == Fold::line)
                v = rotate_line<T, false>(v, column, frequency_at(row + m * f.hop, rows),
                                          rows * columns);
            to[m * f.hop * columns] = v;
        };
    });
}

template <class T, class Shape, bool fast>
__global__ void __launch_bounds__(Shape::threads, Shape::blocks)
    columns_inverse(const __grid_constant__ TileArguments<T> a, const Pair<T>* work, int columns,
                    Index carrier0) {
    constexpr int rows = Shape::extent1, width = Shape::extent2;
    Pair<T>* block = dynamic_shared<Pair<T>>();
    const unsigned groups = columns / width;
    const int c0 = static_cast<int>(blockIdx.x % groups) * width;
    const Index local = blockIdx.x / groups, global = carrier0 + local;
    const Pair<T>* tile = work + local * rows * columns;
    const auto carriers = static_cast<std::uint32_t>(a.grid.carriers);
    const Index kernel = static_cast<std::uint32_t>(global) / carriers;
    __shared__ Carrier<T> carrier;
    carrier.open(a, kernel, static_cast<std::uint32_t>(global) % carriers);

    run_pass<Shape, Shape::count - 1, true, T>(
        a.roots,
        [&](const auto& f) {
            const int row = f.i1(), column = c0 + f.i2();
            const Pair<T>* at = tile + row * columns + column;
            return [&, at, row, column](int m) {
                const Pair<T> v = at[m * f.hop * columns];
                if (a.fold == Fold::none) return v;
                return rotate_line<T, true>(v, column, frequency_at(row + m * f.hop, rows),
                                            rows * columns);
            };
        },
        to_shared(block));
    __syncthreads();
    inverse_between<Shape, Shape::count - 2>(block, a.roots);
    const T bias = bias_of<T>(a.g, kernel);
    run_pass<Shape, 0, true, T>(a.roots, from_shared(block), [&](const auto& f) {
        const Column c(a.fold, f.i1(), c0 + f.i2(), columns);
        return carrier.template lines_out<fast>(a, c.axis, f.hop * c.hop, 0, c.i1, c.i2, bias);
    });
}

/// Rows of all tiles: there, times the spectrum, and back; or there alone, to make the spectrum.
template <class T, class Shape, bool product>
__global__ void __launch_bounds__(Shape::threads, Shape::blocks)
    rows_product(const __grid_constant__ TileArguments<T> a, Pair<T>* work, Pair<T>* spectra,
                 int rows, Index carrier0) {
    Pair<T>* block = dynamic_shared<Pair<T>>();
    const unsigned groups = rows / Shape::extent0, group = blockIdx.x % groups;
    const Index local = blockIdx.x / groups;
    Pair<T>* part = work + (local * groups + group) * Shape::points;
    run_pass<Shape, 0, false, T>(
        a.roots,
        [part](const auto& f) {
            return [from = part + f.first](int m) {
                return from[m * std::remove_cvref_t<decltype(f)>::apart];
            };
        },
        to_shared(block));
    __syncthreads();
    forward_between<Shape, 1>(block, a.roots);
    if constexpr (product) {
        const Index kernel = static_cast<std::uint32_t>(carrier0 + local) /
                             static_cast<std::uint32_t>(a.grid.carriers);
        run_middle<Shape, T>(block, a.spectra + (kernel * groups + group) * Shape::points);
        __syncthreads();
        inverse_between<Shape, Shape::count - 2>(block, a.roots);
        run_pass<Shape, 0, true, T>(a.roots, from_shared(block), [part](const auto& f) {
            return [to = part + f.first](int m, Pair<T> v) {
                to[m * std::remove_cvref_t<decltype(f)>::apart] = v;
            };
        });
    } else {
        write_spectrum<Shape, T>(block, spectra + group * Shape::points,
                                 T(1) / (static_cast<T>(rows) * static_cast<T>(Shape::extent2)));
    }
}

template <class T, class Shape>
Grid grid_of(Index blocks, cudaStream_t stream) {
    constexpr int bytes =
        padded_points(Shape::points, sizeof(T)) * static_cast<int>(sizeof(Pair<T>));
    return {static_cast<unsigned>(blocks), Shape::threads, bytes, stream};
}

/// Columns of `length` elements, as many beside each other as make 64 or 128 bytes.
template <class T, int length>
using ColumnShape = FftShape<1, length, (length <= 512 && sizeof(T) == 4 ? 16 : 8),
                             (length <= 256 || sizeof(T) == 8 ? 256 : 512), 2,
                             (length == 256                                         ? 3
                              : length == 512 || (length == 1024 && sizeof(T) == 4) ? 2
                                                                                    : 1)>;

/// Rows of `length` elements, some 4096 elements together.
template <class T, int length>
using RowShape = FftShape<4096 / length, 1, length, 256, 4, (sizeof(T) == 4 ? 3 : 2)>;

template <class T, class Body>
void with_length(Index length, Body&& body) {
    switch (length) {
        case 256: return body(std::integral_constant<int, 256>{});
        case 512: return body(std::integral_constant<int, 512>{});
        case 1024: return body(std::integral_constant<int, 1024>{});
        default:
            if constexpr (sizeof(T) == 4) return body(std::integral_constant<int, 2048>{});
            throw ValueError("no transform of " + std::to_string(length) + " elements here");
    }
}

template <class T>
void forward(const LargeTile& tile, const TileArguments<T>& a, Pair<T>* work, Index first,
             Index count, From from, cudaStream_t stream) {
    with_length<T>(tile.rows, [&]<int rows>(std::integral_constant<int, rows>) {
        using Shape = ColumnShape<T, rows>;
        const Index blocks = count * (tile.columns / Shape::extent2);
        const auto kernel = from == From::taps ? columns_forward<T, Shape, From::taps, false>
                            : a.fast           ? columns_forward<T, Shape, From::samples, true>
                                               : columns_forward<T, Shape, From::samples, false>;
        launch("columns_forward", kernel, grid_of<T, Shape>(blocks, stream), a, work,
               static_cast<int>(tile.columns), first);
    });
}

template <class T>
void run_as(const LargeTile& tile, const TileArguments<T>& a, Pair<T>* work, Index first,
            Index count, cudaStream_t stream) {
    forward(tile, a, work, first, count, From::samples, stream);
    with_length<T>(tile.columns, [&]<int columns>(std::integral_constant<int, columns>) {
        using Shape = RowShape<T, columns>;
        launch("rows_product", rows_product<T, Shape, true>,
               grid_of<T, Shape>(count * (tile.rows / Shape::extent0), stream), a, work,
               static_cast<Pair<T>*>(nullptr), static_cast<int>(tile.rows), first);
    });
    with_length<T>(tile.rows, [&]<int rows>(std::integral_constant<int, rows>) {
        using Shape = ColumnShape<T, rows>;
        const auto kernel =
            a.fast ? columns_inverse<T, Shape, true> : columns_inverse<T, Shape, false>;
        launch("columns_inverse", kernel,
               grid_of<T, Shape>(count * (tile.columns / Shape::extent2), stream), a,
               static_cast<const Pair<T>*>(work), static_cast<int>(tile.columns), first);
    });
}

template <class T>
void prepare_as(const LargeTile& tile, const TileArguments<T>& a, Pair<T>* work, Pair<T>* spectra,
                Index kernels, cudaStream_t stream) {
    for (Index kernel = 0; kernel < kernels; ++kernel) {
        forward(tile, a, work, kernel, 1, From::taps, stream);
        with_length<T>(tile.columns, [&]<int columns>(std::integral_constant<int, columns>) {
            using Shape = RowShape<T, columns>;
            launch("rows_product", rows_product<T, Shape, false>,
                   grid_of<T, Shape>(tile.rows / Shape::extent0, stream), a, work,
                   spectra + kernel * tile.points(), static_cast<int>(tile.rows), Index{0});
        });
    }
}

}  // namespace

std::vector<Index> large_lengths(Arithmetic arithmetic) {
    if (arithmetic == Arithmetic::f32) return {256, 512, 1024, 2048};
    return {256, 512, 1024};
}

void run_large(const LargeTile& tile, const void* arguments, Arithmetic arithmetic, void* work,
               Index first, Index count, cudaStream_t stream) {
    if (arithmetic == Arithmetic::f32)
        run_as(tile, *static_cast<const TileArguments<float>*>(arguments),
               static_cast<Pair<float>*>(work), first, count, stream);
    else
        run_as(tile, *static_cast<const TileArguments<double>*>(arguments),
               static_cast<Pair<double>*>(work), first, count, stream);
}

void prepare_large(const LargeTile& tile, const void* arguments, Arithmetic arithmetic, void* work,
                   void* spectra, Index kernels, cudaStream_t stream) {
    if (arithmetic == Arithmetic::f32)
        prepare_as(tile, *static_cast<const TileArguments<float>*>(arguments),
                   static_cast<Pair<float>*>(work), static_cast<Pair<float>*>(spectra), kernels,
                   stream);
    else
        prepare_as(tile, *static_cast<const TileArguments<double>*>(arguments),
                   static_cast<Pair<double>*>(work), static_cast<Pair<double>*>(spectra), kernels,
                   stream);
}

}  // namespace faltung::cuda
