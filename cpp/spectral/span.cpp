#include "spectral/span.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace faltung {
namespace {

/// Of a transform: 128 GiB of complex numbers in float32. Its tables alone would fill memory
/// beyond.
constexpr Index most = Index{1} << 34;

Index sum(Index a, Index b) {
    Index total;
    if (__builtin_add_overflow(a, b, &total) || total > most)
        throw TooLarge("a transform would need more than 2**34 points along an axis");
    return total;
}

}  // namespace

Span make_span(const Axis& axis, Boundary boundary, bool may_be_periodic, Index multiple,
               const std::function<Index(Index)>& round) {
    Span span;
    span.reach = axis.reach();
    span.taps = axis.k;
    span.dilation = axis.dilation;
    span.out = axis.out;
    span.step = axis.step;

    if (boundary == Boundary::wrap && may_be_periodic && is_good_size(axis.x) &&
        axis.x % multiple == 0 && !axis.inside()) {
        span.periodic = true;
        span.length = axis.x;
        span.low = 0;
        span.have = axis.x;
        const Index raw = (span.reach - 1 + axis.first) % axis.x;
        span.offset = raw < 0 ? raw + axis.x : raw;
        return span;
    }

    Index begin = axis.first, end = axis.last();
    if (boundary == Boundary::zero) {  // what lies outside adds nothing
        begin = std::clamp<Index>(begin, 0, axis.x);
        end = std::clamp<Index>(end, begin, axis.x);
    }
    // Samples after output 0's window start shift every output down.
    span.low = begin;
    span.have = end - begin;
    // Where no window holds a sample, it does not matter how far from them the outputs are.
    const Index skipped = span.have > 0 ? begin - axis.first : 0;
    span.offset = span.reach - 1 - skipped;
    if (span.offset < 0) {  // the first windows hold nothing but zeros: give the samples room below
        span.low += span.offset;
        span.have = std::max<Index>(0, end - span.low);
        span.offset = 0;
    }
    const Index need = sum((axis.out - 1) * axis.step, 1);
    Index least = std::max(sum(span.offset, need), sum(span.have, span.reach - 1 - span.offset));
    least = sum(std::max({least, span.have, span.reach, Index{1}}), 0);
    span.length = multiple * round((least + multiple - 1) / multiple);
    return span;
}

}  // namespace faltung
