// Scratch memory: aligned, on huge pages where it is large, kept for the next call up to a bound.
#pragma once

#include <cstddef>
#include <cstdint>

namespace faltung {

/// A borrowed block, given back when it goes out of scope. 4096-byte aligned; the contents are not
/// cleared.
class Workspace {
public:
    explicit Workspace(std::size_t bytes);
    ~Workspace();
    Workspace(Workspace&& other) noexcept;
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    Workspace& operator=(Workspace&&) = delete;

    std::byte* data() const { return data_; }
    std::size_t size() const { return bytes_; }
    template <class T>
    T* as() const {
        return reinterpret_cast<T*>(data_);
    }

private:
    std::byte* data_ = nullptr;
    std::size_t bytes_ = 0;
};

/// While it lives, blocks of any size that are given back stay for the next borrower: the steps of
/// one call.
class KeptWorkspaces {
public:
    KeptWorkspaces();
    ~KeptWorkspaces();
    KeptWorkspaces(const KeptWorkspaces&) = delete;
    KeptWorkspaces& operator=(const KeptWorkspaces&) = delete;
};

/// Gives every kept block back to the system.
void trim_workspaces();

}  // namespace faltung
