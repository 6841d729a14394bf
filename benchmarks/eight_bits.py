#!/usr/bin/env python3
"""What products of bytes are worth: direct sums of 8-bit images, by levels that differ in nothing else.

    python benchmarks/eight_bits.py [WORDS]        rows whose name holds one of the words

One core, into existing arrays, mirrored borders. For each dtype of the result the milliseconds of the level below
and of the level with products of bytes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

import faltung
from faltung import _core

RESULTS = ("int64", "int32", "uint8", "float32")


def least(call: Callable[[], object], seconds: float = 0.06) -> float:
    """The least time of a call, in milliseconds."""
    call()
    best, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begin)
    return best * 1e3


def cases():
    """(name, shape, samples, kernel, axes)."""
    for n in (3, 5, 7, 9, 11, 15):
        yield f"2048x2048 {n}x{n}", (2048, 2048), "uint8", (n, n), None
    yield "2048x2048 5x5 int8", (2048, 2048), "int8", (5, 5), None
    yield "2048x2048 5x5 taps of 16 bits", (2048, 2048), "uint8", (5, 5), None
    yield "2048x2048x3 3x3", (2048, 2048, 3), "uint8", (3, 3), (0, 1)
    yield "4096x4096 3x3", (4096, 4096), "uint8", (3, 3), None
    yield "256 lines of 4096, 31", (256, 4096), "uint8", (31,), (1,)
    yield "1024x1024 columns, 31", (1024, 1024), "uint8", (31,), (0,)
    yield "1000000 by 31", (1_000_000,), "uint8", (31,), None
    yield "1000000 by 255", (1_000_000,), "uint8", (255,), None
    yield "128^3 3x3x3", (128, 128, 128), "uint8", (3, 3, 3), None
    yield "512x512 3x3", (512, 512), "uint8", (3, 3), None


def main() -> None:
    rng = np.random.default_rng(7)
    levels = list(_core.levels_upon().items())
    if not levels:
        sys.exit("no level with products of bytes runs here")
    level, below = levels[-1]
    print(f"{'':32}" + "".join(f"{name:>18}" for name in RESULTS) + f"    ms: {below} / {level}")
    for name, shape, dtype, k_shape, axes in cases():
        if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
            continue
        x = rng.integers(0, 256, shape, np.uint8).view(dtype)
        most = 9999 if "16 bits" in name else 128
        k = rng.integers(-most, most, k_shape)
        row = ""
        for result in RESULTS:
            pair = []
            for tried in (below, level):
                _core.force_level(tried)
                plan = faltung.plan(
                    k, shape, "same", "direct", axes=axes, boundary="mirror", x_dtype=dtype,
                    dtype=result, workers=1,
                )  # fmt: skip
                out = np.empty(shape, result)
                pair.append(least(lambda: plan(x, out)))  # noqa: B023
            row += f"{pair[0]:10.3f} /{pair[1]:6.3f}"
        print(f"{name:32}{row}", flush=True)
    _core.force_level(None)


if __name__ == "__main__":
    main()
