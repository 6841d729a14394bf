#include "parallel/cores.hpp"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace faltung {

#if defined(__linux__)

void HelperCore::introduce() {
    if (sched_getaffinity(0, sizeof allowed_, &allowed_) != 0) return;  // more than 1024 cores
    thread_.store(static_cast<int>(syscall(SYS_gettid)), std::memory_order_release);
}

void HelperCore::caller_is_here() { caller_.store(sched_getcpu(), std::memory_order_relaxed); }

void HelperCore::forbid_mine() {
    const int thread = thread_.load(std::memory_order_acquire);
    if (thread != 0 && forbid(thread)) forbidden_.store(true, std::memory_order_relaxed);
}

void HelperCore::lift() {
    if (forbidden_.exchange(false, std::memory_order_relaxed))
        sched_setaffinity(0, sizeof allowed_, &allowed_);
}

void HelperCore::part() {
    if (sched_getcpu() != caller_.load(std::memory_order_relaxed)) return;
    if (thread_.load(std::memory_order_relaxed) != 0 && forbid(0))
        sched_setaffinity(0, sizeof allowed_, &allowed_);
}

bool HelperCore::forbid(int thread) {
    const int caller = caller_.load(std::memory_order_relaxed);
    if (caller < 0 || caller >= CPU_SETSIZE) return false;
    cpu_set_t others = allowed_;
    CPU_CLR(static_cast<unsigned>(caller), &others);
    return CPU_COUNT(&others) > 0 && sched_setaffinity(thread, sizeof others, &others) == 0;
}

#else

void HelperCore::introduce() {}
void HelperCore::caller_is_here() {}
void HelperCore::forbid_mine() {}
void HelperCore::lift() {}
void HelperCore::part() {}

#endif

}  // namespace faltung
