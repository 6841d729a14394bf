// Compiled once per instruction-set level (cmake/IsaLevels.cmake) with FALTUNG_LEVEL naming it. The
// table is the only symbol that leaves the object: everything included here sits in an anonymous
// namespace.
#include "microkernels/table.hpp"

#include "microkernels/convert_loops.hpp"
#include "microkernels/correlate_loops.hpp"
#include "microkernels/layer_loops.hpp"
#include "microkernels/level_name.hpp"
#include "microkernels/match_loops.hpp"
#include "microkernels/pool_loops.hpp"
#include "microkernels/random_loops.hpp"
#include "microkernels/recur_loops.hpp"
#include "microkernels/spectrum_loops.hpp"
#include "microkernels/transform_loops.hpp"

namespace faltung::microkernels {

extern const Table FALTUNG_LEVEL_TABLE;
constexpr Table FALTUNG_LEVEL_TABLE = {
    FALTUNG_LEVEL_TEXT,
    FALTUNG_LEVEL_TEXT,
    vector_bytes,
    nullptr,
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
