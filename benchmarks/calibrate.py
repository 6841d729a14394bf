#!/usr/bin/env python3
"""Measure the constants of the cost model and write them to cpp/policy/constants/.

    python benchmarks/calibrate.py                 measure everything, print the table
    python benchmarks/calibrate.py --write         and replace the file of this family of processors
    python benchmarks/calibrate.py --levels v4     some levels only; others, and those that do not run here, stay
    python benchmarks/calibrate.py --passes 12     where neighbours slow a virtual machine down for seconds on end

A level that stands upon another one has its loops, and constants of its own for 8-bit samples alone.
Every figure is nanoseconds on one core of this machine, the least of several passes over everything, on warm caches,
for each instruction-set level and arithmetic. cpp/policy/cost_model.cpp says how they are put together.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import faltung
from faltung import _core

rng = np.random.default_rng(5)
LENGTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024)
SHORT_CALL = 720  # nanoseconds on Zen 5
DTYPES = {"f32": np.float32, "f64": np.float64}


least_times: dict[tuple, float] = {}  # of all passes, by what was measured


def least(what: tuple, call: Callable[[], object], seconds: float = 0.05) -> float:
    """The least time of a call in this pass and those before, in nanoseconds."""
    call()
    best, start, runs = least_times.get(what, float("inf")), time.perf_counter(), 0
    while runs < 5 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begin)
        runs += 1
    least_times[what] = best
    return best * 1e9


def run(
    shape: tuple[int, ...], k_shape: tuple[int, ...], dtype: type, method: str, axes=None
) -> float:
    """Nanoseconds per output of one correlation with ready memory."""
    x = rng.standard_normal(shape).astype(dtype)
    k = rng.standard_normal(k_shape).astype(dtype)
    what = (_core.level(), method, shape, k_shape, dtype, axes)
    if method == "separable":
        k = np.outer(*(rng.standard_normal(n) for n in k_shape)).astype(np.float64).astype(dtype)
        taps = [rng.standard_normal(n).astype(dtype) for n in k_shape]
        from faltung._api import separable

        axes = tuple(range(len(shape)))
        out = separable(x, taps, axes)  # calls usually write into memory of Faltung's own
        return least(what, lambda: separable(x, taps, axes, out=out)) / x.size
    plan = faltung.plan(k, shape, "same", method, axes=axes, x_dtype=dtype)
    out = plan(x)
    return least(what, lambda: plan(x, out)) / x.size


def line_through(near: tuple[float, float], far: tuple[float, float]) -> tuple[float, float]:
    """Intercept and slope of the line through two points, neither below zero."""
    slope = max(0.0, (far[1] - near[1]) / (far[0] - near[0]))
    return max(0.0, near[1] - slope * near[0]), slope


def direct_costs(dtype: type) -> dict[str, tuple[float, float]]:
    """(per output, per output and tap) for lines, columns, images and wide images."""
    side = 1024
    line = [(n, run((1 << 20,), (n,), dtype, "direct")) for n in (15, 127)]
    column = [(n, run((side, side), (n,), dtype, "direct", axes=0)) for n in (5, 41)]
    image = [(n * n, run((side, side), (n, n), dtype, "direct")) for n in (3, 9)]
    wide = [(n * n, run((side, side), (n, n), dtype, "direct")) for n in (11, 25)]
    return {
        "line": line_through(*line),
        "column": line_through(*column),
        "image": line_through(*image),
        "wide": line_through(*wide),
    }


def call_cost(dtype: type) -> float:
    """Of a short call, against Zen 5, where calls, rows and lines were fitted."""
    return run((16,), (3,), dtype, "direct") * 16 / SHORT_CALL


def integer_costs() -> dict[str, tuple[float, float]]:
    x = rng.integers(-(1 << 40), 1 << 40, (512, 512))
    costs = []
    for n in (3, 9):
        k = rng.integers(-1000, 1000, (n, n))
        plan = faltung.plan(k, x.shape, "same", "direct", x_dtype=np.int64)
        out = plan(x)
        costs.append((n * n, least((_core.level(), n), lambda: plan(x, out)) / x.size))  # noqa: B023
    both = line_through(*costs)
    return {"line": both, "column": both, "image": both, "wide": both}


def byte_costs() -> str:
    """(per output, per product of four taps) for lines and images, and per byte of an output."""

    def run_bytes(shape: tuple[int, ...], k_shape: tuple[int, ...], dtype: type) -> float:
        x = rng.integers(0, 256, shape, np.uint8)
        k = rng.integers(-128, 128, k_shape)
        plan = faltung.plan(k, shape, "same", "direct", x_dtype=np.uint8, dtype=dtype)
        out = plan(x)
        return least((_core.level(), shape, k_shape, dtype), lambda: plan(x, out)) / x.size

    def through(shape: tuple[int, ...], near: tuple[int, ...], far: tuple[int, ...]) -> tuple:
        products = [math.prod(k[:-1]) * -(-k[-1] // 4) for k in (near, far)]
        narrow = [run_bytes(shape, k, np.uint8) for k in (near, far)]
        output, tap = line_through((products[0], narrow[0]), (products[1], narrow[1]))
        return max(0.0, output - stored), tap

    wide = (256, 4096)  # rows cost apart
    stored = (run_bytes(wide, (3, 3), np.int64) - run_bytes(wide, (3, 3), np.uint8)) / 7
    line = through((1 << 20,), (15,), (127,))
    image = through(wide, (3, 3), (11, 11))
    return f"{figures(line)}, {figures(image)}, {stored:.3g}"


def separable_costs(dtype: type) -> tuple[float, float]:
    points = [(2 * n, run((1024, 1024), (n, n), dtype, "separable")) for n in (5, 41)]
    return line_through(*points)


def whole_costs(dtype: type) -> tuple[float, float]:
    """Nanoseconds per complex point of lines that the library transforms. Where they fit the caches their length hardly
    matters, so that nothing is left for butterfly levels."""
    x = rng.standard_normal((64, 2048)).astype(dtype)
    k = rng.standard_normal(9).astype(dtype)
    plan = faltung.plan(k, x.shape, "same", "fft", axes=1, boundary="wrap", x_dtype=dtype)
    out = plan(x)
    return least((_core.level(), dtype), lambda: plan(x, out)) / (x.size / 2), 0.0


def lines_share(dtype: type, square: list[float], calls: float) -> float:
    """Of complex lines of 128 x 128 points by transforms of our own, against what tiles say in the cost model."""
    complex_dtype = np.result_type(dtype, np.complex64)
    x = rng.standard_normal(128 * 128).astype(complex_dtype)
    k = rng.standard_normal(1000).astype(complex_dtype)
    plan = faltung.plan(k, x.shape, "same", "fft", boundary="wrap", x_dtype=x.dtype)
    out = plan(x)
    taken = least((_core.level(), "lines", dtype), lambda: plan(x, out)) / x.size
    return taken / (1.07 * square[LENGTHS.index(128)] + 0.18 * np.dtype(dtype).itemsize * calls)


def tile_costs(dtype: type) -> list[float]:
    """Nanoseconds per point of one square tile of each length, everything counted."""
    costs = []
    for n in LENGTHS:
        taps = max(2, n // 4)
        valid = n - taps + 1
        tiles = max(2, int((1 << 20) / (n * n))) if n < 512 else 4
        columns = max(1, int(tiles**0.5))
        shape = (valid * max(2, tiles // columns // 2 * 2), valid * columns)
        _core.force_tile([n, n])
        count = -(-shape[0] // valid) * -(-shape[1] // valid)
        per_output = run(shape, (taps, taps), dtype, "overlap_save")
        costs.append(per_output * shape[0] * shape[1] / (count * n * n))
    _core.force_tile(None)
    return costs


def costs_of(level: str) -> list[str]:
    """The lines of a level: of its own loops, or of 8-bit samples alone."""
    if level in _core.levels_upon():
        return [f'FALTUNG_BYTE_COSTS("{level}", {byte_costs()})']
    lines = []
    for name, dtype in DTYPES.items():
        direct = direct_costs(dtype)
        calls, square = call_cost(dtype), tile_costs(dtype)
        row = [f"{calls:.3g}"]
        row += [figures(direct[kind]) for kind in ("line", "column", "image", "wide")]
        row += [figures(separable_costs(dtype)), figures(whole_costs(dtype))]
        row += [f"{lines_share(dtype, square, calls):.3g}", figures(square)]
        lines.append(f'FALTUNG_COSTS("{level}", Arithmetic::{name}, {", ".join(row)})')
    direct = integer_costs()
    row = [f"{call_cost(np.int64):.3g}"]
    row += [figures(direct[kind]) for kind in ("line", "column", "image", "wide")]
    row += [figures(direct["image"]), "{0, 0}", "1", "{}"]
    return [*lines, f'FALTUNG_COSTS("{level}", Arithmetic::i64, {", ".join(row)})']


def level_of(line: str) -> str:
    """The level that a line of constants is about, or nothing."""
    return line.split('"')[1] if line.startswith("FALTUNG_") else ""


def figures(values: tuple[float, ...] | list[float]) -> str:
    return "{" + ", ".join(f"{value:.3g}" for value in values) + "}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--levels", nargs="*", default=_core.levels(), choices=_core.levels())
    parser.add_argument("--passes", type=int, default=5)
    arguments = parser.parse_args()
    machine = _core.machine()
    constants = Path(__file__).resolve().parent.parent / "cpp" / "policy" / "constants"
    target = constants / f"{machine['vendor'].lower()}-{machine['family']}.inc"
    kept = target.read_text().splitlines() if target.exists() else []
    lines = [
        "// Made by benchmarks/calibrate.py: do not edit. Nanoseconds on one core.",
        f"// Machine: {machine['processor']}, L1 {machine['l1'] >> 10} KiB, L2 {machine['l2'] >> 10} KiB.",
        "// level, arithmetic, short calls against Zen 5's, {per output, per tap}: line, column, image, wide,",
        "// separable; {per point, per butterfly level} of lines by the library; lines of our own against tiles;",
        "// per point of a square tile",
        "// of " + ", ".join(map(str, LENGTHS)),
    ]
    bytes_lines = lines[:2]
    bytes_lines.append(
        "// level, {per output, per product of four taps}: line, image; per byte of an output"
    )
    asked = [level for level in _core.levels() if level in arguments.levels]
    measured: dict[str, list[str]] = {}
    with faltung.set_workers(1):
        for number in range(arguments.passes):
            for level in asked:
                _core.force_level(level)
                measured[level] = costs_of(level)
            print(f"pass {number + 1} of {arguments.passes}", flush=True)
    order = list(dict.fromkeys([*_core.levels(), *map(level_of, kept)]))  # others' stay, behind
    for level in order:
        if level in _core.levels_upon():
            bytes_lines += measured.get(level, [])
        elif level:
            lines += measured.get(level, [line for line in kept if level_of(line) == level])
    print("\n".join(lines + bytes_lines[3:]))
    _core.force_level(None)
    if arguments.write:
        target.write_text("\n".join(lines) + "\n")
        if len(bytes_lines) > 3:
            (constants / f"bytes-{target.name}").write_text("\n".join(bytes_lines) + "\n")


if __name__ == "__main__":
    main()
