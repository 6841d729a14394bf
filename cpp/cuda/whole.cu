#include "cuda/whole.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <tuple>

#include "core/error.hpp"
#include "cuda/check.hpp"
#include "cuda/cufft_api.hpp"
#include "cuda/device.hpp"
#include "cuda/fft_passes.cuh"
#include "cuda/launch.cuh"
#include "cuda/tile_access.cuh"

namespace faltung::cuda {

namespace {

constexpr int threads = 256;

/// Plans without work areas of their own. A plan's stream and work area are set before each use, so
/// uses of one plan exclude each other.
class Plans {
public:
    using Key = std::tuple<int, CufftType, Index, Index, Index, Index>;

    template <class Use>
    void with(const Key& key, cudaStream_t stream, Use&& use) {
        const std::lock_guard lock(mutex_);
        const Kept& plan = find_or_make(key);
        const CufftApi& api = cufft();
        const StreamBuffer area(plan.work, stream);
        check_cufft(api.set_stream(plan.handle, stream), "cufftSetStream");
        check_cufft(api.set_work_area(plan.handle, area.get()), "cufftSetWorkArea");
        use(api, plan.handle);
    }

    /// The work area that a plan wants.
    std::size_t area_bytes(const Key& key) {
        const std::lock_guard lock(mutex_);
        return StreamBuffer::rounded(static_cast<Index>(find_or_make(key).work));
    }

private:
    struct Kept {
        int handle;
        std::size_t work;
    };
    static constexpr std::size_t most = 32;

    const Kept& find_or_make(const Key& key) {
        const auto found = kept_.find(key);
        if (found != kept_.end()) return found->second;
        if (kept_.size() >= most) drop_all();
        return kept_.emplace(key, make(key)).first->second;
    }

    static Kept make(const Key& key) {
        const auto [device, type, n0, n1, n2, together] = key;
        const CufftApi& api = cufft();
        Kept kept{};
        check_cufft(api.create(&kept.handle), "cufftCreate");
        check_cufft(api.set_auto_allocation(kept.handle, 0), "cufftSetAutoAllocation");
        const bool forward = type == CufftType::single_forward || type == CufftType::double_forward;
        const bool inverse = type == CufftType::single_inverse || type == CufftType::double_inverse;
        const Index half = n2 / 2 + 1;
        long long n[3], real[3], complex[3];
        int rank = 0;
        for (int a = 0; a < 3; ++a) {
            const Index length = a == 0 ? n0 : a == 1 ? n1 : n2;
            if (length == 1 && a < 2 && rank == 0) continue;
            n[rank] = length;
            real[rank] = a == 2 ? 2 * half : length;
            complex[rank] = a == 2 && (forward || inverse) ? half : length;
            ++rank;
        }
        const long long rows = n0 * n1;
        const long long reals = rows * 2 * half, pairs = rows * (forward || inverse ? half : n2);
        check_cufft(
            api.make_plan(kept.handle, rank, n, forward ? real : complex, 1,
                          forward ? reals : pairs, inverse ? real : complex, 1,
                          inverse ? reals : pairs, static_cast<int>(type), together, &kept.work),
            "cufftMakePlanMany64");
        return kept;
    }

    void drop_all() {
        for (const auto& [key, plan] : kept_) cufft().destroy(plan.handle);
        kept_.clear();
    }

    std::mutex mutex_;
    std::map<Key, Kept> kept_;
};

Plans& plans() {
    static auto* the = new Plans;
    return *the;
}

Plans::Key key_of(const WholeShape& shape, bool single, Index together, bool inverse, int device) {
    const CufftType type =
        !shape.real ? single ? CufftType::single_complex : CufftType::double_complex
        : inverse   ? single ? CufftType::single_inverse : CufftType::double_inverse
        : single    ? CufftType::single_forward
                    : CufftType::double_forward;
    return {device, type, shape.length[0], shape.length[1], shape.length[2], together};
}

template <class T>
void transform(const WholeShape& shape, Pair<T>* data, Index together, bool inverse,
               cudaStream_t stream) {
    constexpr bool single = sizeof(T) == 4;
    int device = 0;
    FALTUNG_CHECK(cudaGetDevice(&device));
    T* numbers = reinterpret_cast<T*>(data);
    const int direction = inverse ? 1 : -1;
    plans().with(key_of(shape, single, together, inverse, device), stream,
                 [&](const CufftApi& api, int plan) {
                     int status = 0;
                     if constexpr (single)
                         status = !shape.real
                                      ? api.single_complex(plan, numbers, numbers, direction)
                                  : inverse ? api.single_inverse(plan, numbers, numbers)
                                            : api.single_forward(plan, numbers, numbers);
                     else
                         status = !shape.real
                                      ? api.double_complex(plan, numbers, numbers, direction)
                                  : inverse ? api.double_inverse(plan, numbers, numbers)
                                            : api.double_forward(plan, numbers, numbers);
                     check_cufft(status, "cufftExec");
                 });
}

/// Element `i` of an entry laid out for the transform: rows of pairs, or of 2 * (n2/2 + 1) reals.
struct Spot {
    Index i0, i1, i2, entry;

    __device__ Spot(const WholeShape& shape, Index i) {
        const Index row = shape.real ? 2 * (shape.length[2] / 2 + 1) : shape.length[2];
        i2 = i % row;
        i /= row;
        i1 = i % shape.length[1];
        i /= shape.length[1];
        i0 = i % shape.length[0];
        entry = i / shape.length[0];
    }
};

template <class T, bool from_taps>
__global__ void __launch_bounds__(threads)
    whole_load(const __grid_constant__ TileArguments<T> a, const __grid_constant__ WholeShape shape,
               Index first, Index elements, T* data) {
    for (Index i = blockIdx.x * Index{threads} + threadIdx.x; i < elements;
         i += gridDim.x * Index{threads}) {
        const Spot at(shape, i);
        if (at.i2 >= shape.length[2]) continue;
        const Index entry = first + at.entry;
        Pair<T> v;
        if constexpr (from_taps) {
            v = placed_tap(a.g, a.grid, a.taps, entry, at.i0, at.i1, at.i2);
        } else {
            OpenSlot<T> slot;
            slot.open(a, entry / a.grid.carriers, entry % a.grid.carriers);
            v = shape.real ? Pair<T>{slot.real(a, at.i0, at.i1, at.i2), T{}}
                           : slot.complex(a, at.i0, at.i1, at.i2);
        }
        if (not_finite(v.re) || not_finite(v.im)) {
            v = {T{}, T{}};
            if constexpr (from_taps)
                a.bad_kernels[entry] = 1;
            else
                a.flags[entry] = 1;
        }
        if (shape.real)
            data[i] = v.re;
        else
            reinterpret_cast<Pair<T>*>(data)[i] = v;
    }
}

template <class T>
__global__ void __launch_bounds__(threads)
    whole_product(const __grid_constant__ TileArguments<T> a, Index first, Index spectrum,
                  Index elements, T scale, Pair<T>* data) {
    for (Index i = blockIdx.x * Index{threads} + threadIdx.x; i < elements;
         i += gridDim.x * Index{threads}) {
        const Index entry = first + i / spectrum, kernel = entry / a.grid.carriers;
        const Pair<T> v = data[i] * a.spectra[kernel * spectrum + i % spectrum];
        data[i] = {v.re * scale, v.im * scale};
        if (i % spectrum == 0 && a.bad_kernels[kernel]) a.flags[entry] = 1;
    }
}

template <class T>
__global__ void __launch_bounds__(threads) whole_store(const __grid_constant__ TileArguments<T> a,
                                                       const __grid_constant__ WholeShape shape,
                                                       Index first, Index elements, const T* data) {
    for (Index i = blockIdx.x * Index{threads} + threadIdx.x; i < elements;
         i += gridDim.x * Index{threads}) {
        const Spot at(shape, i);
        const Index entry = first + at.entry, kernel = entry / a.grid.carriers;
        OpenSlot<T> slot;
        slot.open(a, kernel, entry % a.grid.carriers);
        std::byte* to = at.i2 < shape.length[2] ? slot.place(a, at.i0, at.i1, at.i2) : nullptr;
        if (!to) continue;
        if (shape.real) {
            store_real<T, false>(a.g, to, data[i] + bias_of<T>(a.g, kernel));
        } else {
            const Pair<T> v = reinterpret_cast<const Pair<T>*>(data)[i];
            store_any<T>(to, a.g.out_type, v.re, v.im, false);
        }
    }
}

Grid grid_for(Index elements, cudaStream_t stream) {
    return {blocks_for(elements, threads, 1 << 18), threads, 0, stream};
}

template <class T>
void prepare_as(const WholeShape& shape, const TileArguments<T>& a, Pair<T>* spectra, Index kernels,
                cudaStream_t stream) {
    const Index elements = shape.spectrum() * (shape.real ? 2 : 1);
    for (Index kernel = 0; kernel < kernels; ++kernel) {
        Pair<T>* spectrum = spectra + kernel * shape.spectrum();
        launch("whole_load", whole_load<T, true>, grid_for(elements, stream), a, shape, kernel,
               elements, reinterpret_cast<T*>(spectrum));
        transform(shape, spectrum, 1, false, stream);
    }
}

template <class T>
void run_as(const WholeShape& shape, const TileArguments<T>& a, Pair<T>* work,
            cudaStream_t stream) {
    const Index entries = a.grid.carriers * a.grid.kernels;
    const T scale = static_cast<T>(
        1.0 / (static_cast<double>(shape.length[0]) * static_cast<double>(shape.length[1]) *
               static_cast<double>(shape.length[2])));
    for (Index first = 0; first < entries; first += shape.together) {
        const Index count = std::min(shape.together, entries - first);
        const Index pairs = count * shape.spectrum(), elements = pairs * (shape.real ? 2 : 1);
        T* numbers = reinterpret_cast<T*>(work);
        launch("whole_load", whole_load<T, false>, grid_for(elements, stream), a, shape, first,
               elements, numbers);
        transform(shape, work, count, false, stream);
        launch("whole_product", whole_product<T>, grid_for(pairs, stream), a, first,
               shape.spectrum(), pairs, scale, work);
        transform(shape, work, count, true, stream);
        launch("whole_store", whole_store<T>, grid_for(elements, stream), a, shape, first, elements,
               numbers);
    }
}

}  // namespace

Index smooth_length(Index n) {
    if (n <= 1) return 1;
    // products of 3, 5 and 7, each times the power of two that takes it to n
    Index least = std::numeric_limits<Index>::max();
    for (Index sevens = 1; sevens < 2 * n; sevens *= 7)
        for (Index fives = sevens; fives < 2 * n; fives *= 5)
            for (Index threes = fives; threes < 2 * n; threes *= 3) {
                Index length = 2 * threes;
                while (length < n) length *= 2;
                least = std::min(least, length);
            }
    return least;
}

void prepare_whole(const WholeShape& shape, const void* arguments, Arithmetic arithmetic,
                   void* spectra, Index kernels, cudaStream_t stream) {
    if (arithmetic == Arithmetic::f32)
        prepare_as(shape, *static_cast<const TileArguments<float>*>(arguments),
                   static_cast<Pair<float>*>(spectra), kernels, stream);
    else
        prepare_as(shape, *static_cast<const TileArguments<double>*>(arguments),
                   static_cast<Pair<double>*>(spectra), kernels, stream);
}

std::size_t whole_area_bytes(const WholeShape& shape, Arithmetic arithmetic, int device) {
    const DeviceGuard guard(device);
    const bool single = arithmetic == Arithmetic::f32;
    std::size_t most = 0;
    for (const bool inverse : {false, true})
        most = std::max(most,
                        plans().area_bytes(key_of(shape, single, shape.together, inverse, device)));
    return most;
}

void run_whole(const WholeShape& shape, const void* arguments, Arithmetic arithmetic, void* work,
               cudaStream_t stream) {
    if (arithmetic == Arithmetic::f32)
        run_as(shape, *static_cast<const TileArguments<float>*>(arguments),
               static_cast<Pair<float>*>(work), stream);
    else
        run_as(shape, *static_cast<const TileArguments<double>*>(arguments),
               static_cast<Pair<double>*>(work), stream);
}

}  // namespace faltung::cuda
