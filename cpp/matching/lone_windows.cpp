#include "matching/lone_windows.hpp"

namespace faltung::matching {

namespace {

/// Offsets of the lines of a box at the start of the block.
std::vector<Index> lines_of(const WindowShape& windows, const Extents& box) {
    std::vector<Index> lines;
    const int outer = windows.outer();
    Extents at(outer, 0);
    for (;;) {
        Index offset = 0;
        for (int a = 0; a < outer; ++a) offset += at[a] * windows.inner(a);
        lines.push_back(offset);
        int a = outer - 1;
        for (; a >= 0; --a) {
            if (++at[a] < box[a]) break;
            at[a] = 0;
        }
        if (a < 0) return lines;
    }
}

}  // namespace

std::vector<Index> window_rows(const WindowShape& windows) {
    return lines_of(windows, windows.window);
}

std::vector<Index> output_rows(const WindowShape& windows) {
    return lines_of(windows, windows.outputs);
}

LoneWindows::LoneWindows(const Pattern& pattern, const WindowShape& windows,
                         const microkernels::Table& table, bool partly)
    : table_(table.window) {
    if (pattern.flat) return;
    const Index width = windows.window.back();
    for (std::size_t tap = 0; const Index row : window_rows(windows))
        for (Index i = 0; i < width; ++i, ++tap) {
            if (!pattern.keep.empty() && !pattern.keep[tap]) continue;
            taps_.push_back({row + i, pattern.taps[tap]});
            if (partly) plain_.push_back({row + i, pattern.plain[tap]});
        }
}

}  // namespace faltung::matching
