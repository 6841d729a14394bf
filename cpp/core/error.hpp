// What can go wrong, as types that the bindings translate one to one into Python's exceptions.
#pragma once

#include <stdexcept>
#include <string>

namespace faltung {

struct ValueError : std::runtime_error {  // a value that is not allowed
    using std::runtime_error::runtime_error;
};

struct TypeError : std::runtime_error {  // a dtype that is not served
    using std::runtime_error::runtime_error;
};

struct OverflowError
    : std::runtime_error {  // an exact integer answer that cannot be promised to fit
    using std::runtime_error::runtime_error;
};

struct TooLarge : std::runtime_error {  // sizes that no memory holds
    using std::runtime_error::runtime_error;
};

struct ProviderError : std::runtime_error {  // a shared library that is needed and not there
    using std::runtime_error::runtime_error;
};

struct Cancelled : std::runtime_error {  // the caller's thread was interrupted
    Cancelled() : std::runtime_error("interrupted") {}
};

}  // namespace faltung
