#include "matching/matcher.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <optional>

#include "core/workspace.hpp"
#include "matching/careful.hpp"
#include "matching/masked.hpp"
#include "matching/tile_reader.hpp"
#include "parallel/parallel_for.hpp"
#include "spectral/tile_length.hpp"
#include "spectral/tile_traffic.hpp"

namespace faltung::matching {

namespace {

constexpr Index task_points = Index{1} << 16;  // small tiles share a task

/// A window's spread, against that of as many samples of the tiles' energy, down to which the quick
/// scores are trusted. Errors of transforms go with the energy of the tile: in float32 a score is
/// then off by some 1e-4 at most, in float64 by 1e-11.
template <class T>
constexpr double trusted = sizeof(T) == 4 ? 0x1p-18 : 0x1p-20;
/// Energies within these neither overflow nor vanish in any step.
template <class T>
constexpr double least_energy = sizeof(T) == 4 ? 0x1p-60 : 0x1p-600;
template <class T>
constexpr double most_energy = sizeof(T) == 4 ? 0x1p+90 : 0x1p+900;
/// Integers in a window up to this sum of squares leave no rounding in the sums; then a spread
/// below a quarter is none.
constexpr double exact_squares = 0x1p+49, no_spread_of_integers = 0.25;

std::size_t whole_lines(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

Problem in_float64(Problem problem) {
    problem.arithmetic = Arithmetic::f64;
    return problem;
}

/// Whether x~ holds no others.
bool whole_numbers(const Problem& problem) {
    const double outside = problem.boundary == Boundary::constant ? problem.cval.real : 0;
    return is_integer(problem.x_dtype) && outside == std::nearbyint(outside);
}

/// Reads of the array that says which samples count: outside of it none do, or as the boundary
/// continues it.
Problem reading_mask(Problem problem, DType dtype) {
    problem.x_dtype = dtype;
    if (problem.boundary == Boundary::constant) problem.boundary = Boundary::zero;
    return problem;
}

template <class T>
class TiledMatcher final : public Matcher {
public:
    TiledMatcher(const Problem& problem, std::shared_ptr<const Pattern> pattern,
                 const Extents& tile, bool masked, const microkernels::Table& table)
        : problem_(problem),
          exact_(in_float64(problem)),
          pattern_(std::move(pattern)),
          table_(table),
          match_(match_table<T>(table)),
          grid_(problem, tile, transforms_of<T>(table).lanes) {
        if (masked)
            masked_.emplace(exact_, pattern_, grid_.shape(), table);
        else if (!pattern_->flat)
            transform_ =
                make_tile<T>(exact_, as_kernel(*pattern_, pattern_->taps), grid_.shape(), table);
        points_ = grid_.shape().rows() * grid_.shape().length.back();
        pairs_ = (grid_.tiles() + pair - 1) / pair;
        per_task_ = std::max<Index>(1, task_points / points_);
    }

    std::size_t bytes() const override {
        return static_cast<std::size_t>(points_) * sizeof(T) * (masked_ ? 6 : 2);
    }

    void run(const ArrayView& x, const ArrayView* keep, const ArrayView& out,
             const Context& context) const override {
        const Arrays arrays(*this, x, keep, out);
        std::vector<std::optional<Workspace>> spaces(static_cast<std::size_t>(context.workers));
        parallel_for((pairs_ + per_task_ - 1) / per_task_, context, [&](Index task, int worker) {
            Space space;
            auto& memory = spaces[static_cast<std::size_t>(worker)];
            if (!memory) memory.emplace(divide(nullptr, space));
            divide(memory->data(), space);
            const Index end = std::min(pairs_, (task + 1) * per_task_);
            Pair now, next;
            fill_pair(task * per_task_, now);
            for (Index p = task * per_task_; p < end; ++p, std::swap(now, next)) {
                fill_pair(p + 1, next);
                run_pair(now, next, arrays, space);
            }
            table_.correlate_f32.fence();
        });
    }

private:
    struct Arrays {
        TileReader<T> x;
        LineReader<double> exact_x;
        std::optional<LineReader<double>> keep;
        LineWriter<T> out;
        const microkernels::TransformTable<T>& transforms;
        bool streams;  // large maps go past the caches

        Arrays(const TiledMatcher& matcher, const ArrayView& x_array, const ArrayView* keep_array,
               const ArrayView& out_array)
            : x(matcher.problem_, matcher.grid_.shape(), x_array, matcher.table_),
              exact_x(matcher.exact_, x_array, matcher.table_),
              out(matcher.problem_, out_array, matcher.table_),
              transforms(transforms_of<T>(matcher.table_)),
              streams(static_cast<std::size_t>(product(out_array.shape)) * sizeof(T) >=
                      streamed_bytes) {
            if (keep_array)
                keep.emplace(reading_mask(matcher.exact_, keep_array->dtype), *keep_array,
                             matcher.table_);
        }

        /// Before a row of scores is stored: the lines of memory that it shares with others.
        void fetch_ends(const Extents& at, Index begin, Index n) const {
            const T* const to = streams ? out.in_place(at.data(), begin, begin + n) : nullptr;
            if (!to) return;
            __builtin_prefetch(to, 1);
            __builtin_prefetch(to + n - 1, 1);
        }
        /// `line` is aligned and holds whole vectors.
        void write_line(const Extents& at, Index begin, Index n, const T* line) const {
            T* const to = streams ? out.in_place(at.data(), begin, begin + n) : nullptr;
            if (!to) return out.write(at.data(), begin, begin + n, line);
            // it is a row of panels that stand side by side
            const Index lanes = transforms.lanes;
            transforms.store(line, {lanes, (n + lanes - 1) / lanes}, 0, {to, n, 1}, 1, n, true);
        }
    };

    static constexpr int pair = TileReader<T>::most;  // tiles that are transformed together
    struct Pair {
        SampleTile<T> tiles[pair];
        int count = 0;
    };
    /// What a worker has to work with.
    struct Space {
        T* samples[pair];
        T* scores;  // of a tile, where not row by row
        T *line, *spreads;
        T* tile;
        T* scratch;  // of the transform
        double* sums;
    };

    std::size_t block_bytes() const {
        return whole_lines(static_cast<std::size_t>(points_) * sizeof(T));
    }
    std::size_t line_bytes() const {
        const Index lanes = transforms_of<T>(table_).lanes, n = grid_.shape().length.back();
        return static_cast<std::size_t>((n + lanes - 1) / lanes * lanes) * sizeof(T);
    }
    std::size_t sums_numbers() const {
        TilePlace place;
        grid_.place(0, place);
        return WindowSums<T>::scratch_numbers(windows_of(problem_, grid_.shape(), place));
    }
    /// How the workspace is divided; its size is where the last part ends.
    std::size_t divide(std::byte* base, Space& space) const {
        std::size_t at = 0;
        const auto take = [&](std::size_t bytes) {
            std::byte* const taken = base ? base + at : nullptr;
            at += whole_lines(bytes);
            return taken;
        };
        for (T*& samples : space.samples) samples = reinterpret_cast<T*>(take(block_bytes()));
        space.scores = reinterpret_cast<T*>(take(block_bytes()));
        space.line = reinterpret_cast<T*>(take(line_bytes()));
        space.spreads = reinterpret_cast<T*>(take(line_bytes()));
        space.tile = reinterpret_cast<T*>(take(transform_ ? transform_->tile_bytes() : 0));
        space.scratch = reinterpret_cast<T*>(take(transform_ ? transform_->scratch_bytes() : 0));
        space.sums = reinterpret_cast<double*>(take(sums_numbers() * sizeof(double)));
        return at;
    }

    void fill_pair(Index which, Pair& next) const {
        next.count = 0;
        for (Index t = pair * which; t < std::min(grid_.tiles(), pair * (which + 1)); ++t)
            grid_.place(t, next.tiles[next.count++].place);
    }

    void run_pair(Pair& now, const Pair& next, const Arrays& arrays, const Space& space) const {
        if (!masked_) return score_pair(now, next, arrays, space);
        for (int t = 0; t < now.count; ++t) {
            masked_->score(arrays.exact_x, arrays.keep ? &*arrays.keep : nullptr,
                           now.tiles[t].place, space.scores);
            write(now.tiles[t], arrays, space.scores);
        }
    }

    void score_pair(Pair& now, const Pair& next, const Arrays& arrays, const Space& space) const {
        double energy = 0;
        arrays.x.load(now.tiles, now.count, space.samples, transform_.get(), space.tile);
        for (int t = 0; t < now.count; ++t) energy += now.tiles[t].energy;
        const bool ordinary = energy > least_energy<T> && energy < most_energy<T>;
        if (ordinary && transform_)
            transform_->convolve(space.tile, space.scratch, arrays.x.ahead(next.tiles, next.count));
        for (int t = 0; t < now.count; ++t) {
            const SampleTile<T>& tile = now.tiles[t];
            if (ordinary && transform_) {
                score(tile, t, energy, arrays, space);
                continue;
            }
            const bool flat = ordinary || (tile.energy == 0 && arrays.x.constant(tile));
            fill(tile, flat ? T{0} : static_cast<T>(microkernels::doubtful_score), space.scores);
            if (!flat) careful().repair(arrays.exact_x, tile.place, space.scores);
            write(tile, arrays, space.scores);
        }
    }

    /// Products become scores, row by row.
    void score(const SampleTile<T>& tile, int part, double energy, const Arrays& arrays,
               const Space& space) const {
        const TileShape& shape = grid_.shape();
        const WindowShape windows = windows_of(problem_, shape, tile.place);
        const double samples = static_cast<double>(pattern_->count);
        const double share = samples / static_cast<double>(points_);
        const bool exact = whole_numbers(problem_) && tile.energy < exact_squares;
        const double doubtful = trusted<T> * share * energy;
        const double flat =
            exact ? no_spread_of_integers : -std::numeric_limits<double>::infinity();
        const Index n = windows.outputs.back(), begin = tile.place.out.back();
        WindowSums<T> sums(windows, tile.samples, space.sums, table_);
        BoxRows outputs(tile.place.out, tile.place.outputs);
        std::vector<Index> doubts;
        walk_windows(windows, sums, [&](Index row) {
            arrays.fetch_ends(outputs.at(), begin, n);
            match_.spread(sums.sum(), sums.square(), windows.window.back(), 1 / samples,
                          space.spreads, n);
            Index pace = arrays.transforms.lanes;
            const Index at = outputs.row_in(shape.length);
            const T* products = transform_->registers(space.tile, at, part, pace);
            if (!products) {
                transform_->store(space.tile, at, 1, part, {space.line, n, 1}, n, false);
                products = space.line;
            }
            const Index count = match_.score(products, pace, space.spreads, flat,
                                             std::max(flat, doubtful), space.line, n);
            if (count > 0) {
                if (doubts.empty()) fill(tile, T{0}, space.scores);
                doubts.push_back(row);
                std::copy_n(space.line, n, space.scores + row * n);
            } else {
                arrays.write_line(outputs.at(), begin, n, space.line);
            }
            outputs.next();
        });
        if (doubts.empty()) return;
        careful().repair(arrays.exact_x, tile.place, space.scores);
        BoxRows again(tile.place.out, tile.place.outputs);
        for (Index row = 0; const Index doubt : doubts) {
            for (; row < doubt; ++row) again.next();
            arrays.out.write(again.at().data(), begin, begin + n, space.scores + row * n);
        }
    }

    void fill(const SampleTile<T>& tile, T value, T* scores) const {
        std::fill_n(scores, product(tile.place.outputs), value);
    }

    void write(const SampleTile<T>& tile, const Arrays& arrays, const T* scores) const {
        const Index n = tile.place.outputs.back(), begin = tile.place.out.back();
        BoxRows outputs(tile.place.out, tile.place.outputs);
        for (const T* end = scores + product(tile.place.outputs); scores < end; scores += n) {
            arrays.out.write(outputs.at().data(), begin, begin + n, scores);
            outputs.next();
        }
    }

    /// Made when the first tile needs it.
    const CarefulTile& careful() const {
        std::call_once(careful_made_, [this] {
            careful_ = std::make_unique<const CarefulTile>(exact_, pattern_, grid_.shape(), table_);
        });
        return *careful_;
    }

    Problem problem_, exact_;
    std::shared_ptr<const Pattern> pattern_;
    const microkernels::Table& table_;
    const microkernels::MatchTable<T>& match_;
    TileGrid grid_;
    std::unique_ptr<const TileTransform<T>> transform_;  // none for a flat or a masked template
    std::optional<MaskedTile> masked_;
    mutable std::once_flag careful_made_;
    mutable std::unique_ptr<const CarefulTile> careful_;
    Index points_ = 0, pairs_ = 0, per_task_ = 1;
};

}  // namespace

std::unique_ptr<const Matcher> make_matcher(const Problem& problem,
                                            std::shared_ptr<const Pattern> pattern,
                                            const Extents& tile, bool masked,
                                            const microkernels::Table& table) {
    if (problem.arithmetic == Arithmetic::f32)
        return std::make_unique<TiledMatcher<float>>(problem, std::move(pattern), tile, masked,
                                                     table);
    return std::make_unique<TiledMatcher<double>>(problem, std::move(pattern), tile, masked, table);
}

}  // namespace faltung::matching
