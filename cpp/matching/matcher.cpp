#include "matching/matcher.hpp"

#include <algorithm>
#include <limits>
#include <mutex>
#include <optional>

#include "core/workspace.hpp"
#include "matching/careful.hpp"
#include "matching/masked.hpp"
#include "parallel/parallel_for.hpp"
#include "spectral/tile_length.hpp"
#include "spectral/tile_traffic.hpp"

namespace faltung::matching {

namespace {

constexpr Index task_points = Index{1} << 16;  // small tiles share a task
constexpr int pair = 2;                        // tiles that are transformed together

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
          grid_(problem, tile, transforms_of<T>(table).lanes) {
        if (masked)
            masked_.emplace(exact_, pattern_, grid_.shape(), table);
        else if (!pattern_->flat)
            transform_ =
                make_tile<T>(exact_, as_kernel(*pattern_, pattern_->taps), grid_.shape(), table);
        for (int a = 0; a + 1 < problem.axes.size(); ++a)
            if (grid_.shape().length[a] > 1) row_axis_ = a;
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
        LineReader<T> x;
        LineReader<double> exact_x;
        std::optional<LineReader<double>> keep;
        LineWriter<T> out;
        const ArrayView& x_view;
        const microkernels::TransformTable<T>& transforms;
        bool streams;  // large maps go past the caches

        Arrays(const TiledMatcher& matcher, const ArrayView& x_array, const ArrayView* keep_array,
               const ArrayView& out_array)
            : x(matcher.problem_, x_array, matcher.table_),
              exact_x(matcher.exact_, x_array, matcher.table_),
              out(matcher.problem_, out_array, matcher.table_),
              x_view(x_array),
              transforms(transforms_of<T>(matcher.table_)),
              streams(static_cast<std::size_t>(product(out_array.shape)) * sizeof(T) >=
                      streamed_bytes) {
            if (keep_array)
                keep.emplace(reading_mask(matcher.exact_, keep_array->dtype), *keep_array,
                             matcher.table_);
        }

        void write(const Extents& at, Index begin, Index n, const T* scores) const {
            T* const to = streams ? out.in_place(at.data(), begin, begin + n) : nullptr;
            if (!to) return out.write(at.data(), begin, begin + n, scores);
            // a line is a row of panels that stand side by side
            const Index lanes = transforms.lanes;
            transforms.store(scores, {lanes, (n + lanes - 1) / lanes}, 0, {to, n, 1}, 1, n, true);
        }
    };

    /// One tile under way: its samples freed of their mean.
    struct Tile {
        TilePlace place;
        T* block = nullptr;
        double energy = 0;
    };
    struct Pair {
        Tile tiles[pair];
        int count = 0;
    };
    /// What a worker has to work with.
    struct Space {
        T* blocks[pair];
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
            std::byte* taken = base + at;
            at += whole_lines(bytes);
            return taken;
        };
        for (T*& block : space.blocks) block = reinterpret_cast<T*>(take(block_bytes()));
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
        for (int t = 0; t < now.count; ++t) now.tiles[t].block = space.blocks[t];
        if (!masked_) return score_pair(now, next, arrays, space);
        for (int t = 0; t < now.count; ++t) {
            masked_->score(arrays.exact_x, arrays.keep ? &*arrays.keep : nullptr,
                           now.tiles[t].place, space.scores);
            write(now.tiles[t], arrays, space.scores);
        }
    }

    void score_pair(Pair& now, const Pair& next, const Arrays& arrays, const Space& space) const {
        double energy = 0;
        for (int t = 0; t < now.count; ++t) {
            read(now.tiles[t], arrays);
            energy += now.tiles[t].energy;
        }
        const bool ordinary = energy > least_energy<T> && energy < most_energy<T>;
        if (ordinary && transform_) correlate(now, next, arrays, space);
        for (int t = 0; t < now.count; ++t) {
            const Tile& tile = now.tiles[t];
            if (ordinary && transform_) {
                score(tile, t, energy, arrays, space);
                continue;
            }
            const bool flat = ordinary || (tile.energy == 0 && constant(tile));
            fill(tile, flat ? T{0} : static_cast<T>(microkernels::doubtful_score), space.scores);
            if (!flat) careful().repair(arrays.exact_x, tile.place, space.scores);
            write(tile, arrays, space.scores);
        }
    }

    /// A value near the tile's samples: the mean of a few.
    T centre_of(const TilePlace& place, const LineReader<T>& x) const {
        constexpr Index probes = 4;
        const int rank = grid_.shape().length.size(), last = rank - 1;
        Extents step(rank, 0);
        Index total = 1;
        for (int a = 0; a < rank; ++a) total *= std::min(probes, place.need[a]);
        double sum = 0, count = 0;
        for (Index i = 0; i < total; ++i) {
            Extents at = place.start;
            Index rest = i;
            for (int a = last; a >= 0; --a) {
                const Index some = std::min(probes, place.need[a]);
                at[a] += (2 * (rest % some) + 1) * place.need[a] / (2 * some);
                rest /= some;
            }
            T sample;
            x.read(at.data(), at[last], at[last] + 1, &sample);
            if (std::isfinite(sample)) sum += static_cast<double>(sample), ++count;
        }
        const double mean = count > 0 ? sum / count : 0;
        // whole numbers stay whole
        return static_cast<T>(is_integer(problem_.x_dtype) ? std::nearbyint(mean) : mean);
    }

    void read(Tile& tile, const Arrays& arrays) const {
        const auto& centre = match().centre;
        const Index line = grid_.shape().length.back(), n = tile.place.need.back(),
                    begin = tile.place.start.back();
        const T middle = centre_of(tile.place, arrays.x);
        tile.energy = 0;
        for_each_tile_row(grid_.shape(), tile.place,
                          [&](Index row, const Extents& at, bool needed) {
                              T* to = tile.block + row * line;
                              if (!needed) {
                                  std::fill_n(to, line, T{0});
                                  return;
                              }
                              const T* from = arrays.x.in_place(at.data(), begin, begin + n);
                              if (!from) arrays.x.read(at.data(), begin, begin + n, to);
                              tile.energy += centre(from ? from : to, middle, to, n);
                              std::fill(to + n, to + line, T{0});
                          });
    }

    void correlate(const Pair& now, const Pair& next, const Arrays& arrays,
                   const Space& space) const {
        const Tile* tiles = now.tiles;
        load_tile<T>(*transform_, grid_.shape(), tiles[0].block,
                     now.count > 1 ? tiles[1].block : nullptr, space.tile);
        transform_->convolve(space.tile, space.scratch, ahead(next, arrays));
    }

    /// What will be read next.
    microkernels::Ahead ahead(const Pair& next, const Arrays& arrays) const {
        microkernels::Ahead ahead{};
        const int last = problem_.axes.size() - 1;
        if (row_axis_ < 0) return ahead;
        for (int t = 0; t < next.count; ++t) {
            const TilePlace& place = next.tiles[t].place;
            const std::byte* at = arrays.x_view.data;
            Index inside[2] = {};
            for (int a = 0; a <= last; ++a) {
                const Index begin = std::clamp<Index>(place.start[a], 0, problem_.axes[a].x - 1);
                const Index end = std::min(place.start[a] + place.need[a], problem_.axes[a].x);
                at += begin * arrays.x_view.strides[a];
                if (a == row_axis_ || a == last) inside[a == last] = end - begin;
            }
            ahead.plane[t] = at;
            ahead.rows = std::max(ahead.rows, inside[0]);
            ahead.bytes = std::max(ahead.bytes, inside[1] * arrays.x_view.strides[last]);
        }
        ahead.stride = arrays.x_view.strides[row_axis_];
        return ahead;
    }

    /// Products become scores, row by row.
    void score(const Tile& tile, int part, double energy, const Arrays& arrays,
               const Space& space) const {
        const TileShape& shape = grid_.shape();
        const WindowShape windows = windows_of(problem_, shape, tile.place);
        const double samples = static_cast<double>(pattern_->count);
        const double share = samples / static_cast<double>(points_);
        const bool exact = is_integer(problem_.x_dtype) && tile.energy < exact_squares;
        const double doubtful = trusted<T> * share * energy;
        const double flat =
            exact ? no_spread_of_integers : -std::numeric_limits<double>::infinity();
        const Index n = windows.outputs.back(), begin = tile.place.out.back();
        WindowSums<T> sums(windows, tile.block, space.sums, table_);
        OutputRows outputs(shape, tile.place);
        std::vector<Index> doubts;
        walk_windows(windows, sums, [&](Index row) {
            transform_->store(space.tile, outputs.in_tile(), 1, part, {space.line, n, 1}, n, false);
            match().spread(sums.sum(), sums.square(), windows.window.back(), 1 / samples,
                           space.spreads, n);
            const Index count = match().score(space.line, space.spreads, flat,
                                              std::max(flat, doubtful), space.line, n);
            if (count > 0) {
                if (doubts.empty()) fill(tile, T{0}, space.scores);
                doubts.push_back(row);
                std::copy_n(space.line, n, space.scores + row * n);
            } else {
                arrays.write(outputs.at(), begin, n, space.line);
            }
            outputs.next();
        });
        if (doubts.empty()) return;
        careful().repair(arrays.exact_x, tile.place, space.scores);
        OutputRows again(shape, tile.place);
        for (Index row = 0; const Index doubt : doubts) {
            for (; row < doubt; ++row) again.next();
            arrays.write(again.at(), begin, n, space.scores + row * n);
        }
    }

    void fill(const Tile& tile, T value, T* scores) const {
        std::fill_n(scores, product(tile.place.outputs), value);
    }

    bool constant(const Tile& tile) const {
        return std::all_of(tile.block, tile.block + points_, [](T sample) { return sample == 0; });
    }

    void write(const Tile& tile, const Arrays& arrays, const T* scores) const {
        const Index n = tile.place.outputs.back();
        OutputRows outputs(grid_.shape(), tile.place);
        for (const T* end = scores + product(tile.place.outputs); scores < end; scores += n) {
            arrays.write(outputs.at(), tile.place.out.back(), n, scores);
            outputs.next();
        }
    }

    const microkernels::MatchTable<T>& match() const {
        if constexpr (std::is_same_v<T, float>)
            return table_.match_f32;
        else
            return table_.match_f64;
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
    TileGrid grid_;
    std::unique_ptr<const TileTransform<T>> transform_;  // none for a flat or a masked template
    std::optional<MaskedTile> masked_;
    mutable std::once_flag careful_made_;
    mutable std::unique_ptr<const CarefulTile> careful_;
    int row_axis_ = -1;  // the innermost one before the last of more than one row
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
