#include "policy/levels.hpp"

namespace faltung {

// levels.inc holds one FALTUNG_LEVEL(name) or FALTUNG_LEVEL_UPON(name, level below) per line
namespace microkernels {
#define FALTUNG_LEVEL(name) extern const Table table_##name;
#define FALTUNG_LEVEL_UPON(name, below) extern const ByteTable table_##name;
#include "levels.inc"
#undef FALTUNG_LEVEL
#undef FALTUNG_LEVEL_UPON
}  // namespace microkernels

namespace {

[[maybe_unused]] bool runs_baseline() { return true; }
[[maybe_unused]] bool runs_neon() { return true; }

#if defined(__x86_64__) || defined(_M_X64)
[[maybe_unused]] bool runs_v3() {
    // F16C, LZCNT and MOVBE have no name here in Clang 16; every processor with the others has them
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
[[maybe_unused]] bool runs_v4() {
    return runs_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
[[maybe_unused]] bool runs_v4_vnni() {
    return runs_v4() && __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("avx512vbmi");
}
#endif

/// Everything of the level below, and loops over bytes.
[[maybe_unused]] microkernels::Table put_upon(const microkernels::Table& below, const char* level,
                                              const microkernels::ByteTable& bytes) {
    microkernels::Table table = below;
    table.level = level;
    table.bytes = &bytes;
    return table;
}

#define FALTUNG_LEVEL(name)
#define FALTUNG_LEVEL_UPON(name, below)     \
    const microkernels::Table upon_##name = \
        put_upon(microkernels::table_##below, #name, microkernels::table_##name);
#include "levels.inc"
#undef FALTUNG_LEVEL
#undef FALTUNG_LEVEL_UPON

constexpr CompiledLevel levels[] = {
#define FALTUNG_LEVEL(name) {&microkernels::table_##name, runs_##name},
#define FALTUNG_LEVEL_UPON(name, below) {&upon_##name, runs_##name},
#include "levels.inc"
#undef FALTUNG_LEVEL
#undef FALTUNG_LEVEL_UPON
};

}  // namespace

std::span<const CompiledLevel> compiled_levels() { return levels; }

}  // namespace faltung
