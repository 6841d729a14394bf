// What tiles read and write: two slots of real samples as one complex tile, or one slot of complex
// ones.
#pragma once

#include "cuda/access.cuh"
#include "cuda/tiling.hpp"

namespace faltung::cuda {

/// How a tile's elements map to samples: by their position on three axes, or along a line that is
/// folded into a matrix of rows.
enum class Fold : std::uint8_t { none, line };

template <class T>
struct TileArguments {
    Regular g;
    TileGrid grid;
    const T* taps;  // for repairs: real taps, or pairs
    const Pair<T>* spectra;
    const Pair<T>* roots;
    std::uint8_t* flags;        // one per carrier: a sample in it is not finite
    std::uint8_t* bad_kernels;  // one per kernel: a tap is not finite
    bool plain_x, plain_out;
    Fold fold;
    int x_step[3], out_step[3];  // strides in bytes, where 32 bits hold them
    bool fast;                   // pairs of plain real samples, written with steps of one

    /// Fills in what follows from the rest.
    void settle() {
        fast = grid.paired && plain_x && plain_out;
        for (int d = 0; d < 3; ++d) {
            const DeviceAxis& axis = g.axis[d];
            x_step[d] = static_cast<int>(axis.x_stride);
            out_step[d] = static_cast<int>(axis.out_stride);
            fast = fast && axis.step == 1 && x_step[d] == axis.x_stride &&
                   out_step[d] == axis.out_stride;
        }
    }
};

/// One slot, ready to be read and written.
template <class T>
struct OpenSlot {
    const std::byte* x;
    std::byte* out;
    const std::byte* origin;  // where element (0, 0, 0) stands, or would
    std::byte* target;        // where its answer goes
    Index at[3];              // dense position of the first answer
    Index from[3];            // position of the first sample
    int low[3], high[3];      // elements [low, high) along each axis stand inside x
    int room[3];              // answers along each axis
    int need[3];              // samples that their windows hold; those behind count as zero
    bool valid;

    __device__ void open(const TileArguments<T>& a, Index kernel, Index index) {
        const Slot slot = slot_of(a.grid, index);
        const EntryOffsets offsets = entry_offsets(a.g, slot.entry, kernel);
        x = a.g.x + offsets.x;
        out = a.g.out + offsets.out;
        valid = slot.valid;
        origin = x;
        target = out;
        for (int i = 0; i < 3; ++i) {
            const DeviceAxis& axis = a.g.axis[i];
            at[i] = slot.at[i];
            from[i] = slot.at[i] + axis.first;
            constexpr Index far = Index{1} << 30;
            low[i] = static_cast<int>(max(-far, min(far, -from[i])));
            high[i] = valid ? static_cast<int>(max(-far, min(far, axis.x - from[i]))) : low[i];
            room[i] = valid ? static_cast<int>(min(a.grid.hop[i], axis.positions() - at[i])) : 0;
            need[i] = valid ? room[i] + static_cast<int>(axis.reach()) - 1 : 0;
            origin += from[i] * axis.x_stride;
            target += at[i] * axis.out_stride;
        }
    }

    __device__ __forceinline__ bool needed(Index i0, Index i1, Index i2) const {
        return i0 < need[0] && i1 < need[1] && i2 < need[2];
    }

    __device__ __forceinline__ T real(const TileArguments<T>& a, Index i0, Index i1,
                                      Index i2) const {
        if (!needed(i0, i1, i2)) return T{};
        if (a.plain_x)
            return Samples<T, true>{a.g, x}.real(from[0] + i0, from[1] + i1, from[2] + i2);
        return Samples<T, false>{a.g, x}.real(from[0] + i0, from[1] + i1, from[2] + i2);
    }

    __device__ __forceinline__ Pair<T> complex(const TileArguments<T>& a, Index i0, Index i1,
                                               Index i2) const {
        if (!needed(i0, i1, i2)) return {T{}, T{}};
        if (a.plain_x)
            return Samples<T, true>{a.g, x}.complex(from[0] + i0, from[1] + i1, from[2] + i2);
        return Samples<T, false>{a.g, x}.complex(from[0] + i0, from[1] + i1, from[2] + i2);
    }

    /// The place of the answer to element (i0, i1, i2), or nullptr where there is none.
    __device__ __forceinline__ std::byte* place(const TileArguments<T>& a, Index i0, Index i1,
                                                Index i2) const {
        const Index i[3] = {i0, i1, i2};
        std::byte* to = out;
        bool answered = valid;
#pragma unroll
        for (int d = 0; d < 3; ++d) {
            const DeviceAxis& axis = a.g.axis[d];
            Index j = at[d] + i[d];
            answered = answered && i[d] < room[d];
            if (axis.step != 1) {
                answered = answered && j % axis.step == 0;
                j /= axis.step;
            }
            to += j * axis.out_stride;
        }
        return answered ? to : nullptr;
    }
};

/// Samples at equal distances, of a slot in plain storage: element m stands m * `hop` positions
/// along one axis from a first one.
template <class T>
struct LineIn {
    const TileArguments<T>& a;
    const OpenSlot<T>& slot;
    int axis, hop, low = 0, high = 0;  // m * hop within [low, high) is inside x
    int limit = 0;                     // from here on nothing is needed
    int i0, i1, i2;
    const std::byte* base;
    Index step = 0;

    __device__ __forceinline__ LineIn(const TileArguments<T>& arguments, const OpenSlot<T>& open,
                                      int along, int distance, int e0, int e1, int e2)
        : a(arguments), slot(open), axis(along), hop(distance), i0(e0), i1(e1), i2(e2) {
        const int i[3] = {i0, i1, i2};
        bool others = true, wanted = true;
        base = slot.origin;
#pragma unroll
        for (int d = 0; d < 3; ++d) {
            base += static_cast<Index>(i[d]) * a.x_step[d];
            if (d == along) {
                limit = slot.need[d] - i[d];
                low = slot.low[d] - i[d];
                high = min(slot.high[d] - i[d], limit);
                step = static_cast<Index>(hop) * a.x_step[d];
            } else {
                others = others & (i[d] >= slot.low[d]) & (i[d] < slot.high[d]);
                wanted = wanted & (i[d] < slot.need[d]);
            }
        }
        if (!wanted) limit = 0;
        if (!others || !wanted) high = low;
    }

    /// Whether some of `count` elements stand outside x.
    __device__ __forceinline__ bool leaves(int count) const {
        return limit > 0 && (low > 0 || (high < limit && high <= (count - 1) * hop));
    }

    /// Element m, which is inside x or constant.
    __device__ __forceinline__ T operator()(int m) const {
        const int u = m * hop;
        if (u >= low && u < high) return read_as<T>(base + m * step);
        return u < limit ? static_cast<T>(a.g.cval_real) : T{};
    }

    /// Element m, wherever it is.
    __device__ __forceinline__ T anywhere(int m) const {
        const int u = m * hop;
        if (u >= limit || (u >= low && u < high)) return (*this)(m);
        return read_as<T>(slot.x + outside_offset<3>(a.g.axis, a.g.boundary,
                                                     slot.from[0] + i0 + (axis == 0 ? u : 0),
                                                     slot.from[1] + i1 + (axis == 1 ? u : 0),
                                                     slot.from[2] + i2 + (axis == 2 ? u : 0)));
    }
};

/// Results at equal distances, of a slot in plain storage and with steps of one.
template <class T>
struct LineOut {
    std::byte* base;
    Index step = 0;
    int hop, high = 0;

    __device__ __forceinline__ LineOut(const TileArguments<T>& a, const OpenSlot<T>& slot,
                                       int along, int distance, int i0, int i1, int i2)
        : base(slot.target), hop(distance) {
        const int i[3] = {i0, i1, i2};
        bool others = true;
#pragma unroll
        for (int d = 0; d < 3; ++d) {
            base += static_cast<Index>(i[d]) * a.out_step[d];
            if (d == along) {
                high = slot.room[d] - i[d];
                step = static_cast<Index>(hop) * a.out_step[d];
            } else {
                others = others & (i[d] < slot.room[d]);
            }
        }
        if (!others) high = 0;
    }

    __device__ __forceinline__ void operator()(int m, T value) const {
        if (m * hop < high) write_as(base + m * step, value);
    }
};

/// The one or two slots of a carrier.
template <class T>
struct Carrier {
    OpenSlot<T> first, second;

    /// For the carrier that a whole block works on: it stands in shared memory.
    __device__ __forceinline__ void open(const TileArguments<T>& a, Index kernel, Index carrier) {
        if (threadIdx.x == 0) first.open(a, kernel, a.grid.paired ? 2 * carrier : carrier);
        if (threadIdx.x == 32)
            second.open(a, kernel, a.grid.paired ? 2 * carrier + 1 : a.grid.slots);
        __syncthreads();
    }

    /// What reads the elements of a butterfly of the first pass, from (i0, i1, i2) on; `bad`
    /// tells of what is not finite. `fast`: pairs of plain real samples, written with steps of one.
    /// `own` is the butterfly's place in shared memory.
    template <bool fast, class F>
    __device__ __forceinline__ auto lines_in(const TileArguments<T>& a, const F&, int along,
                                             int distance, int i0, int i1, int i2, bool& bad,
                                             Pair<T>* own) const {
        if constexpr (fast) {
            const LineIn<T> one(a, first, along, distance, i0, i1, i2),
                two(a, second, along, distance, i0, i1, i2);
            constexpr int count = F::p.radix;
            const bool outside =
                a.g.boundary > Boundary::constant && (one.leaves(count) || two.leaves(count));
            if (outside) {
                // one by one: calls among the unrolled loads would cost registers everywhere
#pragma unroll 1
                for (int m = 0; m < count; ++m)
                    own[F::shared_offset(m)] = {one.anywhere(m), two.anywhere(m)};
            }
            return [one, two, outside, own, &bad](int m) {
                const Pair<T> v = outside ? own[F::shared_offset(m)] : Pair<T>{one(m), two(m)};
                bad |= not_finite(fabs(v.re) + fabs(v.im));
                return v;
            };
        } else {
            return [this, &a, along, distance, i0, i1, i2, &bad](int m) {
                const Index d = static_cast<Index>(m) * distance;
                return load(a, i0 + (along == 0 ? d : 0), i1 + (along == 1 ? d : 0),
                            i2 + (along == 2 ? d : 0), bad);
            };
        }
    }

    template <bool fast>
    __device__ __forceinline__ auto lines_out(const TileArguments<T>& a, int along, int distance,
                                              int i0, int i1, int i2, T bias) const {
        if constexpr (fast) {
            return [one = LineOut<T>(a, first, along, distance, i0, i1, i2),
                    two = LineOut<T>(a, second, along, distance, i0, i1, i2), bias,
                    relu = a.g.relu](int m, Pair<T> v) {
                T re = v.re + bias, im = v.im + bias;
                if (relu) {
                    re = re < T{} ? T{} : re;
                    im = im < T{} ? T{} : im;
                }
                one(m, re);
                two(m, im);
            };
        } else {
            return [this, &a, along, distance, i0, i1, i2, bias](int m, Pair<T> v) {
                const Index d = static_cast<Index>(m) * distance;
                store(a, i0 + (along == 0 ? d : 0), i1 + (along == 1 ? d : 0),
                      i2 + (along == 2 ? d : 0), v, bias);
            };
        }
    }

    /// Element (i0, i1, i2); `bad` tells of what is not finite.
    __device__ __noinline__ Pair<T> load(const TileArguments<T>& a, Index i0, Index i1, Index i2,
                                         bool& bad) const {
        Pair<T> v;
        if (a.grid.paired)
            v = {first.real(a, i0, i1, i2), second.real(a, i0, i1, i2)};
        else
            v = first.complex(a, i0, i1, i2);
        bad |= not_finite(fabs(v.re) + fabs(v.im));
        return v;
    }

    __device__ __noinline__ void store(const TileArguments<T>& a, Index i0, Index i1, Index i2,
                                       Pair<T> v, T bias) const {
        if (std::byte* to = first.place(a, i0, i1, i2)) {
            if (!a.grid.paired) {
                if (a.plain_out)
                    write_as(to, v);
                else
                    store_any<T>(to, a.g.out_type, v.re, v.im, false);
            } else {
                put(a, to, v.re + bias);
            }
        }
        if (a.grid.paired)
            if (std::byte* to = second.place(a, i0, i1, i2)) put(a, to, v.im + bias);
    }

private:
    __device__ __forceinline__ static void put(const TileArguments<T>& a, std::byte* to, T value) {
        if (a.plain_out)
            store_real<T, true>(a.g, to, value);
        else
            store_real<T, false>(a.g, to, value);
    }
};

/// Element (i0, i1, i2) of a kernel as a cyclic correlation wants it: tap t stands at -t.
template <class T>
__device__ __forceinline__ Pair<T> placed_tap(const Regular& g, const TileGrid& grid, const T* taps,
                                              Index kernel, Index i0, Index i1, Index i2) {
    const Index i[3] = {i0, i1, i2};
    Index tap = 0;
#pragma unroll
    for (int a = 0; a < 3; ++a) {
        const DeviceAxis& axis = g.axis[a];
        const Index back = i[a] == 0 ? 0 : grid.length[a] - i[a];
        if (back % axis.dilation != 0 || back / axis.dilation >= axis.k) return {T{}, T{}};
        tap = tap * axis.k + back / axis.dilation;
    }
    const Index count = g.axis[0].k * g.axis[1].k * g.axis[2].k;
    if (g.complex_kernel) return reinterpret_cast<const Pair<T>*>(taps)[kernel * count + tap];
    return {taps[kernel * count + tap], T{}};
}

}  // namespace faltung::cuda
