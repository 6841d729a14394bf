#include "layers/conv_planar.hpp"

#include <algorithm>
#include <cstring>

#include "layers/box_grid.hpp"
#include "layers/channel_lines.hpp"
#include "layers/copy_few.hpp"
#include "layers/pool_frame.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung::layers {

namespace {

constexpr Index packed_bytes = Index{192} << 10;  // of a box: half of the second-level cache
constexpr Index most_places = 2048;               // of a box, whose sums are staged
constexpr Index block_steps = 256;                // summed in one go, as in conv_direct
constexpr double least_work = 1e6, most_work = 4e8;

}  // namespace

/// The arrays of a call.
template <class T>
struct Planar<T>::Target {
    ChannelReader<T> x;
    T* out;
    Index strides[5];  // of out, in numbers
    const T* bias;
    bool relu;
    bool whole;  // places of a box follow one another in out as they do in sums
};

/// Output channels that are summed together.
template <class T>
struct Planar<T>::Bank {
    Index output, count;
};

template <class T>
Planar<T>::Planar(const ConvLayer& layer, const WeightView<T>& weights,
                  const microkernels::Table& table)
    : layer_(layer),
      table_(&table),
      loops_(&layer_loops<T>(table)),
      coefficients_(static_cast<std::size_t>(layer.groups * layer.outputs * layer.steps()) *
                    sizeof(T)) {
    choose_box();
    lay_out();
    pack(weights);
}

template <class T>
bool Planar<T>::serves(const ArrayView& x, const ArrayView& out) {
    const auto bytes = static_cast<Index>(sizeof(T));
    const bool apart = x.shape[1] == 1 || x.strides[1] != static_cast<Index>(size_of(x.dtype));
    return apart && out.dtype == dtype_of<T> && (out.shape[1] == 1 || out.strides[1] != bytes);
}

template <class T>
Index Planar<T>::phases(int axis) const {
    const Axis& of = layer_.axes[static_cast<std::size_t>(axis)];
    return std::min(of.step, of.reach());
}

template <class T>
Index Planar<T>::channel() const {
    return layer_.axes[0].k * phases(1) * phases(2) * lines(rows_) * line();
}

/// With room for vectors that begin at the last places.
template <class T>
Index Planar<T>::packed_numbers() const {
    constexpr Index cache_line = 64 / static_cast<Index>(sizeof(T));
    return (layer_.inputs * channel() + 4 * loops_->lanes + cache_line - 1) / cache_line *
           cache_line;
}

template <class T>
Index Planar<T>::staged_pitch() const {
    const Index width = 2 * loops_->lanes;
    return (rows_ * line() + width - 1) / width * width;
}

template <class T>
Index Planar<T>::scratch_numbers() const {
    return layer_.inputs * line() * layer_.axes[2].step + 4 * loops_->lanes;
}

template <class T>
std::size_t Planar<T>::workspace_bytes() const {
    return static_cast<std::size_t>(packed_numbers() + scratch_numbers() +
                                    loops_->pointwise_channels * staged_pitch()) *
           sizeof(T);
}

template <class T>
void Planar<T>::choose_box() {
    rows_ = layer_.axes[1].out;
    const auto work = [&] {
        return static_cast<double>(layer_.outputs) * static_cast<double>(layer_.steps()) *
               static_cast<double>(rows_ * line());
    };
    const double wanted = std::clamp(layer_.products() / 16, least_work, most_work);
    const auto fits = [&] {
        return packed_numbers() * static_cast<Index>(sizeof(T)) <= packed_bytes &&
               rows_ * line() <= most_places;
    };
    while ((!fits() || work() > wanted) && rows_ > 1) rows_ = (rows_ + 1) / 2;
    rows_ = even_piece(layer_.axes[1].out, rows_);
}

template <class T>
void Planar<T>::lay_out() {
    const Axis &depth = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
    const Index plane = lines(rows_) * line();
    for (Index c = 0; c < layer_.inputs; ++c)
        for (Index d = 0; d < depth.k; ++d)
            for (Index y = 0; y < height.k; ++y)
                for (Index x = 0; x < width.k; ++x) {
                    const Index down = y * height.dilation, along = x * width.dilation;
                    const Index phase =
                        ((c * depth.k + d) * phases(1) + down % height.step) * phases(2) +
                        along % width.step;
                    offsets_.push_back(phase * plane + down / height.step * line() +
                                       along / width.step);
                }
}

template <class T>
void Planar<T>::pack(const WeightView<T>& w) {
    const Axis* axes = layer_.axes.data();
    T* to = coefficients_.as<T>();
    for (Index b = 0; b < layer_.groups * layer_.outputs; ++b) {
        const T* bank = w.data + b / layer_.outputs * w.group + b % layer_.outputs * w.output;
        for (Index c = 0; c < layer_.inputs; ++c)
            for (Index d = 0; d < axes[0].k; ++d)
                for (Index y = 0; y < axes[1].k; ++y) {
                    const T* from = bank + c * w.input + d * w.tap[0] + y * w.tap[1];
                    for (Index x = 0; x < axes[2].k; ++x) *to++ = from[x * w.tap[2]];
                }
    }
    view_ = {.data = coefficients_.as<T>(),
             .group = layer_.outputs * layer_.steps(),
             .output = layer_.steps(),
             .input = layer_.taps(),
             .tap = {axes[1].k * axes[2].k, axes[2].k, 1}};
}

template <class T>
void Planar<T>::run(const ArrayView& x, const ArrayView& out, const Ending& ending,
                    const Context& context) const {
    Target target{.x = ChannelReader<T>(x, layer_.boundary, *table_),
                  .out = reinterpret_cast<T*>(out.data),
                  .strides = {},
                  .bias = static_cast<const T*>(ending.bias),
                  .relu = ending.relu,
                  .whole = false};
    for (int a = 0; a < 5; ++a) target.strides[a] = out.strides[a] / static_cast<Index>(sizeof(T));
    const Index width = layer_.axes[2].out;
    target.whole = target.strides[4] == 1 && line() == width &&
                   (layer_.axes[1].out == 1 || target.strides[3] == width);
    const BoxGrid grid{.samples = layer_.batch,
                       .groups = layer_.groups,
                       .depths = layer_.axes[0].out,
                       .rows = layer_.axes[1].out,
                       .box_rows = rows_,
                       .columns = 1,
                       .box_columns = 1};
    parallel_for(grid.tasks(), context, [&](Index task, int) {
        const OutputBox box = grid.at(task);
        run_box(target, box.sample, box.group, box.depth, box.row, box.rows);
    });
}

template <class T>
void Planar<T>::read(const Target& target, Index sample, Index group, Index depth, Index row,
                     Index rows, T* to, T* scratch) const {
    const Axis &deep = layer_.axes[0], &height = layer_.axes[1], &width = layer_.axes[2];
    const Index plane = lines(rows_) * line(), step = width.step;
    const auto pick = pool_loops<T>(*table_).pick;
    for (Index d = 0; d < deep.k; ++d)
        for (Index y = 0; y < (rows - 1) * height.step + height.reach(); ++y) {
            const Index phase = y % height.step;
            if (phase >= phases(1)) continue;
            T* const first =
                to + (d * phases(1) + phase) * phases(2) * plane + y / height.step * line();
            const Index z = deep.first + depth * deep.step + d * deep.dilation;
            const Index from = height.first + row * height.step + y;
            const Index numbers = line() * step;
            T* const lines_to = step == 1 ? first : scratch;
            const Index pitch = step == 1 ? channel() : numbers;
            target.x.read(sample, group * layer_.inputs, layer_.inputs, z, from, width.first,
                          width.first + numbers, lines_to, 1, pitch, scratch);
            if (step == 1) continue;
            for (Index c = 0; c < layer_.inputs; ++c)
                if (step == 4 && phases(2) == 4)
                    loops_->transpose(scratch + c * numbers, step, line(), step,
                                      first + c * channel(), plane);
                else
                    for (Index p = 0; p < phases(2); ++p)
                        pick(scratch + c * numbers + p, step, line(),
                             first + c * channel() + p * plane);
        }
}

template <class T>
void Planar<T>::run_box(const Target& target, Index sample, Index group, Index depth, Index row,
                        Index rows) const {
    const Workspace workspace(workspace_bytes());
    T* const packed = workspace.as<T>();
    T* const staged = packed + packed_numbers();
    T* const scratch = staged + loops_->pointwise_channels * staged_pitch();
    read(target, sample, group, depth, row, rows, packed, scratch);
    const Index some = loops_->pointwise_channels, banks = (layer_.outputs - 1) / some + 1;
    for (Index b = 0; b < banks; ++b) {
        const Index first = layer_.outputs * b / banks;
        const Bank bank{.output = group * layer_.outputs + first,
                        .count = layer_.outputs * (b + 1) / banks - first};
        T* const out = target.out + sample * target.strides[0] + bank.output * target.strides[1] +
                       depth * target.strides[2] + row * target.strides[3];
        if (target.whole)
            sum_line(target, bank, packed, rows * line(), out, target.strides[1], staged);
        else if (layer_.axes[2].out >= loops_->lanes && target.strides[4] == 1)
            for (Index r = 0; r < rows; ++r)
                sum_line(target, bank, packed + r * line(), layer_.axes[2].out,
                         out + r * target.strides[3], target.strides[1], staged);
        else
            sum_short_lines(target, bank, packed, rows, out, staged);
    }
}

/// Places that follow one another in the packed box and in `out`. The last vectors overlap those
/// before them.
template <class T>
void Planar<T>::sum_line(const Target& target, const Bank& bank, const T* packed, Index places,
                         T* out, Index out_channel, T* staged) const {
    const Index lanes = loops_->lanes;
    if (places < lanes) {
        sum_block(target, bank, packed, 1, staged, staged_pitch());
        for (Index m = 0; m < bank.count; ++m)
            copy_few(staged + m * staged_pitch(), places, out + m * out_channel);
        return;
    }
    for (Index p = 0; p < places;) {
        const Index vectors = places - p > lanes && places >= 2 * lanes ? 2 : 1;
        const Index begin = std::min(p, places - vectors * lanes);
        sum_block(target, bank, packed + begin, vectors, out + begin, out_channel);
        p = begin + vectors * lanes;
    }
}

/// Lines shorter than a vector, or results that lie apart: the places between lines are summed,
/// too, and left out.
template <class T>
void Planar<T>::sum_short_lines(const Target& target, const Bank& bank, const T* packed, Index rows,
                                T* out, T* staged) const {
    const Index width = layer_.axes[2].out, places = (rows - 1) * line() + width;
    for (Index p = 0; p < places; p += 2 * loops_->lanes)
        sum_block(target, bank, packed + p, places - p > loops_->lanes ? 2 : 1, staged + p,
                  staged_pitch());
    for (Index m = 0; m < bank.count; ++m)
        for (Index r = 0; r < rows; ++r) {
            const T* from = staged + m * staged_pitch() + r * line();
            T* const to = out + m * target.strides[1] + r * target.strides[3];
            if (target.strides[4] == 1)
                copy_few(from, width, to);
            else
                for (Index i = 0; i < width; ++i) to[i * target.strides[4]] = from[i];
        }
}

template <class T>
void Planar<T>::sum_block(const Target& target, const Bank& bank, const T* packed, Index vectors,
                          T* to, Index to_channel) const {
    const Index steps = layer_.steps();
    for (Index k = 0; k < steps; k += block_steps) {
        const bool last = k + block_steps >= steps;
        loops_->scattered[vectors - 1][bank.count - 1](
            {.a = view_.data + bank.output * steps + k,
             .a_channel = steps,
             .a_step = 1,
             .b = packed,
             .offset = offsets_.data() + k,
             .b_pitch = 0,
             .steps = std::min(block_steps, steps - k),
             .copy = nullptr,
             .c = to,
             .c_pitch = to_channel,
             .bias = last && target.bias ? target.bias + bank.output : nullptr,
             .relu = last && target.relu,
             .accumulate = k > 0,
             .ahead = nullptr});
    }
}

template class Planar<float>;
template class Planar<double>;

}  // namespace faltung::layers
