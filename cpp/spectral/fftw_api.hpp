// The only place that knows FFTW's names: the functions we call, found at run time in whatever
// library exports them.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

namespace faltung::fftw {

/// One dimension of a transform: length, and strides of input and output in elements (the 64-bit
/// guru interface).
struct Dimension {
    std::ptrdiff_t n, in_stride, out_stride;
};

using PlanHandle = void*;

inline constexpr int forward_sign = -1;
inline constexpr int backward_sign = 1;
inline constexpr unsigned flag_measure = 0;
inline constexpr unsigned flag_estimate = 1u << 6;
inline constexpr unsigned flag_wisdom_only = 1u << 21;

template <class T>
struct Api {
    using Pair = T[2];

    PlanHandle (*plan_complex)(int rank, const Dimension* dimensions, int loops,
                               const Dimension* loop, Pair* in, Pair* out, int sign,
                               unsigned flags) = nullptr;
    void (*execute_complex)(PlanHandle, Pair* in, Pair* out) = nullptr;
    void (*destroy)(PlanHandle) = nullptr;
    // These may be missing.
    int (*import_wisdom)(const char* text) = nullptr;
    void (*export_wisdom)(void (*write)(char, void*), void* data) = nullptr;
    void (*forget_wisdom)() = nullptr;

    std::string path, name, version;
};

/// The library of one precision, loaded on first use and kept for good. Throws ProviderError, with
/// every place that was tried, where there is none.
template <class T>
const Api<T>& api();

/// nullptr where api() would throw.
template <class T>
const Api<T>* find_api();

/// Planning, destroying and wisdom are not thread-safe: hold this around them. Executing is.
template <class T>
std::mutex& planning_mutex();

/// Where to look, told before the first use; see fft::set_search_paths.
void set_candidates(std::string choice, std::vector<std::string> fftw_files,
                    std::vector<std::string> mkl_files);

/// One line per place that was tried and what came of it.
std::string search_report();

}  // namespace faltung::fftw
