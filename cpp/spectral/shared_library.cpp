#include "spectral/shared_library.hpp"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <filesystem>
#else
#include <dlfcn.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FALTUNG_SANITIZER 1  // they refuse DEEPBIND
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FALTUNG_SANITIZER 1
#endif
#endif

namespace faltung {

#ifdef _WIN32

void* open_library(const std::string& path, std::string& reason) {
    const std::filesystem::path file = std::filesystem::u8path(path);
    const DWORD flags = file.is_absolute()
                            ? LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS
                            : LOAD_LIBRARY_SEARCH_DEFAULT_DIRS;
    HMODULE library = LoadLibraryExW(file.c_str(), nullptr, flags);
    if (!library) reason = "LoadLibrary failed with error " + std::to_string(GetLastError());
    return reinterpret_cast<void*>(library);
}

void* find_symbol(void* library, const char* name) {
    return reinterpret_cast<void*>(GetProcAddress(reinterpret_cast<HMODULE>(library), name));
}

#else

void* open_library(const std::string& path, std::string& reason) {
    int flags = RTLD_NOW | RTLD_LOCAL;
    // Without DEEPBIND, symbols of an MKL that someone loaded globally would answer FFTW's own
    // calls.
#if defined(RTLD_DEEPBIND) && !defined(FALTUNG_SANITIZER)
    flags |= RTLD_DEEPBIND;
#endif
    void* library = dlopen(path.c_str(), flags);
    if (!library) {
        const char* text = dlerror();
        reason = text ? text : "dlopen failed";
    }
    return library;
}

void* find_symbol(void* library, const char* name) { return dlsym(library, name); }

#endif

}  // namespace faltung
