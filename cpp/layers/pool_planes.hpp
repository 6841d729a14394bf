// The values of poolings with one window on each plane.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/workspace.hpp"
#include "layers/pool_run.hpp"
#include "layers/pool_single.hpp"
#include "layers/pool_source.hpp"

namespace faltung::layers {

/// Positions of a plane that are combined at once, few enough to be fetched ahead by the hardware,
/// and how many such sums wait to be added up.
inline constexpr Index most_positions = 8, most_sums = 32;
/// Tasks for planes of many channels, as long as a task has so many of them.
inline constexpr Index wanted_tasks = 8, least_lanes = 128;

/// Powers other than these are taken sample by sample, on the way into a buffer.
inline bool raises(const PoolSpec& spec) {
    return spec.kind == Pool::norm && spec.power != 1 && spec.power != 2;
}

/// What is left to do with sums or maxima over `divisor` samples.
template <class T>
void end_planes(const PoolSpec& spec, const microkernels::PoolTable<T>& loops, Index divisor,
                Index count, T* to) {
    if (spec.kind == Pool::sum && divisor != 1) loops.divide(to, count, divisor);
    if (spec.kind == Pool::norm && spec.power == 2)
        for (Index i = 0; i < count; ++i) to[i] = std::sqrt(to[i]);
}

/// Windows over whole planes of one channel. False where the arrays are of another kind.
template <class T>
bool fold_planes(const PoolSpec& spec, const PoolFrame& frame, const ArrayView& x,
                 const ArrayView& out, const microkernels::Table& table, const Context& context) {
    const ArrayView planes = frame.planes_of_x(x), results = frame.planes_of_result(out);
    const SingleWindow window(frame);
    if (frame.lanes > 1 || raises(spec) || window.size() < 1 || !in_rows<T>(planes, frame) ||
        !in_rows<T>(results, frame))
        return false;
    const PoolSource<T> source(frame, spec, planes, table);
    const microkernels::PoolTable<T>& loops = pool_loops<T>(table);
    const auto fold = loops.fold[static_cast<int>(source.how)];
    const Index divisor = frame.divisor(spec, 0, 0, 0);
    for_each_planes(frame, task_numbers, context, [&](Index sample, Index first, Index last) {
        const T* row = reinterpret_cast<const T*>(planes.data + sample * planes.strides[0]);
        T* const to = reinterpret_cast<T*>(results.data + sample * results.strides[0]) + first;
        const Index count = last - first;
        fold(row + first * frame.width.x + window.begin, frame.width.x, count, window.size(), to);
        end_planes(spec, loops, divisor, count, to);
    });
    return true;
}

/// The same of several channels side by side: positions are rows, combined where they stand.
template <class T>
bool join_positions(const PoolSpec& spec, const PoolFrame& frame, const ArrayView& x,
                    const ArrayView& out, const microkernels::Table& table,
                    const Context& context) {
    const ArrayView planes = frame.planes_of_x(x), results = frame.planes_of_result(out);
    const SingleWindow window(frame);
    if (frame.lanes == 1 || frame.samples == 0 || raises(spec) || window.size() < 1 ||
        planes.dtype != dtype_of<T> || results.dtype != dtype_of<T>)
        return false;
    const PoolSource<T> source(frame, spec, planes, table);
    const microkernels::PoolTable<T>& loops = pool_loops<T>(table);
    const auto combine = loops.combine[static_cast<int>(source.how)];
    const auto join = loops.combine[static_cast<int>(
        spec.kind == Pool::max ? microkernels::Combine::max : microkernels::Combine::sum)];
    const Index divisor = frame.divisor(spec, 0, 0, 0), all = frame.lanes * frame.groups;
    const Index parts =
        std::clamp<Index>(wanted_tasks / frame.samples, 1, std::max<Index>(1, all / least_lanes));
    parallel_for(frame.samples * parts, context, [&](Index task, int) {
        const Index sample = task / parts, first = all * (task % parts) / parts;
        const Index lanes = all * (task % parts + 1) / parts - first;
        const std::byte* from = planes.data + sample * planes.strides[0] +
                                window.begin * planes.strides[4] +
                                first * static_cast<Index>(sizeof(T));
        T* const to = reinterpret_cast<T*>(results.data + sample * results.strides[0]) + first;
        const Workspace space(static_cast<std::size_t>((most_sums + 1) * lanes) * sizeof(T));
        T* sums[most_sums + 1];  // of some positions each; the last one is spare
        for (Index i = 0; i <= most_sums; ++i) sums[i] = space.as<T>() + i * lanes;
        Index count = 0;
        for (Index i = 0; i < window.size(); i += most_positions) {
            const T* rows[most_positions];
            const Index some = std::min(most_positions, window.size() - i);
            for (Index r = 0; r < some; ++r)
                rows[r] = reinterpret_cast<const T*>(from + (i + r) * planes.strides[4]);
            if (count == most_sums) {
                join(sums, count, lanes, sums[most_sums]);
                std::swap(sums[0], sums[most_sums]);
                count = 1;
            }
            combine(rows, some, lanes, sums[count++]);
        }
        join(sums, count, lanes, to);
        end_planes(spec, loops, divisor, lanes, to);
    });
    return true;
}

}  // namespace faltung::layers
