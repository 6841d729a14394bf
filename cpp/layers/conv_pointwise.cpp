#include "layers/conv_pointwise.hpp"

#include <algorithm>
#include <cmath>

#include "layers/channel_lines.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

/// Blocks of places that are copied together: lines of a plane follow one another.
constexpr Index copied_blocks = 8;
/// Channels that are summed in one go: their samples stay in the first-level cache.
constexpr Index block_steps = 256;
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
    const Index steps = std::min(block_steps, layer_.inputs);
    return static_cast<std::size_t>((copied_blocks * steps + layer_.outputs) * width) * sizeof(T);
}

template <class T>
void Pointwise<T>::run(const ArrayView& x, const ArrayView& out, const Ending& ending,
                       const Context& context) const {
    const Index width = 2 * loops_->lanes, places = layer_.places();
    const double per_block = static_cast<double>(layer_.inputs) *
                             static_cast<double>(layer_.outputs) * static_cast<double>(width);
    const double wanted = std::clamp(layer_.products() / 32, least_work, most_work);
    const double blocks = std::ceil(wanted / per_block / copied_blocks) * copied_blocks;
    const Index piece = width * static_cast<Index>(std::min(blocks, 0x1p40));
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
        for (Index p = first; p < last; p += copied_blocks * width)
            run_blocks(from + p, x.strides[1] / bytes, to + p, out.strides[1] / bytes,
                       std::min(copied_blocks * width, last - p), group, ending);
    });
}

template <class T>
void Pointwise<T>::run_blocks(const T* x, Index x_plane, T* out, Index out_plane, Index places,
                              Index group, const Ending& ending) const {
    const Index width = 2 * loops_->lanes, most = std::min(block_steps, layer_.inputs);
    const Index blocks = (places - 1) / width + 1, rest = places - (blocks - 1) * width;
    const Workspace workspace(workspace_bytes());
    T* const samples = workspace.as<T>();  // [block][channel][place]
    T* const staged = samples + copied_blocks * most * width;
    const T* bias =
        ending.bias ? static_cast<const T*>(ending.bias) + group * layer_.outputs : nullptr;
    for (Index k = 0; k < layer_.inputs; k += block_steps) {
        const Index steps = std::min(block_steps, layer_.inputs - k);
        for (Index i = 0; i < steps; ++i) {
            const T* from = x + (k + i) * x_plane;
            T* to = samples + i * width;
            for (Index b = 0; b + 1 < blocks; ++b)
                std::copy_n(from + b * width, width, to + b * steps * width);
            to += (blocks - 1) * steps * width;
            std::fill(std::copy_n(from + (blocks - 1) * width, rest, to), to + width, T{0});
        }
        for (Index b = 0; b < blocks; ++b) {
            const bool whole = b + 1 < blocks || rest == width;
            multiply(samples + b * steps * width, k, steps, whole ? out + b * width : staged,
                     whole ? out_plane : width, group, bias, ending.relu);
        }
    }
    if (rest == width) return;
    for (Index o = 0; o < layer_.outputs; ++o)
        std::copy_n(staged + o * width, rest, out + o * out_plane + (blocks - 1) * width);
}

template <class T>
void Pointwise<T>::multiply(const T* samples, Index first, Index steps, T* to, Index pitch,
                            Index group, const T* bias, bool relu) const {
    const bool end = first + steps == layer_.inputs;
    for (const Bank& bank : banks_)
        loops_->pointwise[bank.count - 1](
            {.a = coefficients_.as<T>() + (group * layer_.outputs + bank.first) * layer_.inputs +
                  first * bank.count,
             .b = samples,
             .steps = steps,
             .c = to + bank.first * pitch,
             .c_pitch = pitch,
             .bias = end && bias ? bias + bank.first : nullptr,
             .relu = end && relu,
             .accumulate = first > 0});
}

template class Pointwise<float>;
template class Pointwise<double>;

}  // namespace faltung::layers
