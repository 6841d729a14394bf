// Gradients of layers, as the sums that they are: a block per tap of w, a thread per sample of x.
#include "cuda/access.cuh"
#include "cuda/launch.cuh"
#include "cuda/layer.hpp"

namespace faltung::cuda {

namespace {

constexpr int threads = 256;

/// The sum of a number of every thread of a block, for the first of them.
template <class T>
__device__ T block_sum(T value) {
    __shared__ T part[threads];
    part[threadIdx.x] = value;
    for (unsigned half = threads / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    }
    return part[0];
}

/// One of the places (or taps) of three axes, slowest first.
struct Spot {
    Index at[layer_axes];

    __device__ Spot(Index i, Index n1, Index n2) : at{i / (n1 * n2), i / n2 % n1, i % n2} {}
};

template <class T>
__device__ T number_at(const LayerOperand& array, Index slow, Index fast, const Spot& spot) {
    Index offset = slow * array.stride[0] + fast * array.stride[1];
    for (int a = 0; a < layer_axes; ++a) offset += spot.at[a] * array.stride[2 + a];
    return load_any<T>(array.data + offset, array.type);
}

template <class T>
__device__ void put(const LayerOperand& array, Index offset, T value) {
    store_any<T>(array.data + offset, array.type, value, T{}, false);
}

template <class T>
__global__ void __launch_bounds__(threads)
    weight_gradient(const __grid_constant__ GradientArguments g) {
    const Index tap = blockIdx.x % g.taps, i = blockIdx.x / g.taps % g.inputs,
                o = blockIdx.x / g.taps / g.inputs;
    const Spot t(tap, g.axis[1].k, g.axis[2].k);
    T sum{};
    for (Index job = threadIdx.x; job < g.batch * g.places; job += threads) {
        const Index n = job / g.places;
        const Spot place(job % g.places, g.axis[1].out, g.axis[2].out);
        Spot source = place;
        bool outside = false;
        for (int a = 0; a < layer_axes; ++a) {
            const DeviceAxis& axis = g.axis[a];
            source.at[a] = extended(axis.first + place.at[a] * axis.step + t.at[a] * axis.dilation,
                                    axis.x, g.boundary);
            outside = outside || source.at[a] < 0;
        }
        if (!outside)
            sum += number_at<T>(g.grad, n, o, place) *
                   number_at<T>(g.x, n, o / g.outputs * g.inputs + i, source);
    }
    sum = block_sum(sum);
    if (threadIdx.x > 0) return;
    Index offset = o * g.dw.stride[0] + i * g.dw.stride[1];
    for (int a = 0; a < layer_axes; ++a) offset += t.at[a] * g.dw.stride[2 + a];
    put(g.dw, offset, sum);
}

template <class T>
__global__ void __launch_bounds__(threads)
    bias_gradient(const __grid_constant__ GradientArguments g) {
    const Index o = blockIdx.x;
    T sum{};
    for (Index job = threadIdx.x; job < g.batch * g.places; job += threads)
        sum += number_at<T>(g.grad, job / g.places, o,
                            Spot(job % g.places, g.axis[1].out, g.axis[2].out));
    sum = block_sum(sum);
    if (threadIdx.x == 0) put(g.db, o * g.db.stride[0], sum);
}

/// What the windows that read a sample answer, times the taps that they read it with; `q` is the
/// sample's own position or one beyond the border that shows it.
template <class T>
__device__ T sum_of_windows(const GradientArguments& g, Index n, Index group, Index i,
                            const Index (&q)[layer_axes]) {
    T sum{};
    for (Index tap = 0; tap < g.taps; ++tap) {
        const Spot t(tap, g.axis[1].k, g.axis[2].k);
        Spot place = t;
        bool reads = true;
        for (int a = 0; a < layer_axes; ++a) {
            const DeviceAxis& axis = g.axis[a];
            const Index from = q[a] - axis.first - t.at[a] * axis.dilation;
            place.at[a] = from / axis.step;
            reads = reads && from >= 0 && from % axis.step == 0 && place.at[a] < axis.out;
        }
        if (!reads) continue;
        for (Index o = group * g.outputs; o < (group + 1) * g.outputs; ++o)
            sum += number_at<T>(g.grad, n, o, place) * number_at<T>(g.w, o, i, t);
    }
    return sum;
}

template <class T>
__global__ void __launch_bounds__(threads)
    sample_gradient(const __grid_constant__ GradientArguments g, Index samples) {
    const Index channels = g.groups * g.inputs;
    const Index of_channel = g.axis[0].x * g.axis[1].x * g.axis[2].x;
    for (Index job = blockIdx.x * Index{threads} + threadIdx.x; job < samples;
         job += gridDim.x * Index{threads}) {
        const Spot p(job % of_channel, g.axis[1].x, g.axis[2].x);
        const Index c = job / of_channel % channels, n = job / of_channel / channels;
        Index begin[layer_axes], end[layer_axes], offset = n * g.dx.stride[0] + c * g.dx.stride[1];
        for (int a = 0; a < layer_axes; ++a) {
            const DeviceAxis& axis = g.axis[a];
            const bool alone = g.boundary <= Boundary::constant;
            begin[a] = alone ? p.at[a] : axis.first;
            end[a] = alone ? p.at[a] + 1 : axis.first + axis.positions() + axis.reach() - 1;
            offset += p.at[a] * g.dx.stride[2 + a];
        }
        const auto shows = [&](int a, Index q) {
            return extended(q, g.axis[a].x, g.boundary) == p.at[a];
        };
        T sum{};
        Index q[layer_axes];
        for (q[0] = begin[0]; q[0] < end[0]; ++q[0]) {
            if (!shows(0, q[0])) continue;
            for (q[1] = begin[1]; q[1] < end[1]; ++q[1]) {
                if (!shows(1, q[1])) continue;
                for (q[2] = begin[2]; q[2] < end[2]; ++q[2])
                    if (shows(2, q[2]))
                        sum += sum_of_windows<T>(g, n, c / g.inputs, c % g.inputs, q);
            }
        }
        put(g.dx, offset, sum);
    }
}

template <class T>
void run_as(const GradientArguments& g, cudaStream_t stream) {
    const Index outputs = g.groups * g.outputs, taps = outputs * g.inputs * g.taps;
    if (taps > 0)
        launch("weight_gradient", weight_gradient<T>,
               {static_cast<unsigned>(taps), threads, 0, stream}, g);
    if (g.db.data && outputs > 0)
        launch("bias_gradient", bias_gradient<T>,
               {static_cast<unsigned>(outputs), threads, 0, stream}, g);
    const Index samples = g.batch * g.groups * g.inputs * g.axis[0].x * g.axis[1].x * g.axis[2].x;
    if (g.dx.data && samples > 0)
        launch("sample_gradient", sample_gradient<T>,
               {blocks_for(samples, threads, 1 << 20), threads, 0, stream}, g, samples);
}

}  // namespace

void sum_gradients(const GradientArguments& arguments, Arithmetic arithmetic, cudaStream_t stream) {
    if (arithmetic == Arithmetic::f32)
        run_as<float>(arguments, stream);
    else
        run_as<double>(arguments, stream);
}

}  // namespace faltung::cuda
