#include "spectral/wisdom.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <mutex>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#else
#include <process.h>
#endif
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace faltung::wisdom {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_bytes = std::size_t{1} << 20;

struct State {
    std::mutex mutex;
    std::string failure;
};

State& state() {
    static auto* instance = new State;  // leaked: may be asked while the process ends
    return *instance;
}

void fail(const std::string& text) {
    const std::lock_guard lock(state().mutex);
    state().failure = text;
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

fs::path folder() {
    if (environment("FALTUNG_CACHE") == "off") return {};
#if defined(_WIN32)
    const std::string base = environment("LOCALAPPDATA");
    return base.empty() ? fs::path() : fs::path(base) / "faltung" / "Cache";
#else
    const std::string home = environment("HOME");
#if defined(__APPLE__)
    if (!home.empty()) return fs::path(home) / "Library" / "Caches" / "faltung";
#else
    const std::string base = environment("XDG_CACHE_HOME");
    if (fs::path(base).is_absolute()) return fs::path(base) / "faltung";
    if (fs::path(home).is_absolute()) return fs::path(home) / ".cache" / "faltung";
#endif
    return {};
#endif
}

std::string cpu_model() {
#if defined(__linux__)
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
        if (line.rfind("model name", 0) == 0 || line.rfind("CPU part", 0) == 0)
            return line.substr(line.find(':') + 1);
#elif defined(__APPLE__)
    char text[256];
    std::size_t size = sizeof text;
    if (sysctlbyname("machdep.cpu.brand_string", text, &size, nullptr, 0) == 0) return text;
#elif defined(_WIN32)
    return environment("PROCESSOR_IDENTIFIER");
#endif
    return "unknown";
}

std::uint64_t digest(const std::string& text) {
    std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a: only has to tell a handful of keys apart
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return hash;
}

fs::path file_of(const std::string& key) {
    char name[40];
    std::snprintf(name, sizeof name, "wisdom-%016llx.txt",
                  static_cast<unsigned long long>(digest(key)));
    return folder() / name;
}

#ifndef _WIN32

/// Is it ours, and can nobody else change it?
bool trustworthy(const struct stat& info) {
    return info.st_uid == geteuid() && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool folder_is_safe(const fs::path& path) {
    struct stat info;
    return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && trustworthy(info);
}

std::string read_file(const fs::path& path) {
    if (!folder_is_safe(path.parent_path())) return {};
    const int file = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return {};
    std::string text;
    struct stat info;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode) || !trustworthy(info)) {
        fail(path.string() + " is not a file that only this user can write; ignored");
    } else if (static_cast<std::size_t>(info.st_size) > most_bytes) {
        fail(path.string() + " is larger than 1 MiB; ignored");
    } else {
        text.resize(static_cast<std::size_t>(info.st_size));
        std::size_t have = 0;
        while (have < text.size()) {
            const ssize_t got = read(file, text.data() + have, text.size() - have);
            if (got <= 0) break;
            have += static_cast<std::size_t>(got);
        }
        text.resize(have);
    }
    close(file);
    return text;
}

bool write_file(const fs::path& path, const std::string& text) {
    const fs::path parent = path.parent_path();
    std::error_code error;
    fs::create_directories(parent.parent_path(), error);
    mkdir(parent.c_str(), 0700);
    if (!folder_is_safe(parent)) {
        fail(parent.string() + " cannot be made, or others may write there");
        return false;
    }
    const std::string temporary = path.string() + "." + std::to_string(getpid());
    unlink(temporary.c_str());
    const int file =
        open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return false;
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t put = write(file, text.data() + done, text.size() - done);
        if (put <= 0) break;
        done += static_cast<std::size_t>(put);
    }
    const bool complete = close(file) == 0 && done == text.size();
    if (complete && std::rename(temporary.c_str(), path.c_str()) == 0) return true;
    unlink(temporary.c_str());
    return false;
}

#else

std::string read_file(const fs::path& path) {
    std::error_code error;
    const auto size = fs::file_size(path, error);
    if (error || size > most_bytes) return {};
    std::ifstream file(path, std::ios::binary);
    std::string text(static_cast<std::size_t>(size), '\0');
    file.read(text.data(), static_cast<std::streamsize>(size));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

bool write_file(const fs::path& path, const std::string& text) {
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    fs::path temporary = path;
    temporary += "." + std::to_string(_getpid());
    {
        std::ofstream file(temporary, std::ios::binary);
        if (!file.write(text.data(), static_cast<std::streamsize>(text.size()))) return false;
    }
    fs::rename(temporary, path, error);
    return !error;
}

#endif

}  // namespace

std::string key(const std::string& library, const std::string& precision) {
    return "faltung wisdom 1; " + precision + "; " + library + "; " + cpu_model();
}

std::string load(const std::string& key) {
    try {
        if (folder().empty()) return {};
        const std::string text = read_file(file_of(key));
        if (text.empty()) return {};
        if (text.compare(0, key.size() + 1, key + "\n") != 0) {
            fail(file_of(key).string() + " begins with another key; ignored");
            return {};
        }
        return text.substr(key.size() + 1);
    } catch (const std::exception& error) {
        fail(error.what());
        return {};
    }
}

void store(const std::string& key, const std::string& text) {
    try {
        if (folder().empty() || key.size() + 1 + text.size() > most_bytes) return;
        if (!write_file(file_of(key), key + "\n" + text))
            fail(file_of(key).string() + " could not be written");
    } catch (const std::exception& error) {
        fail(error.what());
    }
}

std::string report() {
    try {
        const fs::path place = folder();
        if (place.empty()) return "not kept (FALTUNG_CACHE=off, or no home directory)";
        const std::lock_guard lock(state().mutex);
        return place.string() + (state().failure.empty() ? "" : " (" + state().failure + ")");
    } catch (const std::exception& error) {
        return error.what();
    }
}

}  // namespace faltung::wisdom
