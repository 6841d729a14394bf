// Where the places of a layer, and its channels, stand in an array of planes.
#pragma once

#include <algorithm>
#include <vector>

#include "core/array_view.hpp"
#include "core/conv_layer.hpp"

namespace faltung::layers {

/// Windows that tile an array: each of their taps is a channel, at the positions of the windows.
struct WindowTaps {
    Index along[layer_axes] = {1, 1, 1};

    Index all() const { return along[0] * along[1] * along[2]; }
};

/// Neighbouring places on one line of an array.
template <class T>
struct PlaceRun {
    T* at;  // the first one, of channel 0
    Index count;
};

inline constexpr Index most_place_runs = 16;  // of a block

/// An array of T as its places and channels; distances count numbers.
template <class T>
class PlacedArray {
public:
    /// The first place of every channel is `first` positions inside; neighbours are `step` apart.
    PlacedArray(const ArrayView& view, const ConvLayer& layer, const WindowTaps& taps,
                const Index (&first)[layer_axes], const Index (&step)[layer_axes])
        : taps_(taps.all()) {
        const auto bytes = static_cast<Index>(sizeof(T));
        std::byte* start = view.data;
        bool line = true;
        Index expected = view.strides[4] * step[2];
        for (int a = layer_axes - 1; a >= 0; --a) {
            const Index extent = layer.axes[static_cast<std::size_t>(a)].out;
            const Index stride = view.strides[2 + a] * step[a];
            line = line && (extent == 1 || stride == expected);
            expected *= extent;
            stride_[a] = stride / bytes;
            start += first[a] * view.strides[2 + a];
        }
        data_ = reinterpret_cast<T*>(start);
        sample_ = view.strides[0] / bytes;
        plane_ = view.strides[1] / bytes;
        places_ = layer.places();
        length_ = line ? places_ : layer.axes[2].out;
        height_ = line ? 1 : layer.axes[1].out;
        if (taps_ == 1) return;
        for (Index d = 0; d < taps.along[0]; ++d)
            for (Index h = 0; h < taps.along[1]; ++h)
                for (Index w = 0; w < taps.along[2]; ++w)
                    tap_.push_back(
                        (d * view.strides[2] + h * view.strides[3] + w * view.strides[4]) / bytes);
    }

    /// Numbers from one place to the next, and from one channel of the array to the next.
    Index place() const { return stride_[2]; }
    Index plane() const { return plane_; }

    /// Numbers from channel 0 to channel c, counted by channels of the array, then taps.
    Index channel(Index c) const {
        return taps_ == 1 ? c * plane_
                          : c / taps_ * plane_ + tap_[static_cast<std::size_t>(c % taps_)];
    }

    /// Calls take(run) for places [first, last) of all samples, one sample's after the other's.
    template <class Take>
    void for_each_run(Index first, Index last, Take&& take) const {
        const Index lines = places_ / length_;
        while (first < last) {
            const Index place = first % length_, line = first / length_;
            const Index row = line % lines % height_, depth = line % lines / height_;
            const Index some = std::min(last - first, length_ - place);
            take(PlaceRun<T>{data_ + line / lines * sample_ + depth * stride_[0] +
                                 row * stride_[1] + place * stride_[2],
                             some});
            first += some;
        }
    }

private:
    T* data_ = nullptr;
    Index sample_ = 0, plane_ = 0, stride_[layer_axes] = {0, 0, 0};
    Index places_ = 1, length_ = 1, height_ = 1;  // of a sample, of a line; lines at each depth
    Index taps_;
    std::vector<Index> tap_;  // numbers to each tap of a window
};

}  // namespace faltung::layers
