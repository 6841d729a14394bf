"""What structure in a kernel is worth, and what a stride saves: kernels given as plain numbers, found to be special."""

import numpy as np
from _peers import module, samples


def low_rank(side, terms):
    """So many outer products of Gaussians of different widths."""
    t = np.arange(side) - (side - 1) / 2
    lines = [np.exp(-((t / (side / 6 * (1 + term / 4))) ** 2) / 2) for term in range(terms)]
    return sum((-0.5) ** term * np.outer(line, line) for term, line in enumerate(lines))


def sparse(side, count):
    kernel = np.zeros(side * side)
    kernel[np.random.default_rng(8).permutation(kernel.size)[:count]] = 1.5
    return kernel.reshape(side, side)


KERNELS = {
    "rank 1": lambda side: low_rank(side, 1),
    "rank 2": lambda side: low_rank(side, 2),
    "rank 3": lambda side: low_rank(side, 3),
    "box": lambda side: np.full((side, side), 1 / side**2),
    "5 taps": lambda side: sparse(side, 5),
    "20 taps": lambda side: sparse(side, 20),
    "full": lambda side: samples((side, side), seed=8),
}


class Structure:
    """As `auto` takes them, and forced to the dense sum."""

    params = (["auto", "direct"], [512, 2048], [7, 9, 15, 31], list(KERNELS))
    param_names = ("method", "side", "taps", "kernel")

    def setup(self, method, side, taps, kernel):
        x, k = samples((side, side)), KERNELS[kernel](taps).astype(np.float32)
        plan = module("faltung").plan(k, x.shape, "same", method)
        out = np.empty_like(x)
        self.call = lambda: plan(x, out)

    def time_convolve(self, *_):
        self.call()


class Stride:
    """Every second or third output of an image."""

    params = ([512, 2048], [3, 5, 7], [1, 2, 3], ["float32", "float64", "uint8"])
    param_names = ("side", "taps", "stride", "dtype")

    def setup(self, side, taps, stride, dtype):
        x, k = samples((side, side), dtype), samples((taps, taps), seed=8)
        convolve = module("faltung").convolve
        self.call = lambda: convolve(x, k, "same", stride=stride)

    def time_convolve(self, *_):
        self.call()


class StrideAlongALine:
    params = ([100_000, 1_000_000], [5, 31], [1, 2, 3])
    param_names = ("samples", "taps", "stride")

    def setup(self, length, taps, stride):
        x, k = samples(length), samples(taps, seed=8)
        convolve = module("faltung").convolve
        self.call = lambda: convolve(x, k, "same", stride=stride)

    def time_convolve(self, *_):
        self.call()
