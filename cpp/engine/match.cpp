#include "engine/match.hpp"

#include <algorithm>
#include <cstdlib>
#include <list>
#include <mutex>
#include <optional>

#include "core/error.hpp"
#include "engine/override.hpp"
#include "matching/matcher.hpp"
#include "parallel/parallel_for.hpp"
#include "spectral/fft.hpp"

namespace faltung {

namespace {

using matching::Matcher;

/// What a matcher was made for.
struct Key {
    Problem problem;
    Extents tile;
    const microkernels::Table* level;
    DType pattern_dtype;
    bool masked;
    std::vector<std::byte> pattern, mask;

    friend bool operator==(const Key&, const Key&) = default;
};

/// The matchers of the last calls; a frame after a frame is searched for the same few templates.
class MatcherCache {
public:
    template <class Make>
    std::shared_ptr<const Matcher> find_or_make(Key&& key, Make&& make) {
        {
            const std::lock_guard lock(mutex_);
            for (auto entry = entries_.begin(); entry != entries_.end(); ++entry)
                if (entry->first == key) {
                    entries_.splice(entries_.begin(), entries_, entry);
                    return entry->second;
                }
        }
        std::shared_ptr<const Matcher> matcher = make();
        const std::lock_guard lock(mutex_);
        entries_.emplace_front(std::move(key), matcher);
        while (entries_.size() > 1 && (entries_.size() > most_entries || bytes() > most_bytes))
            entries_.pop_back();
        return matcher;
    }

private:
    static constexpr std::size_t most_entries = 16, most_bytes = std::size_t{32} << 20;

    std::size_t bytes() const {
        std::size_t total = 0;
        for (const auto& [key, matcher] : entries_)
            total += key.pattern.size() + key.mask.size() + matcher->bytes();
        return total;
    }

    std::mutex mutex_;
    std::list<std::pair<Key, std::shared_ptr<const Matcher>>> entries_;  // most recently used first
};

MatcherCache& matcher_cache() {
    static MatcherCache* const instance = new MatcherCache;  // matchers may own transform plans
    return *instance;
}

/// Batch axes first, then the axes of the template by falling stride of x: tiles are cut along
/// those, and lines run along the last.
PerAxis<int> order_of(const Request& request, const ArrayView& x) {
    PerAxis<int> order, matched = request.kernel_axes;
    for (int a = 0; a < x.rank(); ++a)
        if (std::find(matched.begin(), matched.end(), a) == matched.end()) order.push_back(a);
    std::stable_sort(matched.begin(), matched.end(), [&](int a, int b) {
        return x.shape[a] > 1 && x.shape[b] > 1 && std::abs(x.strides[a]) > std::abs(x.strides[b]);
    });
    for (const int a : matched) order.push_back(a);
    return order;
}

ArrayView reordered(const ArrayView& view, const PerAxis<int>& order) {
    ArrayView result{.data = view.data, .dtype = view.dtype};
    for (const int a : order) {
        result.shape.push_back(view.shape[a]);
        result.strides.push_back(view.strides[a]);
    }
    return result;
}

Extents tile_for(const Problem& problem, const microkernels::Table& level) {
    if (const TileOverride forced = tile_override(); forced.tile) return *forced.tile;
    const Traits traits{
        .kernel_norm = 1, .fft_available = fft::available(), .workers = available_workers()};
    try {
        return choose(problem, traits, level, Method::overlap_save).taken().tile;
    } catch (const ValueError&) {
        fft::require_provider();  // says more where that is what is missing
        throw;
    }
}

}  // namespace

void run_match(const Request& request, ArrayView x, const ArrayView& given, const ArrayView* mask,
               const ArrayView* keep, ArrayView out, const Context& context) {
    const microkernels::Table& level = current_level();
    const PerAxis<int> order = order_of(request, x);
    Problem problem = request.problem;
    problem.axes = {};
    for (const int a : order) problem.axes.push_back(request.problem.axes[a]);
    x = reordered(x, order);
    out = reordered(out, order);
    const ArrayView pattern = reordered(request.spread(given), order);
    std::optional<ArrayView> pattern_mask, sample_mask;
    if (mask) pattern_mask = reordered(request.spread(*mask), order);
    if (keep) sample_mask = reordered(*keep, order);
    const bool masked = mask || keep;

    Key key{.problem = problem,
            .tile = tile_for(problem, level),
            .level = &level,
            .pattern_dtype = pattern.dtype,
            .masked = masked,
            .pattern = packed_bytes(pattern),
            .mask = pattern_mask ? packed_bytes(*pattern_mask) : std::vector<std::byte>{}};
    const Extents tile = key.tile;
    const auto matcher = matcher_cache().find_or_make(std::move(key), [&] {
        auto prepared = std::make_shared<const matching::Pattern>(
            matching::make_pattern(pattern, pattern_mask ? &*pattern_mask : nullptr));
        return matching::make_matcher(problem, std::move(prepared), tile, masked, level);
    });
    matcher->run(x, sample_mask ? &*sample_mask : nullptr, out, context);
}

std::vector<std::vector<matching::Peak>> match_peaks(const Request& request,
                                                     const ArrayView& scores, Index most) {
    PerAxis<int> batch;
    Extents window;
    ArrayView map{.dtype = scores.dtype};
    for (const int a : request.kernel_axes) {
        window.push_back(request.problem.axes[a].k);
        map.shape.push_back(scores.shape[a]);
        map.strides.push_back(scores.strides[a]);
    }
    Index entries = 1;
    for (int a = 0; a < scores.rank(); ++a)
        if (std::find(request.kernel_axes.begin(), request.kernel_axes.end(), a) ==
            request.kernel_axes.end()) {
            batch.push_back(a);
            entries *= scores.shape[a];
        }
    std::vector<std::vector<matching::Peak>> all;
    for (Index entry = 0; entry < entries; ++entry) {
        map.data = scores.data;
        Index rest = entry;
        for (int b = batch.size() - 1; b >= 0; --b) {
            map.data += rest % scores.shape[batch[b]] * scores.strides[batch[b]];
            rest /= scores.shape[batch[b]];
        }
        all.push_back(matching::find_peaks(map, window, most));
        for (matching::Peak& peak : all.back())
            for (int i = 0; i < request.kernel_axes.size(); ++i)
                peak.at[i] += request.problem.axes[request.kernel_axes[i]].first;
    }
    return all;
}

}  // namespace faltung
