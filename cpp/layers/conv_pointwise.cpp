#include "layers/conv_pointwise.hpp"

#include <algorithm>
#include <cmath>

#include "layers/channel_lines.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Channels that are summed in one go: their samples stay in the first-level cache.
constexpr Index block_steps = 256;
constexpr Index ahead_blocks = 2;  // what is read is fetched so many blocks of places before
constexpr double least_work = 2e6, most_work = 4e8;  // multiply-adds of a task

bool plane_is_contiguous(const ArrayView& view) {
    Index expected = static_cast<Index>(size_of(view.dtype));
    for (int a = 4; a >= 2; --a) {
        if (view.shape[a] != 1 && view.strides[a] != expected) return false;
        expected *= view.shape[a];
    }
    return true;
}

}  // namespace

template <class T>
bool Pointwise<T>::suits(const ConvLayer& layer) {
    for (const Axis& axis : layer.axes)
        if (!axis.batch()) return false;
    return layer.inputs >= 4;
}

template <class T>
Pointwise<T>::Pointwise(const ConvLayer& layer, const WeightView<T>& weights,
                        const microkernels::Table& table)
    : layer_(layer),
      loops_(&layer_loops<T>(table)),
      coefficients_(static_cast<std::size_t>(layer.groups * layer.outputs * layer.inputs) *
                    sizeof(T)) {
    const Index parts = (layer.outputs - 1) / loops_->pointwise_channels + 1;
    for (Index p = 0; p < parts; ++p) {
        const Index first = layer.outputs * p / parts;
        banks_.push_back({first, layer.outputs * (p + 1) / parts - first});
    }
    T* to = coefficients_.as<T>();
    for (Index g = 0; g < layer.groups; ++g)
        for (const Bank& bank : banks_) {
            const T* from = weights.data + g * weights.group + bank.first * weights.output;
            for (Index i = 0; i < layer.inputs; ++i)
                for (Index m = 0; m < bank.count; ++m)
                    *to++ = from[m * weights.output + i * weights.input];
        }
}

template <class T>
bool Pointwise<T>::serves(const ArrayView& x, const ArrayView& out) const {
    return x.dtype == dtype_of<T> && out.dtype == dtype_of<T> && plane_is_contiguous(x) &&
           plane_is_contiguous(out) && layer_.places() >= loops_->lanes;
}

template <class T>
std::size_t Pointwise<T>::workspace_bytes() const {
    const Index width = 2 * loops_->lanes;
    return static_cast<std::size_t>((2 * std::min(block_steps, layer_.inputs) + layer_.outputs) *
                                    width) *
           sizeof(T);
}

template <class T>
void Pointwise<T>::run(const ArrayView& x, const ArrayView& out, const Ending& ending,
                       const Context& context) const {
    const Index width = 2 * loops_->lanes, places = layer_.places();
    const double per_block = static_cast<double>(layer_.inputs) *
                             static_cast<double>(layer_.outputs) * static_cast<double>(width);
    const double wanted = std::clamp(layer_.products() / 32, least_work, most_work);
    const Index piece = width * static_cast<Index>(std::min(std::ceil(wanted / per_block), 0x1p40));
    const Index pieces = (places - 1) / piece + 1;
    const auto bytes = static_cast<Index>(sizeof(T));
    parallel_for(layer_.batch * layer_.groups * pieces, context, [&](Index task, int) {
        const Index first = task % pieces * piece, last = std::min(places, first + piece);
        task /= pieces;
        const Index group = task % layer_.groups, sample = task / layer_.groups;
        const T* from = reinterpret_cast<const T*>(x.data + sample * x.strides[0] +
                                                   group * layer_.inputs * x.strides[1]);
        T* to = reinterpret_cast<T*>(out.data + sample * out.strides[0] +
                                     group * layer_.outputs * out.strides[1]);
        const Workspace workspace(workspace_bytes());
        for (Index p = first; p < last; p += width)
            run_block({.x = from + p,
                       .x_plane = x.strides[1] / bytes,
                       .out = to + p,
                       .out_plane = out.strides[1] / bytes,
                       .places = std::min(width, last - p),
                       .group = group},
                      ending, workspace.as<T>());
    });
}

template <class T>
void Pointwise<T>::run_block(const Block& block, const Ending& ending, T* scratch) const {
    const Index width = 2 * loops_->lanes, most = std::min(block_steps, layer_.inputs);
    T* const copied = scratch;                // [channel][place]
    T* const padded = copied + most * width;  // the same, of a block that is not whole
    T* const staged = padded + most * width;  // [output channel][place]
    const bool whole = block.places == width;
    const T* bias =
        ending.bias ? static_cast<const T*>(ending.bias) + block.group * layer_.outputs : nullptr;
    T* const to = whole ? block.out : staged;
    const Index pitch = whole ? block.out_plane : width;
    for (Index k = 0; k < layer_.inputs; k += block_steps) {
        const Index steps = std::min(block_steps, layer_.inputs - k);
        const T* from = block.x + k * block.x_plane;
        Index from_pitch = block.x_plane;
        if (!whole) {
            for (Index i = 0; i < steps; ++i)
                std::fill(std::copy_n(from + i * from_pitch, block.places, padded + i * width),
                          padded + (i + 1) * width, T{0});
            from = padded;
            from_pitch = width;
        }
        const bool last = k + steps == layer_.inputs;
        // The first channels read the samples where they stand, copy them for those that follow,
        // and fetch those of the next block but one.
        for (const Bank& bank : banks_) {
            const bool first = whole && bank.first == 0;
            loops_->pointwise[bank.count - 1](
                {.a = coefficients_.as<T>() +
                      (block.group * layer_.outputs + bank.first) * layer_.inputs + k * bank.count,
                 .b = from,
                 .b_pitch = from_pitch,
                 .steps = steps,
                 .copy = first ? copied : nullptr,
                 .c = to + bank.first * pitch,
                 .c_pitch = pitch,
                 .bias = last && bias ? bias + bank.first : nullptr,
                 .relu = last && ending.relu,
                 .accumulate = k > 0,
                 .ahead = from + ahead_blocks * width});
            if (first) {
                from = copied;
                from_pitch = width;
            }
        }
    }
    if (whole) return;
    for (Index o = 0; o < layer_.outputs; ++o)
        std::copy_n(staged + o * width, block.places, block.out + o * block.out_plane);
}

template class Pointwise<float>;
template class Pointwise<double>;

}  // namespace faltung::layers
