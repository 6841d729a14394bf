#include "core/workspace.hpp"

#include <algorithm>
#include <utility>

#include "core/aligned_memory.hpp"
#include "core/shelf.hpp"

namespace faltung {

namespace {

constexpr std::size_t most_kept = std::size_t{64} << 20;  // bytes, of all threads together
constexpr std::size_t large = std::size_t{16} << 20;

Shelf& shelf() {
    static Shelf* const instance =  // never destroyed: threads may outlive static objects
        new Shelf({.most_kept = most_kept, .largest_for = 2, .clears_for = large});
    return *instance;
}

}  // namespace

Workspace::Workspace(std::size_t bytes) {
    const std::size_t rounded = std::max(page, (bytes + page - 1) / page * page);
    const Shelf::Block block = shelf().take(rounded);
    data_ = block.data;
    bytes_ = block.bytes;
}

Workspace::~Workspace() {
    if (data_) shelf().put({data_, bytes_});
}

Workspace::Workspace(Workspace&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

KeptWorkspaces::KeptWorkspaces() { shelf().hold(); }
KeptWorkspaces::~KeptWorkspaces() { shelf().release(); }

void trim_workspaces() { shelf().clear(); }

}  // namespace faltung
