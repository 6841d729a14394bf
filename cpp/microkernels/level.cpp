// Compiled once per instruction-set level (cmake/IsaLevels.cmake) with FALTUNG_LEVEL naming it. The
// table is the only symbol that leaves the object: everything included here sits in an anonymous
// namespace.
#include "microkernels/table.hpp"

#include "microkernels/convert_loops.hpp"
#include "microkernels/correlate_loops.hpp"
#include "microkernels/layer_loops.hpp"
#include "microkernels/match_loops.hpp"
#include "microkernels/pool_loops.hpp"
#include "microkernels/random_loops.hpp"
#include "microkernels/recur_loops.hpp"
#include "microkernels/spectrum_loops.hpp"
#include "microkernels/transform_loops.hpp"

#define FALTUNG_TEXT_(x) #x
#define FALTUNG_TEXT(x) FALTUNG_TEXT_(x)
#define FALTUNG_JOIN_(a, b) a##b
#define FALTUNG_JOIN(a, b) FALTUNG_JOIN_(a, b)

namespace faltung::microkernels {

extern const Table FALTUNG_JOIN(table_, FALTUNG_LEVEL);
constexpr Table FALTUNG_JOIN(table_, FALTUNG_LEVEL) = {
    FALTUNG_TEXT(FALTUNG_LEVEL),
    vector_bytes,
    correlate_table<float>(),
    correlate_table<double>(),
    correlate_table<std::int64_t>(),
    convert_table(),
    pool_table<float>(),
    pool_table<double>(),
    pool_table<std::int64_t>(),
    transform_table<float>(),
    transform_table<double>(),
    spectrum_table<float>(),
    spectrum_table<double>(),
    recur_table(),
    layer_table<float>(),
    layer_table<double>(),
    random_table(),
    match_table<float>(),
    match_table<double>(),
    window_table(),
};

}  // namespace faltung::microkernels
