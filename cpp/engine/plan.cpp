#include "engine/plan.hpp"

#include <algorithm>
#include <functional>
#include <span>
#include <utility>

#include "core/error.hpp"
#include "core/exactness.hpp"
#include "direct/dense.hpp"
#include "direct/separable.hpp"
#include "direct/sparse_taps.hpp"
#include "engine/override.hpp"
#include "engine/plan_cache.hpp"
#include "engine/settle.hpp"
#include "parallel/parallel_for.hpp"
#include "spectral/fft.hpp"
#include "spectral/overlap_save.hpp"
#include "spectral/whole.hpp"

namespace faltung {

namespace {

/// An outer product counts as the kernel if it misses it by no more than the rounding that the taps
/// have anyway.
double rank_tolerance(const Problem& problem, DType kernel) {
    if (kernel == DType::float16 && problem.x_dtype == DType::float16) return 0x1p-11;
    switch (problem.arithmetic) {
        case Arithmetic::f32: return 0x1p-24;
        case Arithmetic::f64: return 0x1p-52;
        default: return 0;
    }
}

/// How many outer products a kernel may be a sum of. Sums of several are not exact, and very large
/// kernels would take long to look at.
int most_terms(const Problem& problem) {
    constexpr int most = 6;
    constexpr Index looked_at = Index{1} << 18;
    return problem.sample_bound > 0 || problem.taps() > looked_at ? 1 : most;
}

/// Passes along several axes may save work; along one, where its taps are equal or the rows are
/// lines by themselves, which a pass walks with less ado.
bool worth_factors(const Problem& problem, const Kernel& kernel) {
    constexpr Index long_kernel = 1024;  // belongs to transforms
    int convolved = 0;
    for (const Axis& axis : problem.axes) convolved += axis.k > 1;
    return kernel.finite() && (convolved != 1 || kernel.constant() ||
                               (problem.axes.back().k > 1 && problem.taps() <= long_kernel));
}

/// Tiles of samples that span too much for one transform, against those of any samples.
constexpr double tiles_of_levels = 1.5;

/// What whole transforms may take: asked for by name, whatever they need.
double whole_memory(const Problem& problem, bool asked) {
    return asked ? unlimited_memory : transform_memory(problem);
}

/// For settle_integers: how to look at the samples of a canonical x.
std::function<SampleRange()> samples_of(const Problem& problem, const ArrayView& x) {
    return [&problem, &x] { return range_of(with_channels(problem, x)); };
}

PassWork passes_of(const Problem& problem, const Terms& terms) {
    const SeparableWork work = separable_work(problem, terms, current_level());
    return {work.results, work.sums, work.lines, work.rows, work.ends, work.chained, work.tasks};
}

/// Calls that are over before a second thread has woken up run on the caller's alone. No bit of the
/// answer depends on it.
void run_plan(const Plan& plan, const ArrayView& x, const ArrayView& out, Context context) {
    if (plan.choice.taken().alone) context.workers = 1;
    plan.executor->run(x, out, context);
}

}  // namespace

std::size_t Plan::bytes() const {
    double numbers = static_cast<double>(problem.taps());
    if (choice.method == Method::fft)
        numbers = 2 * whole_work(problem, *level, whole_memory(problem, choice.forced)).points;
    if (choice.method == Method::overlap_save)
        numbers = 2 * static_cast<double>(product(choice.taken().tile));
    return static_cast<std::size_t>(numbers) * size_of(choice.taken().arithmetic);
}

Weighed weigh(const Problem& problem, const ArrayView& kernel_view, const Request& request,
              double most_tile_bytes, const KernelCare& care) {
    Weighed weighed;
    weighed.kernel =
        std::make_shared<const Kernel>(problem, kernel_view, request.flip, !request.flip, care);
    const Kernel& kernel = *weighed.kernel;
    Traits traits;
    traits.finite_kernel = kernel.finite();
    traits.kernel_norm = kernel.norm();
    traits.listed = direct::sparse_count(problem.taps(), kernel.not_zero());
    traits.byte_products = byte_products(problem, kernel, current_level());
    traits.fft_available = fft::available();
    if (request.method == Method::fft) fft::require_provider();
    traits.workers = available_workers();
    traits.most_tile_bytes = most_tile_bytes;
    WholeWork whole =
        whole_work(problem, current_level(), whole_memory(problem, request.method == Method::fft));
    traits.whole_blocks = whole.blocks;
    traits.whole_points = whole.points;
    traits.whole_lines = whole.lines;
    traits.whole_steps = whole.steps;
    traits.whole_is_own = whole.own;
    traits.whole_objection = std::move(whole.objection);
    if (worth_factors(problem, kernel) || request.method == Method::separable)
        weighed.terms =
            factorise(kernel, problem.arithmetic, rank_tolerance(problem, request.kernel_dtype),
                      most_terms(problem));
    traits.terms = static_cast<int>(weighed.terms.size());
    traits.passes = passes_of(problem, weighed.terms);
    weighed.choice = choose(problem, traits, current_level(), request.method);
    return weighed;
}

std::shared_ptr<const Plan> build_plan(const Problem& asked, const ArrayView& kernel_view,
                                       const Request& request, const Context& context,
                                       bool borrows) {
    Problem problem = asked;
    const microkernels::Table& level = current_level();

    // 1. the kernel, and the choice
    const KernelCare care{borrows, [&](Index count, const std::function<void(Index)>& body) {
                              parallel_for(count, context, [&](Index i, int) { body(i); });
                          }};
    auto [kernel, terms, choice] =
        weigh(problem, kernel_view, request, std::numeric_limits<double>::infinity(), care);
    auto plan = std::make_shared<Plan>();
    plan->level = &level;
    plan->choice = std::move(choice);
    const Prediction& taken = plan->choice.taken();
    if (taken.arithmetic != problem.arithmetic) {
        problem.arithmetic = taken.arithmetic;
        kernel =
            std::make_shared<const Kernel>(problem, kernel_view, request.flip, !request.flip, care);
    }
    plan->problem = asked;

    // 2. the executor
    switch (plan->choice.method) {
        case Method::direct: {
            const Prediction& passes =
                plan->choice.predictions[static_cast<std::size_t>(Method::separable)];
            if (problem.taps() == 1 && !taken.in_bytes && passes.possible)
                plan->executor = make_separable(problem, terms, level);
            else
                plan->executor = make_dense(problem, kernel, level, streamed_results());
            break;
        }
        case Method::separable: plan->executor = make_separable(problem, terms, level); break;
        case Method::fft: {
            const Prediction& tiled =
                plan->choice.predictions[static_cast<std::size_t>(Method::overlap_save)];
            OtherWay by_tiles;
            if (tiled.possible) {
                by_tiles.make = [problem, kernel = kernel, tile = tiled.tile, &level] {
                    return make_overlap_save(problem, kernel, tile,
                                             make_dense(problem, kernel, level, streamed_results()),
                                             level, Context{});
                };
                // Few tiles have more than one level, most have as many as the array.
                by_tiles.cost = tiles_of_levels * tiled.seconds / taken.seconds;
            }
            plan->executor =
                make_whole(problem, kernel, std::move(by_tiles), level,
                           whole_memory(problem, plan->choice.forced), tile_override().engine);
            break;
        }
        case Method::overlap_save: {
            const TileOverride forced = tile_override();
            plan->executor =
                make_overlap_save(problem, kernel, forced.tile.value_or(taken.tile),
                                  make_dense(problem, kernel, level, streamed_results()), level,
                                  context, forced.engine);
            break;
        }
    }
    return plan;
}

void run_once(const Request& request, ArrayView x, const ArrayView& k, ArrayView out,
              const Context& context) {
    Problem problem = request.problem;
    ArrayView kernel = request.spread(k);
    canonicalise(problem, x, kernel, out);
    if (request.exact_integers) settle_integers(problem, samples_of(problem, x), tap_sums(kernel));

    // A remembered plan outlives the kernel's memory; others do not.
    const auto make = [&](bool borrows) {
        return build_plan(problem, kernel, request, context, borrows);
    };
    std::shared_ptr<const Plan> plan;
    if (static_cast<std::size_t>(product(kernel.shape)) * size_of(kernel.dtype) <=
        PlanCache::most_kernel_bytes)
        plan = plan_cache().find_or_make({.problem = problem,
                                          .flip = request.flip,
                                          .method = request.method,
                                          .level = &current_level(),
                                          .kernel_dtype = kernel.dtype,
                                          .factors = false,
                                          .kernel = packed_bytes(kernel)},
                                         [&] { return make(false); });
    else
        plan = make(true);
    run_plan(*plan, x, out, context);
}

namespace {

/// The factors as the executor wants them: flipped or conjugated, in float64, one per axis of the
/// canonical problem. `order` holds the user's axis behind each of them.
Factors prepare_factors(const Request& request, const std::vector<ArrayView>& given,
                        const Extents& order) {
    std::vector<std::vector<std::complex<double>>> by_axis(static_cast<std::size_t>(max_rank),
                                                           {1.0});
    std::complex<double> scale =
        1;  // of factors of one tap, whose axes the canonical problem may have dropped
    for (std::size_t f = 0; f < given.size(); ++f) {
        Problem line;
        line.arithmetic = Arithmetic::f64;
        line.complex_kernel = is_complex(given[f].dtype);
        const Kernel taps(line, given[f], request.flip, !request.flip);
        const auto& planes = taps.planes<double>();
        std::vector<std::complex<double>> values(planes.real.begin(), planes.real.end());
        for (std::size_t t = 0; t < planes.imag.size(); ++t) values[t].imag(planes.imag[t]);
        if (values.size() == 1)
            scale *= values[0];
        else
            by_axis[static_cast<std::size_t>(request.kernel_axes[static_cast<int>(f)])] =
                std::move(values);
    }
    Factors factors;
    for (Index axis : order) factors.per_axis.push_back(by_axis[static_cast<std::size_t>(axis)]);
    for (std::complex<double>& tap : factors.per_axis.back()) tap *= scale;
    return factors;
}

/// At most what the sums of the outer product's taps are.
TapSums outer_sums(const std::vector<ArrayView>& factors) {
    std::uint64_t total = 1;
    for (const ArrayView& factor : factors) {
        const TapSums sums = tap_sums(factor);
        std::uint64_t one = 0;
        if (__builtin_add_overflow(sums.positive, sums.negative, &one) ||
            __builtin_mul_overflow(total, one, &total))
            total = ~std::uint64_t{0};
    }
    return {total, total};
}

}  // namespace

void run_factors(const Request& request, ArrayView x, const std::vector<ArrayView>& given,
                 ArrayView out, const Context& context) {
    Problem problem = request.problem;
    ArrayView order{.shape = Extents(problem.axes.size(), 1),
                    .strides = Extents(problem.axes.size(), 0)};
    for (int a = 0; a < problem.axes.size(); ++a)
        order.strides[a] = a;  // remembers which axis went where
    for (int f = 0; f < request.kernel_axes.size(); ++f)
        order.shape[request.kernel_axes[f]] = given[static_cast<std::size_t>(f)].shape[0];
    canonicalise(problem, x, order, out);
    if (request.exact_integers) settle_integers(problem, samples_of(problem, x), outer_sums(given));

    PlanCache::Key key{.problem = problem,
                       .flip = request.flip,
                       .method = Method::separable,
                       .level = &current_level(),
                       .kernel_dtype = request.kernel_dtype,
                       .factors = true,
                       .kernel = {}};
    // In the canonical order: the same factors given for other axes, or for another layout, are
    // another kernel.
    const Factors factors = prepare_factors(request, given, order.strides);
    for (const auto& taps : factors.per_axis) {
        const auto bytes = std::as_bytes(std::span(taps));
        key.kernel.insert(key.kernel.end(), bytes.begin(), bytes.end());
    }
    const auto plan = plan_cache().find_or_make(std::move(key), [&] {
        auto made = std::make_shared<Plan>();
        made->level = &current_level();
        made->problem = problem;
        made->choice = choose(problem, {.terms = 1, .passes = passes_of(problem, {factors})},
                              *made->level, Method::separable);
        made->executor = make_separable(problem, {factors}, *made->level);
        return std::shared_ptr<const Plan>(std::move(made));
    });
    run_plan(*plan, x, out, context);
}

ArrayView absent_view(const Request& request, DType dtype, bool of_result) {
    const PerAxis<Axis>& axes = request.problem.axes;
    ArrayView view{
        .dtype = dtype, .shape = Extents(axes.size(), 1), .strides = Extents(axes.size(), 0)};
    Index stride = static_cast<Index>(size_of(dtype));
    for (int a = axes.size() - 1; a >= 0; --a) {
        view.shape[a] = of_result ? axes[a].out : axes[a].x;
        view.strides[a] = stride;
        stride *= view.shape[a];
    }
    return view;
}

namespace {

/// The canonical problem of a C-contiguous x, and the kernel that belongs to it.
std::pair<Problem, ArrayView> expected(const Request& asked, const ArrayView& k) {
    const Request request = asked.with_some_batch();
    ArrayView x = absent_view(request, request.problem.x_dtype, false);
    ArrayView out = absent_view(request, request.problem.out_dtype, true);
    ArrayView kernel = request.spread(k);
    Problem problem = request.problem;
    canonicalise(problem, x, kernel, out);
    if (request.exact_integers) settle_integers(problem, nullptr, tap_sums(kernel));
    return {problem, kernel};
}

}  // namespace

Choice choice_for(const Request& request, const ArrayView& k) {
    const auto [problem, kernel] = expected(request, k);
    return weigh(problem, kernel, request).choice;
}

PreparedKernel::PreparedKernel(Request request, const ArrayView& k)
    : request_(std::move(request)), kernel_(k) {
    const auto [problem, kernel] = expected(request_, kernel_);
    usual_ = {kernel.strides,
              build_plan(problem, kernel, request_, {.workers = default_workers()})};
}

std::shared_ptr<const Plan> PreparedKernel::plan_for(ArrayView& x, ArrayView& out,
                                                     const Context& context) const {
    Problem problem = request_.problem;
    ArrayView kernel = request_.spread(kernel_);
    canonicalise(problem, x, kernel, out);
    if (request_.exact_integers) settle_integers(problem, samples_of(problem, x), tap_sums(kernel));

    if (usual_.serves(problem, kernel)) return usual_.plan;
    {
        const std::lock_guard lock(mutex_);
        for (const Prepared& known : others_)
            if (known.serves(problem, kernel)) return known.plan;
    }
    std::shared_ptr<const Plan> plan = build_plan(problem, kernel, request_, context);
    const std::lock_guard lock(mutex_);
    others_.push_back({kernel.strides, plan});
    return plan;
}

void PreparedKernel::run(ArrayView x, ArrayView out, const Context& context) const {
    const std::shared_ptr<const Plan> plan = plan_for(x, out, context);
    run_plan(*plan, x, out, context);
}

}  // namespace faltung
