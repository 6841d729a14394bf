// What runs here, and how to force it.
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/result_memory.hpp"
#include "core/error.hpp"
#include "core/workspace.hpp"
#include "engine/override.hpp"
#include "engine/plan_cache.hpp"
#include "parallel/parallel_for.hpp"
#include "policy/machine.hpp"
#include "spectral/fft.hpp"

namespace faltung::bindings {

namespace py = pybind11;

void bind_config(py::module_& module) {
    module.def("available_workers", &available_workers);
    module.def("default_workers", &default_workers);
    module.def("set_default_workers", &set_default_workers, py::arg("workers"));
    module.def("release_threads", &release_threads);
    module.def(
        "empty",
        [](const std::vector<Index>& shape, const py::dtype& dtype) {
            double bytes = static_cast<double>(dtype.itemsize());
            for (const Index extent : shape) bytes *= static_cast<double>(extent);
            std::optional<ResultMemory> memory;
            if (bytes >= static_cast<double>(aligned_result)) memory.emplace();
            return py::module_::import("numpy").attr("empty")(py::tuple(py::cast(shape)), dtype);
        },
        py::arg("shape"), py::arg("dtype"));
    module.def("trim", [] {
        plan_cache().clear();
        trim_workspaces();
        trim_results();
    });

    module.def("levels", [] {
        std::vector<std::string> names;
        for (const microkernels::Table* table : machine().levels) names.emplace_back(table->level);
        return names;
    });
    // the levels that only add to the loops of another one, and which
    module.def("levels_upon", [] {
        std::map<std::string, std::string> names;
        for (const microkernels::Table* table : machine().levels)
            if (std::string_view(table->level) != table->loops) names[table->level] = table->loops;
        return names;
    });
    module.def("level", [] { return std::string(current_level().level); });
    module.def(
        "force_level",
        [](const std::optional<std::string>& name) {
            const std::string previous = current_level().level;
            force_level(name ? name->c_str() : nullptr);
            return previous;
        },
        py::arg("name"));

    module.def(
        "force_tile",
        [](const std::optional<std::vector<Index>>& lengths) {
            TileOverride forced = tile_override();
            forced.tile.reset();
            if (lengths) {
                forced.tile.emplace();
                for (Index length : *lengths) forced.tile->push_back(length);
            }
            set_tile_override(forced);
        },
        py::arg("lengths"));
    module.def(
        "force_tile_engine",
        [](const std::optional<std::string>& name) {
            if (name && *name != "own" && *name != "library")
                throw ValueError("engine is '" + *name + "'; allowed are 'own', 'library'");
            TileOverride forced = tile_override();
            forced.engine =
                name && *name == "library" ? TransformEngine::library : TransformEngine::own;
            set_tile_override(forced);
        },
        py::arg("name"));

    module.def("machine", [] {
        const Machine& here = machine();
        py::dict info;
        info["vendor"] = here.vendor;
        info["processor"] = here.processor;
        info["family"] = here.family;
        info["l1"] = here.caches.l1;
        info["l2"] = here.caches.l2;
        info["l3"] = here.caches.l3;
        return info;
    });

    module.def("set_search_paths", &fft::set_search_paths, py::arg("choice"), py::arg("fftw_files"),
               py::arg("mkl_files"));
    module.def(
        "tune_length",
        [](Index length, const std::string& precision) {
            const py::gil_scoped_release unlocked;
            return precision == "float32" ? fft::tune_length<float>(length)
                                          : fft::tune_length<double>(length);
        },
        py::arg("length"), py::arg("precision"));
    module.def("provider", [] {
        const fft::Provider library = fft::provider();
        py::dict info;
        info["found"] = library.found;
        info["name"] = library.name;
        info["version"] = library.version;
        info["path_float64"] = library.path_f64;
        info["path_float32"] = library.path_f32;
        info["searched"] = library.searched;
        info["wisdom"] = library.wisdom;
        return info;
    });
}

}  // namespace faltung::bindings
