#include "engine/plan_cache.hpp"

#include <string_view>

namespace faltung {

namespace {

std::size_t hash_of(const PlanCache::Key& key) {
    const std::string_view bytes(reinterpret_cast<const char*>(key.kernel.data()),
                                 key.kernel.size());
    const std::size_t way =
        2 * (key.method ? 1 + static_cast<std::size_t>(*key.method) : 0) + key.flip;
    return key.problem.hash() ^
           ((std::hash<std::string_view>{}(bytes) + way) * 0x9e3779b97f4a7c15u);
}

}  // namespace

std::shared_ptr<const Plan> PlanCache::find_or_make(
    Key&& key, const std::function<std::shared_ptr<const Plan>()>& make) {
    const std::size_t hash = hash_of(key);
    {
        const std::lock_guard lock(mutex_);
        const auto found = by_hash_.find(hash);
        if (found != by_hash_.end() && found->second->key == key) {
            entries_.splice(entries_.begin(), entries_, found->second);
            return found->second->plan;
        }
    }
    std::shared_ptr<const Plan> plan = make();

    const std::lock_guard lock(mutex_);
    if (const auto old = by_hash_.find(hash); old != by_hash_.end()) {
        entries_.splice(entries_.end(), entries_, old->second);
        drop_last();
    }
    entries_.push_front({hash, std::move(key), plan});
    by_hash_[hash] = entries_.begin();
    bytes_ += plan->bytes();
    while (entries_.size() > most_entries || (bytes_ > most_plan_bytes && entries_.size() > 1))
        drop_last();
    return plan;
}

void PlanCache::drop_last() {
    bytes_ -= entries_.back().plan->bytes();
    by_hash_.erase(entries_.back().hash);
    entries_.pop_back();
}

void PlanCache::clear() {
    const std::lock_guard lock(mutex_);
    by_hash_.clear();
    entries_.clear();
    bytes_ = 0;
}

PlanCache& plan_cache() {
    static PlanCache* const instance =
        new PlanCache;  // never destroyed: plans may own transform plans
    return *instance;
}

}  // namespace faltung
