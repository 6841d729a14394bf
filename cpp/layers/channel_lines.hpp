// Lines of positions with their channels, between an array of any layout and the buffers of a
// layer.
#pragma once

#include <algorithm>

#include "core/conv_layer.hpp"
#include "lines/conversion.hpp"
#include "lines/line_reader.hpp"
#include "lines/line_writer.hpp"

namespace faltung::layers {

template <class T>
const microkernels::LayerTable<T>& layer_loops(const microkernels::Table& table) {
    if constexpr (std::is_same_v<T, float>)
        return table.layer_f32;
    else
        return table.layer_f64;
}

/// A five-dimensional array (sample, channel, depth, height, width), continued by a boundary.
/// Cheap to make, never allocates; any number of threads may read.
template <class T>
class ChannelReader {
public:
    ChannelReader(const ArrayView& x, Boundary boundary, const microkernels::Table& table);

    /// Positions [begin, end) of the line at (depth, height), which may lie outside x, of `count`
    /// channels from `channel` on: to[(i - begin)*place + c*plane]. One of place and plane is 1.
    /// `scratch` has room for scratch_numbers(end - begin).
    void read(Index sample, Index channel, Index count, Index depth, Index height, Index begin,
              Index end, T* to, Index place, Index plane, T* scratch) const;

    /// The same of `rows` rows, all inside x, one after the other, with `place` numbers from
    /// position to position.
    void read_rows(Index sample, Index channel, Index count, Index depth, Index height, Index rows,
                   Index begin, Index end, T* to, Index place, T* scratch) const;

    Index scratch_numbers(Index positions) const;

    /// How many of `channels` channels are best read over several lines before the next ones: where
    /// planes lie apart, lines of one plane follow one another.
    Index together(Index channels) const {
        return inside_ ? channels : std::min<Index>(channels, 16);
    }

    const microkernels::LayerTable<T>& loops() const { return *loops_; }

    /// Whether the channels of a position lie side by side.
    bool inside() const { return inside_; }

    /// The array itself, where it holds T: the address of a position.
    const T* in_place() const { return holds_t_ ? reinterpret_cast<const T*>(data_) : nullptr; }
    Index stride(int axis) const { return strides_[axis]; }  // in numbers, if in_place()

private:
    void read_planes(const Index* at, Index count, Index begin, Index end, T* to, Index place,
                     Index plane, T* scratch) const;
    void fetch_ahead(const T* from, Index count, Index positions) const;
    void read_inside(const Index* at, Index count, Index begin, Index end, T* to, Index place,
                     Index plane, T* scratch) const;

    const microkernels::LayerTable<T>* loops_;
    const std::byte* data_;
    bool holds_t_, inside_;
    Boundary boundary_;
    Index extents_[5], strides_[5];
    LineReader<T> lines_;
};

/// Results on their way to a five-dimensional array of any dtype and strides.
template <class T>
class ChannelWriter {
public:
    /// Arrays of `stream_from` bytes and more are stored past the caches where their lines allow
    /// it; who asks for that calls fence() before a task ends.
    ChannelWriter(const ArrayView& out, const microkernels::Table& table,
                  std::size_t stream_from = std::size_t(-1));

    /// `call` names sums, bias and what follows; it is given its place in the array here: `places`
    /// positions from `begin` on, channels from `channel` on.
    void write(microkernels::FinishCall<T> call, Index sample, Index channel, Index depth,
               Index height, Index begin, T* scratch) const;

    /// The same of `rows` rows from `height` on, whose sums follow one another.
    void write_rows(microkernels::FinishCall<T> call, Index sample, Index channel, Index depth,
                    Index height, Index rows, Index begin, T* scratch) const;

    void fence() const {
        if (streams_) loops_->fence();
    }

    Index scratch_numbers(Index places, Index channels) const {
        return holds_t_ ? 0 : places * channels;
    }

private:
    void fetch_ahead(const microkernels::FinishCall<T>& call) const;

    const microkernels::LayerTable<T>* loops_;
    T* data_;
    bool holds_t_, streams_;
    Index strides_[5], width_;
    LineWriter<T> lines_;
};

extern template class ChannelReader<float>;
extern template class ChannelReader<double>;
extern template class ChannelWriter<float>;
extern template class ChannelWriter<double>;

}  // namespace faltung::layers
