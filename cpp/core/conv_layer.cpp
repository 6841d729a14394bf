#include "core/conv_layer.hpp"

#include <string>

#include "core/error.hpp"

namespace faltung {

namespace {

/// Lengths stay far below 2^63, so that sums of several of them fit.
constexpr Index largest = Index{1} << 58;

std::string on_axis(int axis) { return " along axis " + std::to_string(axis + 2); }

void check_size(const Extents& shape, std::size_t bytes, const char* name) {
    Index total = static_cast<Index>(bytes);
    for (Index extent : shape)
        if (extent > largest || __builtin_mul_overflow(total, std::max<Index>(extent, 1), &total))
            throw TooLarge(std::string(name) + " would take more than 2^63 bytes");
}

void check_banks(const ConvLayerFields& fields, bool transposed) {
    const Extents &x = fields.x_shape, &w = fields.w_shape;
    if (x.size() < 3 || x.size() > 2 + layer_axes)
        throw ValueError("x has " + std::to_string(x.size()) +
                         " axes; allowed are 3 to 5: batch, channels and 1 to 3 spatial axes");
    if (w.size() != x.size())
        throw ValueError("w has " + std::to_string(w.size()) + " axes and x has " +
                         std::to_string(x.size()) + "; they must have the same number");
    if (fields.groups < 1)
        throw ValueError("groups is " + std::to_string(fields.groups) + "; it must be at least 1");
    for (int a = 0; a < w.size(); ++a)
        if (w[a] < 1)
            throw ValueError("w is empty along axis " + std::to_string(a) + ": shape has a 0");
    if (x[1] < 1) throw ValueError("x has no channels: axis 1 is empty");
    const std::string groups = std::to_string(fields.groups), banks = std::to_string(w[0]);
    if (w[0] % fields.groups != 0)
        throw ValueError("w has " + banks + " banks along axis 0, which groups=" + groups +
                         " does not divide");
    if (transposed) {
        if (w[0] != x[1])
            throw ValueError("x has " + std::to_string(x[1]) + " channels along axis 1 and w has " +
                             banks + " along axis 0; they must be equal");
        return;
    }
    Index wanted = 0;
    if (__builtin_mul_overflow(w[1], fields.groups, &wanted) || wanted != x[1])
        throw ValueError("x has " + std::to_string(x[1]) + " channels along axis 1; w takes " +
                         std::to_string(w[1]) + " along its axis 1 times groups=" + groups);
}

/// What both kinds of layer ask of stride, dilation and padding along one axis.
void check_steps(const ConvLayerFields& fields, int a) {
    if (fields.stride[a] < 1)
        throw ValueError("stride is " + std::to_string(fields.stride[a]) + on_axis(a) +
                         "; it must be at least 1");
    if (fields.dilation[a] < 1)
        throw ValueError("dilation is " + std::to_string(fields.dilation[a]) + on_axis(a) +
                         "; it must be at least 1");
    const Index k = fields.w_shape[2 + a];
    if (fields.stride[a] > largest || k > largest || fields.dilation[a] > largest / k)
        throw TooLarge("stride or kernel is too long" + on_axis(a));
    if (fields.padding != Padding::given) return;
    for (const Index pad : {fields.pads[a].before, fields.pads[a].after}) {
        if (pad < 0)
            throw ValueError("padding is " + std::to_string(pad) + on_axis(a) +
                             "; it must not be negative");
        if (pad > largest) throw TooLarge("padding is too long" + on_axis(a));
    }
}

ConvLayer banks_of(const ConvLayerFields& fields) {
    ConvLayer layer{.arithmetic = fields.arithmetic,
                    .boundary = fields.boundary,
                    .batch = fields.x_shape[0],
                    .groups = fields.groups,
                    .spatial = fields.x_shape.size() - 2};
    // of a transposed layer x is the output here, and w's first axis belongs to it
    layer.outputs = fields.w_shape[0] / fields.groups;
    layer.inputs = fields.w_shape[1];
    return layer;
}

}  // namespace

double ConvLayer::products() const {
    double total = static_cast<double>(batch) * static_cast<double>(groups) *
                   static_cast<double>(inputs) * static_cast<double>(outputs);
    for (const Axis& axis : axes)
        total *= static_cast<double>(axis.k) * static_cast<double>(axis.out);
    return total;
}

ConvLayer make_conv_layer(const ConvLayerFields& fields) {
    check_banks(fields, false);
    ConvLayer layer = banks_of(fields);
    const int missing = layer_axes - layer.spatial;
    for (int a = 0; a < layer.spatial; ++a) {
        check_steps(fields, a);
        Axis axis{.x = fields.x_shape[2 + a],
                  .k = fields.w_shape[2 + a],
                  .step = fields.stride[a],
                  .dilation = fields.dilation[a]};
        if (axis.x < 1)
            throw ValueError("x is empty" + on_axis(a) + ": there is nothing to convolve over");
        if (axis.x > largest) throw TooLarge("x is too long" + on_axis(a));
        Index before = 0, after = 0;
        if (fields.padding == Padding::given) {
            before = fields.pads[a].before;
            after = fields.pads[a].after;
        } else if (fields.padding == Padding::same) {
            axis.out = (axis.x - 1) / axis.step + 1;
            const Index total =
                std::max<Index>(0, (axis.out - 1) * axis.step + axis.reach() - axis.x);
            before = total / 2;
            after = total - before;  // the larger half behind, as PyTorch and ONNX have it
        }
        axis.first = -before;
        const Index room = axis.x + before + after - axis.reach();
        if (room < 0)
            throw ValueError("w reaches over " + std::to_string(axis.reach()) + " samples" +
                             on_axis(a) + " (" + std::to_string(axis.k) + " taps, dilation " +
                             std::to_string(axis.dilation) + "); x has " + std::to_string(axis.x) +
                             " there, with padding " + std::to_string(before) + " and " +
                             std::to_string(after));
        axis.out = room / axis.step + 1;
        layer.axes[static_cast<std::size_t>(missing + a)] = axis;
    }
    check_size(fields.x_shape, 8, "x");
    check_size(fields.w_shape, 8, "w");
    check_size(out_shape(layer), 8, "the result");
    return layer;
}

ConvLayer make_transposed_layer(const ConvLayerFields& fields, const Extents& output_padding,
                                const std::optional<Extents>& output_shape) {
    check_banks(fields, true);
    ConvLayer layer = banks_of(fields);
    const int missing = layer_axes - layer.spatial;
    for (int a = 0; a < layer.spatial; ++a) {
        check_steps(fields, a);
        Axis axis{.k = fields.w_shape[2 + a],
                  .out = fields.x_shape[2 + a],
                  .step = fields.stride[a],
                  .dilation = fields.dilation[a]};
        if (axis.out < 1)
            throw ValueError("x is empty" + on_axis(a) + ": there is nothing to convolve over");
        Index span = 0;
        if (axis.out > largest || __builtin_mul_overflow(axis.out - 1, axis.step, &span) ||
            span > largest)
            throw TooLarge("the result is too long" + on_axis(a));
        const Index full = span + axis.reach();  // of the result, before anything is cut away
        const auto [before, after] = fields.pads[a];
        Index extra = output_shape ? 0 : output_padding[a];
        if (extra < 0)
            throw ValueError("output_padding is " + std::to_string(extra) + on_axis(a) +
                             "; it must not be negative");
        if (!output_shape && extra >= std::max(axis.step, axis.dilation))
            throw ValueError("output_padding is " + std::to_string(extra) + on_axis(a) +
                             "; it must be less than the stride " + std::to_string(axis.step) +
                             " or the dilation " + std::to_string(axis.dilation));
        axis.x = output_shape ? (*output_shape)[a] : full - before - after + extra;
        if (axis.x < 1)
            throw ValueError("the result would have " + std::to_string(axis.x) + " samples" +
                             on_axis(a) + ": " + std::to_string(full) + " less the padding " +
                             std::to_string(before) + " and " + std::to_string(after));
        if (axis.x > largest) throw TooLarge("the result is too long" + on_axis(a));
        axis.first = -before;
        layer.axes[static_cast<std::size_t>(missing + a)] = axis;
    }
    check_size(fields.x_shape, 8, "x");
    check_size(fields.w_shape, 8, "w");
    check_size(x_shape(layer), 8, "the result");
    return layer;
}

namespace {

template <class Length>
Extents shape_of(const ConvLayer& layer, Index first, Index second, Length&& length) {
    Extents shape{first, second};
    for (int a = layer_axes - layer.spatial; a < layer_axes; ++a)
        shape.push_back(length(layer.axes[static_cast<std::size_t>(a)]));
    return shape;
}

}  // namespace

Extents x_shape(const ConvLayer& layer) {
    return shape_of(layer, layer.batch, layer.groups * layer.inputs,
                    [](const Axis& axis) { return axis.x; });
}

Extents w_shape(const ConvLayer& layer) {
    return shape_of(layer, layer.groups * layer.outputs, layer.inputs,
                    [](const Axis& axis) { return axis.k; });
}

Extents out_shape(const ConvLayer& layer) {
    return shape_of(layer, layer.batch, layer.groups * layer.outputs,
                    [](const Axis& axis) { return axis.out; });
}

ArrayView spatial_view(const ArrayView& view, const ConvLayer& layer) {
    ArrayView wide{.data = view.data, .dtype = view.dtype};
    for (int a = 0; a < 2; ++a) {
        wide.shape.push_back(view.shape[a]);
        wide.strides.push_back(view.strides[a]);
    }
    for (int a = layer.spatial; a < layer_axes; ++a) {
        wide.shape.push_back(1);
        wide.strides.push_back(0);
    }
    for (int a = 2; a < view.rank(); ++a) {
        wide.shape.push_back(view.shape[a]);
        wide.strides.push_back(view.strides[a]);
    }
    return wide;
}

}  // namespace faltung
