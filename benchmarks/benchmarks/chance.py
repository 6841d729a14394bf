"""Convolution by chance: side × side samples, 3 × 3 probabilities, so many draws each."""

import numpy as np
from _peers import module, samples


def by_choice(x, p, draws, rng):
    """NumPy's way: choose a neighbour for every output, look it up, sum up."""
    around = np.pad(x, 1)
    row, column = np.indices(x.shape)
    total = np.zeros(x.shape)
    for _ in range(draws):
        dy, dx = np.divmod(rng.choice(p.size, x.shape, p=p.ravel()), 3)
        total += around[row + 2 - dy, column + 2 - dx]
    return total / draws


def by_counts(x, p, draws, rng):
    """The same in law: how often each tap came up, in all draws of an output together."""
    around = np.pad(x, 1)
    counts = rng.multinomial(draws, p.ravel(), x.shape)
    total = np.zeros(x.shape)
    for tap in range(p.size):
        dy, dx = divmod(tap, 3)
        total += counts[..., tap] * around[2 - dy : len(x) + 2 - dy, 2 - dx : x.shape[1] + 2 - dx]
    return total / draws


class Drawn:
    params = (["faltung", "numpy choice", "numpy multinomial"], [64, 512], [1, 16, 256])
    param_names = ("peer", "side", "draws")

    def setup(self, peer, side, draws):
        x, rng = samples((side, side)), np.random.default_rng(1)
        p = np.arange(1.0, 10.0).reshape(3, 3) / 45
        if peer == "faltung":
            stochastic = module("faltung").stochastic
            self.call = lambda: stochastic.convolve(x, p, draws, rng)
        else:
            way = by_choice if peer == "numpy choice" else by_counts
            self.call = lambda: way(x, p, draws, rng)

    def time_convolve(self, *_):
        self.call()
