"""How much of the stated accuracy bound each method uses up: the greatest error over the bound, per dtype and size.

    python benchmarks/errors.py          the table of docs/performance/memory.md
    python benchmarks/errors.py --quick  small sizes only

The truth is the sum in float64 for float32 and complex64, and in longdouble for float64 and complex128, at some
hundred outputs of each answer; the bound is that of docs/semantics.md. 1 would be an answer at its bound.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np

import faltung

METHODS = ("direct", "separable", "fft", "overlap_save")
DTYPES = ("float32", "float64", "complex64", "complex128")
QUICK = (((4000,), (63,)), ((200, 230), (9, 9)), ((30, 34, 38), (5, 5, 5)))
FULL = (
    ((200_000,), (63,)),
    ((200_000,), (1023,)),
    ((200_000,), (20_001,)),
    ((600, 700), (3, 3)),
    ((600, 700), (15, 15)),
    ((600, 700), (63, 63)),
    ((70, 80, 90), (3, 3, 3)),
    ((70, 80, 90), (11, 11, 11)),
)
C = 4


def numbers(rng, shape, dtype):
    values = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def outer(rng, extents, dtype):
    """An outer product that the dtype holds exactly: few bits per factor."""
    kernel = np.ones((), dtype)
    for extent in extents:
        factor = np.round(4 * numbers(rng, extent, "float64")) / 4
        kernel = np.multiply.outer(kernel, factor.astype(dtype))
    return kernel


def worst_share(rng, x, k, method):
    """The greatest error over the bound at some outputs of mode "valid"."""
    actual = faltung.convolve(x, k, "valid", method)
    wide = {"float32": "float64", "complex64": "complex128", "float64": "longdouble"}
    number = np.dtype(wide.get(x.dtype.name, "clongdouble"))
    eps, taps = np.finfo(x.dtype).eps, k.size
    flipped = np.flip(k).astype(number)
    norm, peak = float(np.linalg.norm(k.astype(np.complex128))), float(np.abs(x).max())
    growth = np.log2(2 + taps) + (max(k.shape) / 64 if method == "separable" else 0)
    worst = 0.0
    for _ in range(200):
        at = tuple(int(rng.integers(n)) for n in actual.shape)
        window = x[tuple(slice(i, i + m) for i, m in zip(at, k.shape, strict=True))].astype(number)
        error = abs(complex(actual[at] - (window * flipped).sum()))
        reach = float(np.linalg.norm(window.astype(np.complex128)))
        if method in ("fft", "overlap_save"):
            reach = np.sqrt(taps) * peak
        worst = max(worst, error / (C * eps * growth * reach * norm))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    sizes = QUICK if parser.parse_args().quick else FULL
    rng = np.random.default_rng(1)
    print("| array, kernel | dtype | " + " | ".join(METHODS) + " |")
    print("|---" * (2 + len(METHODS)) + "|")
    for (shape, extents), dtype in itertools.product(sizes, DTYPES):
        x = numbers(rng, shape, dtype)
        cells = []
        for method in METHODS:
            one_axis = method == "separable" and len(extents) == 1
            if one_axis or (method == "direct" and x.size * np.prod(extents) > 4e9):
                cells.append("")
                continue
            separable = method == "separable"
            k = outer(rng, extents, dtype) if separable else numbers(rng, extents, dtype)
            cells.append(f"{worst_share(rng, x, k, method):.3f}")
        name = f"{'×'.join(map(str, shape))}, {'×'.join(map(str, extents))}"
        print(f"| {name} | {dtype} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
