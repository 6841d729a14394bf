// Memory for results: aligned for whole vectors, and kept where each fresh block would cost page
// faults.
#pragma once

#include <cstddef>

namespace faltung::bindings {

/// Results of at least this many bytes start at a multiple of 64; for smaller ones it is not worth
/// a call into NumPy.
inline constexpr std::size_t aligned_result = std::size_t{64} << 10;

/// While it lives, arrays that this thread makes own memory from our shelf (NEP 49). Not for use
/// without the GIL.
class ResultMemory {
public:
    ResultMemory();
    ~ResultMemory();
    ResultMemory(const ResultMemory&) = delete;
    ResultMemory& operator=(const ResultMemory&) = delete;

private:
    void* previous_;  // NumPy's handler before, a capsule
};

/// Gives every kept block back to the system.
void trim_results();

}  // namespace faltung::bindings
