// Tiles by the transforms of the microkernels.
#include <algorithm>
#include <cstring>
#include <optional>
#include <type_traits>

#include "spectral/tile_frame.hpp"

namespace faltung {

namespace {

/// Numbers of the largest tile whose kernel's spectrum is made in float64: twice 16 MiB beside it.
constexpr double most_exact_numbers = 1 << 21;

template <class T>
class OwnTile final : public TileTransform<T> {
public:
    using typename TileTransform<T>::ConstPlane;
    using typename TileTransform<T>::Plane;
    using typename TileTransform<T>::Glance;

    OwnTile(const Problem& problem, const Kernel& kernel, const TileShape& shape,
            const TilePlan& plan, const microkernels::Table& table, const Context& context)
        : frame_(plan, transforms_of<T>(table)), spectrum_(frame_.spectrum_numbers() * sizeof(T)) {
        // The spectrum is computed in float64 and rounded once, unless that would take more than
        // tiles of this size may; the kernel's is then no worse off than the samples are.
        if (static_cast<double>(frame_.tile_numbers()) <= most_exact_numbers)
            fill_spectrum<double>(problem, kernel, shape, table, context);
        else
            fill_spectrum<T>(problem, kernel, shape, table, context);
    }

    std::size_t tile_bytes() const override { return frame_.tile_numbers() * sizeof(T); }
    std::size_t scratch_bytes() const override { return frame_.buffer_numbers() * sizeof(T); }

    void load(T* tile, Index row, Index rows, const ConstPlane& re, const ConstPlane& im, Index n,
              Glance& re_glance, Glance& im_glance) const override {
        const auto& layout = frame_.layout();
        const auto read = frame_.table().load;
        if (!frame_.plan().fold)
            return read(frame_.row(tile, row), layout, re, im, rows, n, microkernels::glance_rows,
                        re_glance, im_glance);
        constexpr Index block = microkernels::whole_row;
        const Index width = frame_.plan().width, whole = n / width;
        Glance re_part = within_rows(re_glance, width), im_part = within_rows(im_glance, width);
        const ConstPlane re_rows{re.data, width * re.sample, re.sample, re.less};
        const ConstPlane im_rows{im.data, width * im.sample, im.sample, im.less};
        read(tile, layout, re_rows, im_rows, whole, width, block, re_part, im_part);
        if (whole < frame_.height()) {
            re_part.end_row = im_part.end_row = 0;  // what is cut short is no block
            const Index done = whole * width;
            const ConstPlane re_rest{re.data ? re.data + done * re.sample : nullptr, 0, re.sample,
                                     re.less};
            const ConstPlane im_rest{im.data ? im.data + done * im.sample : nullptr, 0, im.sample,
                                     im.less};
            read(frame_.row(tile, whole), layout, re_rest, im_rest, 1, n - done, block, re_part,
                 im_part);
            const ConstPlane nothing{nullptr, 0, 1};
            if (whole + 1 < frame_.height())
                read(frame_.row(tile, whole + 1), layout, nothing, nothing,
                     frame_.height() - whole - 1, 0, block, re_part, im_part);
        }
        re_glance.total = re_part.total;
        re_glance.least = re_part.least;
        im_glance.total = im_part.total;
        im_glance.least = im_part.least;
    }

    Index glance_block() const override {
        return frame_.plan().fold ? frame_.plan().width
                                  : frame_.lanes() * microkernels::glance_rows;
    }

    void convolve(T* tile, T* scratch, const TileAhead& ahead) const override {
        frame_.convolve(tile, spectrum_.template as<T>(), scratch, ahead);
    }

    std::size_t image_bytes() const override {
        return frame_.plan().columns ? 0 : frame_.spectrum_numbers() * sizeof(T);
    }
    void forward(T* tile, T* image) const override { frame_.forward(tile, image); }
    void back(const T* image, T* tile, T* scratch) const override {
        frame_.back(image, spectrum_.template as<T>(), tile, scratch);
    }

    void store(const T* tile, Index row, Index rows, int part, const Plane& to, Index n,
               bool stream) const override {
        const auto& layout = frame_.layout();
        const auto write = frame_.table().store;
        if (!frame_.plan().fold)
            return write(frame_.row(tile, row), layout, part, to, rows, n, stream);
        const Index width = frame_.plan().width, whole = n / width, done = whole * width;
        write(tile, layout, part, {to.data, width * to.sample, to.sample}, whole, width, stream);
        if (n > done)
            write(frame_.row(tile, whole), layout, part, {to.data + done * to.sample, 0, to.sample},
                  1, n - done, stream);
    }

    const T* registers(const T* tile, Index row, int part, Index& pace) const override {
        if (frame_.plan().fold) return nullptr;
        pace = frame_.layout().panel;
        return frame_.row(tile, row) + part * frame_.lanes();
    }

    bool store_interleaved(const typename TileTransform<T>::Source* planes, Index count, Index row,
                           Index rows, T* to, Index to_row, Index n, bool stream) const override {
        constexpr Index most = 4;
        if (count < 2 || count > most) return false;
        const T* from[most];
        const auto write = [&](Index first, Index height, T* at, Index pitch, Index length) {
            for (Index c = 0; c < count; ++c)
                from[c] = frame_.row(planes[c].tile, first) + planes[c].part * frame_.lanes();
            frame_.table().store_interleaved(from, static_cast<int>(count), frame_.layout(), at,
                                             pitch, height, length, stream);
        };
        if (!frame_.plan().fold) {
            write(row, rows, to, to_row, n);
            return true;
        }
        const Index width = frame_.plan().width, whole = n / width, done = whole * width;
        write(0, whole, to, width * count, width);
        if (n > done) write(whole, 1, to + done * count, 0, n - done);
        return true;
    }

private:
    template <class E>
    void fill_spectrum(const Problem& problem, const Kernel& kernel, const TileShape& shape,
                       const microkernels::Table& table, const Context& context) {
        const TilePlan& plan = frame_.plan();
        const TileFrame<E> exact(plan, transforms_of<E>(table));
        const Workspace tile_space(exact.tile_numbers() * sizeof(E));
        std::optional<Workspace> spectrum_space;  // or where the rounded one will be
        E* tile = tile_space.as<E>();
        std::memset(tile, 0, tile_space.size());
        const Index width = plan.width;
        place_kernel(problem, kernel, shape.length, [&](Index row, Index at, double re, double im) {
            E* place = plan.fold ? exact.sample(tile, at / width, at % width)
                                 : exact.sample(tile, row, at);
            place[0] = static_cast<E>(re);
            place[exact.lanes()] = static_cast<E>(im);
        });
        E* spectrum;
        if constexpr (std::is_same_v<E, T>)
            spectrum = spectrum_.template as<T>();
        else
            spectrum =
                spectrum_space.emplace(exact.spectrum_numbers() * sizeof(E)).template as<E>();
        exact.forward(tile, spectrum, context);

        double points = plan.columns ? 1.0 : static_cast<double>(width);
        for (const Index n : plan.column_lengths) points *= static_cast<double>(n);
        T* rounded = spectrum_.template as<T>();
        if (plan.columns) {
            for (Index i = 0; i < 2 * frame_.spectrum_places(); ++i)
                rounded[i] = static_cast<T>(spectrum[i] / points);
            return;
        }
        round_spectrum(spectrum, exact.lanes(), rounded, frame_.lanes(),
                       frame_.spectrum_places() / width, width, 1 / points, context);
    }

    /// A folded line's samples [begin, end) as the rows that hold nothing else.
    static Glance within_rows(Glance glance, Index width) {
        glance.begin_row = (glance.begin + width - 1) / width;
        glance.end_row = glance.end / width;
        return glance;
    }

    TileFrame<T> frame_;
    Workspace spectrum_;
};

}  // namespace

template <class T>
std::unique_ptr<const TileTransform<T>> make_own_tile(const Problem& problem, const Kernel& kernel,
                                                      const TileShape& shape,
                                                      const microkernels::Table& table,
                                                      const Context& context) {
    const TilePlan plan = plan_tile(shape, transforms_of<T>(table));
    // The spectrum comes from the double transforms, whose lengths must serve too.
    if (!plan.good || !plan_tile(shape, transforms_of<double>(table)).good) return nullptr;
    return std::make_unique<OwnTile<T>>(problem, kernel, shape, plan, table, context);
}

bool own_tile_serves(Arithmetic arithmetic, const TileShape& shape,
                     const microkernels::Table& table) {
    switch (arithmetic) {
        case Arithmetic::f32: return plan_tile(shape, table.transform_f32).good;
        case Arithmetic::f64: return plan_tile(shape, table.transform_f64).good;
        default: return false;
    }
}

template std::unique_ptr<const TileTransform<float>> make_own_tile(const Problem&, const Kernel&,
                                                                   const TileShape&,
                                                                   const microkernels::Table&,
                                                                   const Context&);
template std::unique_ptr<const TileTransform<double>> make_own_tile(const Problem&, const Kernel&,
                                                                    const TileShape&,
                                                                    const microkernels::Table&,
                                                                    const Context&);

}  // namespace faltung
