#include "cuda/cufft_api.hpp"

#include <mutex>
#include <optional>

#include "core/error.hpp"
#include "spectral/shared_library.hpp"

namespace faltung::cuda {

namespace {

struct Search {
    std::mutex mutex;
    std::vector<std::string> files;
    bool done = false;
    std::optional<CufftApi> found;
    std::string report;
};

Search& search() {
    static auto* the = new Search;  // libraries stay to the end of the process, and so does this
    return *the;
}

template <class Function>
bool take(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(find_symbol(library, name));
    return function != nullptr;
}

bool take_all(void* library, CufftApi& api) {
    return take(library, "cufftCreate", api.create) && take(library, "cufftDestroy", api.destroy) &&
           take(library, "cufftSetAutoAllocation", api.set_auto_allocation) &&
           take(library, "cufftMakePlanMany64", api.make_plan) &&
           take(library, "cufftSetWorkArea", api.set_work_area) &&
           take(library, "cufftSetStream", api.set_stream) &&
           take(library, "cufftExecR2C", api.single_forward) &&
           take(library, "cufftExecC2R", api.single_inverse) &&
           take(library, "cufftExecC2C", api.single_complex) &&
           take(library, "cufftExecD2Z", api.double_forward) &&
           take(library, "cufftExecZ2D", api.double_inverse) &&
           take(library, "cufftExecZ2Z", api.double_complex) &&
           take(library, "cufftGetVersion", api.get_version);
}

}  // namespace

void set_cufft_candidates(std::vector<std::string> files) {
    Search& s = search();
    const std::lock_guard lock(s.mutex);
    if (!s.done) s.files = std::move(files);
}

const CufftApi* find_cufft() {
    Search& s = search();
    const std::lock_guard lock(s.mutex);
    if (!s.done) {
        s.done = true;
        std::vector<std::string> files = s.files;
        for (const char* name : {"libcufft.so.12", "libcufft.so.11", "libcufft.so"})
            files.emplace_back(name);
        for (const std::string& file : files) {
            std::string reason;
            CufftApi api;
            api.path = file;
            void* library = open_library(file, reason);
            if (library && take_all(library, api)) {
                s.found = api;
                break;
            }
            s.report += "\n  " + file + ": " + (library ? "lacks a function" : reason);
        }
    }
    return s.found ? &*s.found : nullptr;
}

const CufftApi& cufft() {
    if (const CufftApi* api = find_cufft()) return *api;
    throw ProviderError(
        "no cuFFT library was found; `pip install 'faltung[cuda]'` or a CUDA toolkit brings one. "
        "Tried:" +
        search().report);
}

void check_cufft(int status, const char* call) {
    if (status == 0) return;
    if (status == 2) throw TooLarge(std::string("cuFFT: out of device memory (") + call + ")");
    throw ProviderError("cuFFT: error " + std::to_string(status) + " (" + call + ")");
}

}  // namespace faltung::cuda
