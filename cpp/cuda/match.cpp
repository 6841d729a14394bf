#include "cuda/match.hpp"

#include <cmath>

#include "core/error.hpp"
#include "core/kernel.hpp"
#include "cuda/check.hpp"

namespace faltung::cuda {

namespace {

/// The template less its mean, in float64, and its norm.
struct Centred {
    std::vector<double> numbers;
    double norm = 0;
};

Centred centred(const ArrayView& pattern) {
    // converted as kernels are, because that reads every type
    Problem problem;
    problem.arithmetic = Arithmetic::f64;
    const Kernel kernel(problem, pattern, false, false);
    if (!kernel.finite()) throw ValueError("template holds NaN or infinity");
    Centred found{.numbers = kernel.planes<double>().real};
    double mean = 0, largest = 0;
    for (const double v : found.numbers) mean += v;
    mean /= static_cast<double>(found.numbers.size());
    for (double& v : found.numbers) {
        largest = std::max(largest, std::abs(v));
        v -= mean;
        found.norm += v * v;
    }
    found.norm = std::sqrt(found.norm);
    // equal samples leave rounding errors of their mean
    if (found.norm <= 1e-14 * largest * std::sqrt(static_cast<double>(found.numbers.size())))
        found.norm = 0;
    return found;
}

}  // namespace

void run_match(const Request& request, const TypedView& x, const KernelArray& pattern,
               const TypedView& out, int device, cudaStream_t stream) {
    const Problem& problem = request.problem;
    if (problem.outputs() == 0) return;
    const DeviceGuard guard(device);
    std::vector<std::byte> copied;
    ArrayView given = pattern.array.view;
    if (pattern.on_device) {
        copied = copy_to_host(pattern.array, stream);
        given = packed_view(copied.data(), given);
    }
    Centred t = centred(given);
    ArrayView numbers{.data = reinterpret_cast<std::byte*>(t.numbers.data()),
                      .dtype = DType::float64,
                      .shape = given.shape,
                      .strides = given.shape};
    numbers = packed_view(numbers.data, numbers);

    // 1. the correlation with it
    ArrayView top{.dtype = problem.arithmetic == Arithmetic::f32 ? DType::float32 : DType::float64,
                  .shape = request.out_shape(),
                  .strides = request.out_shape()};
    const StreamBuffer correlation(
        static_cast<std::size_t>(problem.outputs()) * size_of(problem.arithmetic), stream);
    top = packed_view(correlation.get<std::byte>(), top);
    Request correlate = request;
    correlate.kernel_dtype = DType::float64;
    correlate.problem.out_dtype = top.dtype;
    run_once(correlate, x, {{numbers, Storage::float64}, false},
             {top, static_cast<Storage>(top.dtype)}, device, stream);

    // 2. sums over the windows, axis by axis, and the scores
    WindowSums pass;
    pass.rank = problem.axes.size();
    pass.boundary = problem.boundary;
    const double cval = problem.boundary == Boundary::constant ? problem.cval.real : 0;
    pass.outside = cval;
    pass.outside_square = cval * cval;
    pass.x = x.view.data;
    pass.x_type = x.type;
    int last = -1;
    for (int a = 0; a < pass.rank; ++a) {
        const Axis& axis = problem.axes[a];
        pass.in[a] = pass.out[a] = axis.x;
        pass.stride[a] = x.view.strides[a];
        pass.score_stride[a] = out.view.strides[a];
        if (!axis.batch()) last = a;
        pass.count *= static_cast<double>(axis.k);
    }
    last = std::max(last, 0);
    StreamBuffer sums;
    for (int a = 0; a <= last; ++a) {
        const Axis& axis = problem.axes[a];
        if (axis.batch() && a != last) continue;
        pass.along = a;
        pass.first = axis.first;
        pass.taps = axis.k;
        pass.out[a] = axis.out;
        Index outputs = 1;
        for (int b = 0; b < pass.rank; ++b) outputs *= pass.out[b];
        StreamBuffer result;
        if (a == last) {
            pass.result = nullptr;
            pass.correlation = correlation.get<const std::byte>();
            pass.arithmetic = problem.arithmetic;
            pass.norm = t.norm;
            pass.scores = out.view.data;
            pass.score_type = out.type;
        } else {
            result = StreamBuffer(static_cast<std::size_t>(outputs) * sizeof(double2), stream);
            pass.result = result.get<double2>();
        }
        sum_windows(pass, stream);
        // the next pass reads packed pairs
        pass.sums = pass.result;
        pass.outside *= static_cast<double>(axis.k);
        pass.outside_square *= static_cast<double>(axis.k);
        Index pitch = 1;
        for (int b = pass.rank - 1; b >= 0; --b) {
            pass.in[b] = pass.out[b];
            pass.stride[b] = pitch;
            pitch *= pass.out[b];
        }
        sums = std::move(result);
    }
}

}  // namespace faltung::cuda
