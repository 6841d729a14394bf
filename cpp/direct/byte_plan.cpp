#include "direct/byte_plan.hpp"

#include <limits>

#include "core/exactness.hpp"
#include "direct/group_sums.hpp"
#include "direct/row_blocks.hpp"
#include "lines/conversion.hpp"

namespace faltung::direct {

namespace {

using microkernels::ByteCall;
using microkernels::ByteStore;
using microkernels::ByteTable;

constexpr Index taps_per_word = 4;
/// What two signed bytes hold, the upper one counted 256 times.
constexpr Index least_tap = -128 * 256 - 128, most_tap = 127 * 256 + 127;

/// Bytes between neighbouring taps of a row.
Index step_of(const Problem& problem) {
    const Axis& last = problem.axes.back();
    return last.k > 1 ? last.dilation * problem.lanes() : 0;
}

/// Whether x, its border and the geometry suit; the taps are another matter.
bool suits(const Problem& problem, const Kernel& kernel) {
    if (size_of(problem.x_dtype) != 1 || problem.complex_samples) return false;
    if (problem.boundary == Boundary::constant && !constant_byte(problem)) return false;
    const Axis& last = problem.axes.back();
    if (last.step != 1 || step_of(problem) > ByteCall::most_step) return false;
    const Index rows = problem.taps() / last.k;
    if (rows > most_window / (last.reach() * problem.lanes())) return false;
    const Index listed = sparse_count(problem.taps(), kernel.not_zero());
    const Index words = rows * ((last.k + taps_per_word - 1) / taps_per_word);
    return listed == 0 || taps_per_word * listed >= words;
}

/// The taps as whole numbers, if they are that.
template <class T>
std::vector<Index> whole_taps(const Taps<T>& plane) {
    std::vector<Index> taps;
    taps.reserve(plane.size());
    for (const T tap : plane) {
        if (!(tap >= static_cast<T>(least_tap) && tap <= static_cast<T>(most_tap))) return {};
        taps.push_back(static_cast<Index>(tap));
        if (static_cast<T>(taps.back()) != tap) return {};
    }
    return taps;
}

/// Whether no result leaves 32 bits; what partial sums lose beyond them comes back.
bool sums_fit(const std::vector<Index>& taps, const SampleRange& samples) {
    Index positive = 0, negative = 0;
    for (const Index tap : taps) (tap < 0 ? negative : positive) += std::abs(tap);
    const auto above = static_cast<Index>(samples.above), below = static_cast<Index>(samples.below);
    using Sum = std::numeric_limits<std::int32_t>;
    return above * positive + below * negative <= Sum::max() &&
           -(above * negative + below * positive) >= Sum::min();
}

ByteStore store_of(const Problem& problem) {
    const bool as_c = problem.c_casts;
    switch (problem.out_dtype) {
        case DType::boolean: return as_c ? ByteStore::nonzero : ByteStore::positive;
        case DType::int8: return as_c ? ByteStore::low8 : ByteStore::s8;
        case DType::uint8: return as_c ? ByteStore::low8 : ByteStore::u8;
        case DType::int16: return as_c ? ByteStore::low16 : ByteStore::s16;
        case DType::uint16: return as_c ? ByteStore::low16 : ByteStore::u16;
        case DType::int32: return ByteStore::s32;
        case DType::uint32: return as_c ? ByteStore::s32 : ByteStore::u32;
        case DType::int64: return ByteStore::s64;
        case DType::uint64: return as_c ? ByteStore::s64 : ByteStore::u64;
        case DType::float16: return ByteStore::f16;
        case DType::float32: return ByteStore::f32;
        default: return ByteStore::f64;
    }
}

}  // namespace

std::optional<ByteTaps> byte_taps(const Problem& problem, const Kernel& kernel,
                                  const microkernels::Table& table) {
    if (table.bytes == nullptr || !suits(problem, kernel)) return std::nullopt;
    const std::vector<Index> taps = with_arithmetic(
        problem.arithmetic, [&]<class T>(T) { return whole_taps(kernel.planes<T>().real); });
    if (taps.empty() || !sums_fit(taps, range_of(problem.x_dtype))) return std::nullopt;

    ByteTaps packed;
    const Index kx = problem.axes.back().k, rows = static_cast<Index>(taps.size()) / kx;
    packed.groups = (kx + taps_per_word - 1) / taps_per_word;
    for (const Index tap : taps)
        if (tap < -128 || tap > 127) packed.digits = 2;
    if (problem.x_dtype == DType::int8) packed.flip = 0x80;
    const Index words = rows * packed.groups;
    packed.words.assign(static_cast<std::size_t>(packed.digits * words), 0);
    const auto put = [&](Index digit, Index word, Index byte, Index value) {
        packed.words[static_cast<std::size_t>(digit * words + word)] |=
            static_cast<std::int32_t>(static_cast<std::uint32_t>(value & 0xFF) << (8 * byte));
        packed.start[digit] = static_cast<std::int32_t>(
            static_cast<std::uint32_t>(packed.start[digit] - packed.flip * value));
    };
    for (Index i = 0; i < static_cast<Index>(taps.size()); ++i) {
        const Index tap = taps[static_cast<std::size_t>(i)], t = i % kx;
        const Index word = i / kx * packed.groups + t / taps_per_word, byte = t % taps_per_word;
        const Index low = ((tap + 128) & 0xFF) - 128;
        if (packed.digits > 1) put(0, word, byte, (tap - low) / 256);
        put(packed.digits - 1, word, byte, low);
    }
    return packed;
}

DensePlan<std::byte>::DensePlan(const Problem& asked, std::shared_ptr<const Kernel> with,
                                const microkernels::Table& level, ByteTaps packed)
    : DenseShape(asked, std::move(with), level),
      micro(level.bytes),
      taps(std::move(packed)),
      store(store_of(asked)) {
    boxes.push_back({0, depth, 0, ky, 0, kx});
    const ByteTable::Block* const known =
        known_block(*micro, ByteTable::square_index(ky, taps.groups), ky);
    if (shares_rows() && row_step() == 1) group = (known ? known : micro->block)->rows;
}

template <>
void sum_group(const DensePlan<std::byte>& plan, const TapBox& box,
               const RowGroup<std::byte>& group) {
    const ByteTable& micro = *plan.micro;
    ByteCall call{.row = group.input,
                  .out = group.real,
                  .words = plan.taps.words.data(),
                  .n = group.n,
                  .depth = box.depth,
                  .row_pitch = group.input_pitch,
                  .ky = box.ky,
                  .kx = box.kx,
                  .groups = plan.taps.groups,
                  .step = step_of(plan.problem),
                  .digits = plan.taps.digits,
                  .start = {plan.taps.start[0], plan.taps.start[1]},
                  .flip = plan.taps.flip,
                  .store = plan.store,
                  .stream = group.stream,
                  .ahead = group.ahead,
                  .ahead_pitch = group.ahead_pitch};
    const int square = ByteTable::square_index(box.ky, plan.taps.groups);
    run_blocks(call, known_block(micro, square, box.ky), micro.block, group.rows);
}

}  // namespace faltung::direct
