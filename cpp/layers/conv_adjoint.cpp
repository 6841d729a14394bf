#include "layers/conv_adjoint.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "core/error.hpp"
#include "layers/channel_lines.hpp"
#include "layers/conv_pointwise_inside.hpp"
#include "lines/extend.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Along one axis: the taps first_tap, first_tap + tap_step, ... reach the positions start, start +
/// step, ... of x, as a correlation of out with those taps turned around.
struct Residue {
    Axis axis;
    Index start, first_tap, tap_step;
};

/// By their first taps: tap * dilation = start - first modulo step.
std::vector<Residue> reached_residues(const Axis& axis) {
    std::vector<Residue> residues;
    const Index common = std::gcd(axis.step, axis.dilation), tap_step = axis.step / common;
    for (Index tap = 0; tap < std::min(tap_step, axis.k); ++tap) {
        const Index start = floor_mod(axis.first + tap * axis.dilation, axis.step);
        if (start >= axis.x) continue;
        Residue residue{
            .axis = {.x = axis.out}, .start = start, .first_tap = tap, .tap_step = tap_step};
        residue.axis.k = (axis.k - 1 - tap) / tap_step + 1;
        residue.axis.out = (axis.x - start - 1) / axis.step + 1;
        residue.axis.dilation = axis.dilation / common;
        residue.axis.first = (start - axis.first - tap * axis.dilation) / axis.step -
                             (residue.axis.k - 1) * residue.axis.dilation;
        residues.push_back(residue);
    }
    return residues;
}

/// x as long as all windows together, where the boundary makes samples answer for more than one
/// position.
ConvLayer extended(ConvLayer layer) {
    if (layer.boundary == Boundary::zero || layer.inside()) {
        layer.boundary = Boundary::zero;
        return layer;
    }
    for (Axis& axis : layer.axes) {
        const Index begin = std::min<Index>(0, axis.first), end = std::max(axis.x, axis.last());
        axis.first -= begin;
        axis.x = end - begin;
    }
    layer.boundary = Boundary::zero;
    return layer;
}

using Residues = std::array<const Residue*, layer_axes>;

/// Calls body(residues) for every combination.
template <class Body>
void for_each_part(const ConvLayer& layer, Body&& body) {
    std::vector<Residue> reached[layer_axes];
    for (std::size_t a = 0; a < layer_axes; ++a) reached[a] = reached_residues(layer.axes[a]);
    for (const Residue& depth : reached[0])
        for (const Residue& height : reached[1])
            for (const Residue& width : reached[2]) body(Residues{&depth, &height, &width});
}

/// Whether the residues that taps arrive at are all there are.
bool reaches_every_sample(const ConvLayer& layer) {
    for (const Axis& axis : layer.axes)
        if (static_cast<Index>(reached_residues(axis).size()) != std::min(axis.step, axis.x))
            return false;
    return true;
}

ConvLayer part_layer(ConvLayer layer, const Residues& residues) {
    std::swap(layer.inputs, layer.outputs);
    for (std::size_t a = 0; a < layer_axes; ++a) layer.axes[a] = residues[a]->axis;
    return layer;
}

}  // namespace

std::vector<ConvLayer> adjoint_layers(const ConvLayer& layer) {
    if (tiled_adjoint(layer)) return {flat_adjoint(layer)};
    std::vector<ConvLayer> parts;
    const ConvLayer wide = extended(layer);
    for_each_part(wide,
                  [&](const Residues& residues) { parts.push_back(part_layer(wide, residues)); });
    return parts;
}

template <class T>
Adjoint<T>::Adjoint(const ConvLayer& layer, const WeightView<T>& weights,
                    const microkernels::Table& table, MakeConv<T> make, bool at_once)
    : layer_(extended(layer)),
      original_(layer),
      weights_(weights),
      table_(&table),
      make_(std::move(make)) {
    if (at_once) tiles_ = Pointwise<T>::of_adjoint(layer, weights, table);
}

template <class T>
void Adjoint<T>::run(const ArrayView& out, const ArrayView& x, const Ending& ending,
                     const Context& context) const {
    if (original_.boundary == Boundary::zero || original_.inside())
        return run_parts(out, x, ending, context);
    ArrayView wide{.dtype = dtype_of<T>};
    wide.shape = {x.shape[0], x.shape[1]};
    for (const Axis& axis : layer_.axes) wide.shape.push_back(axis.x);
    Index bytes = sizeof(T);
    wide.strides = Extents(5, 0);
    for (int a = 4; a >= 0; --a) {
        wide.strides[a] = bytes;
        if (__builtin_mul_overflow(bytes, wide.shape[a], &bytes))
            throw TooLarge("x with its padding would take more than 2^63 bytes");
    }
    const Workspace space(static_cast<std::size_t>(bytes));
    wide.data = space.data();
    run_parts(out, wide, {}, context);
    fold(wide, x, context);
}

template <class T>
void Adjoint<T>::run_parts(const ArrayView& out, const ArrayView& x, const Ending& ending,
                           const Context& context) const {
    if (tiles_ && run_at_once(out, x, ending, context)) return;
    if (!reaches_every_sample(layer_)) fill(x, ending);
    for_each_part(layer_, [&](const Residues& residues) {
        const ConvLayer part = part_layer(layer_, residues);
        WeightView<T> view = weights_;
        std::swap(view.output, view.input);
        ArrayView target = x;
        for (int a = 0; a < layer_axes; ++a) {
            const Residue& residue = *residues[static_cast<std::size_t>(a)];
            view.data +=
                (residue.first_tap + (residue.axis.k - 1) * residue.tap_step) * view.tap[a];
            view.tap[a] *= -residue.tap_step;
            target.data += residue.start * x.strides[2 + a];
            target.shape[2 + a] = residue.axis.out;
            target.strides[2 + a] *= layer_.axes[static_cast<std::size_t>(a)].step;
        }
        make_(part, view)->run(out, target, ending, context);
    });
}

/// Windows that tile x, all their taps together. False where the arrays are of another kind.
template <class T>
bool Adjoint<T>::run_at_once(const ArrayView& out, const ArrayView& x, const Ending& ending,
                             const Context& context) const {
    const bool apart = tiles_->serves(out, x);
    if (!apart && (layer_.groups > 1 || !PointwiseInside<T>::serves_tiles(out, x))) return false;
    ArrayView inside = x;
    bool covered = true;
    for (int a = 0; a < layer_axes; ++a) {
        const Axis& axis = layer_.axes[static_cast<std::size_t>(a)];
        covered = covered && axis.out * axis.step == axis.x;
        inside.data += axis.first * x.strides[2 + a];
    }
    if (!covered) fill(x, ending);
    if (apart)
        tiles_->run(out, inside, ending, context);
    else
        run_inside(out, inside, ending, context);
    return true;
}

/// A row of a window is a run of taps with their channels, all of them outputs.
template <class T>
void Adjoint<T>::run_inside(const ArrayView& out, const ArrayView& x, const Ending& ending,
                            const Context& context) const {
    const Index channels = layer_.inputs, steps = layer_.outputs, along = layer_.axes[2].k;
    const Index rows = layer_.axes[0].k * layer_.axes[1].k, outputs = channels * along;
    ConvLayer flat = flat_adjoint(layer_);
    flat.outputs = outputs;
    // [row][step][tap][channel]
    const Workspace turned(static_cast<std::size_t>(rows * steps * outputs) * sizeof(T));
    const microkernels::LayerTable<T>& loops = layer_loops<T>(*table_);
    parallel_for(steps, context, [&](Index k, int) {
        for (Index r = 0; r < rows; ++r)
            loops.transpose(weights_.data + k * weights_.output + r * along, weights_.input,
                            channels, along, turned.as<T>() + (r * steps + k) * outputs, channels);
    });
    Ending each = ending;  // every tap of a channel has its bias
    const Workspace biases(ending.bias ? static_cast<std::size_t>(outputs) * sizeof(T) : 0);
    if (ending.bias) {
        for (Index o = 0; o < outputs; ++o)
            biases.as<T>()[o] = static_cast<const T*>(ending.bias)[o % channels];
        each.bias = biases.data();
    }
    const WindowTaps taps{{layer_.axes[0].k, layer_.axes[1].k, along}};
    PointwiseInside<T>(flat, *table_, taps)
        .run(out, x,
             {.data = turned.as<T>(),
              .group = 0,
              .output = 1,
              .input = outputs,
              .tap = {0, steps * outputs, 0}},
             each, context);
}

/// Where no tap arrives there is the bias alone.
template <class T>
void Adjoint<T>::fill(const ArrayView& x, const Ending& ending) const {
    const Index channels = x.shape[1], width = x.shape[4];
    const ChannelWriter<T> writer(x, *table_);
    const Workspace space(static_cast<std::size_t>(2 * width * channels) * sizeof(T));
    std::fill_n(space.as<T>(), width * channels, T{0});
    for (Index n = 0; n < x.shape[0]; ++n)
        for (Index d = 0; d < x.shape[2]; ++d)
            for (Index h = 0; h < x.shape[3]; ++h)
                writer.write({.from = space.as<T>(),
                              .pitch = channels,
                              .places = width,
                              .channels = channels,
                              .bias = static_cast<const T*>(ending.bias),
                              .relu = ending.relu},
                             n, 0, d, h, 0, space.as<T>() + width * channels);
}

/// Every position of x~ gives its gradient to the sample that answers for it.
template <class T>
void Adjoint<T>::fold(const ArrayView& wide, const ArrayView& x, const Context& context) const {
    const Index channels = x.shape[1];
    Index begin[layer_axes];
    for (std::size_t a = 0; a < layer_axes; ++a)
        begin[a] = std::min<Index>(0, original_.axes[a].first);
    const auto source = [&](std::size_t a, Index i) {
        return extend(i + begin[a], original_.axes[a].x, original_.boundary);
    };
    const Index plane = x.shape[2] * x.shape[3] * x.shape[4];
    const ChannelWriter<T> writer(x, *table_);
    parallel_for(x.shape[0] * channels, context, [&](Index task, int) {
        const Workspace space(static_cast<std::size_t>(plane + x.shape[4]) * sizeof(T));
        T* const sums = space.as<T>();
        std::fill_n(sums, plane, T{0});
        const T* from = reinterpret_cast<const T*>(wide.data) +
                        task * (wide.strides[1] / static_cast<Index>(sizeof(T)));
        for (Index d = 0; d < wide.shape[2]; ++d)
            for (Index h = 0; h < wide.shape[3]; ++h) {
                T* const row = sums + (source(0, d) * x.shape[3] + source(1, h)) * x.shape[4];
                for (Index w = 0; w < wide.shape[4]; ++w) row[source(2, w)] += *from++;
            }
        for (Index d = 0; d < x.shape[2]; ++d)
            for (Index h = 0; h < x.shape[3]; ++h)
                writer.write({.from = sums + (d * x.shape[3] + h) * x.shape[4],
                              .pitch = 1,
                              .places = x.shape[4],
                              .channels = 1},
                             task / channels, task % channels, d, h, 0, sums + plane);
    });
}

template class Adjoint<float>;
template class Adjoint<double>;

}  // namespace faltung::layers
