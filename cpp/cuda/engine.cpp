#include "cuda/engine.hpp"

#include <functional>
#include <list>

#include "core/error.hpp"
#include "core/exactness.hpp"
#include "core/kernel.hpp"
#include "cuda/check.hpp"
#include "direct/separable.hpp"
#include "engine/settle.hpp"

namespace faltung::cuda {

namespace {

/// Taps or samples on the device in the order of a view, for kernels that walk them.
TapSource source_of(const ArrayView& view, Storage type, bool flip, bool conjugate) {
    TapSource source;
    source.data = view.data;
    source.type = type;
    source.rank = view.rank();
    source.conjugate = conjugate;
    for (int a = 0; a < view.rank(); ++a) {
        source.extent[a] = view.shape[a];
        source.stride[a] = view.strides[a];
        if (flip) {
            source.data += (view.shape[a] - 1) * view.strides[a];
            source.stride[a] = -view.strides[a];
        }
    }
    return source;
}

SampleRange range_on_device(const TypedView& x, cudaStream_t stream) {
    const StreamBuffer result(sizeof(IntegerRange), stream);
    integer_range(source_of(x.view, x.type, false, false), product(x.view.shape),
                  result.get<IntegerRange>(), stream);
    IntegerRange found{};
    FALTUNG_CHECK(
        cudaMemcpyAsync(&found, result.get(), sizeof found, cudaMemcpyDeviceToHost, stream));
    FALTUNG_CHECK(cudaStreamSynchronize(stream));
    return {found.below, found.above};
}

/// float64 factors of a real kernel along the axes of the general form.
std::optional<std::vector<std::vector<double>>> factors_of(const Kernel& kernel,
                                                           Arithmetic arithmetic, bool narrow) {
    if (kernel.is_complex() || !kernel.finite()) return std::nullopt;
    const double tolerance = arithmetic == Arithmetic::f64 ? 0x1p-52 : narrow ? 0x1p-11 : 0x1p-24;
    const Terms found = factorise(kernel, arithmetic, tolerance);
    if (found.empty()) return std::nullopt;
    std::vector<std::vector<double>> factors;
    for (const auto& axis : found.front().per_axis) {
        std::vector<double>& real = factors.emplace_back();
        for (const std::complex<double>& tap : axis) real.push_back(tap.real());
    }
    return factors;
}

int convolved_axes(const Problem& problem) {
    int count = 0;
    for (const Axis& axis : problem.axes) count += axis.k > 1;
    return count;
}

/// A canonical problem with its arrays.
struct Case {
    Problem problem;
    TypedView x, out;
    ArrayView kernel;
    General general;
};

Case canonical_case(const Request& request, const TypedView& x, const ArrayView& k,
                    const TypedView& out) {
    Case found{
        .problem = request.problem, .x = x, .out = out, .kernel = request.spread(k), .general = {}};
    canonicalise(found.problem, found.x.view, found.kernel, found.out.view);
    return found;
}

TypedView every_sample(const Case& c) { return {with_channels(c.problem, c.x.view), c.x.type}; }

void finish(Case& c) {
    c.general = general_geometry(c.problem, c.x.view, c.out.view, c.x.type, c.out.type);
}

std::shared_ptr<const Plan> plan_on_host(const Request& request, const Case& c, Storage k_type,
                                         int device, cudaStream_t stream) {
    std::optional<Kernel> kernel(std::in_place, c.problem, c.kernel, request.flip, !request.flip);
    KernelTraits traits;
    traits.finite = kernel->finite();
    traits.sample_bound = request.exact_integers ? c.problem.sample_bound : 0;
    traits.norm = kernel->norm();
    if (convolved_axes(c.problem) > 1 || request.method == Method::separable)
        traits.factors =
            factors_of(*kernel, c.problem.arithmetic,
                       size_of(dtype_of(k_type)) == 2 && c.x.view.dtype == DType::float16);
    if (traits.factors && c.problem.inner > 1) traits.factors->push_back({1.0});
    auto plan =
        std::make_shared<Plan>(c.general, c.problem.arithmetic, traits, request.method, device);
    if (plan->arithmetic() != c.problem.arithmetic) {
        Problem wider = c.problem;
        wider.arithmetic = plan->arithmetic();
        kernel.emplace(wider, c.kernel, request.flip, !request.flip);
    }
    // pairs where the kernel is complex
    StreamBuffer taps = with_arithmetic(plan->arithmetic(), [&]<class T>(T) {
        const KernelPlanes<T>& planes = kernel->planes<T>();
        std::vector<T> numbers;
        for (std::size_t i = 0; i < planes.real.size(); ++i) {
            numbers.push_back(planes.real[i]);
            if (kernel->is_complex()) numbers.push_back(planes.imag[i]);
        }
        StreamBuffer buffer(numbers.size() * sizeof(T), stream);
        FALTUNG_CHECK(cudaMemcpyAsync(buffer.get(), numbers.data(), numbers.size() * sizeof(T),
                                      cudaMemcpyHostToDevice, stream));
        return buffer;
    });
    plan->prepare(std::move(taps), 1, stream);
    FALTUNG_CHECK(cudaStreamSynchronize(stream));  // from here on any stream may use it
    return plan;
}

std::shared_ptr<const Plan> plan_on_device(const Request& request, const Case& c, Storage k_type,
                                           int device, cudaStream_t stream) {
    KernelTraits traits;
    traits.on_host = false;
    auto plan =
        std::make_shared<Plan>(c.general, c.problem.arithmetic, traits, request.method, device);
    const Index count = product(c.kernel.shape);
    const bool complex = c.problem.complex_kernel;
    StreamBuffer taps(
        static_cast<std::size_t>(count) * size_of(c.problem.arithmetic) * (complex ? 2 : 1),
        stream);
    prepare_taps(source_of(c.kernel, k_type, request.flip, !request.flip), c.problem.arithmetic,
                 complex, count, taps.get(), stream);
    plan->prepare(std::move(taps), 1, stream);
    return plan;
}

/// Whether the kernel has to be seen on the host before anything can be chosen.
bool needs_look(const Request& request) {
    return request.exact_integers || request.method == Method::separable;
}

/// Plans of small kernels in host memory, the latest used first.
class PlanCache {
public:
    struct Key {
        Problem problem;
        bool flip;
        std::optional<Method> method;
        Storage x, k, out;
        int device;
        std::vector<std::byte> kernel;

        bool operator==(const Key&) const = default;
    };

    template <class Make>
    std::shared_ptr<const Plan> find_or_make(Key key, Make&& make) {
        {
            const std::lock_guard lock(mutex_);
            for (auto at = kept_.begin(); at != kept_.end(); ++at)
                if (at->first == key) {
                    kept_.splice(kept_.begin(), kept_, at);
                    return kept_.front().second;
                }
        }
        std::shared_ptr<const Plan> plan = make();
        const std::lock_guard lock(mutex_);
        kept_.emplace_front(std::move(key), plan);
        if (kept_.size() > most) kept_.pop_back();
        return plan;
    }

    void clear() {
        const std::lock_guard lock(mutex_);
        kept_.clear();
    }

private:
    static constexpr std::size_t most = 64;
    std::mutex mutex_;
    std::list<std::pair<Key, std::shared_ptr<const Plan>>> kept_;
};

PlanCache& plan_cache() {
    static auto* the = new PlanCache;  // outlives the driver, which must not be called at exit
    return *the;
}

constexpr Index most_kept_taps = 1 << 16;

}  // namespace

std::vector<std::byte> copy_to_host(const TypedView& array, cudaStream_t stream) {
    // the bytes between the lowest and the highest element, walked here
    const ByteRange range = byte_range(array.view);
    std::vector<std::byte> raw(static_cast<std::size_t>(range.end - range.begin));
    FALTUNG_CHECK(
        cudaMemcpyAsync(raw.data(), range.begin, raw.size(), cudaMemcpyDeviceToHost, stream));
    FALTUNG_CHECK(cudaStreamSynchronize(stream));
    ArrayView here = array.view;
    here.data = raw.data() + (array.view.data - range.begin);
    const std::size_t size = size_of(array.view.dtype);
    std::vector<std::byte> packed;
    packed.reserve(static_cast<std::size_t>(product(here.shape)) * size);
    for_each_element(here,
                     [&](const std::byte* at) { packed.insert(packed.end(), at, at + size); });
    return packed;
}

ArrayView packed_view(std::byte* data, const ArrayView& like) {
    ArrayView view{.data = data, .dtype = like.dtype, .shape = like.shape, .strides = like.shape};
    Index stride = static_cast<Index>(size_of(like.dtype));
    for (int a = view.rank() - 1; a >= 0; --a) {
        view.strides[a] = stride;
        stride *= view.shape[a];
    }
    return view;
}

void clear_plans() { plan_cache().clear(); }

void run_once(const Request& request, const TypedView& x, const KernelArray& k,
              const TypedView& out, int device, cudaStream_t stream) {
    if (request.problem.outputs() == 0) return;
    const DeviceGuard guard(device);
    Case c = canonical_case(request, x, k.array.view, out);

    std::vector<std::byte> copied;
    bool on_device = k.on_device;
    if (on_device && needs_look(request)) {
        copied = copy_to_host({c.kernel, k.array.type}, stream);
        c.kernel = packed_view(copied.data(), c.kernel);
        on_device = false;
    }
    if (request.exact_integers)
        settle_integers(
            c.problem, [&] { return range_on_device(every_sample(c), stream); },
            tap_sums(c.kernel));
    finish(c);
    if (on_device) {
        // freed in the stream's order, after what uses it
        plan_on_device(request, c, k.array.type, device, stream)->run(c.general, stream);
        return;
    }
    const Index count = product(c.kernel.shape);
    const auto make = [&] { return plan_on_host(request, c, k.array.type, device, stream); };
    std::shared_ptr<const Plan> plan;
    if (count <= most_kept_taps) {
        PlanCache::Key key{c.problem,    request.flip, request.method, c.x.type,
                           k.array.type, c.out.type,   device,         {}};
        const std::size_t size = size_of(c.kernel.dtype);
        for_each_element(c.kernel, [&](const std::byte* at) {
            key.kernel.insert(key.kernel.end(), at, at + size);
        });
        plan = plan_cache().find_or_make(std::move(key), make);
    } else {
        plan = make();
    }
    plan->run(c.general, stream);
}

PreparedKernel::PreparedKernel(Request request, const KernelArray& k, Storage x_type,
                               Storage out_type, int device, cudaStream_t stream)
    : request_(std::move(request)), kernel_type_(k.array.type), device_(device) {
    const DeviceGuard guard(device);
    if (k.on_device) {
        kernel_ = copy_to_host(k.array, stream);
    } else {
        const std::size_t size = size_of(k.array.view.dtype);
        for_each_element(k.array.view, [&](const std::byte* at) {
            kernel_.insert(kernel_.end(), at, at + size);
        });
    }
    kernel_view_ = packed_view(kernel_.data(), k.array.view);
    // the first plan is for C-contiguous arrays, of which nothing is read here
    ArrayView x{.dtype = request_.problem.x_dtype}, out{.dtype = request_.problem.out_dtype};
    for (const Axis& axis : request_.problem.axes) {
        x.shape.push_back(axis.x);
        out.shape.push_back(axis.out);
    }
    General unused;
    find_or_make({packed_view(nullptr, x), x_type}, {packed_view(nullptr, out), out_type}, unused,
                 stream);
}

std::shared_ptr<const Plan> PreparedKernel::find_or_make(const TypedView& x, const TypedView& out,
                                                         General& general,
                                                         cudaStream_t stream) const {
    Case c = canonical_case(request_, x, kernel_view_, out);
    if (request_.exact_integers) {
        std::function<SampleRange()> look;
        if (x.view.data) look = [&] { return range_on_device(every_sample(c), stream); };
        settle_integers(c.problem, look, tap_sums(c.kernel));
    }
    finish(c);
    general = c.general;
    const std::lock_guard lock(mutex_);
    for (const Prepared& known : plans_)
        if (known.problem == c.problem && known.kernel_strides == c.kernel.strides)
            return known.plan;
    plans_.push_back(
        {c.problem, c.kernel.strides, plan_on_host(request_, c, kernel_type_, device_, stream)});
    return plans_.back().plan;
}

void PreparedKernel::run(const TypedView& x, const TypedView& out, cudaStream_t stream) const {
    const DeviceGuard guard(device_);
    if (request_.problem.outputs() == 0) return;
    General general;
    find_or_make(x, out, general, stream)->run(general, stream);
}

}  // namespace faltung::cuda
