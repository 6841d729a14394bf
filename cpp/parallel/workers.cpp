// How many CPUs this process may use.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

#include "parallel/parallel_for.hpp"

namespace faltung {

namespace {

int affinity() {
#if defined(__linux__)
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return static_cast<int>(std::thread::hardware_concurrency());
}

/// CPUs granted by the control group, rounded up; a container of half a CPU still has one worker.
int group_quota() {
    double quota = -1, period = 100000;
    if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2) {
        std::string first;
        v2 >> first >> period;
        if (first != "max" && !first.empty()) quota = std::strtod(first.c_str(), nullptr);
    } else if (std::ifstream v1("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"); v1) {
        v1 >> quota;
        if (std::ifstream p("/sys/fs/cgroup/cpu/cpu.cfs_period_us"); p) p >> period;
    }
    if (quota <= 0 || period <= 0) return 1 << 20;
    return static_cast<int>(std::ceil(quota / period));
}

}  // namespace

int available_workers() {
    static const int workers = std::clamp(std::min(affinity(), group_quota()), 1, 1 << 10);
    return workers;
}

namespace {
std::atomic<int> chosen_workers{0};
}

int default_workers() {
    const int chosen = chosen_workers.load(std::memory_order_relaxed);
    return chosen > 0 ? chosen : available_workers();
}

void set_default_workers(int workers) { chosen_workers.store(workers, std::memory_order_relaxed); }

}  // namespace faltung
