#include "cuda/geometry.hpp"

#include <algorithm>

namespace faltung::cuda {

General general_geometry(const Problem& problem, const ArrayView& x, const ArrayView& out,
                         Storage x_type, Storage out_type) {
    General all;
    all.x = x.data;
    all.out = out.data;
    all.x_type = x_type;
    all.out_type = out_type;
    all.boundary = problem.boundary;
    all.complex_samples = problem.complex_samples;
    all.complex_kernel = problem.complex_kernel;
    all.unsigned_result = problem.unsigned_result;
    if (problem.boundary == Boundary::constant) {
        all.cval_real = problem.cval.real;
        all.cval_imag = problem.cval.imag;
        all.cval_integer = problem.cval.integer;
    }
    all.outputs = problem.outputs();
    all.taps = problem.taps();
    for (int a = 0; a < problem.axes.size(); ++a) {
        const Axis& axis = problem.axes[a];
        all.axis[all.rank++] = {.x = axis.x,
                                .k = axis.k,
                                .first = axis.first,
                                .out = axis.out,
                                .step = axis.step,
                                .dilation = axis.dilation,
                                .x_stride = x.strides[a],
                                .out_stride = out.strides[a]};
    }
    if (problem.inner > 1)
        all.axis[all.rank++] = {.x = problem.inner,
                                .out = problem.inner,
                                .x_stride = static_cast<Index>(size_of(x.dtype)),
                                .out_stride = static_cast<Index>(size_of(out.dtype))};
    return all;
}

bool regular_geometry(const General& general, Regular& regular) {
    static_cast<Geometry&>(regular) = general;
    int convolved = 0;
    for (int a = 0; a < general.rank; ++a) convolved += general.axis[a].k > 1;
    if (convolved > 3) return false;
    // axes that only move or thin out the outputs count as convolved too, while there is room; so
    // does the fastest axis where it is long, because rows of a tile are read along it
    constexpr Index long_row = 32;
    int place = 3, fastest = -1;
    regular.batch_axes = 0;
    for (int a = 0; a < general.rank; ++a)
        if (general.axis[a].x > 1) fastest = a;
    for (int a = general.rank - 1; a >= 0; --a) {
        const DeviceAxis& axis = general.axis[a];
        const bool plain = axis.k == 1 && axis.first == 0 && axis.out == axis.x && axis.step == 1;
        if (axis.kernel_step != 0) {
            if (!plain || regular.bank.x != 1) return false;
            regular.bank = axis;
        } else if (!plain || (a == fastest && convolved < 3 && axis.x >= long_row)) {
            if (place == 0) return false;
            regular.axis[--place] = axis;
        } else if (axis.x != 1) {
            if (regular.batch_axes == most_batch_axes) return false;
            regular.batch[regular.batch_axes++] = axis;
        }
    }
    if (place == 3 && regular.batch_axes > 0) {  // some line has to be one, the fastest first
        regular.axis[2] = regular.batch[0];
        std::copy(regular.batch + 1, regular.batch + regular.batch_axes, regular.batch);
        --regular.batch_axes;
    }
    regular.per_kernel = 1;
    for (int b = 0; b < regular.batch_axes; ++b) regular.per_kernel *= regular.batch[b].x;
    return !(regular.complex_samples && !regular.complex_kernel &&
             regular.batch_axes == most_batch_axes);
}

void split_complex(Regular& regular) {
    const bool narrow = regular.x_type == Storage::complex64 || regular.x_type == Storage::float32;
    const bool narrow_out = regular.out_type == Storage::complex64;
    const Index part = narrow ? 4 : 8, out_part = narrow_out ? 4 : 8;
    regular.batch[regular.batch_axes++] = {
        .x = 2, .out = 2, .x_stride = part, .out_stride = out_part};
    regular.x_type = narrow ? Storage::float32 : Storage::float64;
    regular.out_type = narrow_out ? Storage::float32 : Storage::float64;
    regular.complex_samples = false;
    regular.per_kernel *= 2;
}

}  // namespace faltung::cuda
