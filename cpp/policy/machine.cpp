#include "policy/machine.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "core/error.hpp"
#include "policy/levels.hpp"

namespace faltung {

namespace {

#if defined(__linux__)
/// "32K", "1024K", "32M" as bytes.
Index parse_size(const std::string& text) {
    char* end = nullptr;
    const Index number = std::strtoll(text.c_str(), &end, 10);
    return number << (*end == 'K' ? 10 : *end == 'M' ? 20 : 0);
}

void read_caches(Caches& caches) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index";
    for (int index = 0; index < 8; ++index) {
        std::string level, type, size;
        std::ifstream(folder + std::to_string(index) + "/level") >> level;
        std::ifstream(folder + std::to_string(index) + "/type") >> type;
        std::ifstream(folder + std::to_string(index) + "/size") >> size;
        if (size.empty() || type == "Instruction") continue;
        const Index bytes = parse_size(size);
        if (bytes <= 0) continue;
        if (level == "1") caches.l1 = bytes;
        if (level == "2") caches.l2 = bytes;
        if (level == "3") caches.l3 = bytes;
    }
}

std::string read_processor(const char* what) {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
        if (line.starts_with(what) && line.find(": ") != std::string::npos)
            return line.substr(line.find(": ") + 2);
    return "unknown";
}
#else
void read_caches(Caches&) {}
std::string read_processor(const char*) { return "unknown"; }
#endif

Machine detect() {
    Machine result;
    result.vendor = read_processor("vendor_id");
    result.processor = read_processor("model name");
    result.family = std::atoi(read_processor("cpu family").c_str());
    read_caches(result.caches);
    for (const CompiledLevel& level : compiled_levels())
        if (level.runs_here()) result.levels.push_back(level.table);
    return result;
}

const microkernels::Table& find_level(const char* name, const char* asked_by) {
    std::string known;
    for (const CompiledLevel& level : compiled_levels()) {
        if (std::strcmp(level.table->level, name) == 0) {
            if (!level.runs_here())
                throw ValueError(std::string(asked_by) + "=" + name +
                                 ": this processor does not run that level");
            return *level.table;
        }
        known += known.empty() ? "" : ", ";
        known += level.table->level;
    }
    throw ValueError(std::string(asked_by) + "=" + name + ": no such level; there are " + known);
}

std::atomic<const microkernels::Table*> forced{nullptr};

}  // namespace

const Machine& machine() {
    static const Machine instance = detect();
    return instance;
}

std::size_t streamed_results() {
    // A virtual machine may be told of a cache that hundreds of cores share. Measured with 3 x 3
    // on an EPYC, Zen 5, 32 MiB, results of 1 to 64 MiB: storing past the caches makes no
    // difference up to 8 MiB on one worker and wins from 10 on, on two from 16 on. Fetching 16 MiB
    // of samples early costs 4 % with 3 x 3 and gains as much with 7 x 7, 64 MiB a fifth.
    constexpr Index largest = Index{32} << 20;
    return static_cast<std::size_t>(std::min(machine().caches.l3 / 4, largest));
}

const microkernels::Table& current_level() {
    if (const microkernels::Table* table = forced.load(std::memory_order_relaxed)) return *table;
    const char* asked = std::getenv("FALTUNG_ISA");
    if (asked && *asked) return find_level(asked, "FALTUNG_ISA");
    return *machine().levels.back();
}

void force_level(const char* name) {
    forced.store(name && *name ? &find_level(name, "level") : nullptr, std::memory_order_relaxed);
}

}  // namespace faltung
