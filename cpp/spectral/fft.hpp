// The seam: transforms of any length, whoever computes them. Names no vendor.
#pragma once

#include <complex>
#include <memory>
#include <string>
#include <vector>

#include "core/extents.hpp"

namespace faltung::fft {

enum class Direction { forward, backward };

/// A prepared, unnormalised complex transform over `shape` (C order, contiguous), in place, for
/// 64-byte aligned data. execute() is thread-safe and single-threaded.
template <class T>
class ComplexPlan {
public:
    virtual ~ComplexPlan() = default;
    virtual void execute(std::complex<T>* data) const = 0;
};

/// How hard the provider looks for a fast plan. `measure` is honoured up to `most_measured` points,
/// where it takes a fraction of a second, and its outcome is kept for the next process; larger
/// transforms use what tune() found, and an estimate otherwise.
enum class Effort { estimate, measure };
inline constexpr Index most_measured = Index{1} << 8;

/// Plans are cached and shared. Throws ProviderError where no provider is found.
template <class T>
std::shared_ptr<const ComplexPlan<T>> complex_plan(const Extents& shape, Direction direction,
                                                   Effort effort);

/// A prepared, unnormalised transform of one contiguous line, from `in` (kept) to `out`, both
/// 64-byte aligned and not overlapping. Estimated plans of this kind are about as quick as measured
/// ones; in place they are half as quick.
template <class T>
class LinePlan {
public:
    virtual ~LinePlan() = default;
    virtual void execute(const std::complex<T>* in, std::complex<T>* out) const = 0;
};

template <class T>
std::shared_ptr<const LinePlan<T>> line_plan(Index n, Direction direction, Effort effort);

/// Measures line transforms of `n` points both ways, however long that takes, and keeps the outcome
/// in the user's cache directory. Returns the seconds it took.
template <class T>
double tune_length(Index n);

/// Which library serves, for show_config(): name, version, path per precision; or why there is
/// none.
struct Provider {
    bool found = false;
    std::string name, version, path_f64, path_f32;
    std::string searched;  // one line per place that was tried and what came of it
    std::string wisdom;    // where measurements are kept, or why they are not
};
Provider provider();

/// Provider::found, quickly.
bool available();

/// Throws ProviderError, with every place that was tried, where there is none.
void require_provider();

/// The bindings tell where the installed distributions keep their libraries, before the first use.
/// `choice` overrides the environment variable FALTUNG_FFTW if it is not empty.
void set_search_paths(std::string choice, std::vector<std::string> fftw_files,
                      std::vector<std::string> mkl_files = {});

}  // namespace faltung::fft
