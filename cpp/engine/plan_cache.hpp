// Plans of recent calls, least recently used ones leaving first. Thread-safe.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/plan.hpp"

namespace faltung {

class PlanCache {
public:
    /// Kernels of more bytes than this are not remembered: comparing them would cost more than it
    /// saves.
    static constexpr std::size_t most_kernel_bytes = 64 << 10;
    static constexpr std::size_t most_entries = 256;
    /// Spectra can be large. The newest plan stays in any case.
    static constexpr std::size_t most_plan_bytes = std::size_t{64} << 20;

    struct Key {
        Problem problem;
        bool flip = true;
        std::optional<Method> method;
        const microkernels::Table* level = nullptr;
        DType kernel_dtype = DType::float64;
        bool factors = false;           // the bytes are those of one factor per axis
        std::vector<std::byte> kernel;  // C order

        friend bool operator==(const Key&, const Key&) = default;
    };

    /// The plan under `key`, made by `make` where there is none. `make` runs without the lock.
    std::shared_ptr<const Plan> find_or_make(
        Key&& key, const std::function<std::shared_ptr<const Plan>()>& make);

    void clear();

private:
    struct Entry {
        std::size_t hash;
        Key key;
        std::shared_ptr<const Plan> plan;
    };

    void drop_last();

    std::mutex mutex_;
    std::list<Entry> entries_;  // most recently used first
    std::size_t bytes_ = 0;     // of their plans
    std::unordered_map<std::size_t, std::list<Entry>::iterator> by_hash_;
};

PlanCache& plan_cache();

}  // namespace faltung
