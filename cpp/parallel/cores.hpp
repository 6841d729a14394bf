// On which core a helping thread runs.
#pragma once

#include <atomic>

#if defined(__linux__)
#include <sched.h>
#endif

namespace faltung {

/// Keeps a helper off its caller's core. In a virtual machine an idle core looks taken to the
/// system (the host has taken it back), so that a thread that is woken up runs on the waker's core;
/// there it would have to wait for the end of the waker's time slice, some milliseconds. So the
/// caller forbids a sleeper its own core, and the sleeper lifts that when it is awake. Where the
/// system is not Linux, nothing happens.
class HelperCore {
public:
    /// By the helper, first of all.
    void introduce();
    /// By the caller, with every offer.
    void caller_is_here();
    /// By the caller, before it wakes the helper up.
    void forbid_mine();
    /// By the helper, when it has slept.
    void lift();
    /// By the helper, when it has taken up an offer: moves to another core than the caller's.
    void part();

private:
#if defined(__linux__)
    bool forbid(int thread);

    cpu_set_t allowed_{};
    std::atomic<int> thread_{0};  // the system's number of it; `allowed_` is known once this is
    std::atomic<int> caller_{-1};
    std::atomic<bool> forbidden_{false};
#endif
};

}  // namespace faltung
