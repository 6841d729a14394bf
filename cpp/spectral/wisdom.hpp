// What measuring taught, kept as a small text file in the user's cache directory. Nothing here ever
// throws or fails a call: without the file, plans are only slower.
#pragma once

#include <string>

namespace faltung::wisdom {

/// What the stored text is good for: it is ignored under any other key. One line.
std::string key(const std::string& library, const std::string& precision);

/// The text stored under `key`, or nothing.
std::string load(const std::string& key);

/// Replaces the text stored under `key`, in one step.
void store(const std::string& key, const std::string& text);

/// Where the files are, or why there are none; the last failure if there was one.
std::string report();

}  // namespace faltung::wisdom
