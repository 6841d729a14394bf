#include "direct/dense_pass.hpp"

#include "core/aligned_memory.hpp"
#include "direct/group_sums.hpp"

namespace faltung::direct {

namespace {

constexpr Index shortest_strip = 256;
/// Input rows in use should leave room in the second-level cache.
constexpr Index row_bytes_in_use = 384 * 1024;
/// The same for the planes of a volume, which are used again plane after plane. Processors without
/// AVX-512 have less of that cache: Zen 3 (512 KiB), 192^3 samples, two workers, 3^3 taps in 0.88
/// ns per output, where 640 KiB took 1.04, and 5^3 in 2.8 in place of 3.1.
Index plane_bytes_in_use(const DenseShape& plan) {
    return (plan.table->vector_bytes >= 64 ? 640 : 160) * 1024;
}
constexpr Index volume_strip_numbers = 1024;
/// Below this many bytes it is quicker to copy a row with its borders than to treat the borders
/// apart.
constexpr Index worth_splitting = 4096;

/// The same of lines by themselves, whose short borders wait for one tap after another.
Index line_worth_splitting(Index taps) { return std::clamp<Index>(64 * taps, 2048, 8192); }

/// Whether rows of x follow one another at whole pages. Without AVX-512 they are not fetched early
/// then, for the caches' sets that they share are full: Zen 3, 3 x 3 on 4096 x 4096 in 0.59 ns per
/// output, where fetching took 0.71 (on 2048 x 2080 it takes 0.53, and 0.55 without).
bool rows_share_sets(const DenseShape& plan, const ArrayView& x) {
    return plan.row_axis >= 0 && plan.table->vector_bytes < 64 &&
           x.strides[plan.row_axis] % static_cast<Index>(page) == 0;
}

/// Whether a window reads, modulo 4 KiB, what has just been stored past the caches. A processor
/// that compares no more of an address, and stores a line by halves, then waits until the store has
/// reached memory: Zen 3, level v3, 3 x 3 on 4096 x 4096 in 2.3 ns per output, in place of 1.0 by
/// ordinary stores and 0.6 where rows lie otherwise.
bool meets_stores(const DenseShape& plan, const ArrayView& x, const ArrayView& out) {
    constexpr Index waiting = 256;  // bytes that are still on their way
    constexpr auto same = static_cast<Index>(page);
    if (!rows_share_sets(plan, x) || out.strides[plan.row_axis] % same != 0) return false;
    const Index size = x.strides[plan.outer];
    const Index between = x.data - out.data + plan.last().first * size;
    const Index before = ((-between) % same + same) % same;  // the window begins so far back
    const Index reach = (plan.last().reach() - 1) * size;
    return before > 0 && before < waiting + reach;
}

}  // namespace

template <class T>
DensePass<T>::DensePass(const DensePlan<T>& plan, const ArrayView& x, const ArrayView& out,
                        const Far& far)
    : plan_(plan),
      reader_(plan.problem, x, *plan.table),
      writer_(plan.problem, out, *plan.table),
      stream_(far.results && !meets_stores(plan, x, out)),
      fetch_(far.samples && !rows_share_sets(plan, x)),
      lanes_(plan.problem.lanes()),
      vector_(plan.micro->lanes),
      result_size_(in_bytes ? static_cast<Index>(size_of(plan.problem.out_dtype)) : 1) {
    Index origin[max_rank];
    for (int a = 0; a < plan.outer; ++a) origin[a] = 0;
    reads_in_place_ = reader_.in_place(origin, 0, 1) != nullptr;
    if (reads_in_place_ && plan.row_axis >= 0)
        ahead_pitch_ = x.strides[plan.row_axis] * plan.row_dilation();
    writes_in_place_ = writer_.in_place(origin, 0, 1) != nullptr;
}

/// Rows of one window; the largest box of taps comes first.
template <class T>
Index DensePass<T>::window_rows(const DensePlan<T>& plan) {
    return plan.rows_of_group(plan.group, plan.boxes.front().ky);
}

/// Buffers start on cache lines, and not all on the same cache set.
template <class T>
Index DensePass<T>::pitch_of(Index numbers) {
    Index pitch = round_up(numbers, line_numbers) + line_numbers;
    if (pitch * static_cast<Index>(sizeof(T)) % 4096 == 0) pitch += line_numbers;
    return pitch;
}

template <class T>
Index DensePass<T>::strip_positions() const {
    const TapBox& taps = plan_.boxes.front();
    const Index rows = taps.depth * window_rows(plan_);
    const Index bytes = plan_.walks_planes() ? plane_bytes_in_use(plan_) : row_bytes_in_use;
    const Index longest = plan_.walks_planes() ? volume_strip_numbers : longest_strip;
    const Index numbers =
        std::clamp(bytes / static_cast<Index>(sizeof(T)) / rows, shortest_strip, longest);
    return std::max(vector_, numbers / lanes_ / plan_.last().step / vector_ * vector_);
}

/// The first output in [from, limit) whose place in out is aligned for the widest stores; else
/// `from`.
template <class T>
Index DensePass<T>::aligned_start(const Box& box, Index from, Index limit) const {
    if (!writes_in_place_) return from;
    Index at[max_rank];
    for (int a = 0; a < plan_.outer; ++a) at[a] = box.begin[a];
    for (Index j = from; j < limit && j < from + line_numbers; ++j)
        if (reinterpret_cast<std::uintptr_t>(writer_.in_place(at, j, j + 1)) % line_bytes == 0)
            return j;
    return from;
}

template <class T>
void DensePass<T>::run(const Box& box) const {
    const Axis& axis = plan_.last();
    const int last = plan_.outer;
    StripMemory memory;
    const Index strip = strip_positions();
    Index begin = box.begin[last], end = box.end[last];
    for (int a = 0; a <= last; ++a)
        if (box.begin[a] >= box.end[a]) return;

    // The outputs whose windows lie inside x along the last axis.
    Index from = end, to = begin;
    if (reads_in_place_) {
        from = std::max(begin, axis.first < 0 ? (-axis.first + axis.step - 1) / axis.step : 0);
        to = axis.x - axis.reach() - axis.first;
        to = to < 0 ? 0 : std::min(end, to / axis.step + 1);
    }
    if (to > from) from = aligned_start(box, from, to);
    const auto alone = [&](Index a, Index b) {
        const Range range{a, b, false};
        run_strip(box, &range, 1, memory);
    };
    // Bytes are so few that copying them is quicker at any length.
    const Index splitting = plan_.boxes.front().one_row()
                                ? line_worth_splitting(plan_.kx)
                                : worth_splitting / static_cast<Index>(sizeof(T));
    if (in_bytes || (to - from) * lanes_ < splitting) {
        if (in_bytes && stream_) {  // lines are streamed whole
            const Index aligned = aligned_start(box, begin, end);
            if (aligned > begin) alone(begin, aligned);
            begin = aligned;
        }
        for (Index j = begin; j < end; j += strip) alone(j, std::min(end, j + strip));
        return;
    }
    // Outputs far outside x, which lags may ask for, are no edges of the interior.
    for (; from - begin > strip; begin += strip) alone(begin, begin + strip);
    for (; end - to > strip; end -= strip) alone(end - strip, end);
    // Borders are a cache line wide, and the interior, longer than that, is left with whole lines.
    // Where borders and interior overlap, both compute the same.
    const Index border = (line_numbers + lanes_ - 1) / lanes_;
    if (begin < from && from < begin + border)
        from += round_up(begin + border - from, line_numbers);
    if (to < end) to = from + (to - from) / border * border;
    for (Index j = from; j < to; j += strip) {
        Range ranges[max_segments];
        int count = 0;
        if (j == from && begin < from)
            ranges[count++] = {begin, std::min(end, std::max(from, begin + border)), true};
        ranges[count++] = {j, std::min(to, j + strip), false};
        if (j + strip >= to && to < end)
            ranges[count++] = {std::max(begin, std::min(to, end - border)), end, true};
        run_strip(box, ranges, count, memory);
    }
}

template <class T>
typename DensePass<T>::Segment DensePass<T>::segment(const Range& range) const {
    Segment s{};
    s.begin = range.begin;
    s.end = range.end;
    s.edge = range.edge;
    const Index positions = s.end - s.begin;
    s.numbers = (plan_.phased() ? positions : (positions - 1) * plan_.last().step + 1) * lanes_;
    if (in_bytes) {
        s.n = s.numbers;
        s.staged = !writes_in_place_;
        return s;
    }
    const bool cut = plan_.boxes.size() > 1;
    s.n = cut || s.numbers < vector_ ? round_up(s.numbers, vector_) : s.numbers;
    s.staged = !writes_in_place_ || cut || s.n != s.numbers ||
               (plan_.problem.complex_kernel && !plan_.paired) ||
               (plan_.last().step > 1 && !plan_.phased());
    return s;
}

template <class T>
WindowShape<T> DensePass<T>::shape(const Segment& s) const {
    const Axis& axis = plan_.last();
    const TapBox& taps = plan_.boxes.front();
    const Index more = (taps.kx - 1) * axis.dilation;
    WindowShape<T> shape{};
    shape.depth = taps.depth;
    shape.rows = window_rows(plan_);
    shape.begin = axis.first + s.begin * axis.step;
    if constexpr (!in_bytes)
        if (plan_.phased()) {
            shape.exact = shape.padded = (s.end - s.begin - 1) * axis.step + 1 + more;
            shape.lanes = lanes_;
            shape.step = axis.step;
            shape.pitch = axis.step * plan_.phase_pitch;
            shape.split = plan_.micro->split;
            return shape;
        }
    shape.exact = s.numbers / lanes_ + more;
    shape.padded = (s.n + lanes_ - 1) / lanes_ + more;
    shape.lanes = lanes_;
    shape.pitch = pitch_of(shape.padded * lanes_);
    return shape;
}

/// Output rows whose input planes stay in the second-level cache while the planes are walked.
template <class T>
Index DensePass<T>::band_rows(Index numbers) const {
    const Index row_bytes = plan_.depth * pitch_of(numbers) * static_cast<Index>(sizeof(T));
    const Index reach = rows_of_band(1);
    const Index outputs = (plane_bytes_in_use(plan_) / row_bytes - reach) / plan_.row_step() + 1;
    return std::max(outputs / plan_.group, Index{1}) * plan_.group;
}

/// Input rows that `rows` neighbouring output rows need.
template <class T>
Index DensePass<T>::rows_of_band(Index rows) const {
    return (rows - 1) * plan_.row_step() + (plan_.ky - 1) * plan_.row_dilation() + 1;
}

template <class T>
void DensePass<T>::run_strip(const Box& box, const Range* ranges, int count,
                             StripMemory& strip_memory) const {
    const bool planes = plan_.walks_planes();
    const int axis = plan_.row_axis;
    Segment segments[max_segments];
    WindowShape<T> shapes[max_segments];
    std::size_t numbers = 0, pointers = 0;
    Index staged = 0, width = 0;
    for (int i = 0; i < count; ++i) {
        segments[i] = segment(ranges[i]);
        shapes[i] = shape(segments[i]);
        width += shapes[i].padded * lanes_;
        if (segments[i].staged) staged = std::max(staged, segments[i].n);
    }
    const Index band = planes ? std::min(band_rows(width), box.length(axis)) : 0;
    for (int i = 0; i < count; ++i) {
        if (planes) shapes[i].rows = rows_of_band(band);
        numbers += static_cast<std::size_t>(shapes[i].numbers());
        pointers += static_cast<std::size_t>(shapes[i].pointers());
    }
    Stage stage;
    const Index stage_rows = plan_.group * (plan_.problem.complex_kernel ? 2 : 1) + 1;
    if (staged > 0) {
        stage.pitch = pitch_of(staged * result_size_);
        numbers += static_cast<std::size_t>(stage.pitch * stage_rows);
    }
    if (planes) pointers += static_cast<std::size_t>(plan_.depth * window_rows(plan_));

    std::byte* const memory = strip_memory.room(numbers * sizeof(T) + pointers * sizeof(T*));
    T* free = reinterpret_cast<T*>(memory);
    const T** free_pointers = reinterpret_cast<const T**>(memory + numbers * sizeof(T));
    if (staged > 0) {
        stage.rows = free;
        stage.line = free + stage.pitch * (stage_rows - 1);
        free += stage.pitch * stage_rows;
    }
    // What is not finite makes NaN of a tap that is zero.
    Finite<T> finite = nullptr;
    if constexpr (!in_bytes)
        if (plan_.sparse && plan_.problem.sample_bound == 0) finite = plan_.micro->finite;
    for (int i = 0; i < count; ++i) {
        if (planes)
            segments[i].planes = PlaneWindow<T>(
                reader_, shapes[i], plan_.problem.axes[plan_.plane_axis].k, plan_.offsets.data(),
                plan_.outer, axis, free_pointers, free, finite);
        else
            segments[i].window = RowWindow<T>(reader_, shapes[i], plan_.offsets.data(), plan_.outer,
                                              axis, free_pointers, free, finite);
        free += shapes[i].numbers();
        free_pointers += shapes[i].pointers();
    }
    stage.pointers = free_pointers;

    if (!planes) return walk(box, segments, count, stage);
    Box part = box;
    for (Index y = box.begin[axis]; y < box.end[axis]; y += band) {
        part.begin[axis] = y;
        part.end[axis] = std::min(box.end[axis], y + band);
        walk(part, segments, count, stage);
    }
}

/// Every place of the axes before the last, but for the rows, and the planes if they are walked.
template <class T>
void DensePass<T>::walk(const Box& box, Segment* segments, int count, const Stage& stage) const {
    const bool planes = plan_.walks_planes();
    Index at_in[max_rank], at_out[max_rank];
    const auto put = [&](int a, Index output) {
        at_out[a] = output;
        at_in[a] = plan_.problem.axes[a].first + output * plan_.problem.axes[a].step;
    };
    for (int a = 0; a < plan_.outer; ++a) put(a, box.begin[a]);
    for (;;) {
        if (planes)
            run_planes(box, segments, count, stage, at_in, at_out);
        else
            run_rows(box, segments, count, stage, at_in, at_out);
        int a = plan_.outer - 1;
        for (; a >= 0; --a) {
            if (a == plan_.row_axis || (planes && a == plan_.plane_axis)) continue;
            if (at_out[a] + 1 < box.end[a]) {
                put(a, at_out[a] + 1);
                break;
            }
            put(a, box.begin[a]);
        }
        if (a < 0) return;
    }
}

/// All rows of the box at one place of the other axes. Dilation splits them into interleaved
/// sequences, each of which is an ordinary dense correlation.
template <class T>
void DensePass<T>::run_rows(const Box& box, Segment* segments, int count, const Stage& stage,
                            const Index* at_in, Index* at_out) const {
    const int axis = plan_.row_axis;
    const Index begin = axis < 0 ? 0 : box.begin[axis], end = axis < 0 ? 1 : box.end[axis];
    const Index spacing = plan_.row_spacing();
    for (Index phase = 0; phase < spacing && begin + phase < end; ++phase) {
        const Index total = (end - begin - phase + spacing - 1) / spacing;
        for (int i = 0; i < count; ++i) segments[i].window.reset();
        for (Index done = 0; done < total; done += plan_.group) {
            const Index rows = std::min(plan_.group, total - done);
            const Index y = begin + phase + done * spacing;
            for (int i = 0; i < count; ++i)
                run_group(segments[i], stage, at_in, at_out, y, done, rows);
        }
    }
}

/// Output rows y, y + spacing, ... ; the first is number `sequence` of its sequence.
template <class T>
void DensePass<T>::run_group(Segment& s, const Stage& stage, const Index* at_in, Index* at_out,
                             Index y, Index sequence, Index rows) const {
    const int axis = plan_.row_axis;
    const Targets to = targets(s, stage, at_out, y, rows);
    Index at[max_rank];
    for (int a = 0; a < plan_.outer; ++a) at[a] = at_in[a];
    const Index dilation = plan_.row_dilation();
    // Rows are carried over only where one box holds all taps and the next outputs share rows.
    const bool carry = plan_.boxes.size() == 1 && (plan_.group > 1 || dilation == 1);
    for (const TapBox& taps : plan_.boxes) {
        if (!carry) s.window.reset();
        const Index first = carry ? sequence * plan_.row_step() : 0;
        const Index limit = first + plan_.rows_of_group(rows, taps.ky);
        if (axis >= 0)
            at[axis] = plan_.problem.axes[axis].first + y * plan_.row_step() + taps.y * dilation -
                       first * dilation;
        s.window.move_to(first, limit, at, dilation,
                         {taps.d, taps.depth, taps.t * plan_.last().dilation});
        if (axis >= 0) at[axis] += limit * dilation;
        correlate(taps, s, {s.window.rows(), s.window.row_pitch(), ahead(s, at)}, to, rows);
    }
    finish(s, stage, at_out, y, rows);
}

/// A volume: the planes of one band of rows, one after another.
template <class T>
void DensePass<T>::run_planes(const Box& box, Segment* segments, int count, const Stage& stage,
                              Index* at_in, Index* at_out) const {
    const int axis = std::max(plan_.row_axis, 0),
              plane_axis = plan_.plane_axis;  // where there are planes, there are rows
    const Axis& planes = plan_.problem.axes[plane_axis];
    const Index begin = box.begin[axis], end = box.end[axis], spacing = plan_.row_spacing();
    at_in[axis] = plan_.problem.axes[axis].first + begin * plan_.row_step();
    Index next[max_rank];
    for (Index turn = 0; turn < planes.dilation; ++turn) {
        for (int i = 0; i < count; ++i) segments[i].planes.reset();
        Index number = 0;
        for (Index z = box.begin[plane_axis] + turn; z < box.end[plane_axis];
             z += planes.dilation, ++number) {
            at_out[plane_axis] = z;
            at_in[plane_axis] = planes.first + z;
            for (int i = 0; i < count; ++i)
                segments[i].planes.move_to(number, rows_of_band(end - begin), at_in);
            for (Index phase = 0; phase < spacing && begin + phase < end; ++phase) {
                const Index total = (end - begin - phase + spacing - 1) / spacing;
                for (Index done = 0; done < total; done += plan_.group) {
                    const Index rows = std::min(plan_.group, total - done),
                                y = phase + done * spacing;
                    for (int i = 0; i < count; ++i) {
                        Segment& s = segments[i];
                        const Targets to = targets(s, stage, at_out, begin + y, rows);
                        Rows input = rows_at(s, stage, y * plan_.row_step(), rows);
                        for (int a = 0; a < plan_.outer; ++a) next[a] = at_in[a];
                        next[plane_axis] += planes.k * planes.dilation;
                        next[axis] += y * plan_.row_step() + plan_.ky - 1;
                        input.ahead = ahead(s, next);
                        correlate(plan_.boxes.front(), s, input, to, rows);
                        finish(s, stage, at_out, begin + y, rows);
                    }
                }
            }
        }
    }
    at_out[plane_axis] = box.begin[plane_axis];
}

/// Where x holds rows that will be wanted soon, if it holds them as they are.
template <class T>
const void* DensePass<T>::ahead(const Segment& s, const Index* at) const {
    // Edges are read at the start and the end of rows, where the processor fetches nothing by
    // itself.
    if (ahead_pitch_ == 0 || !(fetch_ || s.edge)) return nullptr;
    const Index position = std::max(Index{0}, plan_.last().first + s.begin * plan_.last().step);
    return reader_.in_place(at, position, position + 1);
}

/// The rows of a band from input row `from` on; with dilation, those that belong together.
template <class T>
typename DensePass<T>::Rows DensePass<T>::rows_at(const Segment& s, const Stage& stage, Index from,
                                                  Index rows) const {
    const T* const* all = s.planes.rows() + from;
    const Index dilation = plan_.row_dilation(), pitch = s.planes.row_pitch(),
                wanted = plan_.rows_of_group(rows, plan_.ky);
    if (dilation == 1) return {all, pitch, nullptr};
    for (Index d = 0; d < plan_.depth; ++d)
        for (Index r = 0; r < wanted; ++r)
            stage.pointers[d * wanted + r] = all[d * pitch + r * dilation];
    return {stage.pointers, wanted, nullptr};
}

/// Where the results of a group of rows go.
template <class T>
typename DensePass<T>::Targets DensePass<T>::targets(const Segment& s, const Stage& stage,
                                                     Index* at_out, Index y, Index rows) const {
    Targets to;
    for (Index r = 0; r < rows; ++r) {
        if (s.staged) {
            to.real[r] = stage.row(r);
            to.imag[r] = stage.row(plan_.group + r);
        } else {
            if (plan_.row_axis >= 0) at_out[plan_.row_axis] = y + r * plan_.row_spacing();
            to.real[r] = writer_.in_place(at_out, s.begin, s.end);
        }
    }
    return to;
}

template <class T>
void DensePass<T>::correlate(const TapBox& taps, const Segment& s, const Rows& input,
                             const Targets& to, Index rows) const {
    sum_group<T>(plan_, taps,
                 {.input = input.first,
                  .input_pitch = input.pitch,
                  .ahead = input.ahead,
                  .ahead_pitch = ahead_pitch_,
                  .real = to.real,
                  .imag = to.imag,
                  .rows = rows,
                  .n = s.n,
                  .stream = stream_ && !s.staged,
                  .tainted = plan_.walks_planes() ? s.planes.tainted() : s.window.tainted()});
}

template <class T>
void DensePass<T>::finish(const Segment& s, const Stage& stage, Index* at_out, Index y,
                          Index rows) const {
    if (!s.staged) return;
    for (Index r = 0; r < rows; ++r) {
        if (plan_.row_axis >= 0) at_out[plan_.row_axis] = y + r * plan_.row_spacing();
        finish_row(s, stage, r, at_out);
    }
}

/// Puts a staged row together and into out.
template <class T>
void DensePass<T>::finish_row(const Segment& s, const Stage& stage, Index r,
                              const Index* at_out) const {
    T* line = stage.row(r);
    if constexpr (in_bytes) return writer_.write(at_out, s.begin, s.end, line);
    if constexpr (!in_bytes)
        if (plan_.problem.complex_kernel && !plan_.paired) {
            plan_.micro->combine(line, stage.row(plan_.group + r), stage.line, s.numbers / 2);
            line = stage.line;
        }
    const Index positions = s.end - s.begin, step = plan_.last().step;
    if (step > 1 && !plan_.phased())
        for (Index j = 1; j < positions; ++j)
            for (Index l = 0; l < lanes_; ++l) line[j * lanes_ + l] = line[j * step * lanes_ + l];
    if (T* out = writer_.in_place(at_out, s.begin, s.end))
        std::memcpy(out, line, static_cast<std::size_t>(positions * lanes_) * sizeof(T));
    else
        writer_.write(at_out, s.begin, s.end, line);
}

template <class T>
std::size_t DensePass<T>::scratch_bytes(const DensePlan<T>& plan) {
    const TapBox& taps = plan.boxes.front();
    const Index lanes = plan.problem.lanes(), size = static_cast<Index>(sizeof(T));
    // The widest segment, and the borders that may stand beside it.
    const Index row =
        plan.phased()
            ? max_segments * plan.last().step * plan.phase_pitch
            : longest_strip +
                  3 * ((taps.kx - 1) * plan.last().dilation + 8 * plan.micro->lanes) * lanes;
    const Index rows = taps.depth * window_rows(plan);
    const Index planes =
        plan.walks_planes() ? std::max(plane_bytes_in_use(plan), 2 * rows * row * size) : 0;
    const Index result = in_bytes ? static_cast<Index>(size_of(plan.problem.out_dtype)) : size;
    return static_cast<std::size_t>((rows * size + (2 * plan.group + 1) * result) * row + planes);
}

template class DensePass<float>;
template class DensePass<double>;
template class DensePass<std::int64_t>;
template class DensePass<std::byte>;

}  // namespace faltung::direct
