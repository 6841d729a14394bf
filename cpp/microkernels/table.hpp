// The one way into code compiled for an instruction set: a const table of functions per level.
// Plain pointers and sizes only; nothing here may pull a template of the standard library into a
// level's object.
#pragma once

#include "microkernels/byte_table.hpp"
#include "microkernels/convert_table.hpp"
#include "microkernels/correlate_table.hpp"
#include "microkernels/layer_table.hpp"
#include "microkernels/match_table.hpp"
#include "microkernels/pool_table.hpp"
#include "microkernels/random_table.hpp"
#include "microkernels/recur_table.hpp"
#include "microkernels/spectrum_table.hpp"
#include "microkernels/transform_table.hpp"

namespace faltung::microkernels {

struct Table {
    const char* level;  // "baseline", "v3", "v4", "v4_vnni", "neon"
    const char* loops;  // the level that these loops were compiled for, but for those over bytes
    int vector_bytes;
    const ByteTable* bytes;  // if the level has products of bytes
    CorrelateTable<float> correlate_f32;
    CorrelateTable<double> correlate_f64;
    CorrelateTable<std::int64_t> correlate_i64;
    ConvertTable convert;
    PoolTable<float> pool_f32;
    PoolTable<double> pool_f64;
    PoolTable<std::int64_t> pool_i64;
    TransformTable<float> transform_f32;
    TransformTable<double> transform_f64;
    SpectrumTable<float> spectrum_f32;
    SpectrumTable<double> spectrum_f64;
    RecurTable recur;
    LayerTable<float> layer_f32;
    LayerTable<double> layer_f64;
    RandomTable random;
    MatchTable<float> match_f32;
    MatchTable<double> match_f64;
    WindowTable window;
};

}  // namespace faltung::microkernels
