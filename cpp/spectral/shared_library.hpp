// Opening a shared library at run time, on every system alike.
#pragma once

#include <string>

namespace faltung {

/// Opens `path` privately: its symbols neither serve nor take those of others. nullptr and a reason
/// on failure. A library once opened stays.
void* open_library(const std::string& path, std::string& reason);

void* find_symbol(void* library, const char* name);

}  // namespace faltung
