#include "parallel/parallel_for.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>

#include <omp.h>

#include "core/error.hpp"

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

    Shares shares(tasks, workers);
    std::atomic<bool> stop{false};
    std::exception_ptr failure;
    std::mutex failure_mutex;
#pragma omp parallel num_threads(workers)
    {
        const int worker = omp_get_thread_num();
        Poller poller(worker == 0 ? context.interrupt : nullptr);
        try {
            while (!stop.load(std::memory_order_relaxed)) {
                const Index task = shares.take(worker);
                if (task < 0) break;
                body(object, task, worker);
                if (poller.interrupted()) throw Cancelled();
            }
        } catch (...) {
            const std::lock_guard lock(failure_mutex);
            if (!failure) failure = std::current_exception();
            stop.store(true, std::memory_order_relaxed);
        }
    }
    if (failure) std::rethrow_exception(failure);
}

}  // namespace detail

void release_threads() { omp_pause_resource_all(omp_pause_hard); }

}  // namespace faltung
