#include "policy/choose.hpp"

#include <cmath>

#include "core/error.hpp"
#include "policy/cost_model.hpp"

namespace faltung {

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
