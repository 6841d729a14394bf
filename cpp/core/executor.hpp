// What a method looks like once it is prepared.
#pragma once

#include <atomic>
#include <memory>

#include "core/array_view.hpp"

namespace faltung {

/// Lets the calling thread interrupt a long call. The bindings' poll() checks for signals.
class Interrupt {
public:
    virtual ~Interrupt() = default;
    virtual bool
    poll() = 0;  // called on the calling thread only, now and then; true stops the work
};

/// How one call is to run.
struct Context {
    int workers = 1;
    Interrupt* interrupt = nullptr;
};

/// A prepared method: owns packed kernel, spectra and transform plans. run() is const and
/// thread-safe.
class Executor {
public:
    virtual ~Executor() = default;
    /// x and out are in the problem's canonical form and do not overlap.
    virtual void run(const ArrayView& x, const ArrayView& out, const Context& context) const = 0;
    /// Bytes of scratch one worker borrows, beside input, output and what the executor owns.
    virtual std::size_t workspace_bytes() const = 0;
};

}  // namespace faltung
