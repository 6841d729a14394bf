#include "spectral/fftw_api.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <type_traits>

#include "core/error.hpp"
#include "spectral/shared_library.hpp"

namespace faltung::fftw {
namespace {

namespace fs = std::filesystem;

template <class T>
inline constexpr bool single = std::is_same_v<T, float>;

struct Candidates {
    std::mutex mutex;
    std::string choice;
    std::vector<std::string> fftw_files, mkl_files;
    std::string report;
};

// Leaked on purpose, like everything here: other libraries' exit handlers may still run transforms.
Candidates& candidates() {
    static auto* instance = new Candidates;
    return *instance;
}

template <class T>
struct Slot {
    std::once_flag once;
    std::mutex planning;
    Api<T> api;
    bool found = false;
};

template <class T>
Slot<T>& slot() {
    static auto* instance = new Slot<T>;
    return *instance;
}

std::string base_name(const std::string& path) { return fs::path(path).filename().string(); }

/// Is this FFTW itself, in the precision T, rather than one of its thread libraries?
template <class T>
bool names_fftw(const std::string& path) {
    const std::string name = base_name(path);
    const auto at = name.find("fftw3");
    if (at == std::string::npos || name.find("_omp") != std::string::npos ||
        name.find("_threads") != std::string::npos || name.find("_mpi") != std::string::npos)
        return false;
    const char next = at + 5 < name.size() ? name[at + 5] : '.';
    return single<T> ? next == 'f' : next != 'f' && next != 'l' && next != 'q';
}

/// The given file, and for the other precision its neighbours.
template <class T>
std::vector<std::string> with_neighbours(const std::string& path) {
    std::vector<std::string> found{path};
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(fs::path(path).parent_path(), error)) {
        const std::string other = entry.path().string();
        if (other != path && names_fftw<T>(other)) found.push_back(other);
    }
    std::sort(found.begin() + 1, found.end());
    return found;
}

template <class T>
std::vector<std::string> places(const Candidates& known, std::string& report) {
    std::string choice = known.choice;
    if (const char* variable = std::getenv("FALTUNG_FFTW"); choice.empty() && variable)
        choice = variable;
    if (fs::path(choice).is_absolute()) return with_neighbours<T>(choice);
    if (!choice.empty() && choice != "fftw" && choice != "mkl") {
        report += "FALTUNG_FFTW=" + choice + ": neither an absolute path nor 'fftw' nor 'mkl'\n";
        return {};
    }
    std::vector<std::string> all;
    if (choice != "mkl") {
        for (const std::string& file : known.fftw_files)
            if (names_fftw<T>(file)) all.push_back(file);
#if defined(_WIN32)
        all.emplace_back(single<T> ? "libfftw3f-3.dll" : "libfftw3-3.dll");
#elif defined(__APPLE__)
        const std::string name = single<T> ? "libfftw3f.3.dylib" : "libfftw3.3.dylib";
        for (const char* folder : {"", "/opt/homebrew/lib/", "/usr/local/lib/", "/opt/local/lib/"})
            all.push_back(folder + name);
#else
        all.emplace_back(single<T> ? "libfftw3f.so.3" : "libfftw3.so.3");
#endif
    }
    if (choice != "fftw") {
        all.insert(all.end(), known.mkl_files.begin(), known.mkl_files.end());
#if defined(_WIN32)
        all.insert(all.end(), {"mkl_rt.3.dll", "mkl_rt.2.dll"});
#elif defined(__APPLE__)
        all.insert(all.end(), {"libmkl_rt.2.dylib"});
#else
        all.insert(all.end(), {"libmkl_rt.so.3", "libmkl_rt.so.2"});
#endif
    }
    return all;
}

/// Fills `api` from an open library; the name of the first missing function otherwise.
template <class T>
std::string bind(void* library, Api<T>& api) {
    const std::string prefix = single<T> ? "fftwf_" : "fftw_";
    std::string missing;
    auto look = [&](auto& function, const char* name, bool required) {
        using Function = std::remove_reference_t<decltype(function)>;
        function = reinterpret_cast<Function>(find_symbol(library, (prefix + name).c_str()));
        if (!function && required && missing.empty()) missing = prefix + name;
    };
    look(api.plan_complex, "plan_guru64_dft", true);
    look(api.execute_complex, "execute_dft", true);
    look(api.destroy, "destroy_plan", true);
    look(api.import_wisdom, "import_wisdom_from_string", false);
    look(api.export_wisdom, "export_wisdom", false);
    look(api.forget_wisdom, "forget_wisdom", false);
    if (!missing.empty()) return missing;

    using MklVersion = void (*)(char*, int);
    if (auto mkl_version =
            reinterpret_cast<MklVersion>(find_symbol(library, "mkl_get_version_string"))) {
        char text[256] = {};
        mkl_version(text, sizeof text - 1);
        api.name = "MKL";
        api.version = text;
        api.version.erase(api.version.find_last_not_of(' ') + 1);
        // MKL exports wisdom functions that do nothing.
        api.import_wisdom = nullptr;
        api.export_wisdom = nullptr;
        api.forget_wisdom = nullptr;
        // We bring our own threads; MKL's would fight with them.
        using SetThreads = void (*)(int);
        if (auto set_threads = reinterpret_cast<SetThreads>(
                find_symbol(library, (prefix + "plan_with_nthreads").c_str())))
            set_threads(1);
    } else {
        api.name = "FFTW";
        const char* version =
            static_cast<const char*>(find_symbol(library, (prefix + "version").c_str()));
        api.version = version ? version : "unknown version";
    }
    return {};
}

template <class T>
void load(Slot<T>& target) {
    Candidates& known = candidates();
    const std::lock_guard lock(known.mutex);
    const std::string precision = single<T> ? "float32: " : "float64: ";
    const std::vector<std::string> all = places<T>(known, known.report);
    for (const std::string& path : all) {
        std::string reason;
        Api<T> api;
        if (void* library = open_library(path, reason)) {
            const std::string missing = bind(library, api);
            if (missing.empty()) {
                api.path = path;
                known.report += precision + path + ": loaded, " + api.version + "\n";
                target.api = std::move(api);
                target.found = true;
                return;
            }
            reason = "has no function " + missing;
        }
        known.report += precision + path + ": " + reason + "\n";
    }
    known.report += precision + "no library found\n";
}

}  // namespace

void set_candidates(std::string choice, std::vector<std::string> fftw_files,
                    std::vector<std::string> mkl_files) {
    Candidates& known = candidates();
    const std::lock_guard lock(known.mutex);
    known.choice = std::move(choice);
    known.fftw_files = std::move(fftw_files);
    known.mkl_files = std::move(mkl_files);
}

std::string search_report() {
    const std::lock_guard lock(candidates().mutex);
    return candidates().report;
}

template <class T>
const Api<T>* find_api() {
    Slot<T>& mine = slot<T>();
    std::call_once(mine.once, [&] { load(mine); });
    return mine.found ? &mine.api : nullptr;
}

template <class T>
const Api<T>& api() {
    if (const Api<T>* found = find_api<T>()) return *found;
    throw ProviderError(
        "no library for Fourier transforms was found. Install one with 'pip install pyfftw', or "
        "name "
        "one in the environment variable FALTUNG_FFTW. These places were tried:\n" +
        search_report());
}

template <class T>
std::mutex& planning_mutex() {
    return slot<T>().planning;
}

template const Api<float>* find_api<float>();
template const Api<double>* find_api<double>();
template const Api<float>& api<float>();
template const Api<double>& api<double>();
template std::mutex& planning_mutex<float>();
template std::mutex& planning_mutex<double>();

}  // namespace faltung::fftw
