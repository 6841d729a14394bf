#include "chance/drawn.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "chance/alias_table.hpp"
#include "core/box.hpp"
#include "core/error.hpp"
#include "core/workspace.hpp"
#include "lines/line_reader.hpp"
#include "lines/line_writer.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung {

namespace {

/// Draws in one task: some milliseconds.
constexpr double task_draws = 2e6;
/// Numbers of x that a task keeps at hand; they should stay in the second-level cache.
constexpr Index tile_numbers = 1 << 16;
/// Places in a tile have 32 bits.
constexpr Index most_numbers = std::numeric_limits<std::int32_t>::max();

/// A cell of the alias table whose outcomes are places in a tile, and signs.
struct Cell {
    std::uint32_t threshold;
    std::int32_t place[2];  // its own, and the other
    float sign[2];
};

/// Random cells for outputs one after another: numbers uniform in [0, cells), in units of 2^-32.
class Draws {
public:
    Draws(const microkernels::RandomTable& random, std::uint64_t seed, std::size_t cells,
          std::int64_t samples)
        : random_(random),
          seed_(seed),
          cells_(static_cast<std::uint32_t>(cells)),
          pairs_((static_cast<std::uint64_t>(samples) + 1) / 2) {}

    /// Goes on with the draws of this output.
    void start(Index output) {
        output_ = static_cast<std::uint64_t>(output);
        pair_ = 0;
        next_ = size;
    }

    /// The next two draws; after the last ones of an output come those of the next.
    std::pair<std::uint64_t, std::uint64_t> pair() {
        if (next_ == size) refill();
        const int here = next_++;
        return {first_[here], second_[here]};
    }

private:
    static constexpr int size = 128;

    void refill() {
        std::uint64_t pairs[size], outputs[size];
        for (int i = 0; i < size; ++i) {
            pairs[i] = pair_;
            outputs[i] = output_;
            if (++pair_ == pairs_) {
                pair_ = 0;
                ++output_;
            }
        }
        random_.uniform(seed_, pairs, outputs, size, cells_, first_, second_);
        next_ = 0;
    }

    const microkernels::RandomTable& random_;
    std::uint64_t seed_;
    std::uint32_t cells_;
    std::uint64_t pairs_, output_ = 0, pair_ = 0;
    int next_ = size;
    std::uint64_t first_[size], second_[size];
};

/// One task's part of x, extended, and where its windows start in it.
struct Tile {
    Extents extent, pitch;  // positions, and numbers between neighbours
    Index numbers = 1;      // in all

    Tile(const Problem& problem, const Extents& outputs) {
        const int rank = problem.axes.size();
        extent = pitch = Extents(rank, 1);
        numbers = problem.lanes();
        for (int a = rank - 1; a >= 0; --a) {
            const Axis& axis = problem.axes[a];
            extent[a] = (outputs[a] - 1) * axis.step + axis.reach();
            pitch[a] = numbers;
            if (__builtin_mul_overflow(numbers, extent[a], &numbers) || numbers > most_numbers)
                throw TooLarge("p is too large to draw from");
        }
    }
};

/// The outputs of one task, neighbours in C order first: many enough that the samples around them
/// count for little, until there is work for a while, or no room for more of x.
Extents piece_of(const Problem& problem, std::int64_t samples) {
    Extents piece(problem.axes.size(), 1);
    double draws = static_cast<double>(samples);
    for (int a = problem.axes.size() - 1; a >= 0; --a) {
        const Axis& axis = problem.axes[a];
        const Index most = axis.k == 1 ? axis.out : std::min(axis.out, 256 + 4 * axis.reach());
        while (piece[a] < most) {
            Extents wider = piece;
            wider[a] = std::min(2 * piece[a], most);
            const double more =
                draws * static_cast<double>(wider[a]) / static_cast<double>(piece[a]);
            if (more > task_draws || Tile(problem, wider).numbers > tile_numbers) return piece;
            piece = wider;
            draws = more;
        }
    }
    return piece;
}

template <class T>
class Drawn {
public:
    Drawn(const Problem& problem, const Kernel& kernel, std::int64_t samples, std::uint64_t seed,
          const microkernels::Table& table, const ArrayView& x, const ArrayView& out)
        : problem_(problem),
          samples_(samples),
          seed_(seed),
          piece_(piece_of(problem, samples)),
          tile_(problem, piece_),
          random_(table.random),
          reader_(problem, x, table),
          writer_(problem, out, table) {
        const Taps<T>& taps = kernel.planes<T>().real;
        std::vector<double> magnitudes(taps.size());
        for (std::size_t t = 0; t < taps.size(); ++t) magnitudes[t] = std::abs(double{taps[t]});
        double total = 0;
        for (double magnitude : magnitudes) total += magnitude;
        if (!std::isfinite(total) || total == 0)
            throw ValueError("p must have finite weights that are not all zero");
        // weights that sum to one but for rounding are a density, whose draws are not scaled
        const double rounding =
            std::numeric_limits<T>::epsilon() * static_cast<double>(taps.size());
        if (std::abs(total - 1) <= rounding) total = 1;
        scale_ = total / static_cast<double>(samples);
        const AliasTable aliases(magnitudes);
        for (const AliasTable::Cell& cell : aliases.cells) {
            const auto sign = [&](std::uint32_t tap) { return taps[tap] < 0 ? -1.0F : 1.0F; };
            cells_.push_back({.threshold = cell.threshold,
                              .place = {place_of(cell.own), place_of(cell.other)},
                              .sign = {sign(cell.own), sign(cell.other)}});
        }
    }

    void run(const Context& context) const {
        const int rank = problem_.axes.size();
        Extents counts(rank, 1);
        for (int a = 0; a < rank; ++a)
            counts[a] = (problem_.axes[a].out + piece_[a] - 1) / piece_[a];
        parallel_for(product(counts), context, [&](Index task, int) {
            Box box{Extents(rank, 0), Extents(rank, 0)};
            for (int a = rank - 1; a >= 0; --a) {
                box.begin[a] = task % counts[a] * piece_[a];
                box.end[a] = std::min(box.begin[a] + piece_[a], problem_.axes[a].out);
                task /= counts[a];
            }
            run_box(box);
        });
    }

private:
    /// Where a tap, given by its number in C order, lies in a tile, from the start of its window.
    std::int32_t place_of(Index tap) const {
        Index place = 0;
        for (int a = problem_.axes.size() - 1; a >= 0; --a) {
            const Axis& axis = problem_.axes[a];
            place += tap % axis.k * axis.dilation * tile_.pitch[a];
            tap /= axis.k;
        }
        return static_cast<std::int32_t>(place);
    }

    /// Calls body(at) for every line of a box: all its positions but those on the last axis.
    template <class Body>
    static void for_each_line(const Extents& begin, const Extents& end, Body&& body) {
        Extents at = begin;
        const int outer = begin.size() - 1;
        for (;;) {
            body(at);
            int a = outer - 1;
            for (; a >= 0; --a) {
                if (++at[a] < end[a]) break;
                at[a] = begin[a];
            }
            if (a < 0) return;
        }
    }

    void run_box(const Box& box) const {
        const int last = problem_.axes.size() - 1;
        const Index lanes = problem_.lanes();
        const Workspace memory(sizeof(T) * static_cast<std::size_t>(tile_.numbers) +
                               sizeof(T) * static_cast<std::size_t>(piece_[last] * lanes));
        T* const tile = memory.as<T>();
        T* const results = tile + tile_.numbers;

        // 1. the samples under all windows of the box
        Extents begin, end;
        for (int a = 0; a <= last; ++a) {
            const Axis& axis = problem_.axes[a];
            begin.push_back(axis.first + box.begin[a] * axis.step);
            end.push_back(axis.first + (box.end[a] - 1) * axis.step + axis.reach());
        }
        for_each_line(begin, end, [&](const Extents& at) {
            Index place = 0;
            for (int a = 0; a < last; ++a) place += (at[a] - begin[a]) * tile_.pitch[a];
            reader_.read(at.data(), begin[last], end[last], tile + place);
        });

        // 2. line by line, the outputs
        Draws draws(random_, seed_, cells_.size(), samples_);
        Index next = -1;
        for_each_line(box.begin, box.end, [&](const Extents& at) {
            Index place = 0, number = 0;
            for (int a = 0; a <= last; ++a) {
                const Index output = a == last ? box.begin[a] : at[a];
                place += (output - box.begin[a]) * problem_.axes[a].step * tile_.pitch[a];
                number = number * problem_.axes[a].out + output;
            }
            if (number != next) draws.start(static_cast<std::uint64_t>(number));
            next = number + box.length(last);
            const Index pitch = problem_.axes[last].step * lanes;
            for (Index i = 0; i < box.length(last); ++i) {
                const T* window = tile + place + i * pitch;
                if (lanes == 1)
                    mean<1>(draws, window, results + i);
                else
                    mean<2>(draws, window, results + 2 * i);
            }
            writer_.write(at.data(), box.begin[last], box.end[last], results);
        });
    }

    template <int lanes>
    void add(std::uint64_t draw, const T* window, double* sum) const {
        const Cell& cell = cells_[draw >> 32];
        const bool other = static_cast<std::uint32_t>(draw) >= cell.threshold;
        const T* drawn = window + cell.place[other];
        for (int lane = 0; lane < lanes; ++lane)
            sum[lane] += double{cell.sign[other]} * double{drawn[lane]};
    }

    /// Two sums side by side: an addition need not wait for the one before.
    template <int lanes>
    void mean(Draws& draws, const T* window, T* result) const {
        double even[lanes] = {}, odd[lanes] = {};
        for (std::int64_t s = 0; s + 1 < samples_; s += 2) {
            const auto [first, second] = draws.pair();
            add<lanes>(first, window, even);
            add<lanes>(second, window, odd);
        }
        if (samples_ % 2) add<lanes>(draws.pair().first, window, even);
        for (int lane = 0; lane < lanes; ++lane)
            result[lane] = static_cast<T>((even[lane] + odd[lane]) * scale_);
    }

    Problem problem_;
    std::int64_t samples_;
    std::uint64_t seed_;
    Extents piece_;
    Tile tile_;
    const microkernels::RandomTable& random_;
    LineReader<T> reader_;
    LineWriter<T> writer_;
    std::vector<Cell> cells_;
    double scale_ = 0;  // the sum of the taps' magnitudes, over the number of draws
};

}  // namespace

void convolve_by_chance(const Problem& problem, const Kernel& kernel, std::int64_t samples,
                        std::uint64_t seed, const microkernels::Table& table, const ArrayView& x,
                        const ArrayView& out, const Context& context) {
    if (kernel.is_complex()) throw ValueError("p must be real");
    // an output is one task, and a task must end some time
    if (samples < 1 || samples > std::int64_t{1} << 30)
        throw ValueError("samples must be from 1 to 2**30, not " + std::to_string(samples));
    if (problem.arithmetic == Arithmetic::f32)
        Drawn<float>(problem, kernel, samples, seed, table, x, out).run(context);
    else
        Drawn<double>(problem, kernel, samples, seed, table, x, out).run(context);
}

}  // namespace faltung
