// Maxima together with where they are, block by block as in pool_forward.cpp.
#pragma once

#include <vector>

#include "layers/pool_ladder.hpp"
#include "layers/pool_run.hpp"
#include "layers/pool_source.hpp"

namespace faltung::layers {

template <class T>
class FindPass {
    using Place = microkernels::Place<T>;

public:
    FindPass(const PoolSpec& spec, const PoolFrame& frame, const ArrayView& x,
             const microkernels::Table& table)
        : frame_(frame),
          loops_(pool_loops<T>(table)),
          source_(frame, spec, frame.planes_of_x(x), table),
          along_(frame.width.k),
          shape_(frame, false, static_cast<Index>(sizeof(T) + sizeof(Place))) {
        const Index at[4] = {0, 0, 0, 0};
        in_place_ = source_.in_place(at, 0, 1) != nullptr;
    }

    const BlockShape& shape() const { return shape_; }

    std::size_t scratch_bytes() const {
        // lines of values and of places: the rows, their ladder and a spare one; and the columns
        const Index lines = along_.levels + 2;
        const Index staged =
            in_place_ || shape_.piece > 0 ? 0 : frame_.depth.k * shape_.tall_numbers;
        const auto numbers = static_cast<std::size_t>(shape_.numbers * lines);
        return numbers * (sizeof(T) + sizeof(Place)) +
               static_cast<std::size_t>(shape_.numbers) * sizeof(Place) +
               static_cast<std::size_t>(staged) * sizeof(T);
    }

    /// Calls sink(at, block, values, places) with the outputs of each row of the block; `at` names
    /// the row.
    template <class Sink>
    void run(const Block& block, std::byte* scratch, Sink&& sink) const {
        Lines lines;
        lines.values = reinterpret_cast<T*>(scratch);
        const Index all = shape_.numbers * (along_.levels + 2);
        lines.places = reinterpret_cast<Place*>(lines.values + all);
        lines.column = lines.places + all;
        lines.staged = reinterpret_cast<T*>(lines.column + shape_.numbers);
        if (shape_.piece > 0) return by_pieces(block, lines, sink);
        down(block, lines);
        along(block, lines, sink);
    }

private:
    struct Lines {
        T* values;
        Place* places;
        Place* column;  // the place of each number within its row
        T* staged;
    };

    static constexpr Place nowhere = std::numeric_limits<Place>::max();

    void number_columns(Index begin, Index positions, Place* column) const {
        for (Index i = 0; i < positions; ++i)
            std::fill_n(column + i * frame_.lanes, frame_.lanes,
                        static_cast<Place>((begin + i) * frame_.place_step[2]));
    }

    Place base(Index z, Index y) const {
        return static_cast<Place>(z * frame_.place_step[0] + y * frame_.place_step[1]);
    }

    void fill(Index begin, Index end, T* values, Place* places) const {
        std::fill(values + begin, values + end, neutral<T>(Pool::max));
        std::fill(places + begin, places + end, nowhere);
    }

    void down(const Block& block, const Lines& lines) const {
        const Axis &d = frame_.depth, &h = frame_.height, &w = frame_.width;
        const Index begin = w.first + block.w_begin * w.step;
        const Index end = w.first + (block.w_end - 1) * w.step + w.reach();
        const Index from = std::max<Index>(0, begin), to = std::min(w.x, end);
        const Index left = (from - begin) * frame_.lanes, n = (to - from) * frame_.lanes;
        number_columns(begin, end - begin, lines.column);

        const Index first = h.first + block.h_begin * h.step;
        const Index count = (block.h_end - 1 - block.h_begin) * h.step + h.reach();
        const auto line = [&](Index td, Index y) -> const T* {
            const Index at[4] = {block.sample, block.group,
                                 d.first + block.d * d.step + td * d.dilation, y};
            if (in_place_) return source_.in_place(at, from, to);
            return lines.staged + (td * count + y - first) * shape_.pitch;
        };
        if (!in_place_) {
            for (Index td = 0; td < d.k; ++td)
                for (Index r = 0; r < count; ++r) {
                    const Index at[4] = {block.sample, block.group,
                                         d.first + block.d * d.step + td * d.dilation, first + r};
                    if (at[2] >= 0 && at[2] < d.x && at[3] >= 0 && at[3] < h.x)
                        source_.read(at, from, to, lines.staged + (td * count + r) * shape_.pitch);
                }
        }
        std::vector<const T*> under;
        std::vector<Place> bases;
        for (Index o = block.h_begin; o < block.h_end; ++o) {
            under.clear();
            bases.clear();
            for (Index td = 0; td < d.k; ++td) {
                const Index z = d.first + block.d * d.step + td * d.dilation;
                if (z < 0 || z >= d.x) continue;
                for (Index th = 0; th < h.k; ++th) {
                    const Index y = h.first + o * h.step + th * h.dilation;
                    if (y < 0 || y >= h.x) continue;
                    under.push_back(line(td, y));
                    bases.push_back(base(z, y));
                }
            }
            const Index row = (o - block.h_begin) * shape_.pitch;
            T* const values = lines.values + row;
            Place* const places = lines.places + row;
            loops_.find(under.data(), bases.data(), static_cast<Index>(under.size()), n,
                        lines.column + left, values + left, places + left);
            fill(0, left, values, places);
            fill(left + n, (end - begin) * frame_.lanes, values, places);
        }
    }

    template <class Sink>
    void along(const Block& block, const Lines& lines, Sink&& sink) const {
        const Axis& w = frame_.width;
        const Index lanes = frame_.lanes, step = w.dilation * lanes, pitch = shape_.pitch;
        const Index outputs = block.w_end - block.w_begin, height = block.h_end - block.h_begin;
        const Index span = ((outputs - 1) * w.step + 1) * lanes;
        const Index flat = (height - 1) * pitch + span;
        std::vector<const T*> values(std::max<std::size_t>(4, along_.terms.size()));
        std::vector<const Place*> places(values.size());
        const auto combine = [&](std::size_t count, Index n, T* value, Place* place) {
            loops_.find_whole(values.data(), places.data(), static_cast<Index>(count), n, value,
                              place);
        };
        const auto from = [&](std::size_t i, int level, Index offset) {
            values[i] = lines.values + level * shape_.numbers + offset;
            places[i] = lines.places + level * shape_.numbers + offset;
        };
        for (int level = 1; level <= along_.levels; ++level) {
            const Index part = Ladder::span(level - 1) * step;
            for (std::size_t i = 0; i < 4; ++i) from(i, level - 1, static_cast<Index>(i) * part);
            combine(4, Ladder::numbers(flat, level, w.k, step),
                    lines.values + level * shape_.numbers, lines.places + level * shape_.numbers);
        }
        const auto window = [&](Index start, Index n, T* value, Place* place) {
            for (std::size_t i = 0; i < along_.terms.size(); ++i)
                from(i, along_.terms[i].level, start + along_.terms[i].tap * step);
            combine(along_.terms.size(), n, value, place);
        };
        T* const spare = lines.values + shape_.numbers * (along_.levels + 1);
        Place* const spare_place = lines.places + shape_.numbers * (along_.levels + 1);
        const bool each = lanes > 1 && w.step > 1;  // position by position
        if (!each) window(0, flat, lines.values, lines.places);
        for (Index r = 0; r < height; ++r) {
            T* value = lines.values + r * pitch;
            Place* place = lines.places + r * pitch;
            if (each) {
                for (Index o = 0; o < outputs; ++o)
                    window(r * pitch + o * w.step * lanes, lanes, spare + o * lanes,
                           spare_place + o * lanes);
            } else if (w.step > 1) {
                for (Index o = 0; o < outputs; ++o) {
                    spare[o] = value[o * w.step];
                    spare_place[o] = place[o * w.step];
                }
            }
            if (w.step > 1) value = spare, place = spare_place;
            const Index at[4] = {block.sample, block.group, block.d, block.h_begin + r};
            sink(at, block, value, place);
        }
    }

    /// One window per row, longer than a line: pieces are laid upon each other, then folded.
    template <class Sink>
    void by_pieces(const Block& block, const Lines& lines, Sink&& sink) const {
        const Axis &d = frame_.depth, &h = frame_.height, &w = frame_.width;
        const Index lanes = frame_.lanes, n = shape_.piece * lanes;
        const Index begin = std::max<Index>(0, w.first), end = std::min(w.x, w.last());
        T* const values[2] = {lines.values, lines.values + shape_.numbers};
        Place* const places[2] = {lines.places, lines.places + shape_.numbers};
        number_columns(0, shape_.piece, lines.column);
        fill(0, n, values[0], places[0]);
        Index at[4] = {block.sample, block.group, 0, 0};
        for (Index td = 0; td < d.k; ++td) {
            at[2] = d.first + block.d * d.step + td * d.dilation;
            if (at[2] < 0 || at[2] >= d.x) continue;
            for (Index th = 0; th < h.k; ++th) {
                at[3] = h.first + block.h_begin * h.step + th * h.dilation;
                if (at[3] < 0 || at[3] >= h.x) continue;
                for (Index i = begin; i < end; i += shape_.piece) {
                    const Index some = std::min(shape_.piece, end - i);
                    const T* const part = source_.read(at, i, i + some, values[1]);
                    const Place first =
                        static_cast<Place>(base(at[2], at[3]) + i * frame_.place_step[2]);
                    loops_.find(&part, &first, 1, some * lanes, lines.column, values[1], places[1]);
                    fill(some * lanes, n, values[1], places[1]);
                    loops_.find_whole(values, places, 2, n, values[0], places[0]);
                }
            }
        }
        for (Index left = shape_.piece; left > 1;) {
            const Index part = (left + 7) / 8;
            fill(left * lanes, 8 * part * lanes, values[0], places[0]);
            const T* value[8];
            const Place* place[8];
            for (Index i = 0; i < 8; ++i) {
                value[i] = values[0] + i * part * lanes;
                place[i] = places[0] + i * part * lanes;
            }
            loops_.find_whole(value, place, 8, part * lanes, values[0], places[0]);
            left = part;
        }
        const Index to[4] = {block.sample, block.group, block.d, block.h_begin};
        sink(to, block, values[0], places[0]);
    }

    const PoolFrame& frame_;
    const microkernels::PoolTable<T>& loops_;
    PoolSource<T> source_;
    Ladder along_;
    BlockShape shape_;
    bool in_place_;
};

}  // namespace faltung::layers
