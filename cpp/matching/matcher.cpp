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
            auto& space = spaces[static_cast<std::size_t>(worker)];
            if (!space) space.emplace(workspace_bytes());
            const Index end = std::min(pairs_, (task + 1) * per_task_);
            for (Index p = task * per_task_; p < end; ++p) run_pair(p, arrays, *space);
        });
    }

private:
    struct Arrays {
        LineReader<T> x;
        LineReader<double> exact_x;
        std::optional<LineReader<double>> keep;
        LineWriter<T> out;

        Arrays(const TiledMatcher& matcher, const ArrayView& x_view, const ArrayView* keep_view,
               const ArrayView& out_view)
            : x(matcher.problem_, x_view, matcher.table_),
              exact_x(matcher.exact_, x_view, matcher.table_),
              out(matcher.problem_, out_view, matcher.table_) {
            if (keep_view)
                keep.emplace(reading_mask(matcher.exact_, keep_view->dtype), *keep_view,
                             matcher.table_);
        }
    };

    /// One tile under way: its samples freed of their mean, later its scores.
    struct Tile {
        TilePlace place;
        T* block;
        T* scores;
        double energy = 0;
    };

    std::size_t block_bytes() const {
        return whole_lines(static_cast<std::size_t>(points_) * sizeof(T));
    }
    std::size_t sums_numbers() const {
        TilePlace place;
        grid_.place(0, place);
        return WindowSums<T>::scratch_numbers(windows_of(problem_, grid_.shape(), place));
    }
    std::size_t workspace_bytes() const {
        const std::size_t transform = transform_ ? whole_lines(transform_->tile_bytes()) +
                                                       whole_lines(transform_->scratch_bytes())
                                                 : 0;
        return transform + 2 * pair * block_bytes() + sums_numbers() * sizeof(double);
    }

    void run_pair(Index which, const Arrays& arrays, const Workspace& space) const {
        std::byte* at = space.data();
        const auto take = [&](std::size_t bytes) {
            std::byte* taken = at;
            at += bytes;
            return taken;
        };
        Tile tiles[pair];
        int count = 0;
        for (Index t = pair * which; t < std::min(grid_.tiles(), pair * (which + 1)); ++t) {
            Tile& tile = tiles[count++];
            tile.block = reinterpret_cast<T*>(take(block_bytes()));
            tile.scores = reinterpret_cast<T*>(take(block_bytes()));
            grid_.place(t, tile.place);
        }
        if (masked_) {
            for (int t = 0; t < count; ++t)
                masked_->score(arrays.exact_x, arrays.keep ? &*arrays.keep : nullptr,
                               tiles[t].place, tiles[t].scores);
        } else {
            score_pair(tiles, count, arrays, at);
        }
        for (int t = 0; t < count; ++t) write(tiles[t], arrays);
    }

    void score_pair(Tile* tiles, int count, const Arrays& arrays, std::byte* scratch) const {
        double energy = 0;
        for (int t = 0; t < count; ++t) {
            read(tiles[t], arrays);
            energy += tiles[t].energy;
        }
        if (energy > least_energy<T> && energy < most_energy<T>) {
            if (transform_) correlate(tiles, count, reinterpret_cast<T*>(scratch));
            auto* sums = reinterpret_cast<double*>(
                scratch + (transform_ ? whole_lines(transform_->tile_bytes()) +
                                            whole_lines(transform_->scratch_bytes())
                                      : 0));
            for (int t = 0; t < count; ++t)
                if (!transform_)
                    fill(tiles[t], T{0});
                else if (score(tiles[t], energy, sums) > 0)
                    careful().repair(arrays.exact_x, tiles[t].place, tiles[t].scores);
            return;
        }
        for (int t = 0; t < count; ++t) {
            if (tiles[t].energy == 0 && constant(tiles[t])) {
                fill(tiles[t], T{0});
                continue;
            }
            fill(tiles[t], static_cast<T>(microkernels::doubtful_score));
            careful().repair(arrays.exact_x, tiles[t].place, tiles[t].scores);
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

    void correlate(Tile* tiles, int count, T* data) const {
        T* const scratch = data + whole_lines(transform_->tile_bytes()) / sizeof(T);
        const TileShape& shape = grid_.shape();
        load_tile<T>(*transform_, shape, tiles[0].block, count > 1 ? tiles[1].block : nullptr,
                     data);
        transform_->convolve(data, scratch, {});
        for (int t = 0; t < count; ++t)
            store_tile<T>(*transform_, shape, tiles[t].place.outputs, t, data, tiles[t].scores);
    }

    /// Products become scores; the answer is how many are doubtful.
    Index score(Tile& tile, double energy, double* scratch) const {
        const WindowShape windows = windows_of(problem_, grid_.shape(), tile.place);
        const double samples = static_cast<double>(pattern_->count);
        const double share = samples / static_cast<double>(points_);
        const bool exact = is_integer(problem_.x_dtype) && tile.energy < exact_squares;
        const double doubtful = trusted<T> * share * energy;
        const double flat =
            exact ? no_spread_of_integers : -std::numeric_limits<double>::infinity();
        const Index n = windows.outputs.back();
        WindowSums<T> sums(windows, tile.block, scratch, table_);
        Index count = 0;
        walk_windows(windows, sums, [&](Index row) {
            sums.finish();
            T* line = tile.scores + row * n;
            count += match().score(line, sums.sum(), sums.square(), samples, flat,
                                   std::max(flat, doubtful), line, n);
        });
        return count;
    }

    void fill(Tile& tile, T value) const {
        std::fill_n(tile.scores, product(tile.place.outputs), value);
    }

    bool constant(const Tile& tile) const {
        return std::all_of(tile.block, tile.block + points_, [](T sample) { return sample == 0; });
    }

    void write(const Tile& tile, const Arrays& arrays) const {
        const TilePlace& place = tile.place;
        const Index n = place.outputs.back(), begin = place.out.back();
        const T* line = tile.scores;
        TilePlace outputs = place;  // walked like samples
        outputs.start = place.out;
        outputs.need = place.outputs;
        const TileShape shape{.length = place.outputs, .valid = place.outputs};
        for_each_tile_row(shape, outputs, [&](Index, const Extents& at, bool) {
            arrays.out.write(at.data(), begin, begin + n, line);
            line += n;
        });
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
