#include "layers/pool_find.hpp"

#include "layers/pool_passes.hpp"
#include "lines/line_writer.hpp"

namespace faltung::layers {

template <class T>
void pool_places(const PoolSpec& spec, const ArrayView& x, const ArrayView& out,
                 const ArrayView& places, const microkernels::Table& table,
                 const Context& context) {
    const PoolFrame frame(spec, x, true, most_lanes);
    const FindPass<T> pass(spec, frame, x, table);
    const ArrayView out_planes = frame.planes_of_result(out);
    const ArrayView place_planes = frame.planes_of_result(places);
    const LineWriter<T> values(frame.lines(out_planes, arithmetic_of<T>, {}), out_planes, table);
    const LineWriter<std::int64_t> indices(frame.lines(place_planes, Arithmetic::i64, {}),
                                           place_planes, table);
    const bool flips = out.dtype == DType::uint64 && std::is_same_v<T, std::int64_t>;
    // a line of places as the array holds them, behind the pass's own scratch
    const std::size_t own = (pass.scratch_bytes() + 63) / 64 * 64;
    const std::size_t all = own + static_cast<std::size_t>(pass.shape().numbers) * sizeof(Index);
    for_each_block(frame, pass.shape(), all, context, [&](const Block& block, std::byte* scratch) {
        auto* const wide = reinterpret_cast<std::int64_t*>(scratch + own);
        pass.run(block, scratch, [&](const Index* at, const Block&, T* value, const auto* place) {
            const Index n = (block.w_end - block.w_begin) * frame.lanes;
            if constexpr (std::is_same_v<T, std::int64_t>) {
                if (flips) flip_signs(value, n);
            }
            values.write(at, block.w_begin, block.w_end, value);
            std::copy_n(place, n, wide);
            indices.write(at, block.w_begin, block.w_end, wide);
        });
    });
}

template void pool_places<float>(const PoolSpec&, const ArrayView&, const ArrayView&,
                                 const ArrayView&, const microkernels::Table&, const Context&);
template void pool_places<double>(const PoolSpec&, const ArrayView&, const ArrayView&,
                                  const ArrayView&, const microkernels::Table&, const Context&);
template void pool_places<std::int64_t>(const PoolSpec&, const ArrayView&, const ArrayView&,
                                        const ArrayView&, const microkernels::Table&,
                                        const Context&);

}  // namespace faltung::layers
