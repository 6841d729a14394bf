// What kernels of direct sums share: samples in shared memory, patches of outputs in registers.
#pragma once

#include <cuda_pipeline.h>

#include "cuda/access.cuh"
#include "cuda/direct.hpp"
#include "cuda/tiling.hpp"

namespace faltung::cuda {

/// Numbers that one 16-byte access takes.
template <class T>
inline constexpr int vector_numbers = 16 / static_cast<int>(sizeof(T));

/// A gap of 16 bytes every 128 lets lanes that are 32 bytes apart read without bank conflicts.
template <class T>
constexpr __host__ __device__ int row_place(int column) {
    return column + vector_numbers<T> * (column / static_cast<int>(128 / sizeof(T)));
}

template <class T>
__device__ __forceinline__ void read_vector(T* to, const T* from) {
    if constexpr (sizeof(T) == 4) {
        const float4 v = *reinterpret_cast<const float4*>(from);
        to[0] = v.x;
        to[1] = v.y;
        to[2] = v.z;
        to[3] = v.w;
    } else {
        const double2 v = *reinterpret_cast<const double2*>(from);
        to[0] = v.x;
        to[1] = v.y;
    }
}

struct DirectArguments {
    Regular g;
    TileGrid grid;
    DirectShape shape;
    bool plain_x, plain_out, aligned_out;
    int shift = 0;      // columns read before a block's first, so that 16 bytes are aligned
    bool wide = false;  // whether rows are read 16 bytes at a time
};

/// What a block works on, found by one of its threads.
struct BlockSite {
    const std::byte* x;
    std::byte* out;
    Index at[3], from[3];
    Index kernel;

    __device__ __forceinline__ void open(const DirectArguments& a) {
        if (threadIdx.x == 0 && threadIdx.y == 0 && threadIdx.z == 0) {
            const auto slots = static_cast<std::uint32_t>(a.grid.slots);
            kernel = blockIdx.x / slots;
            const Slot slot = slot_of(a.grid, blockIdx.x % slots);
            const EntryOffsets offsets = entry_offsets(a.g, slot.entry, kernel);
            x = a.g.x + offsets.x;
            out = a.g.out + offsets.out;
            for (int d = 0; d < 3; ++d) {
                at[d] = slot.at[d];
                from[d] = slot.at[d] + a.g.axis[d].first;
            }
        }
        __syncthreads();
    }
};

/// Fills shared memory with the samples of a block's windows, `a.shift` columns to the right.
template <class T>
__device__ __forceinline__ void fill(const DirectArguments& a, const std::byte* base,
                                     const Index (&from)[3], int planes, int rows, int columns,
                                     T* samples) {
    const Regular& g = a.g;
    const int thread =
        static_cast<int>(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
    const int warps = static_cast<int>(blockDim.x * blockDim.y * blockDim.z) / 32;
    const Index step = g.axis[2].x_stride;
    // columns [low, high) stand inside x
    const Index n2 = g.axis[2].x;
    const int low = static_cast<int>(min(Index{columns}, max(Index{0}, -from[2])));
    const int high = static_cast<int>(min(Index{columns}, max(Index{0}, n2 - from[2])));
    const auto inside = [](Index i, Index n) {
        return static_cast<std::uint64_t>(i) < static_cast<std::uint64_t>(n);
    };
    const T constant = static_cast<T>(g.cval_real);
    const int lane = thread % 32;
    constexpr int vector = vector_numbers<T>;
    const int vectors = (columns + a.shift + vector - 1) / vector;
    if (a.wide && from[2] >= a.shift && from[2] - a.shift + vectors * vector <= n2 &&
        from[1] >= 0 && from[1] + rows <= g.axis[1].x && from[0] >= 0 &&
        from[0] + planes <= g.axis[0].x) {
        const std::byte* first = base + from[0] * g.axis[0].x_stride +
                                 from[1] * g.axis[1].x_stride + (from[2] - a.shift) * step;
        for (int line = thread / 32; line < planes * rows; line += warps) {
            const int plane = planes == 1 ? 0 : line / rows;
            const std::byte* row =
                first + plane * g.axis[0].x_stride + (line - plane * rows) * g.axis[1].x_stride;
            T* to = samples + line * a.shape.pitch;
            for (int c = lane; c < vectors; c += 32)
                __pipeline_memcpy_async(to + row_place<T>(c * vector), row + c * 16, 16);
        }
        __pipeline_commit();
        __pipeline_wait_prior(0);
        return;
    }
    for (int line = thread / 32; line < planes * rows; line += warps) {
        const int plane = line / rows;
        Index s0 = from[0] + plane, s1 = from[1] + line - plane * rows;
        if (!inside(s0, g.axis[0].x)) s0 = extended(s0, g.axis[0].x, g.boundary);
        if (!inside(s1, g.axis[1].x)) s1 = extended(s1, g.axis[1].x, g.boundary);
        T* to = samples + line * a.shape.pitch;
        if (s0 < 0 || s1 < 0) {
            for (int c = lane; c < columns; c += 32) to[row_place<T>(c + a.shift)] = constant;
            continue;
        }
        const std::byte* row = base + s0 * g.axis[0].x_stride + s1 * g.axis[1].x_stride;
        const std::byte* at = row + (from[2] + lane) * step;
#pragma unroll 4
        for (int c = lane; c < columns; c += 32, at += 32 * step) {
            T* place = to + row_place<T>(c + a.shift);
            if (c >= low && c < high) {
                if (a.plain_x)
                    __pipeline_memcpy_async(place, at, sizeof(T));
                else
                    *place = load_any<T>(at, g.x_type);
            } else {
                const Index source = extended(from[2] + c, n2, g.boundary);
                *place = source < 0  ? constant
                         : a.plain_x ? read_as<T>(row + source * step)
                                     : load_any<T>(row + source * step, g.x_type);
            }
        }
    }
    __pipeline_commit();
    __pipeline_wait_prior(0);
}

/// Writes a thread's patch.
template <class T, int wide, int high>
__device__ __forceinline__ void put(const DirectArguments& a, std::byte* out, const Index (&at)[3],
                                    T bias, const T (&sum)[high][wide]) {
    const DeviceAxis* axis = a.g.axis;
    if (at[0] >= axis[0].out) return;
    std::byte* plane = out + at[0] * axis[0].out_stride;
#pragma unroll
    for (int h = 0; h < high; ++h) {
        if (at[1] + h >= axis[1].out) return;
        std::byte* to = plane + (at[1] + h) * axis[1].out_stride + at[2] * axis[2].out_stride;
        T value[wide];
#pragma unroll
        for (int w = 0; w < wide; ++w) {
            value[w] = sum[h][w] + bias;
            if (a.g.relu && value[w] < T{}) value[w] = T{};
        }
        if (a.aligned_out && at[2] + wide <= axis[2].out) {
#pragma unroll
            for (int w = 0; w < wide; w += vector_numbers<T>) {
                if constexpr (sizeof(T) == 4)
                    reinterpret_cast<float4*>(to)[w / 4] = {value[w], value[w + 1], value[w + 2],
                                                            value[w + 3]};
                else
                    reinterpret_cast<double2*>(to)[w / 2] = {value[w], value[w + 1]};
            }
        } else {
#pragma unroll
            for (int w = 0; w < wide; ++w) {
                if (at[2] + w >= axis[2].out) break;
                if (a.plain_out)
                    write_as(to + w * axis[2].out_stride, value[w]);
                else
                    store_any<T>(to + w * axis[2].out_stride, a.g.out_type, value[w], T{},
                                 a.g.unsigned_result);
            }
        }
    }
}

/// Sums of a square of `side` taps for a patch, loops unrolled, taps in registers; rows of samples
/// begin `shift` columns late.
template <class T, int side, int shift, int wide, int high>
__device__ __forceinline__ void sum_square(const T* samples, int pitch, int x0, const T* taps,
                                           int tap_pitch, T (&sum)[high][wide]) {
    constexpr int window =
        (wide + side - 1 + shift + vector_numbers<T> - 1) / vector_numbers<T> * vector_numbers<T>;
    T tap[side][side];
#pragma unroll
    for (int ty = 0; ty < side; ++ty)
#pragma unroll
        for (int tx = 0; tx < side; ++tx) tap[ty][tx] = taps[ty * tap_pitch + tx];
    int place[window / vector_numbers<T>];
#pragma unroll
    for (int i = 0; i < window / vector_numbers<T>; ++i)
        place[i] = row_place<T>(x0 + i * vector_numbers<T>);
#pragma unroll
    for (int r = 0; r < high + side - 1; ++r) {
        T v[window];
#pragma unroll
        for (int i = 0; i < window / vector_numbers<T>; ++i)
            read_vector(v + i * vector_numbers<T>, samples + r * pitch + place[i]);
#pragma unroll
        for (int h = 0; h < high; ++h) {
            const int ty = r - h;
            if (ty < 0 || ty >= side) continue;
#pragma unroll
            for (int tx = 0; tx < side; ++tx)
#pragma unroll
                for (int w = 0; w < wide; ++w) sum[h][w] += tap[ty][tx] * v[w + tx + shift];
        }
    }
}

/// Sums of rows of any length for a patch, eight taps at a time.
template <class T, int wide, int high>
__device__ __forceinline__ void sum_rows(const T* samples, int pitch, int x0, int row_step,
                                         const T* taps, int tap_pitch, int rows, int length,
                                         T (&sum)[high][wide]) {
    constexpr int batch = wide;  // taps per turn, so that the windows move on by whole patches
    for (int ty = 0; ty < rows; ++ty) {
        const T* tap_row = taps + ty * tap_pitch;
        const T* row = samples + ty * row_step * pitch;
        T v[high][2 * wide];
#pragma unroll
        for (int h = 0; h < high; ++h)
#pragma unroll
            for (int i = 0; i < wide; i += vector_numbers<T>)
                read_vector(v[h] + i, row + h * pitch + row_place<T>(x0 + i));
        for (int t = 0; t < length; t += batch) {
            T tap[batch];
#pragma unroll
            for (int i = 0; i < batch; i += vector_numbers<T>)
                read_vector(tap + i, tap_row + t + i);
#pragma unroll
            for (int h = 0; h < high; ++h) {
#pragma unroll
                for (int i = 0; i < wide; i += vector_numbers<T>)
                    read_vector(v[h] + wide + i, row + h * pitch + row_place<T>(x0 + t + wide + i));
            }
            // a tap that is not there must not meet a sample that is not finite
#pragma unroll
            for (int i = 0; i < batch; ++i) {
                if (t + i >= length) break;
#pragma unroll
                for (int h = 0; h < high; ++h)
#pragma unroll
                    for (int w = 0; w < wide; ++w) sum[h][w] += tap[i] * v[h][w + i];
            }
#pragma unroll
            for (int h = 0; h < high; ++h)
#pragma unroll
                for (int w = 0; w < wide; ++w) v[h][w] = v[h][w + wide];
        }
    }
}

/// Whether rows of plain samples can be read 16 bytes at a time, and from where on.
template <class T>
void note_wide_rows(DirectArguments& a) {
    const Regular& g = a.g;
    const auto address = reinterpret_cast<std::uintptr_t>(g.x);
    bool wide = a.plain_x && g.axis[2].x_stride == static_cast<Index>(sizeof(T)) &&
                address % sizeof(T) == 0 && g.axis[0].x_stride % 16 == 0 &&
                g.axis[1].x_stride % 16 == 0 && g.bank.x_stride % 16 == 0;
    for (int b = 0; b < g.batch_axes; ++b) wide = wide && g.batch[b].x_stride % 16 == 0;
    a.wide = wide;
    // blocks are multiples of 16 bytes wide, so the first one speaks for all
    const Index misplaced =
        static_cast<Index>(address) / static_cast<Index>(sizeof(T)) + g.axis[2].first;
    a.shift = wide ? static_cast<int>(floor_mod(misplaced, vector_numbers<T>)) : 0;
}

/// Whether samples and results need conversion, and whether rows of results are aligned.
template <class T>
void note_layout(DirectArguments& a) {
    const Regular& g = a.g;
    a.plain_x = g.x_type == storage_of<T>;
    a.plain_out = g.out_type == storage_of<T>;
    a.aligned_out = a.plain_out && g.axis[2].out_stride == static_cast<Index>(sizeof(T)) &&
                    reinterpret_cast<std::uintptr_t>(g.out) % 16 == 0 &&
                    g.axis[0].out_stride % 16 == 0 && g.axis[1].out_stride % 16 == 0 &&
                    g.bank.out_stride % 16 == 0;
    for (int b = 0; b < g.batch_axes; ++b)
        a.aligned_out = a.aligned_out && g.batch[b].out_stride % 16 == 0;
}

}  // namespace faltung::cuda
