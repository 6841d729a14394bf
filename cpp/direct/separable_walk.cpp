#include "direct/separable_walk.hpp"

namespace faltung::direct {

template <class T>
void BoxWalk<T>::run(Index box) {
    for (int a = last_; a >= 0; --a) {
        const Index at = box % layout_.boxes[a];
        box /= layout_.boxes[a];
        begin_[a] = at * layout_.extent[a];
        length_[a] = std::min(layout_.extent[a], axes_[a].out - begin_[a]);
        out_at_[a] = begin_[a];
        in_at_[a] = begin_[a] + axes_[a].first;
    }
    numbers_ = length_[last_] * lanes_;
    if (levels_ > 0)
        across(0, 0, nullptr);
    else
        only_line();
}

/// The pass along the line at in_at_; answers where the row stands: in `slot`, or in x if there is
/// nothing to do. `read_before`: the same line as last time.
template <class T>
const T* BoxWalk<T>::along(int term, T* slot, bool read_before, bool stream) {
    const Axis& axis = axes_[last_];
    const Pass<T>& pass = prepared_.pass(term, last_);
    const Index from = begin_[last_] + axis.first, to = from + length_[last_] + axis.reach() - 1;
    const T* source = wide() ? reader_.in_place(in_at_, from, to) : nullptr;
    if (pass.trivial()) {
        if (source != nullptr) return source;
        reader_.read(in_at_, from, to, slot);
        std::fill(slot + numbers_, slot + computed(), T{0});
        return slot;
    }
    if (source == nullptr) {
        source = scratch_.line;
        if (!read_before) {
            reader_.read(in_at_, from, to, scratch_.line);
            if (!wide())
                std::fill(scratch_.line + (to - from) * lanes_, scratch_.line + layout_.line, T{0});
        }
    }
    pass.chained() ? chain_line(pass, source, slot) : filter_line(pass, source, slot, stream);
    return slot;
}

/// Numbers of a line before the first line of the cache that it fills.
template <class T>
Index BoxWalk<T>::before_streaming(const T* out) const {
    const auto past = static_cast<Index>(reinterpret_cast<std::uintptr_t>(out) % 64);
    return past == 0 ? 0 : (64 - past) / static_cast<Index>(sizeof(T));
}

/// In pieces, each of which fetches its part of the line that comes next.
template <class T>
void BoxWalk<T>::filter_line(const Pass<T>& pass, const T* source, T* out, bool stream) {
    const Axis& axis = axes_[last_];
    Call call = call_of(pass);
    call.kx = axis.k;
    call.tap_step = axis.dilation * lanes_;
    call.row = &source;
    const int across = levels_ > 0 ? layout_.rows.back() : last_;
    const Index all = computed(), piece = 32 * table_.lanes;
    const Index head = stream ? before_streaming(out) : 0;
    if (across != last_) ++in_at_[across];
    for (Index x = 0, step = 0; x < all; x += step) {
        step = call.n = all - x < 2 * piece ? all - x : piece;
        call.stream = stream && pass.imag.empty();
        if (x == 0 && head > 0 && head + table_.lanes <= all) {
            step = head;
            call.n = std::max<Index>(head, table_.lanes);
            call.stream = false;
        }
        if (across != last_) {
            const Index next = begin_[last_] + axis.first + x / lanes_;
            reader_.prefetch(in_at_, next, next + call.n / lanes_);
        }
        call.taps = pass.real.data();
        correlate(pass, table_.line, call, &out, 1);
        source += step;
        out += step;
    }
    if (across != last_) --in_at_[across];
}

/// Equal taps: short runs, long runs, and windows put together from them.
template <class T>
void BoxWalk<T>::chain_line(const Pass<T>& pass, const T* source, T* out) const {
    const BoxChain& chain = pass.chain;
    const Index all = computed() + (axes_[last_].k - 1) * lanes_;
    const T** const part = scratch_.window;
    const auto runs = [&](const T* from, Index count, Index step) {
        for (Index i = 0; i < count; ++i) part[i] = from + i * step * lanes_;
    };
    runs(source, chain.near, 1);
    run_row(pass.real.data(), chain.near, all - (chain.near - 1) * lanes_, scratch_.near);
    const T* far = scratch_.near;
    if (chain.far > 1) {
        runs(scratch_.near, chain.far, chain.near);
        run_row(pass.ones.data(), chain.far, all - (chain.reach() - 1) * lanes_, scratch_.far);
        far = scratch_.far;
    }
    Index count = 0;
    Index at = 0;
    for (Index i = 0; i < chain.longs; ++i, at += chain.reach()) part[count++] = far + at * lanes_;
    for (Index i = 0; i < chain.shorts; ++i, at += chain.near)
        part[count++] = scratch_.near + at * lanes_;
    for (Index i = 0; i < chain.singles; ++i, ++at) part[count++] = source + at * lanes_;
    run_row(pass.parts.data(), count, computed(), out);
}

/// The sum of the rows in `window`.
template <class T>
void BoxWalk<T>::run_row(const T* taps, Index parts, Index n, T* out) const {
    Call call = call_of(prepared_.home);
    call.taps = taps;
    call.ky = parts;
    call.n = n;
    call.row = scratch_.window;
    call.out = &out;
    table_.column[microkernels::CorrelateTable<T>::blocks - 1].run(call);
}

template <class T>
typename BoxWalk<T>::Call BoxWalk<T>::call_of(const Pass<T>& pass) const {
    Call call{};
    call.taps = pass.real.data();
    call.n = computed();
    call.depth = 1;
    call.kx = call.ky = call.tap_pitch = call.tap_step = 1;
    return call;
}

/// Real factors directly; complex ones as two passes, out = a + i*b.
template <class T>
void BoxWalk<T>::correlate(const Pass<T>& pass, microkernels::Correlate<T> loop, Call& call,
                           T* const* out, Index rows) const {
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

template <class T>
Index BoxWalk<T>::rows_below(int level) const {
    Index rows = 1;
    for (int j = level + 1; j < levels_; ++j) rows *= length_[layout_.rows[j]];
    return rows;
}

/// One slab below `level`: its rows, filtered along all faster axes, in `slot` or in x.
template <class T>
void BoxWalk<T>::slab(int level, int term, T* slot, const T** rows, bool read_before) {
    if (level == levels_) {
        rows[0] = along(term, slot, read_before);
        return;
    }
    across(level, term, slot);
    const Index count = length_[layout_.rows[level]] * rows_below(level);
    for (Index i = 0; i < count; ++i) rows[i] = slot + i * layout_.pitch;
}

/// How many outputs from `first` on are computed in one go.
template <class T>
Index BoxWalk<T>::group_rows(const Pass<T>& pass, Index taps, Index first, Index left) const {
    if (pass.slides()) return std::min({most_rows, left, taps - first % taps});
    int b = 0;
    while (table_.column[b].rows > std::min({taps, left, most_rows})) ++b;
    return table_.column[b].rows;
}

/// The pass across the slabs of `level`; the results go to `to`, those of level 0, of all terms
/// together, into the output.
template <class T>
void BoxWalk<T>::across(int level, int term, T* to) {
    const int a = layout_.rows[level];
    const Pass<T>& pass = level == 0 ? prepared_.home : prepared_.pass(term, a);
    const int first_ring = level == 0 ? 0 : term * levels_ + level;
    const int rings = level == 0 ? prepared_.terms : 1;
    const Index taps = axes_[a].k, below = rows_below(level), origin = begin_[a] + axes_[a].first;

    Index have = 0;
    for (Index o = 0; o < length_[a];) {
        const Index rows = group_rows(pass, taps, o, length_[a] - o);
        for (const Index want = o + rows - 1 + taps; have < want; ++have) {
            in_at_[a] = origin + have;
            for (int r = 0; r < rings; ++r) {
                const int ring = first_ring + r * levels_;
                slab(level + 1, level == 0 ? r : term, buffer_at(ring, have, 0),
                     &row_at(ring, have, 0), r > 0 && levels_ == 1);
            }
        }
        for (Index q = 0; q < below; ++q) {
            const Group group{pass, o, rows, q};
            if (level == 0) {
                finish(rings, group);
                continue;
            }
            T* out[most_rows];
            for (Index r = 0; r < rows; ++r) out[r] = to + ((o + r) * below + q) * layout_.pitch;
            compute(first_ring, rings, group, out, false);
        }
        o += rows;
    }
}

/// A group of rows of the pass across `rings` rings from `ring` on, which are summed.
template <class T>
void BoxWalk<T>::compute(int ring, int rings, const Group& group, T* const* out, bool stream) {
    if (group.pass.slides()) return slide(ring, group, out, stream);
    const int level = ring % levels_;
    Call call = call_of(group.pass);
    call.ky = axes_[layout_.rows[level]].k;
    call.row = scratch_.window;
    call.depth = rings;
    call.row_pitch = call.ky + group.rows - 1;
    call.stream = stream;
    const T** window = scratch_.window;
    for (int r = 0; r < rings; ++r)
        for (Index y = 0; y < call.row_pitch; ++y)
            *window++ = row_at(ring + r * levels_, group.first + y, group.q);
    int b = 0;
    while (table_.column[b].rows != group.rows) ++b;
    correlate(group.pass, table_.column[b].run, call, out, group.rows);
}

/// The same as a sliding sum. Where a block of as many rows as taps starts, its sums from each row
/// to its end take the place of the rows.
template <class T>
void BoxWalk<T>::slide(int ring, const Group& group, T* const* out, bool stream) const {
    const Index taps = static_cast<Index>(group.pass.real.size()), n = computed();
    const T scale = group.pass.real[0];
    T* const sum = scratch_.sums[ring] + 2 * group.q * layout_.pitch;
    T* const excess = sum + layout_.pitch;
    const bool starts = group.first % taps == 0;
    if (starts) {
        for (Index y = 0; y < taps; ++y) {
            scratch_.window[y] = row_at(ring, group.first + y, group.q);
            scratch_.written[y] = buffer_at(ring, group.first + y, group.q);
            row_at(ring, group.first + y, group.q) = scratch_.written[y];
        }
        table_.box_suffix(scratch_.window, scratch_.written, taps, scale, n);
        std::fill_n(sum, n, T{0});
        std::fill_n(excess, n, T{0});
        std::fill_n(scratch_.zeros, n, T{0});
    }
    const T *entering[most_rows], *suffix[most_rows];
    for (Index r = 0; r < group.rows; ++r) {
        entering[r] =
            starts && r == 0 ? scratch_.zeros : row_at(ring, group.first + r + taps - 1, group.q);
        suffix[r] = row_at(ring, group.first + r, group.q);
    }
    table_.box_slide({entering, suffix, out, sum, excess, scale, group.rows, n, stream});
}

/// The last pass over a group of rows of the box.
template <class T>
void BoxWalk<T>::finish(int rings, const Group& group) {
    Index q = group.q;
    for (int j = levels_ - 1; j > 0; --j) {
        const int a = layout_.rows[j];
        out_at_[a] = begin_[a] + q % length_[a];
        q /= length_[a];
    }
    const int slowest = layout_.rows[0];
    const Index begin = begin_[last_], end = begin + length_[last_];
    T* out[most_rows];
    bool placed = wide();
    for (Index r = 0; r < group.rows && placed; ++r) {
        out_at_[slowest] = begin_[slowest] + group.first + r;
        out[r] = writer_.in_place(out_at_, begin, end);
        placed = out[r] != nullptr;
    }
    if (!placed)
        for (Index r = 0; r < group.rows; ++r) out[r] = scratch_.out + r * layout_.pitch;
    compute(0, rings, group, out, placed && prepared_.stream);
    if (placed) return;
    for (Index r = 0; r < group.rows; ++r) {
        out_at_[slowest] = begin_[slowest] + group.first + r;
        writer_.write(out_at_, begin, end, out[r]);
    }
}

/// No axis to go across: lines straight from x to out.
template <class T>
void BoxWalk<T>::only_line() {
    const Index begin = begin_[last_], end = begin + length_[last_];
    T* const placed = wide() ? writer_.in_place(out_at_, begin, end) : nullptr;
    const T* row = along(0, placed == nullptr ? scratch_.out : placed, false,
                         placed != nullptr && prepared_.stream);
    if (row != placed) writer_.write(out_at_, begin, end, row);
}

template class BoxWalk<float>;
template class BoxWalk<double>;
template class BoxWalk<std::int64_t>;

}  // namespace faltung::direct
