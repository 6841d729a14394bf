// The convolution of one tile: complex numbers in some layout of its own, filled and emptied by
// rows.
//
// A tile has one length per axis of the problem. Its rows run along the last axis and are counted
// in C order over the others. A transform of columns leaves the last axis alone: its rows are so
// many independent lanes.
#pragma once

#include <memory>

#include "core/executor.hpp"
#include "core/extents.hpp"
#include "core/kernel.hpp"
#include "core/problem.hpp"
#include "microkernels/table.hpp"
#include "spectral/tile_ahead.hpp"

namespace faltung {

/// What to transform.
struct TileShape {
    Extents length;  // per axis; 1 where nothing is convolved, except the last axis of a tile of
                     // columns
    Extents valid;   // positions from the start of each axis whose results are wanted
    bool columns = false;  // the last axis is not convolved

    Index rows() const {
        Index total = 1;
        for (int a = 0; a + 1 < length.size(); ++a) total *= length[a];
        return total;
    }
};

template <class T>
class TileTransform {
public:
    using ConstPlane = microkernels::Plane<const T>;
    using Plane = microkernels::Plane<T>;
    using Glance = microkernels::Glance<T>;

    virtual ~TileTransform() = default;

    virtual std::size_t tile_bytes() const = 0;
    virtual std::size_t scratch_bytes() const = 0;

    /// Rows [row, row + rows), which lie in one block along the innermost axis of more than one
    /// row. The first n samples of each; the others are zero. Adds to the glances, whose ranges
    /// count rows from `row` and columns of the shape.
    virtual void load(T* tile, Index row, Index rows, const ConstPlane& re, const ConstPlane& im,
                      Index n, Glance& re_glance, Glance& im_glance) const = 0;
    /// The same without a look.
    void load(T* tile, Index row, Index rows, const ConstPlane& re, const ConstPlane& im,
              Index n) const {
        Glance unseen[2]{};
        load(tile, row, rows, re, im, n, unseen[0], unseen[1]);
    }
    /// Numbers in a block of a glance.
    virtual Index glance_block() const = 0;
    /// Meanwhile fetches what `ahead` names, where the engine can.
    virtual void convolve(T* tile, T* scratch, const TileAhead& ahead) const = 0;
    /// convolve() in two steps, so that many kernels share the first: a tile's spectrum goes to
    /// `image` (which takes image_bytes(), zero where this is not served), and comes back times
    /// that of this kernel. All transforms of one shape agree on it.
    virtual std::size_t image_bytes() const { return 0; }
    virtual void forward(T* /*tile*/, T* /*image*/) const {}
    virtual void back(const T* /*image*/, T* /*tile*/, T* /*scratch*/) const {}
    /// The real (part 0) or imaginary (part 1) results of those rows.
    virtual void store(const T* tile, Index row, Index rows, int part, const Plane& to, Index n,
                       bool stream) const = 0;
    /// A row of those results where it stands: registers of numbers, `pace` numbers apart. Null
    /// where it does not stand like that.
    virtual const T* registers(const T* /*tile*/, Index /*row*/, int /*part*/,
                               Index& /*pace*/) const {
        return nullptr;
    }
    /// `count` planes at once, one number of each in turn, `to_row` numbers from row to row. False
    /// where they have to be stored one by one.
    struct Source {
        const T* tile;
        int part;
    };
    virtual bool store_interleaved(const Source* /*planes*/, Index /*count*/, Index /*row*/,
                                   Index /*rows*/, T* /*to*/, Index /*to_row*/, Index /*n*/,
                                   bool /*stream*/) const {
        return false;
    }
};

/// `kernel` as the problem has it: to be correlated. nullptr where the transforms of the
/// microkernels do not serve the shape. The context's workers share the kernel's transform.
template <class T>
std::unique_ptr<const TileTransform<T>> make_own_tile(const Problem& problem, const Kernel& kernel,
                                                      const TileShape& shape,
                                                      const microkernels::Table& table,
                                                      const Context& context = {});

/// Any shape, by the library behind fft.hpp. Throws ProviderError without one.
template <class T>
std::unique_ptr<const TileTransform<T>> make_library_tile(const Problem& problem,
                                                          const Kernel& kernel,
                                                          const TileShape& shape);

/// Whether make_own_tile would serve.
bool own_tile_serves(Arithmetic arithmetic, const TileShape& shape,
                     const microkernels::Table& table);

/// Calls place(row, position on the last axis, real, imaginary) for every tap of the kernel where a
/// cyclic correlation of the tile wants it: at minus its own offset.
template <class Place>
void place_kernel(const Problem& problem, const Kernel& kernel, const Extents& length,
                  Place&& place) {
    with_arithmetic(problem.arithmetic, [&](auto tag) {
        using Number = decltype(tag);
        const KernelPlanes<Number>& planes = kernel.template planes<Number>();
        const int rank = length.size();
        Extents tap(rank, 0);
        for (std::size_t i = 0; i < planes.real.size(); ++i) {
            const auto at = [&](int a) {
                return tap[a] == 0 ? 0 : length[a] - tap[a] * problem.axes[a].dilation;
            };
            Index row = 0;
            for (int a = 0; a + 1 < rank; ++a) row = row * length[a] + at(a);
            place(row, at(rank - 1), static_cast<double>(planes.real[i]),
                  planes.imag.empty() ? 0.0 : static_cast<double>(planes.imag[i]));
            for (int a = rank - 1; a >= 0; --a) {
                if (++tap[a] < kernel.shape()[a]) break;
                tap[a] = 0;
            }
        }
    });
}

}  // namespace faltung
