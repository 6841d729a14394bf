// cuFFT's part: transforms of smooth lengths, in double precision, that wait in their streams like
// everything else.
#include "cuda/cufft_api.hpp"

#include <cmath>
#include <complex>
#include <map>

#include <cuda_runtime.h>
#include "core/error.hpp"
#include "core/types.hpp"

namespace faltung::cuda {

namespace {

using Complex = std::complex<double>;

/// exp(direction * 2 pi i j / n)
std::vector<Complex> roots_of(Index n, double direction) {
    std::vector<Complex> roots;
    for (Index j = 0; j < n; ++j)
        roots.push_back(std::polar(1.0, direction * 2 * 3.14159265358979323846 *
                                            static_cast<double>(j) / static_cast<double>(n)));
    return roots;
}

/// The transform of `n` numbers, `step` apart, into contiguous ones (Cooley and Tukey, 1965);
/// `roots` are those of n * skip.
void transform(const Complex* in, Index step, Index n, const std::vector<Complex>& roots,
               Index skip, Complex* out) {
    if (n == 1) {
        *out = *in;
        return;
    }
    Index radix = 2;
    while (n % radix != 0) ++radix;
    const Index part = n / radix;
    for (Index r = 0; r < radix; ++r)
        transform(in + r * step, step * radix, part, roots, skip * radix, out + r * part);
    std::vector<Complex> line(static_cast<std::size_t>(radix));
    for (Index k = 0; k < part; ++k) {
        for (Index q = 0; q < radix; ++q) {
            Complex& sum = line[static_cast<std::size_t>(q)] = 0;
            for (Index r = 0; r < radix; ++r) {
                const Index turns = r * (k + q * part) % n;
                sum += out[r * part + k] * roots[static_cast<std::size_t>(turns * skip)];
            }
        }
        for (Index q = 0; q < radix; ++q) out[q * part + k] = line[static_cast<std::size_t>(q)];
    }
}

struct FftPlan {
    Index n[3] = {1, 1, 1}, in[3] = {1, 1, 1}, out[3] = {1, 1, 1};  // extents, slowest first
    Index in_distance = 0, out_distance = 0, batch = 1;
    cudaStream_t stream = nullptr;
    void* work = nullptr;
};

std::map<int, FftPlan> plans;  // under the lock of their user (whole.cu)

template <class Body>
void for_each_place(const Index (&n)[3], Body&& body) {
    for (Index i = 0; i < n[0]; ++i)
        for (Index j = 0; j < n[1]; ++j)
            for (Index k = 0; k < n[2]; ++k) body(i, j, k);
}

Index place(const Index (&extent)[3], Index i, Index j, Index k) {
    return (i * extent[1] + j) * extent[2] + k;
}

/// One entry: `forward`, real to complex; `inverse`, complex to real; or complex to complex.
template <class T>
void run_entry(const FftPlan& plan, CufftType type, const T* in, T* out, double direction) {
    const bool forward = type == CufftType::single_forward || type == CufftType::double_forward;
    const bool inverse = type == CufftType::single_inverse || type == CufftType::double_inverse;
    const Index(&n)[3] = plan.n;
    std::vector<Complex> all(static_cast<std::size_t>(n[0] * n[1] * n[2]));
    for_each_place(n, [&](Index i, Index j, Index k) {
        Complex& v = all[static_cast<std::size_t>(place(n, i, j, k))];
        const bool mirrored = inverse && k > n[2] / 2;
        const Index at = mirrored ? place(plan.in, (n[0] - i) % n[0], (n[1] - j) % n[1], n[2] - k)
                                  : place(plan.in, i, j, k);
        if (forward)
            v = {static_cast<double>(in[at]), 0};
        else
            v = {static_cast<double>(in[2 * at]), mirrored ? -static_cast<double>(in[2 * at + 1])
                                                           : static_cast<double>(in[2 * at + 1])};
    });
    const Index step[3] = {n[1] * n[2], n[2], 1};
    for (int a = 0; a < 3; ++a) {
        Index first[3] = {n[0], n[1], n[2]};
        first[a] = 1;
        const std::vector<Complex> roots = roots_of(n[a], direction);
        std::vector<Complex> line(roots.size());
        for_each_place(first, [&](Index i, Index j, Index k) {
            Complex* begin = all.data() + place(n, i, j, k);
            transform(begin, step[a], n[a], roots, 1, line.data());
            for (Index m = 0; m < n[a]; ++m) begin[m * step[a]] = line[static_cast<std::size_t>(m)];
        });
    }
    for_each_place(n, [&](Index i, Index j, Index k) {
        const Complex v = all[static_cast<std::size_t>(place(n, i, j, k))];
        const Index at = place(plan.out, i, j, k);
        if (inverse) {
            out[at] = static_cast<T>(v.real());
        } else if (!forward || k <= n[2] / 2) {
            out[2 * at] = static_cast<T>(v.real());
            out[2 * at + 1] = static_cast<T>(v.imag());
        }
    });
}

template <class T, CufftType type>
int execute(int handle, T* in, T* out, int direction) {
    const FftPlan plan = plans.at(handle);
    if (!plan.work) return 1;
    const bool forward = type == CufftType::single_forward || type == CufftType::double_forward;
    const bool inverse = type == CufftType::single_inverse || type == CufftType::double_inverse;
    on_host::enqueue(plan.stream, [=] {
        for (Index b = 0; b < plan.batch; ++b)
            run_entry(plan, type, in + b * plan.in_distance * (forward ? 1 : 2),
                      out + b * plan.out_distance * (inverse ? 1 : 2), direction);
    });
    return 0;
}

template <class T, CufftType type, int direction>
int execute_real(int handle, T* in, T* out) {
    return execute<T, type>(handle, in, out, direction);
}

int make_plan(int handle, int rank, long long* n, long long* in, long long in_stride,
              long long in_distance, long long* out, long long out_stride, long long out_distance,
              int, long long batch, std::size_t* work) {
    FftPlan& plan = plans.at(handle);
    if (in_stride != 1 || out_stride != 1) return 1;
    for (int a = 0; a < rank; ++a) {
        plan.n[3 - rank + a] = n[a];
        plan.in[3 - rank + a] = in[a];
        plan.out[3 - rank + a] = out[a];
    }
    plan.in_distance = in_distance;
    plan.out_distance = out_distance;
    plan.batch = batch;
    *work = 64;
    return 0;
}

const CufftApi& stand_in() {
    static const CufftApi api{
        .create =
            [](int* handle) {
                static int made = 0;
                plans[*handle = ++made] = {};
                return 0;
            },
        .destroy = [](int handle) { return plans.erase(handle) == 1 ? 0 : 1; },
        .set_auto_allocation = [](int, int) { return 0; },
        .make_plan = make_plan,
        .set_work_area =
            [](int handle, void* work) {
                plans.at(handle).work = work;
                return 0;
            },
        .set_stream =
            [](int handle, cudaStream_t stream) {
                plans.at(handle).stream = stream;
                return 0;
            },
        .single_forward = execute_real<float, CufftType::single_forward, -1>,
        .single_inverse = execute_real<float, CufftType::single_inverse, 1>,
        .single_complex = execute<float, CufftType::single_complex>,
        .double_forward = execute_real<double, CufftType::double_forward, -1>,
        .double_inverse = execute_real<double, CufftType::double_inverse, 1>,
        .double_complex = execute<double, CufftType::double_complex>,
        .get_version =
            [](int* version) {
                *version = 0;
                return 0;
            },
        .path = "stand-in on the host",
    };
    return api;
}

}  // namespace

void set_cufft_candidates(std::vector<std::string>) {}
const CufftApi* find_cufft() { return &stand_in(); }
const CufftApi& cufft() { return stand_in(); }

void check_cufft(int status, const char* call) {
    if (status != 0)
        throw ProviderError("cuFFT: error " + std::to_string(status) + " (" + call + ")");
}

}  // namespace faltung::cuda
