// From the last transform of a gradient of weights to their places.
#pragma once

#include <cmath>

#include "layers/spectral_tile.hpp"
#include "lines/conversion.hpp"

namespace faltung::layers {

/// Where the taps of one output channel of every lane lie in dw: input channel and group fixed.
template <class T>
class TapWriter {
public:
    TapWriter(const ConvLayer& layer, const Tile<T>& tile, const ArrayView& dw,
              const microkernels::Table& table)
        : layer_(layer),
          tile_(tile),
          dw_(dw),
          store_(conversions<T>(table).store[static_cast<int>(dw.dtype)]) {}

    /// Lanes [0, count) go to `to`, `pace` bytes apart, times `scale`; false if one is not finite.
    bool write(const T* tile, Index count, T scale, std::byte* to, Index pace) const {
        bool finite = true;
        for (Index d = 0; d < layer_.axes[0].k; ++d)
            for (Index y = 0; y < layer_.axes[1].k; ++y)
                for (Index x = 0; x < layer_.axes[2].k; ++x) {
                    const T* from = tile + d * layer_.axes[0].dilation * tile_.plane() +
                                    y * layer_.axes[1].dilation * tile_.row() +
                                    x * layer_.axes[2].dilation * tile_.element();
                    std::byte* at =
                        to + d * dw_.strides[2] + y * dw_.strides[3] + x * dw_.strides[4];
                    for (Index l = 0; l < count; ++l) {
                        const T value = scale * from[l];
                        finite = finite && std::isfinite(value);
                        store_(&value, at + l * pace, 1);
                    }
                }
        return finite;
    }

    void inverse(T* tile) const {
        tile_.inverse(tile, layer_.axes[0].reach(), layer_.axes[1].reach());
    }

private:
    const ConvLayer& layer_;
    const Tile<T>& tile_;
    const ArrayView& dw_;
    typename microkernels::ConvertRows<T>::Store store_;
};

}  // namespace faltung::layers
