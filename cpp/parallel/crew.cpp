#include "parallel/crew.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <signal.h>
#endif

#include "parallel/cores.hpp"

namespace faltung {

namespace {

/// How long a helper looks out for the next call before it goes to sleep.
constexpr std::chrono::microseconds lookout{2000};

void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/// Looks until `ready` answers true, or `enough` does. Every microsecond or so the core is offered
/// to others: the thread that is waited for may be one of them.
template <class Ready, class Enough>
bool look_out(Ready&& ready, Enough&& enough) {
    constexpr int looks = 64;
    for (;;) {
        for (int look = 0; look < looks; ++look) {
            if (ready()) return true;
            pause();
        }
        if (enough()) return false;
        std::this_thread::yield();
    }
}

/// Signals are for the threads of the program.
class SignalsBlocked {
#if defined(__unix__) || defined(__APPLE__)
public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    sigset_t before_;
#endif
};

}  // namespace

/// One thread. It belongs to one caller at a time, from hire() until `hired` is false again.
struct Crew::Helper {
    std::atomic<bool> hired{true};
    std::atomic<SharedWork*> offer{nullptr};  // taken up, or back, by exchange: by one of both
    int worker = 0;                           // of what is offered
    std::atomic<bool> done{false};            // with what was taken up
    std::atomic<int> asleep{0};
    HelperCore core;

    void live() {
        core.introduce();
        for (;;) {
            SharedWork* const work = await_offer();
            if (work == nullptr) continue;  // taken back
            core.part();
            work->join_in(worker);
            done.store(true, std::memory_order_release);
        }
    }

    SharedWork* await_offer() {
        const auto offered = [this] { return offer.load() != nullptr; };
        const auto end = std::chrono::steady_clock::now() + lookout;
        if (!look_out(offered, [end] { return std::chrono::steady_clock::now() >= end; })) {
            asleep.store(1);  // before the last look, as an offer is made before wake() looks here
            if (!offered()) {
                asleep.wait(1);
                core.lift();
            }
            asleep.store(0);
        }
        return offer.exchange(nullptr);
    }

    void wake() {
        if (asleep.load() == 0) return;
        core.forbid_mine();
        asleep.store(0);
        asleep.notify_one();
    }
};

/// A helper that nobody has; nullptr if there is none and none can be had.
Crew::Helper* Crew::hire() noexcept {
    const int count = count_.load(std::memory_order_acquire);
    for (int i = 0; i < count; ++i) {
        Helper* const helper = helpers_[static_cast<std::size_t>(i)].load();
        if (!helper->hired.load(std::memory_order_relaxed) && !helper->hired.exchange(true))
            return helper;
    }
    const std::unique_lock lock(growing_, std::try_to_lock);
    if (!lock || count_.load() == most_helpers) return nullptr;
    try {
        auto helper = std::make_unique<Helper>();
        const SignalsBlocked blocked;
        std::thread([&it = *helper] { it.live(); }).detach();
        helpers_[static_cast<std::size_t>(count_.load())].store(helper.get());
        count_.fetch_add(1, std::memory_order_release);
        return helper.release();  // lives as long as the process
    } catch (const std::exception&) {
        return nullptr;  // no memory or no more threads; the caller works alone
    }
}

void Crew::run(SharedWork& work, int helpers) noexcept {
    std::array<Helper*, most_helpers> hired;
    int count = 0;
    while (count < std::min(helpers, most_helpers)) {
        Helper* const helper = hire();
        if (helper == nullptr) break;
        hired[static_cast<std::size_t>(count++)] = helper;
        helper->worker = count;
        helper->done.store(false, std::memory_order_relaxed);
        helper->core.caller_is_here();
        helper->offer.store(&work);
        helper->wake();
    }
    work.join_in(0);
    for (int i = 0; i < count; ++i) {
        Helper& helper = *hired[static_cast<std::size_t>(i)];
        if (helper.offer.exchange(nullptr) == nullptr)
            look_out([&] { return helper.done.load(std::memory_order_acquire); },
                     [] { return false; });
        helper.hired.store(false, std::memory_order_release);
    }
}

namespace {

std::atomic<Crew*> current{nullptr};

#if defined(__unix__) || defined(__APPLE__)
void forget_in_children() {
    static const int registered =
        pthread_atfork(nullptr, nullptr, [] { current.store(nullptr, std::memory_order_relaxed); });
    static_cast<void>(registered);
}
#else
void forget_in_children() {}
#endif

}  // namespace

Crew& crew() {
    Crew* now = current.load(std::memory_order_acquire);
    if (now != nullptr) return *now;
    forget_in_children();
    auto fresh = std::make_unique<Crew>();
    if (!current.compare_exchange_strong(now, fresh.get(), std::memory_order_acq_rel)) return *now;
    return *fresh.release();  // never destroyed: threads end with the process
}

}  // namespace faltung
