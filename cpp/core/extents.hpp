// A short list with room for one entry per axis; a value, never on the heap.
#pragma once

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include "core/types.hpp"

namespace faltung {

/// Arrays of more axes than this are refused at the door.
inline constexpr int max_rank = 32;

/// Only the entries in use are ever written or copied: a small call must not pay for 32 axes.
template <class T>
class PerAxis {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    PerAxis() {}  // NOLINT: the storage stays as it is
    PerAxis(std::initializer_list<T> values) {
        for (const T& value : values) push_back(value);
    }
    PerAxis(int size, const T& value) : size_(size) { std::fill_n(begin(), size, value); }
    PerAxis(const PerAxis& other) { *this = other; }
    PerAxis& operator=(const PerAxis& other) {
        size_ = other.size_;
        std::memmove(static_cast<void*>(values_), other.values_,
                     sizeof(T) * static_cast<std::size_t>(size_));
        return *this;
    }

    int size() const { return size_; }
    bool empty() const { return size_ == 0; }
    T& operator[](int i) { return values_[i]; }
    const T& operator[](int i) const { return values_[i]; }
    T& back() { return values_[size_ - 1]; }
    const T& back() const { return values_[size_ - 1]; }
    T* begin() { return values_; }
    T* end() { return values_ + size_; }
    const T* begin() const { return values_; }
    const T* end() const { return values_ + size_; }
    const T* data() const { return values_; }

    void push_back(const T& value) { values_[size_++] = value; }
    void erase(int at) {
        std::copy(begin() + at + 1, end(), begin() + at);
        --size_;
    }

    friend bool operator==(const PerAxis& a, const PerAxis& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
    }

private:
    int size_ = 0;
    union {
        T values_[max_rank];
    };
};

using Extents = PerAxis<Index>;

/// The product of all entries; the caller has checked that it fits.
inline Index product(const Extents& extents) {
    Index total = 1;
    for (Index extent : extents) total *= extent;
    return total;
}

}  // namespace faltung
