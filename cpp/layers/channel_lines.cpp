#include "layers/channel_lines.hpp"

#include <algorithm>
#include <cstring>

namespace faltung::layers {

namespace {

/// Planes that are read as lines before they are transposed.
constexpr Index plane_block = 16;

bool channels_inside(const ArrayView& view) {
    return view.shape[1] > 1 && view.strides[1] == static_cast<Index>(size_of(view.dtype)) &&
           view.strides[4] != view.strides[1];
}

/// The problem that a LineReader or LineWriter wants to see behind a five-dimensional array.
Problem line_problem(const ArrayView& view, Boundary boundary) {
    Problem problem{.x_dtype = view.dtype, .out_dtype = view.dtype, .boundary = boundary};
    for (int a = 0; a < view.rank(); ++a)
        problem.axes.push_back({.x = view.shape[a], .out = view.shape[a]});
    return problem;
}

/// The same array for lines of whole positions: the channels are what stands at one.
ArrayView without_channels(ArrayView view) {
    view.shape.erase(1);
    view.strides.erase(1);
    return view;
}

template <class T>
LineReader<T> line_reader(const ArrayView& x, Boundary boundary, const microkernels::Table& table) {
    if (!channels_inside(x)) return LineReader<T>(line_problem(x, boundary), x, table);
    const ArrayView positions = without_channels(x);
    Problem problem = line_problem(positions, boundary);
    problem.inner = x.shape[1];
    return LineReader<T>(problem, positions, table);
}

void in_numbers(const ArrayView& view, Index* strides) {
    const Index bytes = static_cast<Index>(size_of(view.dtype));
    for (int a = 0; a < 5; ++a) strides[a] = view.strides[a] / bytes;
}

}  // namespace

template <class T>
ChannelReader<T>::ChannelReader(const ArrayView& x, Boundary boundary,
                                const microkernels::Table& table)
    : loops_(&layer_loops<T>(table)),
      data_(x.data),
      holds_t_(x.dtype == dtype_of<T>),
      inside_(channels_inside(x)),
      boundary_(boundary),
      lines_(line_reader<T>(x, boundary, table)) {
    std::copy(x.shape.begin(), x.shape.end(), extents_);
    in_numbers(x, strides_);
}

template <class T>
Index ChannelReader<T>::scratch_numbers(Index positions) const {
    return positions * (inside_ ? extents_[1] : plane_block);
}

template <class T>
void ChannelReader<T>::read(Index sample, Index channel, Index count, Index depth, Index height,
                            Index begin, Index end, T* to, Index place, Index plane,
                            T* scratch) const {
    const auto clear = [&](Index from, Index until) {
        if (from >= until) return;
        if (plane == 1 && place == count) {
            std::fill_n(to + (from - begin) * place, (until - from) * place, T{0});
        } else if (plane == 1) {
            for (Index i = from; i < until; ++i) std::fill_n(to + (i - begin) * place, count, T{0});
        } else {
            for (Index c = 0; c < count; ++c)
                std::fill_n(to + (from - begin) + c * plane, until - from, T{0});
        }
    };
    if (boundary_ == Boundary::zero) {
        const bool outside =
            depth < 0 || depth >= extents_[2] || height < 0 || height >= extents_[3];
        const Index first = outside ? end : std::clamp<Index>(0, begin, end);
        const Index last = outside ? end : std::clamp<Index>(extents_[4], first, end);
        clear(begin, first);
        clear(last, end);
        if (first >= last) return;
        to += (first - begin) * place;
        begin = first;
        end = last;
    }
    const Index at[4] = {sample, channel, depth, height};
    if (inside_)
        read_inside(at, count, begin, end, to, place, plane, scratch);
    else
        read_planes(at, count, begin, end, to, place, plane, scratch);
}

template <class T>
void ChannelReader<T>::read_rows(Index sample, Index channel, Index count, Index depth,
                                 Index height, Index rows, Index begin, Index end, T* to,
                                 Index place, T* scratch) const {
    const bool whole = begin == 0 && end == extents_[4];
    if (holds_t_ && !inside_ && whole && strides_[4] == 1 && strides_[3] == end) {
        const T* from = in_place() + sample * strides_[0] + channel * strides_[1] +
                        depth * strides_[2] + height * strides_[3];
        constexpr Index some = 64;
        for (Index p = 0; p < rows * end; p += some) {
            const Index left = rows * end - p;
            // what is left over may be less than a vector
            const Index positions = left < 2 * some ? left : some;
            if (positions < left) fetch_ahead(from + p + 2 * some, count, some);
            loops_->transpose(from + p, strides_[1], count, positions, to + p * place, place);
            if (positions == left) break;
        }
        return;
    }
    for (Index r = 0; r < rows; ++r, to += (end - begin) * place)
        read(sample, channel, count, depth, height + r, begin, end, to, place, 1, scratch);
}

template <class T>
void ChannelReader<T>::read_planes(const Index* at, Index count, Index begin, Index end, T* to,
                                   Index place, Index plane, T* scratch) const {
    const Index positions = end - begin;
    if (place == 1) {
        Index line[4] = {at[0], at[1], at[2], at[3]};
        for (Index c = 0; c < count; ++c, ++line[1]) {
            if (const T* from = lines_.in_place(line, begin, end))
                std::memcpy(to + c * plane, from, static_cast<std::size_t>(positions) * sizeof(T));
            else
                lines_.read(line, begin, end, to + c * plane);
        }
        return;
    }
    if (const T* from = lines_.in_place(at, begin, end)) {
        fetch_ahead(from + 2 * strides_[3], count, positions);
        return loops_->transpose(from, strides_[1], count, positions, to, place);
    }
    Index line[4] = {at[0], at[1], at[2], at[3]};
    for (Index c = 0; c < count; c += plane_block) {
        const Index some = std::min(plane_block, count - c);
        for (Index i = 0; i < some; ++i, ++line[1])
            lines_.read(line, begin, end, scratch + i * positions);
        loops_->transpose(scratch, positions, some, positions, to + c, place);
    }
}

/// Lines of many planes at once are more than a processor follows by itself.
template <class T>
void ChannelReader<T>::fetch_ahead(const T* from, Index count, Index positions) const {
    constexpr Index line = 64 / static_cast<Index>(sizeof(T));
    for (Index c = 0; c < count; ++c, from += strides_[1])
        for (Index i = 0; i < positions; i += line) __builtin_prefetch(from + i);
}

template <class T>
void ChannelReader<T>::read_inside(const Index* at, Index count, Index begin, Index end, T* to,
                                   Index place, Index plane, T* scratch) const {
    const Index line[3] = {at[0], at[2], at[3]}, positions = end - begin;
    const T* from = lines_.in_place(line, begin, end);
    if (!from) {
        lines_.read(line, begin, end, scratch);
        from = scratch;
    }
    from += at[1];
    if (plane != 1) return loops_->transpose(from, extents_[1], positions, count, to, plane);
    if (place == count && count == extents_[1]) {
        std::memcpy(to, from, static_cast<std::size_t>(positions * count) * sizeof(T));
        return;
    }
    for (Index i = 0; i < positions; ++i)
        std::memcpy(to + i * place, from + i * extents_[1],
                    static_cast<std::size_t>(count) * sizeof(T));
}

template <class T>
ChannelWriter<T>::ChannelWriter(const ArrayView& out, const microkernels::Table& table,
                                std::size_t stream_from)
    : loops_(&layer_loops<T>(table)),
      data_(reinterpret_cast<T*>(out.data)),
      holds_t_(out.dtype == dtype_of<T>),
      streams_(holds_t_ && static_cast<std::size_t>(product(out.shape)) * sizeof(T) >= stream_from),
      lines_(line_problem(out, Boundary::zero), out, table) {
    in_numbers(out, strides_);
    width_ = out.shape[4];
}

/// The lines that the next but one will overwrite: a store that misses the caches reads them first.
template <class T>
void ChannelWriter<T>::fetch_ahead(const microkernels::FinishCall<T>& call) const {
    constexpr Index line = 64 / static_cast<Index>(sizeof(T));
    const T* to = call.to + 2 * strides_[3];
    for (Index c = 0; c < call.channels; ++c, to += strides_[1])
        for (Index i = 0; i < call.places; i += line) __builtin_prefetch(to + i, 1, 2);
}

template <class T>
void ChannelWriter<T>::write(microkernels::FinishCall<T> call, Index sample, Index channel,
                             Index depth, Index height, Index begin, T* scratch) const {
    call.stream = streams_;
    if (holds_t_) {
        call.to = data_ + sample * strides_[0] + channel * strides_[1] + depth * strides_[2] +
                  height * strides_[3] + begin * strides_[4];
        call.to_channel = strides_[1];
        call.to_place = strides_[4];
        if (!streams_ && call.to_place == 1) fetch_ahead(call);
        return loops_->finish(call);
    }
    call.to = scratch;
    call.to_channel = call.places;
    call.to_place = 1;
    loops_->finish(call);
    Index at[4] = {sample, channel, depth, height};
    for (Index c = 0; c < call.channels; ++c, ++at[1])
        lines_.write(at, begin, begin + call.places, scratch + c * call.places);
}

template <class T>
void ChannelWriter<T>::write_rows(microkernels::FinishCall<T> call, Index sample, Index channel,
                                  Index depth, Index height, Index rows, Index begin,
                                  T* scratch) const {
    if (holds_t_ && begin == 0 && call.places == width_ &&
        strides_[3] == width_ * strides_[4]) {  // one long row
        call.places *= rows;
        return write(call, sample, channel, depth, height, begin, scratch);
    }
    for (Index r = 0; r < rows; ++r, call.from += call.places * call.pitch)
        write(call, sample, channel, depth, height + r, begin, scratch);
}

template class ChannelReader<float>;
template class ChannelReader<double>;
template class ChannelWriter<float>;
template class ChannelWriter<double>;

}  // namespace faltung::layers
