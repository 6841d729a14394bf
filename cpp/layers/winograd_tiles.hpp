// What Winograd's filter needs forward and backward: the outputs cut into tiles, blocks of
// neighbouring tiles, and the transforms of the samples behind them.
#pragma once

#include <algorithm>
#include <vector>

#include "layers/channel_lines.hpp"
#include "layers/conv.hpp"

namespace faltung::layers {

template <class T>
class WinogradTiles {
public:
    /// Neighbouring tiles: from where, and how many.
    struct Block {
        Index sample, depth, row, column, rows, columns;
        Index tiles() const { return rows * columns; }
    };

    WinogradTiles(const ConvLayer& layer, int outputs, const microkernels::Table& table)
        : layer_(layer),
          table_(&table),
          loops_(&layer_loops<T>(table)),
          filter_(outputs == 4 ? loops_->winograd4 : loops_->winograd2),
          outputs_(outputs),
          points_(filter_.points * filter_.points),
          planes_(layer.axes[0].k) {
        const Index lanes = loops_->lanes;
        // an odd number of cache lines from place to place
        pitch_ = (layer.inputs + lanes - 1) / lanes * lanes;
        if (pitch_ * number % 128 == 0) pitch_ += line;
        tile_rows_ = (layer.axes[1].out - 1) / outputs + 1;
        tile_columns_ = (layer.axes[2].out - 1) / outputs + 1;
    }

protected:
    static constexpr Index number = static_cast<Index>(sizeof(T)), line = 64 / number;

    const Axis& axis(int a) const { return layer_.axes[static_cast<std::size_t>(a)]; }
    Index channels() const { return planes_ * layer_.inputs; }
    Index tile_numbers() const { return planes_ * pitch_; }  // at one point

    /// Blocks of at most so many tiles, as equal as can be.
    void cut(Index rows, Index columns) {
        row_blocks_ = (tile_rows_ - 1) / std::clamp<Index>(rows, 1, tile_rows_) + 1;
        column_blocks_ = (tile_columns_ - 1) / std::clamp<Index>(columns, 1, tile_columns_) + 1;
        rows_ = (tile_rows_ - 1) / row_blocks_ + 1;
        columns_ = (tile_columns_ - 1) / column_blocks_ + 1;
    }
    Index blocks() const { return layer_.batch * axis(0).out * row_blocks_ * column_blocks_; }
    Index most_tiles() const { return rows_ * columns_; }

    Block block_at(Index index) const {
        Block block{};
        const Index column = index % column_blocks_;
        index /= column_blocks_;
        const Index row = index % row_blocks_;
        index /= row_blocks_;
        block.depth = index % axis(0).out;
        block.sample = index / axis(0).out;
        block.row = tile_rows_ * row / row_blocks_;
        block.rows = tile_rows_ * (row + 1) / row_blocks_ - block.row;
        block.column = tile_columns_ * column / column_blocks_;
        block.columns = tile_columns_ * (column + 1) / column_blocks_ - block.column;
        return block;
    }

    /// How many tiles of blocks [begin, end) come before each of them, and how many there are.
    std::vector<Index> tiles_before(Index begin, Index end) const {
        std::vector<Index> before(static_cast<std::size_t>(end - begin + 1), 0);
        for (Index b = begin; b < end; ++b) {
            const auto at = static_cast<std::size_t>(b - begin);
            before[at + 1] = before[at] + block_at(b).tiles();
        }
        return before;
    }

    /// Channels that are read before they are transformed: a box of them stays in the nearer
    /// caches.
    Index together(const ChannelReader<T>& reader) const {
        return reader.inside() ? layer_.inputs : std::min<Index>(layer_.inputs, 32);
    }
    /// The same in whole vectors.
    Index read_together(const ChannelReader<T>& reader) const {
        const Index lanes = loops_->lanes;
        return (together(reader) + lanes - 1) / lanes * lanes;
    }

    /// Planes of taps and channels whose samples are transformed.
    struct Part {
        Index first_plane, end_plane, first, end;
    };
    Part all_samples() const { return {0, planes_, 0, layer_.inputs}; }
    Index box_columns() const { return columns_ * outputs_ + 2; }
    Index box_numbers(Index channels) const {
        return (rows_ * outputs_ + 2) * box_columns() * channels;
    }
    Index line_numbers() const {
        return box_columns() *
               std::max<Index>(layer_.groups * std::max(layer_.inputs, layer_.outputs), 16);
    }

    /// The place of a channel's transforms, and where its neighbours' end that stand beside it.
    struct Run {
        T* to;
        Index end;
    };

    static constexpr Index run_start = 16;  // a multiple of this where there are several

    /// run_of(plane, c).to[p*point + i*tile] for the tiles i of a block and the channels c of a
    /// part. What is written `ahead` tiles later is fetched, unless that is 0. `scratch` holds a
    /// box of read_together() channels and a line.
    template <class RunOf>
    void transform_samples(const ChannelReader<T>& reader, Index group, const Block& block,
                           const Part& part, RunOf&& run_of, Index point, Index tile, Index ahead,
                           T* scratch) const {
        const Index at_once = together(reader), place = read_together(reader);
        const Index row = box_columns() * place;
        const Index begin = axis(2).first + block.column * outputs_;
        const Index end = begin + block.columns * outputs_ + 2;
        for (Index p = part.first_plane; p < part.end_plane; ++p)
            for (Index c = part.first; c < part.end; c += at_once) {
                const Index last = std::min(c + at_once, part.end);
                for (Index r = 0; r < block.rows * outputs_ + 2; ++r)
                    reader.read(block.sample, group * layer_.inputs + c, last - c,
                                axis(0).first + block.depth * axis(0).step + p * axis(0).dilation,
                                axis(1).first + block.row * outputs_ + r, begin, end,
                                scratch + r * row, place, 1, scratch + box_numbers(place));
                for (Index first = c; first < last;) {
                    const Run run = run_of(p, first);
                    const Index count = std::min(run.end, last) - first;
                    for (Index r = 0; r < block.rows; ++r)
                        for (Index q = 0; q < block.columns; ++q)
                            filter_.samples(
                                scratch + r * outputs_ * row + q * outputs_ * place + first - c,
                                row, place, count, run.to + (r * block.columns + q) * tile, point,
                                ahead * tile);
                    first += count;
                }
            }
    }

    /// All channels of a tile side by side: to[p*point + i*tile_numbers() + plane*pitch + c].
    void transform_samples(const ChannelReader<T>& reader, Index group, const Block& block, T* to,
                           Index point, T* scratch) const {
        const auto run_of = [&](Index plane, Index channel) {
            return Run{to + plane * pitch_ + channel, layer_.inputs};
        };
        transform_samples(reader, group, block, all_samples(), run_of, point, tile_numbers(), 0,
                          scratch);
    }

    ConvLayer layer_;
    const microkernels::Table* table_;
    const microkernels::LayerTable<T>* loops_;
    microkernels::WinogradTable<T> filter_;
    Index outputs_, points_, planes_;  // of a tile along each axis; products; taps along depth
    Index pitch_ = 1;                  // numbers from plane to plane of a tile's samples
    Index tile_rows_ = 1, tile_columns_ = 1;
    Index rows_ = 1, columns_ = 1;  // the most of a block
    Index row_blocks_ = 1, column_blocks_ = 1;
};

}  // namespace faltung::layers
