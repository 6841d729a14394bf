#include "cuda/plan.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "core/error.hpp"
#include "cuda/check.hpp"
#include "cuda/cufft_api.hpp"
#include "cuda/fft_passes.cuh"
#include "cuda/tile_access.cuh"

namespace faltung::cuda {

namespace {

std::optional<ForcedTile> forced_tile;

/// What tiles of one call that are in flight together work in, in bytes. Less, to stay in the
/// second-level cache, was slower: the multiprocessors run dry between launches.
constexpr std::size_t work_target = std::size_t{512} << 20;
constexpr std::size_t whole_target = std::size_t{512} << 20;

/// roots[L + j] = exp(-2 pi i j / L), for every power of two up to 4096; one table per device.
template <class T>
const Pair<T>* roots_of(int device) {
    constexpr int most = 4096;
    static std::mutex mutex;
    static auto* kept = new std::vector<std::pair<int, Pair<T>*>>;
    const std::lock_guard lock(mutex);
    for (const auto& [index, table] : *kept)
        if (index == device) return table;
    std::vector<Pair<T>> table(2 * most);
    for (int length = 1; length <= most; length *= 2)
        for (int j = 0; j < length; ++j) {
            const double angle = -2 * 3.14159265358979323846 * j / length;
            table[static_cast<std::size_t>(length + j)] = {static_cast<T>(std::cos(angle)),
                                                           static_cast<T>(std::sin(angle))};
        }
    Pair<T>* data = nullptr;
    FALTUNG_CHECK(cudaMalloc(&data, table.size() * sizeof(Pair<T>)));
    FALTUNG_CHECK(
        cudaMemcpy(data, table.data(), table.size() * sizeof(Pair<T>), cudaMemcpyHostToDevice));
    kept->emplace_back(device, data);
    return data;
}

std::string not_served(const char* what) { return std::string(what) + " on the device"; }

/// Whether sums of integers come out of transforms of so many points less than a quarter off, so
/// that rounding makes them exact. As on the host (policy/cost_transforms.cpp), with twice the
/// error: roots are products of roots here. Two slots share a transform.
bool rounds_exactly(const KernelTraits& traits, double points) {
    constexpr double c = 8, eps = 0x1p-53, safe = 0.25;
    const double samples = traits.sample_bound * std::sqrt(2 * points);
    return c * eps * std::log2(std::max(2.0, points)) * samples * traits.norm <= safe;
}

constexpr const char* inexact =
    "rounding could reach half a unit: these integers are too large to be exact in float64";

}  // namespace

void force_tile(std::optional<ForcedTile> forced) { forced_tile = std::move(forced); }

Plan::Plan(const General& g, Arithmetic arithmetic, const KernelTraits& traits,
           std::optional<Method> asked, int device)
    : general_(g), arithmetic_(arithmetic), device_(device) {
    is_regular_ = regular_of(g, regular_);
    const CostModel cost(g, arithmetic, device_info(device));
    for (Prediction& prediction : choice_.predictions) prediction.arithmetic = arithmetic;
    predict_direct(cost);
    predict_separable(cost, traits);
    auto& tiles = choice_.predictions[static_cast<std::size_t>(Method::overlap_save)];
    auto& whole = choice_.predictions[static_cast<std::size_t>(Method::fft)];
    const bool exact = traits.sample_bound > 0;
    if (exact && !is_integer(dtype_of(g.out_type))) {
        tiles.reason = whole.reason = not_served("only into integers are integers transformed");
    } else if (!traits.finite) {
        tiles.reason = whole.reason = "the kernel holds NaN or infinity";
    } else if (!is_regular_) {
        tiles.reason = whole.reason = not_served("at most three convolved axes are transformed");
    } else {
        // integers are transformed in float64, whatever serves their direct sums
        if (exact) arithmetic_ = tiles.arithmetic = whole.arithmetic = Arithmetic::f64;
        const CostModel transforms(g, arithmetic_, device_info(device));
        predict_tiles(transforms, traits);
        predict_whole(transforms, traits);
    }

    choice_.forced = asked.has_value();
    if (asked) {
        choice_.method = *asked;
        if (*asked == Method::fft && whole.possible) cufft();
        if (!choice_.taken().possible)
            throw ValueError("method '" + std::string(name_of(*asked)) +
                             "' cannot serve this problem: " + choice_.taken().reason);
    } else {
        double least = choice_.taken().seconds;
        for (int m = 0; m < method_count; ++m) {
            const Prediction& prediction = choice_.predictions[static_cast<std::size_t>(m)];
            if (!prediction.possible || !prediction.reason.empty() || prediction.seconds >= least)
                continue;
            least = prediction.seconds;
            choice_.method = static_cast<Method>(m);
        }
    }
    arithmetic_ = choice_.taken().arithmetic;
}

bool Plan::regular_of(const General& g, Regular& regular) const {
    if (!regular_geometry(g, regular)) return false;
    const bool both_complex = is_complex(g.x_type) && is_complex(g.out_type);
    if (g.complex_samples && !g.complex_kernel && both_complex && g.cval_real == g.cval_imag)
        split_complex(regular);
    return true;
}

void Plan::predict_direct(const CostModel& cost) {
    Prediction& prediction = choice_.predictions[static_cast<std::size_t>(Method::direct)];
    prediction.possible = true;
    if (is_regular_)
        direct_ = direct_shape(regular_, arithmetic_,
                               static_cast<Index>(device_info(device_).shared_bytes));
    prediction.seconds = direct_.possible ? cost.direct(regular_, direct_) : cost.general();
    choice_.method = Method::direct;
}

void Plan::predict_separable(const CostModel& cost, const KernelTraits& traits) {
    Prediction& prediction = choice_.predictions[static_cast<std::size_t>(Method::separable)];
    if (!traits.on_host) {
        prediction.reason = "the kernel is in device memory, where its factors are not looked for";
    } else if (!traits.factors) {
        prediction.reason = "the kernel is not an outer product";
    } else if (traits.sample_bound > 0 || !is_regular_) {
        prediction.reason = not_served("only inexact numbers over two or three axes have passes");
    } else {
        // factors along the regular axes: those of all others are of length one, and scale
        double scale = 1;
        factors_.assign(3, {1.0});
        int place = 2;
        for (int a = general_.rank - 1; a >= 0; --a) {
            const auto& factor = (*traits.factors)[static_cast<std::size_t>(a)];
            if (factor.size() == 1) scale *= factor[0];
        }
        for (int a = general_.rank - 1; a >= 0; --a) {
            const auto& factor = (*traits.factors)[static_cast<std::size_t>(a)];
            if (factor.size() == 1) continue;
            while (place >= 0 && regular_.axis[place].k != static_cast<Index>(factor.size()))
                --place;
            if (place < 0) break;
            factors_[static_cast<std::size_t>(place--)] = factor;
        }
        for (double& tap : factors_[2]) tap *= scale;
        planes_sum_ = std::accumulate(factors_[1].begin(), factors_[1].end(), 0.0) *
                      std::accumulate(factors_[2].begin(), factors_[2].end(), 0.0);
        Regular planes = regular_, lines = regular_;
        planes.axis[0].k = 1;
        lines.axis[0].k = 1;
        lines.axis[1] = regular_.axis[0];
        lines.axis[2].k = 1;
        const auto most = static_cast<Index>(device_info(device_).shared_bytes);
        const int passes = regular_.axis[0].k > 1 ? 2 : 1;
        if (!separable_shape(planes, arithmetic_, most).possible ||
            (passes == 2 && !separable_shape(lines, arithmetic_, most).possible)) {
            prediction.reason = not_served("steps, dilation and factors this long have no passes");
        } else {
            prediction.possible = true;
            prediction.seconds = cost.separable(regular_, passes);
        }
    }
}

void Plan::predict_tiles(const CostModel& cost, const KernelTraits& traits) {
    Prediction& prediction = choice_.predictions[static_cast<std::size_t>(Method::overlap_save)];
    prediction.reason = not_served("no tile is large enough for this kernel");
    const bool paired = !regular_.complex_samples;
    const auto offer = [&](double seconds, std::initializer_list<Index> length, bool is_fused) {
        if (!rounds_exactly(traits, static_cast<double>(product(Extents(length))))) {
            if (!prediction.possible) prediction.reason = inexact;
            return false;
        }
        if (forced_tile) {
            if (forced_tile->fused != is_fused || !(forced_tile->length == Extents(length)))
                return false;
        } else if (prediction.possible && seconds >= prediction.seconds) {
            return false;
        }
        prediction.possible = true;
        prediction.reason.clear();
        prediction.seconds = seconds;
        prediction.tile = Extents(length);
        return true;
    };
    const auto fits = [&](Index n0, Index n1, Index n2) {
        return regular_.axis[0].reach() <= n0 && regular_.axis[1].reach() <= n1 &&
               regular_.axis[2].reach() <= n2;
    };
    for (const FusedTile& tile : fused_tiles(arithmetic_)) {
        const auto& n = tile.length;
        if (!fits(n[0], n[1], n[2])) continue;
        const TileGrid grid = tile_grid(regular_, n[0], n[1], n[2], paired);
        if (grid.countable() && offer(cost.fused(tile, grid), {n[0], n[1], n[2]}, true))
            fused_ = &tile;
    }
    for (const Index rows : large_lengths(arithmetic_))
        for (const Index columns : large_lengths(arithmetic_))
            for (const bool line : {false, true}) {
                const LargeTile tile{.rows = rows, .columns = columns, .line = line};
                const Index n1 = line ? 1 : rows, n2 = line ? rows * columns : columns;
                if (!fits(1, n1, n2)) continue;
                const TileGrid grid = tile_grid(regular_, 1, n1, n2, paired);
                if (grid.countable() && offer(cost.large(tile, grid), {1, n1, n2}, false)) {
                    fused_ = nullptr;
                    large_ = tile;
                }
            }
    if (prediction.possible && !fused_) {
        const std::size_t bytes =
            static_cast<std::size_t>(large_.points()) * 2 * size_of(arithmetic_);
        large_together_ = static_cast<Index>(std::max<std::size_t>(1, work_target / bytes));
    }
}

void Plan::predict_whole(const CostModel& cost, const KernelTraits& traits) {
    Prediction& prediction = choice_.predictions[static_cast<std::size_t>(Method::fft)];
    whole_.real = !regular_.complex_samples;
    double points = 1;
    for (int a = 0; a < 3; ++a) {
        const DeviceAxis& axis = regular_.axis[a];
        const Index least = axis.positions() + axis.reach() - 1;
        points *= static_cast<double>(least);
        if (points > 0x1p33) break;
        whole_.length[a] = smooth_length(least);
    }
    if (points > 0x1p33) {
        prediction.reason = not_served("arrays this large are not transformed at once");
        return;
    }
    if (!rounds_exactly(traits, points)) {
        prediction.reason = inexact;
        return;
    }
    prediction.possible = true;
    const Index entries = regular_.per_kernel * regular_.bank.x;
    prediction.seconds = cost.whole(whole_, entries);
    const std::size_t bytes =
        static_cast<std::size_t>(whole_.spectrum()) * 2 * size_of(arithmetic_);
    whole_.together =
        std::min(entries, static_cast<Index>(std::max<std::size_t>(1, whole_target / bytes)));
    if (!find_cufft())
        prediction.reason = "no cuFFT library was found";
    else if (bytes > device_info(device_).memory_bytes / 8)
        prediction.reason = "it would need several times the array's memory";
}

namespace {

template <class T>
TileArguments<T> tile_arguments(const Regular& g, const T* taps, const Pair<T>* spectra,
                                std::uint8_t* bad_kernels) {
    TileArguments<T> a{};
    a.g = g;
    a.taps = taps;
    a.spectra = spectra;
    a.bad_kernels = bad_kernels;
    const Storage plain = g.complex_samples
                              ? sizeof(T) == 4 ? Storage::complex64 : Storage::complex128
                              : storage_of<T>;
    a.plain_x = g.x_type == plain;
    a.plain_out = g.out_type == plain;
    return a;
}

}  // namespace

void Plan::prepare(StreamBuffer taps, Index kernels, cudaStream_t stream) {
    taps_ = std::move(taps);
    if (choice_.method == Method::direct) return;
    if (arithmetic_ == Arithmetic::f32)
        prepare_as<float>(kernels, stream);
    else
        prepare_as<double>(kernels, stream);
}

template <class T>
void Plan::prepare_as(Index kernels, cudaStream_t stream) {
    if (choice_.method == Method::separable) {
        // for planes, then for lines across them, which have one tap along their rows
        std::vector<T> numbers;
        for (const int axis : {1, 2, 0})
            for (const double tap : factors_[static_cast<std::size_t>(axis)])
                numbers.push_back(static_cast<T>(tap));
        numbers.push_back(T{1});
        spectra_ = StreamBuffer(numbers.size() * sizeof(T), stream);
        // pageable memory is staged before the call returns
        FALTUNG_CHECK(cudaMemcpyAsync(spectra_.get(), numbers.data(), numbers.size() * sizeof(T),
                                      cudaMemcpyHostToDevice, stream));
        return;
    }
    bad_kernels_ = StreamBuffer(static_cast<std::size_t>(kernels), stream);
    FALTUNG_CHECK(
        cudaMemsetAsync(bad_kernels_.get(), 0, static_cast<std::size_t>(kernels), stream));
    TileArguments<T> a = tile_arguments<T>(regular_, taps_.get<const T>(), nullptr,
                                           bad_kernels_.get<std::uint8_t>());
    a.roots = roots_of<T>(device_);
    const auto room = [&](Index points) {
        spectra_ =
            StreamBuffer(static_cast<std::size_t>(points * kernels) * sizeof(Pair<T>), stream);
    };
    if (choice_.method == Method::fft) {
        room(whole_.spectrum());
        for (int d = 0; d < 3; ++d) a.grid.length[d] = whole_.length[d];
        prepare_whole(whole_, &a, arithmetic_, spectra_.get(), kernels, stream);
    } else if (fused_) {
        room(fused_->points);
        for (int d = 0; d < 3; ++d) a.grid.length[d] = fused_->length[d];
        fused_->prepare(&a, spectra_.get(), kernels, stream);
    } else {
        room(large_.points());
        a.grid.length[1] = large_.line ? 1 : large_.rows;
        a.grid.length[2] = large_.line ? large_.points() : large_.columns;
        a.fold = large_.line ? Fold::line : Fold::none;
        const StreamBuffer work(static_cast<std::size_t>(large_.points()) * sizeof(Pair<T>),
                                stream);
        prepare_large(large_, &a, arithmetic_, work.get(), spectra_.get(), kernels, stream);
    }
}

void Plan::run(const General& g, cudaStream_t stream) const {
    if (g.outputs == 0) return;
    if (choice_.method == Method::direct) {
        Regular regular;
        if (direct_.possible && regular_of(g, regular))
            run_direct(regular, direct_, arithmetic_, taps_.get(), stream);
        else
            run_general(g, arithmetic_, taps_.get(), stream);
    } else if (arithmetic_ == Arithmetic::f32) {
        run_as<float>(g, stream);
    } else {
        run_as<double>(g, stream);
    }
}

TileGrid Plan::grid_of(const Regular& regular) const {
    const bool paired = !regular.complex_samples;
    if (choice_.method == Method::fft)
        return tile_grid(regular, whole_.length[0], whole_.length[1], whole_.length[2], false);
    if (fused_)
        return tile_grid(regular, fused_->length[0], fused_->length[1], fused_->length[2], paired);
    return tile_grid(regular, 1, large_.line ? 1 : large_.rows,
                     large_.line ? large_.points() : large_.columns, paired);
}

std::size_t Plan::workspace_bytes() const {
    const auto borrowed = [](Index bytes) { return StreamBuffer::rounded(bytes); };
    const auto number = static_cast<Index>(size_of(arithmetic_));
    if (general_.outputs == 0 || choice_.method == Method::direct) return 0;
    if (choice_.method == Method::separable) {
        const DeviceAxis* axis = regular_.axis;  // run_factors: planes, where there are lines too
        if (axis[0].k == 1) return 0;
        return borrowed(axis[0].x * axis[1].out * axis[2].out * regular_.per_kernel * number);
    }
    const TileGrid grid = grid_of(regular_);
    const Index carriers = grid.carriers * grid.kernels;
    const std::size_t flags = borrowed(carriers);
    if (choice_.method == Method::fft)
        return flags + borrowed(whole_.spectrum() * whole_.together * 2 * number) +
               whole_area_bytes(whole_, arithmetic_, device_);
    if (fused_) return flags;
    return flags + borrowed(large_.points() * std::min(large_together_, carriers) * 2 * number);
}

template <class T>
void Plan::run_as(const General& g, cudaStream_t stream) const {
    Regular regular;
    regular_of(g, regular);
    if (choice_.method == Method::separable) return run_factors<T>(regular, stream);

    TileArguments<T> a = tile_arguments<T>(regular, taps_.get<const T>(), spectra_.get<Pair<T>>(),
                                           bad_kernels_.get<std::uint8_t>());
    a.roots = roots_of<T>(device_);
    a.grid = grid_of(regular);
    if (large_.line) a.fold = Fold::line;
    a.settle();
    const Index carriers = a.grid.carriers * a.grid.kernels;
    const StreamBuffer flags(static_cast<std::size_t>(carriers), stream);
    a.flags = flags.get<std::uint8_t>();
    if (!fused_ || choice_.method == Method::fft)
        FALTUNG_CHECK(cudaMemsetAsync(a.flags, 0, static_cast<std::size_t>(carriers), stream));

    if (choice_.method == Method::fft) {
        const StreamBuffer work(
            static_cast<std::size_t>(whole_.spectrum() * whole_.together) * sizeof(Pair<T>),
            stream);
        run_whole(whole_, &a, arithmetic_, work.get(), stream);
    } else if (fused_) {
        fused_->run(&a, carriers, stream);
    } else {
        const Index together = std::min(large_together_, carriers);
        const StreamBuffer work(
            static_cast<std::size_t>(large_.points() * together) * sizeof(Pair<T>), stream);
        for (Index first = 0; first < carriers; first += together)
            run_large(large_, &a, arithmetic_, work.get(), first,
                      std::min(together, carriers - first), stream);
    }
    repair(&a, arithmetic_, carriers, stream);
}

template <class T>
void Plan::run_factors(const Regular& g, cudaStream_t stream) const {
    const auto most = static_cast<Index>(device_info(device_).shared_bytes);
    const T* factors = spectra_.get<const T>();
    if (g.axis[0].k == 1)
        return run_separable(g, separable_shape(g, arithmetic_, most), arithmetic_, factors,
                             stream);

    // planes into a volume of our own that keeps all samples along the slow axis, then lines across
    Regular planes = g, lines = g;
    const DeviceAxis slow = g.axis[0];
    planes.axis[0] = {.x = slow.x, .out = slow.x, .x_stride = slow.x_stride};
    planes.axis[2].out_stride = sizeof(T);
    planes.axis[1].out_stride = g.axis[2].out * planes.axis[2].out_stride;
    planes.axis[0].out_stride = g.axis[1].out * planes.axis[1].out_stride;
    Index bytes = slow.x * planes.axis[0].out_stride;
    for (int b = 0; b < g.batch_axes; ++b) {
        planes.batch[b].out_stride = bytes;
        bytes *= g.batch[b].x;
    }
    const StreamBuffer middle(static_cast<std::size_t>(bytes), stream);
    planes.out = middle.get<std::byte>();
    planes.out_type = storage_of<T>;
    run_separable(planes, separable_shape(planes, arithmetic_, most), arithmetic_, factors, stream);

    lines.x = middle.get<std::byte>();
    lines.x_type = storage_of<T>;
    for (int b = 0; b < g.batch_axes; ++b) lines.batch[b].x_stride = planes.batch[b].out_stride;
    lines.axis[0] = {.x = g.axis[1].out,
                     .out = g.axis[1].out,
                     .x_stride = planes.axis[1].out_stride,
                     .out_stride = g.axis[1].out_stride};
    lines.axis[1] = slow;
    lines.axis[1].x_stride = planes.axis[0].out_stride;
    lines.axis[2] = {.x = g.axis[2].out,
                     .out = g.axis[2].out,
                     .x_stride = sizeof(T),
                     .out_stride = g.axis[2].out_stride};
    // what lies outside along the slow axis would have gone through the planes' passes
    lines.cval_real = g.cval_real * planes_sum_;
    run_separable(lines, separable_shape(lines, arithmetic_, most), arithmetic_,
                  factors + factors_[1].size() + factors_[2].size(), stream);
}

}  // namespace faltung::cuda
