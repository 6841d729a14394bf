// Which method: predicted seconds for every one, the least taken, a named reason for each that was
// not.
#pragma once

#include <array>
#include <limits>
#include <optional>
#include <string>

#include "core/problem.hpp"
#include "policy/machine.hpp"

namespace faltung {

enum class Method : std::uint8_t { direct, separable, fft, overlap_save };
inline constexpr int method_count = 4;
std::string_view name_of(Method method);

/// Work that one worker does sooner is not shared: waking and joining another takes some 10 us on
/// idle cores.
inline constexpr double worth_waking = 60e-6;  // seconds

/// What the passes of a separable kernel do, what they do twice included.
struct PassWork {
    double results = 0;    // numbers that they write
    double sums = 0;       // multiply-adds
    double lines = 0;      // lines of samples that they read,
    double rows = 0;       // in so many pieces
    double ends = 0;       // taps that meet the end of one
    bool chained = false;  // equal taps along the last axis, by running sums
    double tasks = 1;
};

/// What choosing needs to know beside the problem.
struct Traits {
    bool finite_kernel = true;
    int terms = 0;              // outer products that make up the kernel; 0 if it is no few of them
    Index listed = 0;           // taps that are not zero, where direct sums only these
    double byte_products = 0;   // of four taps each, where direct sums samples as bytes; else 0
    PassWork passes;            // that they take
    double kernel_norm = 0;     // l2
    bool fft_available = true;  // a library for transform lengths that we have none of our own for
    int workers = 1;            // that a call may have, usually
    double most_tile_bytes = std::numeric_limits<double>::infinity();  // of a transformed tile
    // a transform of the whole array: blocks of so many complex points, so many lines and butterfly
    // levels each way
    double whole_blocks = 1, whole_points = 1, whole_lines = 0, whole_steps = 0;
    bool whole_is_own = false;    // by transforms of our own
    std::string whole_objection;  // why that cannot be
};

/// What one method would take, or why it cannot serve.
struct Prediction {
    bool possible = false;
    double seconds = 0;
    bool alone = false;     // one worker is done before another has woken up
    Extents tile;           // overlap_save: the transform length per axis
    Index listed = 0;       // direct: taps that are not zero, where only these are summed
    bool in_bytes = false;  // direct: by products of bytes
    int terms = 1;          // separable: outer products
    Arithmetic arithmetic = Arithmetic::f64;
    std::string reason;  // named, where not possible
};

struct Choice {
    Method method = Method::direct;
    bool forced = false;
    std::array<Prediction, method_count> predictions;

    const Prediction& taken() const { return predictions[static_cast<std::size_t>(method)]; }
    /// One line per method: taken or not, predicted time, reason.
    std::string explain() const;
};

/// Bytes that `auto` lets the transforms of array and kernel take together.
double transform_memory(const Problem& problem);

/// `asked` forces a method; one that cannot serve is then a ValueError that gives the reason.
Choice choose(const Problem& problem, const Traits& traits, const microkernels::Table& level,
              std::optional<Method> asked);

}  // namespace faltung
