#include "spectral/bank.hpp"

#include <algorithm>
#include <mutex>
#include <optional>

#include "core/workspace.hpp"
#include "parallel/parallel_for.hpp"
#include "spectral/tile_grid.hpp"
#include "spectral/tile_length.hpp"
#include "spectral/tile_levels.hpp"
#include "spectral/tile_traffic.hpp"

namespace faltung {

namespace {

/// Spectra of tiles that meet one kernel after the other together, so that the kernel's is fetched
/// once for all of them: half of a common second-level cache.
constexpr std::size_t together_bytes = std::size_t{512} << 10;

std::size_t whole_lines(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
class OwnBank final : public BankTiles {
public:
    OwnBank(const Problem& problem, std::vector<std::unique_ptr<const TileTransform<T>>> transforms,
            std::vector<std::shared_ptr<const Dense>> dense, const TileGrid& grid,
            const microkernels::Table& table)
        : problem_(problem),
          table_(table),
          grid_(grid),
          transforms_(std::move(transforms)),
          dense_(std::move(dense)),
          group_(problem.lanes() % 2 == 0 ? 1 : 2),
          planes_(group_ * problem.lanes() / 2) {
        const std::size_t image = whole_lines(first().image_bytes());
        groups_ = (grid_.tiles() + group_ - 1) / group_;
        per_task_ = static_cast<Index>(std::clamp<std::size_t>(
            together_bytes / (image * static_cast<std::size_t>(planes_)), 1, 16));
    }

    std::size_t workspace_bytes() const override {
        return whole_lines(first().image_bytes()) * static_cast<std::size_t>(planes_ * per_task_) +
               whole_lines(first().tile_bytes()) * static_cast<std::size_t>(planes_) +
               whole_lines(first().scratch_bytes()) +
               TileTraffic<T>::scratch_numbers(problem_, grid_.shape(), group_) * sizeof(T);
    }

    void run(const ArrayView& x, const std::vector<ArrayView>& outs,
             const Context& context) const override {
        std::vector<TileTraffic<T>> traffic;
        for (std::size_t k = 0; k < outs.size(); ++k)
            traffic.emplace_back(problem_, grid_.shape(), *transforms_[k], x, outs[k], table_);
        std::vector<std::optional<Workspace>> spaces(static_cast<std::size_t>(context.workers));
        parallel_for((groups_ + per_task_ - 1) / per_task_, context, [&](Index task, int worker) {
            auto& space = spaces[static_cast<std::size_t>(worker)];
            if (!space) space.emplace(workspace_bytes());
            run_task(task, x, outs, traffic, *space);
            table_.correlate_f32.fence();
        });
    }

private:
    const TileTransform<T>& first() const { return *transforms_.front(); }

    void run_task(Index task, const ArrayView& x, const std::vector<ArrayView>& outs,
                  const std::vector<TileTraffic<T>>& traffic, const Workspace& space) const {
        const std::size_t image = whole_lines(first().image_bytes()) / sizeof(T),
                          stride = whole_lines(first().tile_bytes()) / sizeof(T),
                          planes = static_cast<std::size_t>(planes_);
        T* const images = space.as<T>();
        T* const data = images + image * planes * static_cast<std::size_t>(per_task_);
        T* const scratch = data + stride * planes;
        T* const lines = scratch + whole_lines(first().scratch_bytes()) / sizeof(T);

        std::vector<std::vector<TileInFlight>> groups;  // those that meet a transform
        for (Index g = task * per_task_; g < std::min(groups_, (task + 1) * per_task_); ++g) {
            std::vector<TileInFlight> tiles(
                static_cast<std::size_t>(std::min(grid_.tiles(), (g + 1) * group_) - g * group_));
            for (std::size_t t = 0; t < tiles.size(); ++t)
                grid_.place(g * group_ + static_cast<Index>(t), tiles[t].place);
            traffic.front().load(tiles, data, stride, lines);
            if (std::any_of(tiles.begin(), tiles.end(),
                            [](const TileInFlight& tile) { return tile.suspect; })) {
                for (const TileInFlight& tile : tiles) sum_directly(tile.place, x, outs);
                continue;
            }
            if (problem_.sample_bound == 0 &&
                std::any_of(tiles.begin(), tiles.end(),
                            [](const TileInFlight& tile) { return tile.wide; })) {
                for (TileInFlight& tile : tiles) convolve_levels(tile, traffic, data, scratch);
                continue;
            }
            for (std::size_t p = 0; p < planes; ++p)
                first().forward(data + p * stride, images + (groups.size() * planes + p) * image);
            groups.push_back(std::move(tiles));
        }
        for (std::size_t k = 0; k < outs.size(); ++k) {
            for (std::size_t g = 0; g < groups.size(); ++g) {
                for (std::size_t p = 0; p < planes; ++p)
                    transforms_[k]->back(images + (g * planes + p) * image, data + p * stride,
                                         scratch);
                traffic[k].store(groups[g], data, stride, lines);
            }
        }
    }

    /// Every kernel by itself: what is taken apart by magnitude is not shared.
    void convolve_levels(TileInFlight& tile, const std::vector<TileTraffic<T>>& traffic, T* data,
                         T* scratch) const {
        const TileShape& shape = grid_.shape();
        const Index numbers = shape.rows() * shape.length.back() * problem_.lanes();
        const auto turn = TileLevels<T>::turn(shape, problem_.lanes(), levels_mutex_);
        const Workspace space(static_cast<std::size_t>(numbers) * sizeof(T));
        T* const samples = space.as<T>();
        for (std::size_t k = 0; k < traffic.size(); ++k) {
            traffic[k].read(tile, samples);
            TileLevels<T>(problem_, shape, *transforms_[k]).convolve(samples, data, scratch);
            traffic[k].write(tile, samples);
        }
    }

    void sum_directly(const TilePlace& place, const ArrayView& x,
                      const std::vector<ArrayView>& outs) const {
        Box box{place.out, place.out};
        for (int a = 0; a < problem_.axes.size(); ++a) box.end[a] += place.outputs[a];
        for (std::size_t k = 0; k < outs.size(); ++k) dense_[k]->run_box(x, outs[k], box);
    }

    Problem problem_;
    const microkernels::Table& table_;
    TileGrid grid_;
    mutable std::mutex levels_mutex_;
    std::vector<std::unique_ptr<const TileTransform<T>>> transforms_;  // one per kernel
    std::vector<std::shared_ptr<const Dense>> dense_;
    int group_;     // tiles that are transformed together
    Index planes_;  // complex tiles that they make
    Index groups_ = 0, per_task_ = 1;
};

template <class T>
std::unique_ptr<const BankTiles> make_own_bank(
    const Problem& problem, const std::vector<std::shared_ptr<const Kernel>>& kernels,
    const Extents& tile, std::vector<std::shared_ptr<const Dense>> dense,
    const microkernels::Table& table, const Context& context) {
    const TileGrid grid(problem, tile, transforms_of<T>(table).lanes);
    std::vector<std::unique_ptr<const TileTransform<T>>> transforms(kernels.size());
    parallel_for(static_cast<Index>(kernels.size()), context, [&](Index k, int) {
        const auto at = static_cast<std::size_t>(k);
        transforms[at] = make_own_tile<T>(problem, *kernels[at], grid.shape(), table);
    });
    if (!transforms.front() || transforms.front()->image_bytes() == 0) return nullptr;
    return std::make_unique<OwnBank<T>>(problem, std::move(transforms), std::move(dense), grid,
                                        table);
}

}  // namespace

std::size_t bank_kernel_bytes(const Problem& problem, const Extents& tile) {
    // a folded line keeps a table of its own size beside its spectrum
    int convolved = 0;
    for (const Axis& axis : problem.axes) convolved += axis.k > 1;
    return static_cast<std::size_t>(product(tile)) * 2 * size_of(problem.arithmetic) *
           (convolved == 1 ? 2 : 1);
}

std::unique_ptr<const BankTiles> make_bank(
    const Problem& problem, const std::vector<std::shared_ptr<const Kernel>>& kernels,
    const Extents& tile, std::vector<std::shared_ptr<const Dense>> dense,
    const microkernels::Table& table, const Context& context) {
    if (problem.arithmetic == Arithmetic::f32)
        return make_own_bank<float>(problem, kernels, tile, std::move(dense), table, context);
    return make_own_bank<double>(problem, kernels, tile, std::move(dense), table, context);
}

}  // namespace faltung
