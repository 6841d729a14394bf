// Which passes a transform of a block consists of; plain arithmetic, tested without a device.
#pragma once

namespace faltung::cuda {

/// Butterflies of `radix` elements, `stride * length / radix` apart, of a transform of `length`
/// along one axis of a block.
struct FftPass {
    int length, radix, stride, axis;
};

struct FftPasses {
    int count = 0;
    FftPass pass[8] = {};

    constexpr const FftPass& operator[](int i) const { return pass[i]; }
};

/// How a power of two from 1 to 4096 is split into radices up to 16, the largest first.
constexpr int radices_of(int length, int (&radix)[4]) {
    int bits = 0;
    while (1 << bits < length) ++bits;
    if (bits == 0) return 0;
    const int count = (bits + 3) / 4;
    for (int i = 0; i < count; ++i) {
        const int share = (bits + count - i - 1) / (count - i);
        radix[i] = 1 << share;
        bits -= share;
    }
    return count;
}

/// The forward passes of a block of n0 x n1 x n2 elements, the last index fastest, along the axes
/// whose bits are set.
constexpr FftPasses passes_of(int n0, int n1, int n2, unsigned axes) {
    FftPasses passes;
    const int extent[3] = {n0, n1, n2}, stride[3] = {n1 * n2, n2, 1};
    for (int a = 0; a < 3; ++a) {
        if ((axes >> a & 1u) == 0) continue;
        int radix[4] = {};
        const int count = radices_of(extent[a], radix);
        int length = extent[a];
        for (int i = 0; i < count; ++i) {
            passes.pass[passes.count++] = {length, radix[i], stride[a], a};
            length /= radix[i];
        }
    }
    return passes;
}

/// The frequency that stands at a place of an axis of `length` after its forward passes.
constexpr int frequency_at(int place, int length) {
    int radix[4] = {};
    const int count = radices_of(length, radix);
    int frequency = 0, weight = 1;
    for (int i = 0; i < count; ++i) {
        length /= radix[i];
        frequency += place / length * weight;
        place %= length;
        weight *= radix[i];
    }
    return frequency;
}

/// A block of shared memory and the threads that transform it.
template <int n0, int n1, int n2, int threads_, unsigned axes = 7, int blocks_ = 1>
struct FftShape {
    static constexpr int extent0 = n0, extent1 = n1, extent2 = n2;
    static constexpr int points = n0 * n1 * n2;
    static constexpr int threads = threads_;
    static constexpr int blocks = blocks_;  // that a multiprocessor should hold
    static constexpr FftPasses passes = passes_of(n0, n1, n2, axes);
    static constexpr int count = passes.count;
};

/// Elements that `points` of them take in shared memory with the gaps of bank_place.
constexpr int padded_points(int points, int bytes_per_number) {
    const int gap = 128 / (2 * bytes_per_number);
    return points + points / gap;
}

}  // namespace faltung::cuda
