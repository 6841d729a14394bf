#include <cstdio>

#include "policy/choose.hpp"

namespace faltung {

std::string_view name_of(Method method) {
    constexpr std::string_view names[method_count] = {"direct", "separable", "fft", "overlap_save"};
    return names[static_cast<int>(method)];
}

namespace {

std::string milliseconds(double seconds) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3g ms", seconds * 1e3);
    return text;
}

std::string joined(const Extents& extents) {
    std::string text;
    for (Index extent : extents) text += (text.empty() ? "" : " x ") + std::to_string(extent);
    return text;
}

}  // namespace

std::string Choice::explain() const {
    std::string text;
    const double best = taken().seconds;
    for (int m = 0; m < method_count; ++m) {
        const Prediction& prediction = predictions[static_cast<std::size_t>(m)];
        const bool is_taken = m == static_cast<int>(method);
        text += is_taken ? "* " : "  ";
        text += name_of(static_cast<Method>(m));
        text += ": ";
        if (!prediction.possible) {
            text += "not possible: " + prediction.reason;
        } else {
            text += "predicted " + milliseconds(prediction.seconds);
            if (!prediction.tile.empty()) text += ", tiles of " + joined(prediction.tile);
            if (prediction.listed > 0)
                text +=
                    ", only the " + std::to_string(prediction.listed) + " taps that are not zero";
            if (prediction.terms > 1)
                text += ", a sum of " + std::to_string(prediction.terms) + " outer products";
            text += ", computed in " + std::string(prediction.in_bytes
                                                       ? "int32 from products of 8-bit integers"
                                                       : name_of(prediction.arithmetic));
            if (is_taken)
                text += forced ? "; asked for" : "; taken: the least predicted time";
            else if (!prediction.reason.empty())
                text += "; not taken: " + prediction.reason;
            else if (forced)
                text += "; not taken: " + std::string(name_of(method)) + " was asked for";
            else
                text += "; not taken: slower than " + std::string(name_of(method)) + " by " +
                        milliseconds(prediction.seconds - best);
        }
        text += '\n';
    }
    return text;
}

}  // namespace faltung
