// Computes boxes of outputs pass by pass: a line is read and filtered along itself, goes into a
// ring, and the ring is filtered across. x~ is x continued without end, so lines outside x are
// asked of the reader like any others.
#pragma once

#include <algorithm>
#include <vector>

#include "core/aligned_memory.hpp"
#include "direct/dense_plan.hpp"
#include "direct/separable_pass.hpp"
#include "direct/separable_plan.hpp"
#include "lines/line_reader.hpp"
#include "lines/line_writer.hpp"

namespace faltung::direct {

template <class T>
struct Prepared {
    Problem problem;
    const microkernels::Table& table;
    int terms;                    // outer products that are summed
    std::vector<Pass<T>> passes;  // per term and axis
    Pass<T> home;                 // of the axis that is computed last, all terms together
    SeparableLayout layout;
    bool stream;  // results are stored past the caches
    bool complex_factors = false;
    Index most_taps = 1;

    const Pass<T>& pass(int term, int axis) const {
        return passes[static_cast<std::size_t>(term * problem.axes.size() + axis)];
    }
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
        const int levels = layout.levels();
        bool slides = false, chains = false;
        const Index pointers = prepared.terms * (prepared.most_taps + most_rows);
        for (int t = 0; t < prepared.terms; ++t) {
            for (int j = 0; j < levels; ++j) {
                const Index rows = layout.slots[j] * layout.slab_rows[j];
                ring.push_back(pieces.template take<T>(rows * layout.pitch));
                row.push_back(pieces.template take<const T*>(rows));
                const Pass<T>& pass = j == 0 ? prepared.home : prepared.pass(t, layout.rows[j]);
                const bool slide = pass.slides();
                sums.push_back(
                    pieces.template take<T>(slide ? 2 * layout.slab_rows[j] * layout.pitch : 0));
                slides = slides || slide;
            }
            const Pass<T>& along = prepared.pass(t, prepared.problem.axes.size() - 1);
            chains = chains || along.chained();
        }
        // Samples of large arrays begin where a page does. Copied to the same place of a page, a
        // line takes twice the time on a processor that compares no more of an address (Zen 3).
        pieces.template take<std::byte>(page / 2);
        line = pieces.template take<T>(layout.line);
        near = pieces.template take<T>(chains ? layout.line : 0);
        far = pieces.template take<T>(chains ? layout.line : 0);
        out = pieces.template take<T>(most_rows * layout.pitch);
        zeros = pieces.template take<T>(slides ? layout.pitch : 0);
        real = pieces.template take<T>(prepared.complex_factors ? most_rows * layout.pitch : 0);
        imag = pieces.template take<T>(prepared.complex_factors ? most_rows * layout.pitch : 0);
        window = pieces.template take<const T*>(pointers);
        written = pieces.template take<T*>(slides ? prepared.most_taps : 0);
    }

    PerAxis<T*> ring;        // per term and level: slots of slabs
    PerAxis<const T**> row;  // per term and level: where the rows of those slabs stand; in x itself
                             // if nothing was done to them
    PerAxis<T*> sums;        // per term and level: running sums of sliding passes
    T *line, *near, *far, *out, *zeros, *real, *imag;
    const T** window;  // the rows that a group of outputs needs
    T** written;
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
          levels_(layout_.levels()),
          lanes_(prepared.problem.lanes()) {}

    void run(Index box);

private:
    using Call = microkernels::CorrelateCall<T>;

    /// The rows that one pass computes in one go, and where they go.
    struct Group {
        const Pass<T>& pass;
        Index first, rows;  // outputs along the axis
        Index q;            // which row of the slab
    };

    bool wide() const { return numbers_ >= table_.lanes; }
    Index computed() const { return std::max<Index>(numbers_, table_.lanes); }
    Index slot_of(int ring, Index number) const { return number % layout_.slots[ring % levels_]; }
    const T*& row_at(int ring, Index number, Index q) const {
        return scratch_.row[ring][slot_of(ring, number) * layout_.slab_rows[ring % levels_] + q];
    }
    T* buffer_at(int ring, Index number, Index q) const {
        return scratch_.ring[ring] +
               (slot_of(ring, number) * layout_.slab_rows[ring % levels_] + q) * layout_.pitch;
    }
    Index rows_below(int level) const;

    const T* along(int term, T* slot, bool read_before, bool stream = false);
    void filter_line(const Pass<T>& pass, const T* source, T* out, bool stream);
    Index before_streaming(const T* out) const;
    void chain_line(const Pass<T>& pass, const T* source, T* out) const;
    void run_row(const T* taps, Index parts, Index n, T* out) const;
    Call call_of(const Pass<T>& pass) const;
    void correlate(const Pass<T>& pass, microkernels::Correlate<T> loop, Call& call, T* const* out,
                   Index rows) const;
    void slab(int level, int term, T* slot, const T** rows, bool read_before);
    void fetch(int level, int term, Index& have, Index want, Index origin);
    void across(int level, int term, T* to);
    Index group_rows(const Pass<T>& pass, Index taps, Index first, Index left) const;
    void compute(int ring, int rings, const Group& group, T* const* out, bool stream);
    void slide(int ring, const Group& group, T* const* out, bool stream) const;
    void finish(int rings, const Group& group);
    void only_line();

    const Prepared<T>& prepared_;
    const SeparableLayout& layout_;
    const PerAxis<Axis>& axes_;
    const microkernels::CorrelateTable<T>& table_;
    const LineReader<T>& reader_;
    const LineWriter<T>& writer_;
    const Scratch<T>& scratch_;
    const int last_, levels_;
    const Index lanes_;
    Index numbers_ = 0;
    Index begin_[max_rank], length_[max_rank], in_at_[max_rank], out_at_[max_rank];
};

extern template class BoxWalk<float>;
extern template class BoxWalk<double>;
extern template class BoxWalk<std::int64_t>;

}  // namespace faltung::direct
