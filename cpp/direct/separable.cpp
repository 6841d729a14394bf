// One pass per axis, fused: a line is read and filtered along itself, goes into a ring, and the
// ring is filtered across. x~ is x continued without end, so lines outside x are asked of the
// reader like any others.
#include "direct/separable.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/workspace.hpp"
#include "direct/dense_plan.hpp"
#include "direct/separable_plan.hpp"
#include "lines/line_reader.hpp"
#include "lines/line_writer.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung {

namespace direct {
namespace {

template <class T>
struct Prepared {
    Problem problem;
    const microkernels::Table& table;
    std::vector<Pass<T>> passes;  // per axis
    SeparableLayout layout;
    bool stream;  // results are stored past the caches
    bool complex_factors = false;
    Index most_taps = 1;
};

/// Hands out aligned pieces of a block, or only counts them.
class Pieces {
public:
    explicit Pieces(std::byte* block) : block_(block) {}

    template <class U>
    U* take(Index count) {
        const std::size_t at = used_;
        used_ += (static_cast<std::size_t>(count) * sizeof(U) + 63) / 64 * 64;
        return block_ == nullptr ? nullptr : reinterpret_cast<U*>(block_ + at);
    }
    std::size_t used() const { return used_; }

private:
    std::byte* block_;
    std::size_t used_ = 0;
};

/// Scratch of one task.
template <class T>
struct Scratch {
    Scratch(const Prepared<T>& prepared, Pieces& pieces) {
        const SeparableLayout& layout = prepared.layout;
        for (int j = 0; j < layout.levels(); ++j) {
            ring.push_back(
                pieces.template take<T>(layout.slots[j] * layout.slab_rows[j] * layout.pitch));
            row.push_back(pieces.template take<const T*>(layout.slots[j] * layout.slab_rows[j]));
        }
        line = pieces.template take<T>(layout.line);
        out = pieces.template take<T>(most_rows * layout.pitch);
        real = pieces.template take<T>(prepared.complex_factors ? most_rows * layout.pitch : 0);
        imag = pieces.template take<T>(prepared.complex_factors ? most_rows * layout.pitch : 0);
        window = pieces.template take<const T*>(prepared.most_taps + most_rows);
    }

    PerAxis<T*> ring;        // per level: slots of slabs
    PerAxis<const T**> row;  // per level: where the rows of those slabs stand; in x itself if
                             // nothing was done to them
    T *line, *out, *real, *imag;
    const T** window;  // the rows that a group of outputs needs
};

/// Computes one box of outputs.
template <class T>
class BoxWalk {
public:
    BoxWalk(const Prepared<T>& prepared, const LineReader<T>& reader, const LineWriter<T>& writer,
            const Scratch<T>& scratch)
        : prepared_(prepared),
          layout_(prepared.layout),
          axes_(prepared.problem.axes),
          table_(correlations<T>(prepared.table)),
          reader_(reader),
          writer_(writer),
          scratch_(scratch),
          last_(axes_.size() - 1),
          lanes_(prepared.problem.lanes()) {}

    void run(Index box) {
        for (int a = last_; a >= 0; --a) {
            const Index at = box % layout_.boxes[a];
            box /= layout_.boxes[a];
            begin_[a] = at * layout_.extent[a];
            length_[a] = std::min(layout_.extent[a], axes_[a].out - begin_[a]);
            out_at_[a] = begin_[a];
            in_at_[a] = begin_[a] + axes_[a].first;
        }
        numbers_ = length_[last_] * lanes_;
        if (layout_.levels() > 0)
            across(0, nullptr);
        else
            only_line();
    }

private:
    const Prepared<T>& prepared_;
    const SeparableLayout& layout_;
    const PerAxis<Axis>& axes_;
    const microkernels::CorrelateTable<T>& table_;
    const LineReader<T>& reader_;
    const LineWriter<T>& writer_;
    const Scratch<T>& scratch_;
    int last_;
    Index lanes_, numbers_ = 0;
    Index begin_[max_rank], length_[max_rank], in_at_[max_rank], out_at_[max_rank];

    Index computed() const { return std::max<Index>(numbers_, table_.lanes); }
    bool wide() const { return numbers_ >= table_.lanes; }
    T* in_place() const {
        return wide() ? writer_.in_place(out_at_, begin_[last_], begin_[last_] + length_[last_])
                      : nullptr;
    }
    void write(const T* row) const {
        writer_.write(out_at_, begin_[last_], begin_[last_] + length_[last_], row);
    }

    /// The pass along the line at in_at_; answers where the row stands: in `slot`, or in x if there
    /// is nothing to do.
    const T* along(T* slot) {
        const Axis& axis = axes_[last_];
        const Pass<T>& pass = prepared_.passes[static_cast<std::size_t>(last_)];
        const Index from = begin_[last_] + axis.first,
                    to = from + length_[last_] + axis.reach() - 1;
        const T* source = wide() ? reader_.in_place(in_at_, from, to) : nullptr;
        if (pass.trivial()) {
            if (source != nullptr) return source;
            reader_.read(in_at_, from, to, slot);
            std::fill(slot + numbers_, slot + computed(), T{0});
            return slot;
        }
        if (source != nullptr) {
            filter_line(pass, source, slot);
            return slot;
        }
        reader_.read(in_at_, from, to, scratch_.line);
        if (!wide())
            std::fill(scratch_.line + (to - from) * lanes_, scratch_.line + layout_.line, T{0});
        filter_line(pass, scratch_.line, slot);
        return slot;
    }

    /// In pieces, each of which fetches its part of the line that comes next.
    void filter_line(const Pass<T>& pass, const T* source, T* out) {
        const Axis& axis = axes_[last_];
        microkernels::CorrelateCall<T> call = call_of(pass);
        call.kx = axis.k;
        call.tap_step = axis.dilation * lanes_;
        call.row = &source;
        const int across = layout_.levels() > 0 ? layout_.rows.back() : last_;
        const Index all = computed(), piece = 32 * table_.lanes;
        if (across != last_) ++in_at_[across];
        for (Index x = 0; x < all; x += call.n) {
            call.n = all - x < 2 * piece ? all - x : piece;
            if (across != last_) {
                const Index next = begin_[last_] + axis.first + x / lanes_;
                reader_.prefetch(in_at_, next, next + call.n / lanes_);
            }
            call.taps = pass.real.data();
            correlate(pass, table_.line, call, &out, 1);
            source += call.n;
            out += call.n;
        }
        if (across != last_) --in_at_[across];
    }

    microkernels::CorrelateCall<T> call_of(const Pass<T>& pass) const {
        microkernels::CorrelateCall<T> call{};
        call.taps = pass.real.data();
        call.n = computed();
        call.depth = 1;
        call.kx = call.ky = call.tap_pitch = call.tap_step = 1;
        return call;
    }

    /// Real factors directly; complex ones as two passes, out = a + i*b.
    void correlate(const Pass<T>& pass, microkernels::Correlate<T> loop,
                   microkernels::CorrelateCall<T>& call, T* const* out, Index rows) {
        call.out = out;
        if (pass.imag.empty()) return loop(call);
        T *real[most_rows], *imag[most_rows];
        for (Index r = 0; r < rows; ++r) {
            real[r] = scratch_.real + r * layout_.pitch;
            imag[r] = scratch_.imag + r * layout_.pitch;
        }
        call.out = real;
        loop(call);
        call.out = imag;
        call.taps = pass.imag.data();
        loop(call);
        for (Index r = 0; r < rows; ++r) table_.combine(real[r], imag[r], out[r], call.n / 2);
    }

    /// The most rows that one call may compute.
    const typename microkernels::CorrelateTable<T>::Block& block_for(Index taps, Index rows) const {
        int b = 0;
        while (table_.column[b].rows > std::min({taps, rows, most_rows})) ++b;
        return table_.column[b];
    }

    /// One slab below `level`: its rows, filtered along all faster axes, in `slot` or in x.
    void slab(int level, T* slot, const T** rows) {
        if (level == layout_.levels()) {
            rows[0] = along(slot);
            return;
        }
        across(level, slot);
        const Index count = length_[layout_.rows[level]] * rows_below(level);
        for (Index i = 0; i < count; ++i) rows[i] = slot + i * layout_.pitch;
    }

    Index rows_below(int level) const {
        Index rows = 1;
        for (int j = level + 1; j < layout_.levels(); ++j) rows *= length_[layout_.rows[j]];
        return rows;
    }

    /// The pass across the slabs of `level`; the results go to `to`, those of level 0 into the
    /// output.
    void across(int level, T* to) {
        const int a = layout_.rows[level];
        const Axis& axis = axes_[a];
        const Pass<T>& pass = prepared_.passes[static_cast<std::size_t>(a)];
        const Index taps = axis.k, slots = layout_.slots[level],
                    slab_rows = layout_.slab_rows[level];
        const Index below = rows_below(level), origin = begin_[a] + axis.first;
        microkernels::CorrelateCall<T> call = call_of(pass);
        call.ky = taps;
        call.row = scratch_.window;

        Index have = 0;
        for (Index o = 0; o < length_[a];) {
            const auto& block = block_for(taps, axis.dilation == 1 ? length_[a] - o : 1);
            for (const Index want = o + block.rows - 1 + axis.reach(); have < want; ++have) {
                const Index slot = have % slots * slab_rows;
                in_at_[a] = origin + have;
                slab(level + 1, scratch_.ring[level] + slot * layout_.pitch,
                     scratch_.row[level] + slot);
            }
            for (Index q = 0; q < below; ++q) {
                Index slot = o % slots;
                for (Index y = 0; y < taps + block.rows - 1; ++y) {
                    scratch_.window[y] = scratch_.row[level][slot * slab_rows + q];
                    slot += axis.dilation;
                    if (slot >= slots) slot -= slots;
                }
                call.taps = pass.real.data();
                if (level > 0) {
                    T* out[most_rows];
                    for (Index r = 0; r < block.rows; ++r)
                        out[r] = to + ((o + r) * below + q) * layout_.pitch;
                    correlate(pass, block.run, call, out, block.rows);
                } else {
                    finish(pass, block.rows, block.run, call, o, q);
                }
            }
            o += block.rows;
        }
    }

    /// The last pass over `rows` rows of the box.
    void finish(const Pass<T>& pass, Index rows, microkernels::Correlate<T> loop,
                microkernels::CorrelateCall<T>& call, Index o, Index q) {
        for (int j = layout_.levels() - 1; j > 0; --j) {
            const int a = layout_.rows[j];
            out_at_[a] = begin_[a] + q % length_[a];
            q /= length_[a];
        }
        const int slowest = layout_.rows[0];
        T* out[most_rows];
        bool placed = true;
        for (Index r = 0; r < rows; ++r) {
            out_at_[slowest] = begin_[slowest] + o + r;
            out[r] = in_place();
            placed = placed && out[r] != nullptr;
        }
        if (!placed)
            for (Index r = 0; r < rows; ++r) out[r] = scratch_.out + r * layout_.pitch;
        call.stream = placed && prepared_.stream;
        correlate(pass, loop, call, out, rows);
        if (placed) return;
        for (Index r = 0; r < rows; ++r) {
            out_at_[slowest] = begin_[slowest] + o + r;
            write(out[r]);
        }
    }

    /// No axis to go across: lines straight from x to out.
    void only_line() {
        T* const placed = in_place();
        const T* row = along(placed == nullptr ? scratch_.out : placed);
        if (row != placed) write(row);
    }
};

template <class T>
class Separable final : public Executor {
public:
    Separable(const Problem& problem, const Factors& factors, const microkernels::Table& table)
        : prepared_{
              problem,          table, {}, plan_separable(problem, correlations<T>(table).lanes),
              streams(problem), false, 1} {
        // scalars of axes that are not convolved over join the pass that comes last
        const int last = problem.axes.size() - 1;
        const int home = prepared_.layout.levels() > 0 ? prepared_.layout.rows[0] : last;
        std::complex<double> scale = 1;
        for (int a = 0; a <= last; ++a)
            if (a != home && problem.axes[a].k == 1)
                scale *= factors.per_axis[static_cast<std::size_t>(a)][0];
        for (int a = 0; a <= last; ++a) {
            std::vector<std::complex<double>> numbers =
                factors.per_axis[static_cast<std::size_t>(a)];
            if (a != home && problem.axes[a].k == 1) numbers = {1.0};
            if (a == home && scale != 1.0)
                for (auto& number : numbers) number *= scale;
            prepared_.passes.push_back(pass_of(numbers));
            prepared_.complex_factors =
                prepared_.complex_factors || !prepared_.passes.back().imag.empty();
            prepared_.most_taps = std::max(prepared_.most_taps, problem.axes[a].k);
        }
        Pieces count(nullptr);
        Scratch<T>(prepared_, count);
        bytes_ = count.used();
    }

    void run(const ArrayView& x, const ArrayView& out, const Context& context) const override {
        const LineReader<T> reader(prepared_.problem, x, prepared_.table);
        const LineWriter<T> writer(prepared_.problem, out, prepared_.table);
        for (const Axis& axis : prepared_.problem.axes)
            if (axis.out == 0) return;
        const Index boxes = prepared_.layout.box_count, group = prepared_.layout.boxes_per_task;
        parallel_for((boxes + group - 1) / group, context, [&](Index task, int) {
            const Workspace workspace(bytes_);
            Pieces pieces(workspace.data());
            const Scratch<T> scratch(prepared_, pieces);
            BoxWalk<T> walk(prepared_, reader, writer, scratch);
            for (Index box = task * group; box < std::min(boxes, (task + 1) * group); ++box)
                walk.run(box);
            if (prepared_.stream) correlations<T>(prepared_.table).fence();
        });
    }

    std::size_t workspace_bytes() const override { return bytes_; }

private:
    Prepared<T> prepared_;
    std::size_t bytes_ = 0;

    /// From about half a last-level cache on, fetching what is only overwritten costs more than it
    /// helps.
    static bool streams(const Problem& problem) {
        double bytes =
            static_cast<double>(size_of(problem.out_dtype)) * static_cast<double>(problem.inner);
        for (const Axis& axis : problem.axes) bytes *= static_cast<double>(axis.out);
        return bytes >= static_cast<double>(std::size_t{16} << 20);
    }

    static Pass<T> pass_of(const std::vector<std::complex<double>>& numbers) {
        Pass<T> pass;
        bool is_real = true;
        for (const auto& number : numbers) {
            pass.real.push_back(static_cast<T>(number.real()));
            pass.imag.push_back(static_cast<T>(number.imag()));
            is_real = is_real && number.imag() == 0;
        }
        if (is_real) pass.imag.clear();
        return pass;
    }
};

}  // namespace
}  // namespace direct

std::unique_ptr<Executor> make_separable(const Problem& problem, const Factors& factors,
                                         const microkernels::Table& table) {
    for (const Axis& axis : problem.axes)
        if (axis.step != 1) throw std::logic_error("separable correlation takes every output");
    return with_arithmetic(problem.arithmetic, [&]<class T>(T) -> std::unique_ptr<Executor> {
        return std::make_unique<direct::Separable<T>>(problem, factors, table);
    });
}

}  // namespace faltung
