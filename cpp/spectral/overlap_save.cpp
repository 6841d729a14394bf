#include "spectral/overlap_save.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <vector>

#include "core/workspace.hpp"
#include "parallel/parallel_for.hpp"
#include "spectral/tile_grid.hpp"
#include "spectral/tile_length.hpp"
#include "spectral/tile_levels.hpp"
#include "spectral/tile_traffic.hpp"

namespace faltung {

namespace {

constexpr Index task_points = Index{1} << 14;  // some 10 us of work: small tiles share a task

std::size_t whole_lines(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
class OverlapSave final : public Executor {
public:
    OverlapSave(const Problem& problem, const Kernel& kernel, const Extents& tile,
                std::shared_ptr<const Dense> dense, const microkernels::Table& table,
                const Context& context, TransformEngine engine)
        : problem_(problem),
          table_(table),
          dense_(std::move(dense)),
          grid_(problem, tile, transforms_of<T>(table).lanes),
          group_(problem.lanes() % 2 == 0 ? 1 : 2),
          planes_(group_ * problem.lanes() / 2) {
        if (engine == TransformEngine::own)
            transform_ = make_own_tile<T>(problem, kernel, grid_.shape(), table, context);
        if (!transform_) transform_ = make_library_tile<T>(problem, kernel, grid_.shape());
        groups_ = (grid_.tiles() + group_ - 1) / group_;
        const Index points = grid_.shape().rows() * grid_.shape().length.back() * planes_;
        per_task_ = std::max<Index>(1, task_points / points);
    }

    std::size_t workspace_bytes() const override {
        return whole_lines(transform_->tile_bytes()) * static_cast<std::size_t>(planes_) +
               whole_lines(transform_->scratch_bytes()) +
               TileTraffic<T>::scratch_numbers(problem_, grid_.shape(), group_) * sizeof(T);
    }

    void run(const ArrayView& x, const ArrayView& out, const Context& context) const override {
        const TileTraffic<T> traffic(problem_, grid_.shape(), *transform_, x, out, table_);
        std::vector<std::optional<Workspace>> spaces(static_cast<std::size_t>(context.workers));
        parallel_for((groups_ + per_task_ - 1) / per_task_, context, [&](Index task, int worker) {
            auto& space = spaces[static_cast<std::size_t>(worker)];
            if (!space) space.emplace(workspace_bytes());
            const Index end = std::min(groups_, (task + 1) * per_task_);
            std::vector<TileInFlight> tiles, next;
            fill_group(task * per_task_, tiles);
            for (Index group = task * per_task_; group < end; ++group) {
                fill_group(group + 1, next);
                convolve(tiles, next, traffic, *space);
                for (const TileInFlight& tile : tiles)
                    if (tile.suspect && tile.outliers.length(0) > 0)
                        dense_->run_box(x, out, outputs_that_see(tile));
                tiles.swap(next);
            }
            table_.correlate_f32.fence();
        });
    }

private:
    /// The tiles that are transformed together; none past the end.
    void fill_group(Index group, std::vector<TileInFlight>& tiles) const {
        const Index begin = std::min(grid_.tiles(), group * group_);
        const Index end = std::min(grid_.tiles(), begin + group_);
        tiles.resize(static_cast<std::size_t>(end - begin));
        for (Index t = begin; t < end; ++t) {
            TileInFlight& tile = tiles[static_cast<std::size_t>(t - begin)];
            grid_.place(t, tile.place);
            tile.suspect = false;
        }
    }

    void convolve(std::vector<TileInFlight>& tiles, const std::vector<TileInFlight>& next,
                  const TileTraffic<T>& traffic, const Workspace& space) const {
        const std::size_t stride = whole_lines(transform_->tile_bytes()) / sizeof(T);
        T* const data = space.as<T>();
        T* const scratch = data + stride * static_cast<std::size_t>(planes_);
        T* const lines = scratch + whole_lines(transform_->scratch_bytes()) / sizeof(T);
        traffic.load(tiles, data, stride, lines);
        if (std::any_of(tiles.begin(), tiles.end(),
                        [](const TileInFlight& tile) { return tile.suspect; }))
            traffic.load(tiles, data, stride, lines);
        if (problem_.sample_bound == 0 &&  // integers are rounded in the end
            std::any_of(tiles.begin(), tiles.end(),
                        [](const TileInFlight& tile) { return tile.wide; })) {
            // A transform mixes two tiles, so both go this way.
            for (TileInFlight& tile : tiles) convolve_levels(tile, traffic, data, scratch);
            return;
        }
        const auto numbers = tiles.size() * static_cast<std::size_t>(problem_.lanes());
        traffic.fetch_ends(tiles);
        const TileAhead ahead = traffic.ahead(next);
        for (std::size_t p = 0; 2 * p < numbers; ++p)
            transform_->convolve(data + p * stride, scratch, p == 0 ? ahead : TileAhead());
        traffic.store(tiles, data, stride, lines);
    }

    void convolve_levels(TileInFlight& tile, const TileTraffic<T>& traffic, T* data,
                         T* scratch) const {
        const TileShape& shape = grid_.shape();
        const Index numbers = shape.rows() * shape.length.back() * problem_.lanes();
        const auto turn = TileLevels<T>::turn(shape, problem_.lanes(), levels_mutex_);
        const Workspace space(static_cast<std::size_t>(numbers) * sizeof(T));
        T* const samples = space.as<T>();
        traffic.read(tile, samples);
        TileLevels<T>(problem_, shape, *transform_).convolve(samples, data, scratch);
        traffic.write(tile, samples);
    }

    /// The outputs of a tile whose window reaches into the box of its outliers.
    Box outputs_that_see(const TileInFlight& tile) const {
        Box box{tile.place.out, tile.place.out};
        for (int a = 0; a < problem_.axes.size(); ++a) {
            const Axis& axis = problem_.axes[a];
            const Index before = std::max<Index>(0, tile.outliers.begin[a] - axis.reach() + 1);
            const Index first = (before + axis.step - 1) / axis.step;
            const Index end =
                std::min(tile.place.outputs[a], (tile.outliers.end[a] - 1) / axis.step + 1);
            box.begin[a] += std::min(first, end);
            box.end[a] += end;
        }
        return box;
    }

    Problem problem_;
    const microkernels::Table& table_;
    std::shared_ptr<const Dense> dense_;
    TileGrid grid_;
    int group_;     // tiles that are transformed together
    Index planes_;  // complex tiles that they make
    mutable std::mutex levels_mutex_;
    std::unique_ptr<const TileTransform<T>> transform_;
    Index groups_ = 0, per_task_ = 1;
};

}  // namespace

std::unique_ptr<Executor> make_overlap_save(const Problem& problem,
                                            std::shared_ptr<const Kernel> kernel,
                                            const Extents& tile, std::shared_ptr<const Dense> dense,
                                            const microkernels::Table& table,
                                            const Context& context, TransformEngine engine) {
    switch (problem.arithmetic) {
        case Arithmetic::f32:
            return std::make_unique<OverlapSave<float>>(problem, *kernel, tile, std::move(dense),
                                                        table, context, engine);
        case Arithmetic::f64:
            return std::make_unique<OverlapSave<double>>(problem, *kernel, tile, std::move(dense),
                                                         table, context, engine);
        default: throw std::logic_error("overlap-save does not compute in integers");
    }
}

}  // namespace faltung
