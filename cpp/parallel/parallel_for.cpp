#include "parallel/parallel_for.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>

#include "core/error.hpp"
#include "parallel/crew.hpp"

namespace faltung {

namespace {

/// Asks the interrupt at most this often; a poll takes Python's lock.
constexpr std::chrono::milliseconds poll_interval{20};

class Poller {
public:
    explicit Poller(Interrupt* interrupt) : interrupt_(interrupt) {
        if (interrupt_) next_ = std::chrono::steady_clock::now() + poll_interval;
    }

    bool interrupted() {
        if (!interrupt_) return false;
        const auto now = std::chrono::steady_clock::now();
        if (now < next_) return false;
        next_ = now + poll_interval;
        return interrupt_->poll();
    }

private:
    Interrupt* interrupt_;
    std::chrono::steady_clock::time_point next_;
};

/// The tasks of one parallel region. Each worker has a run of neighbouring tasks of its own, which
/// the next call with as many tasks gives it again, so that what is in its caches stays of use; who
/// has finished helps the others.
class Shares {
public:
    Shares(Index tasks, int workers) : count_(std::min(workers, most)) {
        for (int s = 0; s < count_; ++s) {
            share_[s].next.store(begin(tasks, s), std::memory_order_relaxed);
            share_[s].end = begin(tasks, s + 1);
        }
    }

    /// A task that nobody has taken yet; -1 if there is none.
    Index take(int worker) {
        for (int i = 0; i < count_; ++i) {
            Share& share = share_[(worker + i) % count_];
            if (share.next.load(std::memory_order_relaxed) >= share.end) continue;
            const Index task = share.next.fetch_add(1, std::memory_order_relaxed);
            if (task < share.end) return task;
        }
        return -1;
    }

private:
    static constexpr int most = 64;
    struct alignas(64) Share {
        std::atomic<Index> next{0};
        Index end = 0;
    };

    Index begin(Index tasks, int share) const {
        return tasks / count_ * share + std::min<Index>(tasks % count_, share);
    }

    const int count_;
    std::array<Share, most> share_;
};

/// What the workers of one call share.
class Region final : public SharedWork {
public:
    Region(Index tasks, int workers, const Context& context, void* object, detail::TaskBody body)
        : shares_(tasks, workers), interrupt_(context.interrupt), object_(object), body_(body) {}

    void join_in(int worker) noexcept override {
        Poller poller(worker == 0 ? interrupt_ : nullptr);
        try {
            while (!stop_.load(std::memory_order_relaxed)) {
                const Index task = shares_.take(worker);
                if (task < 0) break;
                body_(object_, task, worker);
                if (poller.interrupted()) throw Cancelled();
            }
        } catch (...) {
            const std::lock_guard lock(failure_mutex_);
            if (!failure_) failure_ = std::current_exception();
            stop_.store(true, std::memory_order_relaxed);
        }
    }

    void rethrow() const {
        if (failure_) std::rethrow_exception(failure_);
    }

private:
    Shares shares_;
    Interrupt* const interrupt_;
    void* const object_;
    const detail::TaskBody body_;
    std::atomic<bool> stop_{false};
    std::exception_ptr failure_;
    std::mutex failure_mutex_;
};

}  // namespace

namespace detail {

void parallel_for(Index tasks, const Context& context, void* object, TaskBody body) {
    const int workers = static_cast<int>(std::min<Index>(std::max(1, context.workers), tasks));
    if (workers <= 1) {
        Poller poller(tasks > 1 ? context.interrupt : nullptr);
        for (Index task = 0; task < tasks; ++task) {
            body(object, task, 0);
            if (poller.interrupted()) throw Cancelled();
        }
        return;
    }
    Region region(tasks, workers, context, object, body);
    crew().run(region, workers - 1);
    region.rethrow();
}

}  // namespace detail

}  // namespace faltung
