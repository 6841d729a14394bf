#include "policy/choose.hpp"

#include <cmath>

#include "core/error.hpp"
#include "policy/cost_model.hpp"

namespace faltung {

namespace {

/// What direct sums do within so many seconds stays with them: small whole numbers come out exact
/// there, by transforms only nearly so, and few microseconds are all that these could save; they
/// must save a third to be taken.
constexpr double direct_enough = 3e-6, worth_it = 2.0 / 3;

void prefer_direct(Choice& choice) {
    const double direct = choice.predictions[static_cast<std::size_t>(Method::direct)].seconds;
    if (direct > direct_enough) return;
    for (const Method method : {Method::fft, Method::overlap_save}) {
        Prediction& prediction = choice.predictions[static_cast<std::size_t>(method)];
        if (prediction.possible && prediction.reason.empty() &&
            prediction.seconds > worth_it * direct)
            prediction.reason = "direct sums are over soon, and exact for small whole numbers";
    }
}

}  // namespace

Choice choose(const Problem& problem, const Traits& traits, const microkernels::Table& level,
              std::optional<Method> asked) {
    Choice choice;
    choice.forced = asked.has_value();
    const CostModel model(problem, traits, level);
    choice.predictions = {model.direct(), model.separable(), model.whole(), model.overlap_save()};

    if (asked) {
        choice.method = *asked;
        if (!choice.taken().possible)
            throw ValueError("method '" + std::string(name_of(*asked)) +
                             "' cannot serve this problem: " + choice.taken().reason);
        return choice;
    }
    prefer_direct(choice);
    double least = INFINITY;
    for (int m = 0; m < method_count; ++m) {
        const Prediction& prediction = choice.predictions[static_cast<std::size_t>(m)];
        if (!prediction.possible || !prediction.reason.empty() || prediction.seconds >= least)
            continue;
        least = prediction.seconds;
        choice.method = static_cast<Method>(m);
    }
    return choice;
}

}  // namespace faltung
