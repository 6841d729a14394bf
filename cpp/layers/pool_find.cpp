#include "layers/pool_find.hpp"

#include "layers/pool_passes.hpp"
#include "layers/pool_single.hpp"
#include "lines/line_writer.hpp"

namespace faltung::layers {

namespace {

/// Windows over whole planes of one channel: the maxima first, then where they are. False where the
/// arrays are of another kind.
template <class T>
bool find_in_planes(const PoolFrame& frame, const ArrayView& planes, const ArrayView& out,
                    const ArrayView& places, const microkernels::Table& table,
                    const Context& context) {
    const SingleWindow window(frame);
    if (frame.lanes > 1 || window.size() < 1 || !in_rows<T>(planes, frame) ||
        !in_rows<T>(out, frame) || !in_rows<Index>(places, frame))
        return false;
    const auto fold = pool_loops<T>(table).fold[static_cast<int>(microkernels::Combine::max)];
    for_each_planes(frame, task_numbers, context, [&](Index sample, Index first, Index last) {
        const T* row = reinterpret_cast<const T*>(planes.data + sample * planes.strides[0]) +
                       first * frame.width.x + window.begin;
        T* const to = reinterpret_cast<T*>(out.data + sample * out.strides[0]) + first;
        Index* const at =
            reinterpret_cast<Index*>(places.data + sample * places.strides[0]) + first;
        fold(row, frame.width.x, last - first, window.size(), to);
        for (Index r = 0; r < last - first; ++r, row += frame.width.x) {
            Index i = 0;
            if (to[r] != to[r])
                while (row[i] == row[i]) ++i;
            else
                while (row[i] != to[r]) ++i;
            at[r] = (window.begin + i) * frame.place_step[2];
        }
    });
    return true;
}

}  // namespace

template <class T>
void pool_places(const PoolSpec& spec, const ArrayView& x, const ArrayView& out,
                 const ArrayView& places, const microkernels::Table& table,
                 const Context& context) {
    const PoolFrame frame(spec, x, true, most_lanes);
    const ArrayView out_planes = frame.planes_of_result(out);
    const ArrayView place_planes = frame.planes_of_result(places);
    if constexpr (!std::is_same_v<T, std::int64_t>) {
        if (SingleWindow::suits(frame) && find_in_planes<T>(frame, frame.planes_of_x(x), out_planes,
                                                            place_planes, table, context))
            return;
    }
    const FindPass<T> pass(spec, frame, x, table);
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
