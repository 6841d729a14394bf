// Tiles of any length, by the library behind fft.hpp: plain complex numbers in C order.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/workspace.hpp"
#include "spectral/fft.hpp"
#include "spectral/tile_transform.hpp"

namespace faltung {

namespace {

template <class T>
class LibraryTile final : public TileTransform<T> {
public:
    using typename TileTransform<T>::ConstPlane;
    using typename TileTransform<T>::Plane;
    using typename TileTransform<T>::Glance;
    using Complex = std::complex<T>;

    LibraryTile(const Problem& problem, const Kernel& kernel, const TileShape& shape)
        : rows_(shape.rows()), width_(shape.length.back()), columns_(shape.columns) {
        Extents lengths;
        for (int a = 0; a < shape.length.size(); ++a) {
            const bool last = a + 1 == shape.length.size();
            if (shape.length[a] > 1 && !(last && columns_)) lengths.push_back(shape.length[a]);
        }
        if (lengths.empty()) lengths.push_back(1);
        points_ = rows_ * (columns_ ? 1 : width_);
        padded_ = (points_ + 7) / 8 * 8;  // tiles of columns follow one another, aligned

        const Workspace space(static_cast<std::size_t>(points_) * sizeof(std::complex<double>));
        auto* spectrum = space.as<std::complex<double>>();
        std::fill_n(spectrum, points_, 0.0);
        place_kernel(problem, kernel, shape.length, [&](Index row, Index at, double re, double im) {
            spectrum[columns_ ? row : row * width_ + at] = {re, im};
        });
        fft::complex_plan<double>(lengths, fft::Direction::forward, fft::Effort::estimate)
            ->execute(spectrum);
        spectrum_.resize(static_cast<std::size_t>(points_));
        for (Index i = 0; i < points_; ++i)
            spectrum_[static_cast<std::size_t>(i)] =
                static_cast<Complex>(spectrum[i] / static_cast<double>(points_));

        forward_ = fft::complex_plan<T>(lengths, fft::Direction::forward, fft::Effort::measure);
        backward_ = fft::complex_plan<T>(lengths, fft::Direction::backward, fft::Effort::measure);
    }

    std::size_t tile_bytes() const override {
        return static_cast<std::size_t>(padded_ * (columns_ ? width_ : 1)) * sizeof(Complex);
    }
    std::size_t scratch_bytes() const override { return 0; }

    void load(T* tile, Index row, Index rows, const ConstPlane& re, const ConstPlane& im, Index n,
              Glance& re_glance, Glance& im_glance) const override {
        const auto number = [&](const ConstPlane& plane, Index y, Index x) {
            return x < n && plane.data ? plane.data[y * plane.row + x * plane.sample] - plane.less
                                       : T{0};
        };
        for (Index y = 0; y < rows; ++y)
            for (Index x = 0; x < width_; ++x)
                *place(tile, row + y, x) = {number(re, y, x), number(im, y, x)};
        glance(re_glance, re, rows, n);
        glance(im_glance, im, rows, n);
    }

    Index glance_block() const override { return rows_ == 1 ? 64 : 16; }

    void convolve(T* tile, T*, const TileAhead&) const override {
        auto* data = reinterpret_cast<Complex*>(tile);
        for (Index c = 0; c < (columns_ ? width_ : 1); ++c, data += padded_) {
            forward_->execute(data);
            for (Index i = 0; i < points_; ++i) {
                const Complex a = data[i], b = spectrum_[static_cast<std::size_t>(i)];
                data[i] = {a.real() * b.real() - a.imag() * b.imag(),
                           a.real() * b.imag() + a.imag() * b.real()};
            }
            backward_->execute(data);
        }
    }

    void store(const T* tile, Index row, Index rows, int part, const Plane& to, Index n,
               bool) const override {
        for (Index y = 0; y < rows; ++y) {
            for (Index x = 0; x < n; ++x) {
                const Complex value = *place(const_cast<T*>(tile), row + y, x);
                to.data[y * to.row + x * to.sample] = part == 0 ? value.real() : value.imag();
            }
        }
    }

private:
    /// Runs along a row are the blocks; what is cut short is none.
    void glance(Glance& seen, const ConstPlane& plane, Index rows, Index n) const {
        if (!plane.data) return;
        const Index run = glance_block();
        for (Index y = 0; y < rows; ++y) {
            for (Index x = 0; x < n; x += run) {
                const Index end = std::min(n, x + run);
                T squares = 0;
                for (Index i = x; i < end; ++i) {
                    const T value = plane.data[y * plane.row + i * plane.sample] - plane.less;
                    squares += value * value;
                }
                seen.total += squares;
                const bool samples = seen.begin_row <= y && y < seen.end_row && seen.begin <= x &&
                                     end <= seen.end && end - x == run;
                if (samples) seen.least = std::min(seen.least, squares);
            }
        }
    }

    Complex* place(T* tile, Index row, Index x) const {
        auto* data = reinterpret_cast<Complex*>(tile);
        return columns_ ? data + x * padded_ + row : data + row * width_ + x;
    }

    Index rows_, width_, points_ = 0, padded_ = 0;
    bool columns_;
    std::vector<Complex> spectrum_;
    std::shared_ptr<const fft::ComplexPlan<T>> forward_, backward_;
};

}  // namespace

template <class T>
std::unique_ptr<const TileTransform<T>> make_library_tile(const Problem& problem,
                                                          const Kernel& kernel,
                                                          const TileShape& shape) {
    return std::make_unique<LibraryTile<T>>(problem, kernel, shape);
}

template std::unique_ptr<const TileTransform<float>> make_library_tile(const Problem&,
                                                                       const Kernel&,
                                                                       const TileShape&);
template std::unique_ptr<const TileTransform<double>> make_library_tile(const Problem&,
                                                                        const Kernel&,
                                                                        const TileShape&);

}  // namespace faltung
