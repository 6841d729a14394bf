#include "cuda/match.hpp"

#include <algorithm>

#include "cuda/check.hpp"

namespace faltung::cuda {

namespace {

/// How to walk a template on the device; `copy` holds one that was in the host's memory.
TapSource walk_of(const KernelArray& pattern, StreamBuffer& copy, cudaStream_t stream) {
    ArrayView given = pattern.array.view;
    if (!pattern.on_device) {
        const std::size_t size = size_of(given.dtype);
        std::vector<std::byte> packed(static_cast<std::size_t>(product(given.shape)) * size);
        std::byte* to = packed.data();
        for_each_element(given, [&](const std::byte* at) {
            std::copy_n(at, size, to);
            to += size;
        });
        copy = StreamBuffer(packed.size(), stream);
        FALTUNG_CHECK(cudaMemcpyAsync(copy.get(), packed.data(), packed.size(),
                                      cudaMemcpyHostToDevice, stream));
        given = packed_view(copy.get<std::byte>(), given);
    }
    TapSource source;
    source.data = given.data;
    source.type = pattern.array.type;
    source.rank = given.rank();
    for (int a = 0; a < given.rank(); ++a) {
        source.extent[a] = given.shape[a];
        source.stride[a] = given.strides[a];
    }
    return source;
}

void run_masked(const Request& request, const TypedView& x, const KernelArray& pattern,
                const MatchMasks& masks, const TypedView& out, cudaStream_t stream) {
    const Problem& problem = request.problem;
    MaskedWindows w;
    w.rank = problem.axes.size();
    w.boundary = problem.boundary;
    w.outside = problem.boundary == Boundary::constant ? problem.cval.real : 0;
    w.x = x.view.data;
    w.x_type = x.type;
    if (masks.image) {
        w.keep = masks.image->view.data;
        w.keep_type = masks.image->type;
    }
    for (int a = 0; a < w.rank; ++a) {
        const Axis& axis = problem.axes[a];
        w.in[a] = axis.x;
        w.taps[a] = axis.k;
        w.first[a] = axis.first;
        w.out[a] = axis.out;
        w.x_stride[a] = x.view.strides[a];
        w.keep_stride[a] = masks.image ? masks.image->view.strides[a] : 0;
        w.score_stride[a] = out.view.strides[a];
    }
    w.outputs = problem.outputs();
    w.count = problem.taps();
    w.scores = out.view.data;
    w.score_type = out.type;
    // the template along the image's axes, as numbers
    const auto numbers_of = [&](const KernelArray& array) {
        StreamBuffer copy, numbers(static_cast<std::size_t>(w.count) * sizeof(double), stream);
        KernelArray spread = array;
        spread.array.view = request.spread(array.array.view);
        prepare_taps(walk_of(spread, copy, stream), Arithmetic::f64, false, w.count, numbers.get(),
                     stream);
        return numbers;
    };
    const StreamBuffer taps = numbers_of(pattern);
    w.pattern = taps.get<const double>();
    StreamBuffer keep;
    if (masks.pattern) {
        keep = numbers_of({*masks.pattern, true});
        w.pattern_keep = keep.get<const double>();
    }
    score_masked(w, stream);
}

}  // namespace

void run_match(const Request& request, const TypedView& x, const KernelArray& pattern,
               const MatchMasks& masks, const TypedView& out, int device, cudaStream_t stream) {
    const Problem& problem = request.problem;
    if (problem.outputs() == 0) return;
    const DeviceGuard guard(device);
    if (masks.pattern || masks.image) return run_masked(request, x, pattern, masks, out, stream);
    // 0. the template less its mean
    const Index count = product(pattern.array.view.shape);
    StreamBuffer there;
    const TapSource source = walk_of(pattern, there, stream);
    const ArrayView& given = pattern.array.view;
    const StreamBuffer centred(static_cast<std::size_t>(count + 1) * sizeof(double), stream);
    double* norm = centred.get<double>() + count;
    centre(source, count, centred.get<double>(), norm, stream);
    ArrayView numbers{.dtype = DType::float64, .shape = given.shape, .strides = given.shape};
    numbers = packed_view(centred.get<std::byte>(), numbers);

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
    run_once(correlate, x, {{numbers, Storage::float64}, true},
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
            pass.norm = norm;
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
