// One convolution layer as a value: banks of kernels over channels and up to three spatial axes.
//
//     out[n, g*outputs + o, j] = sum over i, t of w[g, o, i, t] * x~[n, g*inputs + i, first +
//     j*step
//     + t*dilation]
//
// This is a correlation, as nets have it. Its adjoint with respect to x is the transposed
// convolution, so the same value describes both.
#pragma once

#include <array>
#include <optional>

#include "core/array_view.hpp"
#include "core/problem.hpp"

namespace faltung {

inline constexpr int layer_axes = 3;  // depth, height, width; the missing ones have length one

struct ConvLayer {
    Arithmetic arithmetic = Arithmetic::f32;
    Boundary boundary = Boundary::zero;
    Index batch = 1, groups = 1;
    Index inputs = 1, outputs = 1;  // channels per group
    std::array<Axis, layer_axes> axes;
    int spatial = layer_axes;  // how many axes the arrays have

    Index taps() const { return axes[0].k * axes[1].k * axes[2].k; }  // of one channel
    Index places() const { return axes[0].out * axes[1].out * axes[2].out; }
    Index samples() const { return axes[0].x * axes[1].x * axes[2].x; }
    Index steps() const { return inputs * taps(); }  // products behind one output
    double products() const;                         // multiply-adds of the sum as it is defined
    /// Whether vectors of `lanes` channels are fuller across groups than within one.
    bool depthwise(Index lanes) const {
        return inputs == 1 &&
               ((groups - 1) / lanes + 1) * outputs < groups * ((outputs - 1) / lanes + 1);
    }
    /// Whether so few channels meet that lanes are better spent on places than on output channels.
    bool few_channels() const {
        return taps() > 1 && (inputs < 8 || outputs <= 12) && steps() <= 1024 && axes[2].out >= 4;
    }
    /// One tap, stride one, no padding.
    bool pointwise() const { return axes[0].batch() && axes[1].batch() && axes[2].batch(); }
    bool inside() const { return axes[0].inside() && axes[1].inside() && axes[2].inside(); }

    friend bool operator==(const ConvLayer&, const ConvLayer&) = default;
};

enum class Padding : std::uint8_t { given, same, valid };

/// Positions that are added on the two sides of an axis.
struct Pads {
    Index before, after;
};

/// A layer as its caller describes it; one entry per spatial axis, slowest first.
struct ConvLayerFields {
    Extents x_shape;  // N, C, spatial
    Extents w_shape;  // O, C / groups, spatial
    Extents stride, dilation;
    Padding padding = Padding::valid;
    PerAxis<Pads> pads;  // for Padding::given
    Index groups = 1;
    Boundary boundary = Boundary::zero;
    Arithmetic arithmetic = Arithmetic::f32;
};

/// Throws ValueError that names the axis and the numbers where shapes do not fit, TooLarge where 64
/// bits overflow.
ConvLayer make_conv_layer(const ConvLayerFields& fields);

/// The layer whose adjoint is the transposed convolution of `fields.x_shape` with weights of shape
/// (C, O / groups, spatial). Exactly one of `output_padding` and `output_shape` holds an entry per
/// axis.
ConvLayer make_transposed_layer(const ConvLayerFields& fields, const Extents& output_padding,
                                const std::optional<Extents>& output_shape);

/// Shapes of x, the weights and the output, with as many axes as their arrays have.
Extents x_shape(const ConvLayer& layer);
Extents w_shape(const ConvLayer& layer);
Extents out_shape(const ConvLayer& layer);

/// The same arrays with all three spatial axes.
ArrayView spatial_view(const ArrayView& view, const ConvLayer& layer);

}  // namespace faltung
