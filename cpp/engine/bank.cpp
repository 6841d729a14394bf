#include "engine/bank.hpp"

#include <algorithm>

#include "engine/override.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung {

namespace {

/// Of the time of overlap-save with one kernel: what every kernel of a bank takes, and what they
/// take once together.
constexpr double each_share = 0.6, once_share = 0.4;

/// Spectra that may be held at a time.
constexpr std::size_t most_spectra = std::size_t{32} << 20;

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
        if (!may_share) {
            alone_.push_back(k);
            if (request_.exact_integers) continue;  // each call settles what they are computed in
            const Plan& plan = plan_of(k).plan();
            seconds_ += plan.choice.taken().seconds;
            if (k == 0) first_choice_ = plan.choice.explain();
            continue;
        }
        Problem problem = request_.problem;
        ArrayView x_view = x, out_view = out, view = request_.spread(kernel(k));
        canonicalise(problem, x_view, view, out_view);
        const Weighed weighed = weigh(problem, view, request_);
        if (k == 0) first_choice_ = weighed.choice.explain();
        const Prediction& shared = weighed.choice.predictions[place_of(Method::overlap_save)];
        const double taken = weighed.choice.taken().seconds;
        if (shared.possible && (request_.method || each_share * shared.seconds < taken)) {
            together_.push_back(k);
            seconds_ += each_share * shared.seconds;
            shared_seconds = once_share * shared.seconds;
        } else {
            alone_.push_back(k);
            seconds_ += taken;
        }
    }
    seconds_ += shared_seconds;
    if (!together_.empty()) layout_for(x, out);
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
        dense.push_back(make_dense(problem, kernels.back(), level, far_from()));
    }
    return make_bank(layout.problem, kernels, layout.tile, std::move(dense), level,
                     {.workers = default_workers()});
}

std::shared_ptr<const PreparedBank::Layout> PreparedBank::layout_for(const ArrayView& x,
                                                                     const ArrayView& out) const {
    Problem problem = request_.problem;
    ArrayView x_view = x, out_view = out, view = request_.spread(kernel(together_.front()));
    canonicalise(problem, x_view, view, out_view);
    {
        const std::lock_guard lock(mutex_);
        for (const auto& known : layouts_)
            if (known->problem == problem) return known;
    }
    auto layout = std::make_shared<Layout>();
    layout->problem = problem;
    const Weighed weighed = weigh(problem, view, request_);
    layout->tile = tile_override().tile.value_or(
        weighed.choice.predictions[place_of(Method::overlap_save)].tile);
    const std::size_t bytes = bank_kernel_bytes(problem, layout->tile);
    layout->part = std::clamp<std::size_t>(most_spectra / bytes, 1, together_.size());
    layout->first = prepare(std::span(together_).first(layout->part), *layout, x, out);
    const std::lock_guard lock(mutex_);
    layouts_.push_back(layout);
    return layout;
}

void PreparedBank::run(const ArrayView& x, const ArrayView& out, const Context& context) const {
    const auto map = [&](Index k) {
        ArrayView view{.data = out.data + k * out.strides[0], .dtype = out.dtype};
        for (int a = 1; a < out.rank(); ++a) {
            view.shape.push_back(out.shape[a]);
            view.strides.push_back(out.strides[a]);
        }
        return view;
    };
    for (const Index k : alone_)
        if (request_.exact_integers)
            run_once(request_, x, kernel(k), map(k), context);
        else
            plan_of(k).run(x, map(k), context);
    if (together_.empty()) return;

    const auto layout = layout_for(x, map(0));
    if (!layout->first) {
        for (const Index k : together_) plan_of(k).run(x, map(k), context);
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
            maps.push_back(map(k));
            canonicalise(problem, x_view, view, maps.back());
        }
        if (begin == 0) {
            layout->first->run(x_view, maps, context);
        } else {
            prepare(which, *layout, x, map(0))->run(x_view, maps, context);
        }
    }
}

std::string PreparedBank::explain() const {
    std::string text = std::to_string(count()) + " kernels, ";
    if (together_.empty())
        text += "each by itself\n";
    else if (alone_.empty())
        text += "which share the transforms of x\n";
    else
        text += std::to_string(shared()) +
                " of which share the transforms of x, the others each by itself\n";
    if (first_choice_.empty()) return text;
    return text + "the first one alone:\n" + first_choice_;
}

}  // namespace faltung
