#include "engine/bank.hpp"

#include <algorithm>

#include "engine/override.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung {

namespace {

/// Of the time of overlap-save with one kernel: what every kernel of a bank takes, and what they
/// take once together. Banks of 2, 8 and 24, an EPYC (Zen 5, 2 cores): 0.52 to 0.62 and 0.4 to 0.6
/// for images from 1024 x 1024 on, lines of 10^6, volumes of 96^3 and kernels from 3 to 31,
/// float32, float64 and complex64; 512 x 512 0.6 to 0.72.
constexpr double each_share = 0.6, once_share = 0.5;
/// Of a direct sum by itself: what it takes beside others. 0.8 to 1, less for calls of
/// microseconds.
constexpr double beside_share = 0.9;

/// Of the last-level cache, what the kernels' spectra should take, which every tile meets; smaller
/// tiles for its sake may take so much longer for a kernel by itself. 64 of 31 x 31 over 2048 x
/// 2048 on the same machine (32 MiB): tiles of 96 to 128 (5 to 8 MiB) 72 to 76 ms, of 192 (18 MiB)
/// 91; 16 of them 19 ms by each; 64 of 63 x 63 113 ms by 192 and 256, 128 by 128.
constexpr double spectra_share = 1.0 / 6, worth_caching = 1.25;

/// Spectra that may be held at a time.
constexpr std::size_t most_spectra = std::size_t{32} << 20;

/// Of a kernel that shares no transforms.
double seconds_alone(const Choice& choice) {
    return choice.taken().seconds * (choice.method == Method::direct ? beside_share : 1);
}

constexpr std::size_t place_of(Method method) { return static_cast<std::size_t>(method); }

}  // namespace

ArrayView PreparedBank::kernel(Index which) const {
    ArrayView view{.data = kernels_.data + which * kernels_.strides[0], .dtype = kernels_.dtype};
    for (int a = 1; a < kernels_.rank(); ++a) {
        view.shape.push_back(kernels_.shape[a]);
        view.strides.push_back(kernels_.strides[a]);
    }
    return view;
}

PreparedBank::PreparedBank(Request request, const ArrayView& kernels)
    : request_(std::move(request)),
      kernels_(kernels),
      plans_(static_cast<std::size_t>(kernels.shape[0])) {
    const bool may_share = !request_.exact_integers &&
                           request_.method.value_or(Method::overlap_save) == Method::overlap_save;
    ArrayView x = absent_view(request_, request_.problem.x_dtype, false);
    ArrayView out = absent_view(request_, request_.problem.out_dtype, true);
    double shared_seconds = 0;
    for (Index k = 0; k < count(); ++k) {
        // each call settles what integers are computed in; an empty batch asks for nothing
        if (request_.exact_integers || request_.problem.outputs() == 0) {
            alone_.push_back(k);
            continue;
        }
        if (!may_share) {
            const Choice& choice = plan_of(k).plan().choice;
            if (k == 0) first_choice_ = choice.explain();
            take_alone(k, choice);
            continue;
        }
        Problem problem = request_.problem;
        ArrayView x_view = x, out_view = out, view = request_.spread(kernel(k));
        canonicalise(problem, x_view, view, out_view);
        const Weighed weighed = weigh(problem, view, request_);
        if (k == 0) first_choice_ = weighed.choice.explain();
        const Prediction& shared = weighed.choice.predictions[place_of(Method::overlap_save)];
        if (shared.possible &&
            (request_.method || each_share * shared.seconds < seconds_alone(weighed.choice))) {
            together_.push_back(k);
            seconds_ += each_share * shared.seconds;
            shared_seconds = once_share * shared.seconds;
        } else {
            take_alone(k, weighed.choice);
        }
    }
    seconds_ += shared_seconds;
    if (!together_.empty()) layout_for(x, out);
}

/// For a kernel that shares no transforms.
void PreparedBank::take_alone(Index which, const Choice& choice) {
    const double seconds = seconds_alone(choice);
    seconds_ += seconds;
    if (choice.method == Method::direct) {
        side_by_side_.push_back(which);
        direct_seconds_ += seconds;
    } else {
        alone_.push_back(which);
    }
}

const PreparedKernel& PreparedBank::plan_of(Index which) const {
    const std::lock_guard lock(mutex_);
    auto& plan = plans_[static_cast<std::size_t>(which)];
    if (!plan) plan = std::make_unique<const PreparedKernel>(request_, kernel(which));
    return *plan;
}

/// nullptr where tiles of our own do not serve.
std::unique_ptr<const BankTiles> PreparedBank::prepare(std::span<const Index> which,
                                                       const Layout& layout, const ArrayView& x,
                                                       const ArrayView& out) const {
    const microkernels::Table& level = current_level();
    std::vector<std::shared_ptr<const Kernel>> kernels;
    std::vector<std::shared_ptr<const Dense>> dense;
    for (const Index k : which) {
        Problem problem = request_.problem;
        ArrayView x_view = x, out_view = out, view = request_.spread(kernel(k));
        canonicalise(problem, x_view, view, out_view);
        kernels.push_back(
            std::make_shared<const Kernel>(problem, view, request_.flip, !request_.flip));
        dense.push_back(make_dense(problem, kernels.back(), level, streamed_results()));
    }
    return make_bank(layout.problem, kernels, layout.tile, std::move(dense), level,
                     {.workers = default_workers()});
}

Extents PreparedBank::tile_for(const Problem& problem, const ArrayView& kernel) const {
    Request any_method = request_;
    any_method.method.reset();  // that smaller tiles cannot be had is no error
    const auto predict = [&](double most_tile_bytes) {
        return weigh(problem, kernel, any_method, most_tile_bytes)
            .choice.predictions[place_of(Method::overlap_save)];
    };
    const Prediction usual = predict(std::numeric_limits<double>::infinity());
    const double room = static_cast<double>(machine().caches.l3) * spectra_share /
                        static_cast<double>(together_.size());
    if (static_cast<double>(bank_kernel_bytes(problem, usual.tile)) <= room) return usual.tile;
    const Prediction smaller = predict(room);
    return smaller.possible && smaller.seconds <= worth_caching * usual.seconds ? smaller.tile
                                                                                : usual.tile;
}

std::shared_ptr<const PreparedBank::Layout> PreparedBank::layout_for(const ArrayView& x,
                                                                     const ArrayView& out) const {
    Problem problem = request_.problem;
    ArrayView x_view = x, out_view = out, view = request_.spread(kernel(together_.front()));
    canonicalise(problem, x_view, view, out_view);
    {
        const std::lock_guard lock(mutex_);
        for (const auto& known : layouts_)
            if (known->problem == problem && known->kernel_strides == view.strides) return known;
    }
    auto layout = std::make_shared<Layout>();
    layout->problem = problem;
    layout->kernel_strides = view.strides;
    layout->tile = tile_override().tile.value_or(tile_for(problem, view));
    const std::size_t bytes = bank_kernel_bytes(problem, layout->tile);
    layout->part = std::clamp<std::size_t>(most_spectra / bytes, 1, together_.size());
    layout->first = prepare(std::span(together_).first(layout->part), *layout, x, out);
    const std::lock_guard lock(mutex_);
    layouts_.push_back(layout);
    return layout;
}

ArrayView PreparedBank::map(const ArrayView& out, Index which) {
    ArrayView view{.data = out.data + which * out.strides[0], .dtype = out.dtype};
    for (int a = 1; a < out.rank(); ++a) {
        view.shape.push_back(out.shape[a]);
        view.strides.push_back(out.strides[a]);
    }
    return view;
}

void PreparedBank::run_side_by_side(const ArrayView& x, const ArrayView& out,
                                    const Context& context) const {
    std::vector<std::shared_ptr<const Plan>> plans;
    std::vector<const Dense*> kernels;
    std::vector<ArrayView> maps;
    ArrayView x_view = x;
    for (const Index k : side_by_side_) {
        x_view = x;
        maps.push_back(map(out, k));
        plans.push_back(plan_of(k).plan_for(x_view, maps.back(), context));
        // another layout of x may be better served by another method
        if (const auto* dense = dynamic_cast<const Dense*>(plans.back()->executor.get())) {
            kernels.push_back(dense);
        } else {
            plans.back()->executor->run(x_view, maps.back(), context);
            maps.pop_back();
        }
    }
    if (kernels.empty()) return;
    Context mine = context;
    if (direct_seconds_ < worth_waking) mine.workers = 1;
    run_together(kernels, x_view, maps, mine);
}

void PreparedBank::run(const ArrayView& x, const ArrayView& out, const Context& context) const {
    if (!side_by_side_.empty()) run_side_by_side(x, out, context);
    for (const Index k : alone_)
        if (request_.exact_integers)
            run_once(request_, x, kernel(k), map(out, k), context);
        else
            plan_of(k).run(x, map(out, k), context);
    if (together_.empty()) return;

    const auto layout = layout_for(x, map(out, 0));
    if (!layout->first) {
        for (const Index k : together_) plan_of(k).run(x, map(out, k), context);
        return;
    }
    for (std::size_t begin = 0; begin < together_.size(); begin += layout->part) {
        const std::span<const Index> which =
            std::span(together_).subspan(begin, std::min(layout->part, together_.size() - begin));
        std::vector<ArrayView> maps;
        ArrayView x_view = x;
        for (const Index k : which) {
            Problem problem = request_.problem;
            ArrayView view = request_.spread(kernel(k));
            x_view = x;
            maps.push_back(map(out, k));
            canonicalise(problem, x_view, view, maps.back());
        }
        if (begin == 0) {
            layout->first->run(x_view, maps, context);
        } else {
            prepare(which, *layout, x, map(out, 0))->run(x_view, maps, context);
        }
    }
}

std::string PreparedBank::explain() const {
    std::string text = std::to_string(count()) + " kernels, ";
    const std::pair<std::size_t, const char*> parts[] = {
        {together_.size(), "share the transforms of x"},
        {side_by_side_.size(), "are summed directly, side by side"},
        {alone_.size(), "go each by itself"}};
    std::string separator;
    for (const auto& [number, what] : parts) {
        if (number == 0) continue;
        const bool all = number == static_cast<std::size_t>(count());
        text += separator + (all ? "which" : std::to_string(number) + " of which") + ' ' + what;
        separator = ", ";
    }
    text += '\n';
    if (first_choice_.empty()) return text;
    return text + "the first one alone:\n" + first_choice_;
}

}  // namespace faltung
