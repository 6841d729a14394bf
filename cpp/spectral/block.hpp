// One N-D block of numbers, convolved cyclically with a kernel's spectrum: what it looks like,
// where its samples come from and where its outputs go. WholeTile, Grid and LongLine do it.
#pragma once

#include <algorithm>
#include <complex>
#include <memory>
#include <vector>

#include "core/executor.hpp"
#include "core/extents.hpp"
#include "core/workspace.hpp"
#include "microkernels/table.hpp"
#include "spectral/span.hpp"
#include "spectral/transform_engine.hpp"

namespace faltung {

/// What happens along the last axis.
enum class Row {
    real,     // convolved, real samples: folded to half the points, modulo x^points = i, so that no
              // untangling is needed
    complex,  // convolved, complex samples
    flat,     // not convolved: `width` complex numbers side by side
};

/// Lines of more complex numbers are folded into tiles of our own, which take 0.5 to 0.9 of a
/// library's time (Zen 3, up to 4096 points). Shorter ones gain less than planning them costs,
/// which makes tables anew where a library keeps its own.
inline constexpr Index own_line = Index{1} << 9;
/// Longer lines by a library are made of its short transforms: its long ones are half as quick.
inline constexpr Index long_line = Index{1} << 12;

struct GridShape {
    PerAxis<Span> columns;  // the convolved axes but the last, slowest first
    Row row = Row::complex;
    Span span;        // of the row; its length counts samples, real or complex
    Index width = 0;  // Row::flat
    /// Row::real: what is folded is the last column axis, not the row. Row::flat: the only one is,
    /// of each of the row's numbers by itself (ColumnTile).
    bool upright = false;
    /// Or rather, that axis being periodic: its columns are real and come in pairs.
    bool paired = false;
    /// Samples per position of the row, each convolved by itself with the same spectrum; made of
    /// WholeTile's transforms alone, which then makes no spectra.
    Index inner = 1;

    Index row_points() const;   // complex numbers in a transformed row
    Index numbers_in() const;   // that one line of samples holds
    Index numbers_out() const;  // that one line of outputs holds
    Index row_samples() const { return row == Row::flat ? width : span.have; }
    Index row_outputs() const { return row == Row::flat ? width : span.out; }
    Index pitch(std::size_t size) const;  // complex numbers of `size` bytes from row to row
    Index kernel_points() const;          // that a placed kernel takes
    Index rows() const;                   // of the whole block
    double points() const;                // complex numbers in the block
    bool is_line_over(Index most) const;  // one line, of more complex numbers
};

/// Gives samples, to several threads at once. `at` counts samples on the column axes, `begin` and
/// `end` along the row (Row::flat: always all of it).
template <class T>
class Feed {
public:
    virtual ~Feed() = default;
    /// Answers where the numbers are: in `numbers`, or where they stood already. They are finite.
    virtual const T* line(const Index* at, Index begin, Index end, T* numbers) = 0;
    /// The only line, where its numbers already stand in memory; they may hold NaN and infinities.
    virtual const T* in_place() { return nullptr; }
    /// The same of all lines with these `at` but for the last one: the first of them, and how many
    /// numbers lie from one to the next.
    virtual const T* plane_in_place(const Index*, Index&) { return nullptr; }
    /// All of it will be asked for once more; what was noticed is forgotten.
    virtual void restart() {}
};

/// Takes outputs, from several threads at once. `at`, `begin` and `end` count outputs; the numbers
/// may be changed.
template <class T>
class Drain {
public:
    virtual ~Drain() = default;
    /// Called once, by the calling thread: all samples have been fed, outputs will follow.
    virtual void begin(const Context&) {}
    virtual void line(const Index* at, Index begin, Index end, T* numbers) = 0;
    /// Where the only line's outputs may be written straight, asked for after begin().
    virtual T* in_place() { return nullptr; }
    /// The same of all lines with these `at` but for the last one.
    virtual T* plane_in_place(const Index*, Index&) { return nullptr; }
    /// Whether sums may be kept where all lines' outputs will be, and where those of one are.
    virtual bool keeps_lines() const { return false; }
    virtual T* kept_line(const Index*) { return nullptr; }
};

/// The spectrum of a kernel in the order in which the transform that made it consumes it, with the
/// transforms' scale.
template <class T>
class Spectrum {
public:
    explicit Spectrum(Index points)
        : points_(points), memory_(static_cast<std::size_t>(points) * sizeof(std::complex<T>)) {}

    Index points() const { return points_; }
    std::complex<T>* data() const { return memory_.as<std::complex<T>>(); }

private:
    Index points_;
    Workspace memory_;
};

/// The loops of a level for T.
template <class T>
const microkernels::SpectrumTable<T>& loops_of(const microkernels::Table& table) {
    if constexpr (sizeof(T) == sizeof(float))
        return table.spectrum_f32;
    else
        return table.spectrum_f64;
}

template <class T>
class BlockTransform {
public:
    virtual ~BlockTransform() = default;

    /// Memory of one run: for the block, and for each worker.
    virtual std::size_t block_bytes() const = 0;
    virtual std::size_t worker_bytes() const = 0;

    /// Of the reversed kernel from the origin on, kernel_points() per axis, folded into the
    /// lengths: a real one, or a complex one for Row::complex and Row::flat.
    virtual Spectrum<T> spectrum(Feed<T>& kernel, const Context& context) const = 0;

    /// The spectrum that this transform's counterpart in float64 made, rounded once.
    virtual Spectrum<T> rounded(const Spectrum<double>& exact, const Context&) const {
        Spectrum<T> result(exact.points());
        std::copy_n(exact.data(), exact.points(), result.data());
        return result;
    }

    virtual void run(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
                     const Context& context) const = 0;
};

/// One run's block, its workers' scratch, and how many threads walk it.
template <class T>
struct BlockPass {
    using Complex = std::complex<T>;

    BlockPass(const BlockTransform<T>& transform, const Context& run)
        : context(run),
          block_memory(transform.block_bytes()),
          worker_memory(transform.worker_bytes() *
                        static_cast<std::size_t>(std::max(1, run.workers))),
          block(block_memory.as<Complex>()),
          worker_bytes(transform.worker_bytes()) {}

    Complex* scratch(int worker) const {
        return reinterpret_cast<Complex*>(worker_memory.data() +
                                          worker_bytes * static_cast<std::size_t>(worker));
    }

    Context context;
    Workspace block_memory, worker_memory;
    Complex* block;
    std::size_t worker_bytes;
};

/// Several axes: a WholeTile where transforms of our own serve their lengths (and a real block is
/// upright), else a Grid. One long line: a LongTile where they serve its length, else a LongRow.
template <class T>
std::unique_ptr<const BlockTransform<T>> make_block_transform(
    const GridShape& shape, const microkernels::Table& table,
    TransformEngine engine = TransformEngine::own);

}  // namespace faltung
