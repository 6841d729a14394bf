// The numbers of a kernel. Many of them stand in memory that earlier calls left, where no page has
// to be cleared first.
#pragma once

#include <optional>
#include <vector>

#include "core/types.hpp"
#include "core/workspace.hpp"

namespace faltung {

template <class T>
class Taps {
public:
    Taps() = default;
    /// `count` numbers, not yet written.
    explicit Taps(Index count) : count_(static_cast<std::size_t>(count)) {
        const std::size_t bytes = count_ * sizeof(T);
        if (bytes >= many_bytes)
            data_ = many_.emplace(bytes).template as<T>();
        else
            data_ = (few_ = std::vector<T>(count_)).data();
    }
    Taps(Taps&&) noexcept = default;
    Taps& operator=(Taps&& other) noexcept {
        few_ = std::move(other.few_);
        many_.reset();
        if (other.many_) many_.emplace(std::move(*other.many_));
        data_ = other.data_;
        count_ = other.count_;
        return *this;
    }
    Taps(const Taps&) = delete;
    Taps& operator=(const Taps&) = delete;
    ~Taps() = default;

    std::size_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    T* data() { return data_; }
    const T* data() const { return data_; }
    const T* begin() const { return data_; }
    const T* end() const { return data_ + count_; }
    T& operator[](std::size_t i) { return data_[i]; }
    const T& operator[](std::size_t i) const { return data_[i]; }

private:
    static constexpr std::size_t many_bytes = std::size_t{1} << 20;

    std::vector<T> few_;
    std::optional<Workspace> many_;
    T* data_ = nullptr;
    std::size_t count_ = 0;
};

}  // namespace faltung
