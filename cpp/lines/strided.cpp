#include "lines/strided.hpp"

#include <array>
#include <cstring>

namespace faltung {

namespace {

/// Calls `body` with a value of a type as wide as a whole position, if there is one.
template <class Body>
bool with_word(Index bytes, Body&& body) {
    switch (bytes) {
        case 1: body(std::uint8_t{}); return true;
        case 2: body(std::uint16_t{}); return true;
        case 4: body(std::uint32_t{}); return true;
        case 8: body(std::uint64_t{}); return true;
        case 16: body(std::array<std::uint64_t, 2>{}); return true;
        default: return false;
    }
}

}  // namespace

void gather(const std::byte* array, Index stride, const PositionLayout& layout, Index positions,
            void* run) {
    std::byte* to = static_cast<std::byte*>(run);
    const bool done = with_word(layout.size(), [&]<class Word>(Word) {
        for (Index i = 0; i < positions; ++i)
            std::memcpy(to + i * static_cast<Index>(sizeof(Word)), array + i * stride,
                        sizeof(Word));
    });
    if (done) return;
    const auto bytes = static_cast<std::size_t>(layout.size());
    for (Index i = 0; i < positions; ++i)
        std::memcpy(to + i * layout.size(), array + i * stride, bytes);
}

void scatter(const void* run, const PositionLayout& layout, Index positions, std::byte* array,
             Index stride) {
    const std::byte* from = static_cast<const std::byte*>(run);
    const bool done = with_word(layout.size(), [&]<class Word>(Word) {
        for (Index i = 0; i < positions; ++i)
            std::memcpy(array + i * stride, from + i * static_cast<Index>(sizeof(Word)),
                        sizeof(Word));
    });
    if (done) return;
    const auto bytes = static_cast<std::size_t>(layout.size());
    for (Index i = 0; i < positions; ++i)
        std::memcpy(array + i * stride, from + i * layout.size(), bytes);
}

}  // namespace faltung
