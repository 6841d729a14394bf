#!/usr/bin/env python3
"""Measure what layers of nets cost and write it to cpp/policy/constants/.

    python benchmarks/calibrate_layers.py                  measure everything, print the table
    python benchmarks/calibrate_layers.py --write          and replace the file of this family of processors
    python benchmarks/calibrate_layers.py --levels v4      some levels only, the others stay as they are
    python benchmarks/calibrate_layers.py --dtypes f32     some arithmetics only
    python benchmarks/calibrate_layers.py --passes 8       where neighbours slow a virtual machine down for seconds

Every method is forced on every layer of layer_cases.py that it serves, forward on plain calls and for the gradient of
the weights, on one core. The core counts what each of them does (ConvLayer.work); the costs are those, not negative,
for which counts times costs come nearest to the times measured, the least of several passes over everything, in ratio.
Costs are nanoseconds per full vector.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from calibrate import level_of
from layer_cases import LAYERS, name_of

import faltung
from faltung import _core, nn

METHODS = ("direct", "winograd4", "winograd2", "nested", "fft")
DTYPES = {"f32": np.float32, "f64": np.float64}
MOST_MS = 60  # one core; slower cases are left out
FAR_BEHIND = 3  # so are methods that take so many times the best one's time: nobody takes them


least_times = {}  # of all passes, by what was measured


def least(what, call, seconds):
    """The least time of a call in this pass and those before, in nanoseconds."""
    start = time.perf_counter()
    call()
    took = time.perf_counter() - start
    best, runs = min(took, least_times.get(what, took)), 1
    while (runs < 3 or time.perf_counter() - start < seconds) and took < MOST_MS * 1e-3:
        begin = time.perf_counter()
        call()
        took = time.perf_counter() - begin
        best = min(best, took)
        runs += 1
    least_times[what] = best
    return best * 1e9


def measurements(dtype, seconds):
    """(name, what is counted, nanoseconds) of every layer and method, forward and backward."""
    rng = np.random.default_rng(5)
    for layer in LAYERS:
        batch, inputs, outputs, side, taps, stride, groups = layer
        x = rng.standard_normal((batch, inputs, side, side)).astype(dtype)
        w = rng.standard_normal((outputs, inputs // groups, taps, taps)).astype(dtype)
        settings = {"stride": stride, "padding": taps // 2, "groups": groups}
        pads, steps = [(taps // 2,) * 2] * 2, [stride] * 2
        described = _core.ConvLayer(
            x.shape, w.shape, steps, pads, [1, 1], groups, "zero", dtype == np.float64
        )
        grad = rng.standard_normal(described.out_shape).astype(dtype)
        out = np.empty(described.out_shape, dtype)
        for gradient in (False, True):
            rows = []
            for method in METHODS:
                try:
                    counts = described.work(method, False, gradient)
                except ValueError:
                    continue

                def call(
                    method=method, gradient=gradient, x=x, w=w, grad=grad, out=out, s=settings
                ):
                    if gradient:
                        nn.conv_backward(
                            grad, x, w, bias=False, input_gradient=False, method=method, **s
                        )
                    else:
                        nn.conv(x, w, method=method, out=out, **s)

                name = f"{name_of(layer)} {method}{' gradient' if gradient else ''}"
                took = least((_core.level(), dtype, name), call, seconds)
                if took < MOST_MS * 1e6:
                    rows.append((name, counts, took))
            best = min((row[2] for row in rows), default=0)
            yield from (row for row in rows if row[2] <= FAR_BEHIND * best)


def fitted(rows):
    """Costs, not negative, with the least sum of squares of relative errors."""
    from scipy.optimize import least_squares, nnls

    counts = np.array([list(row[1].values()) for row in rows])
    times = np.array([row[2] for row in rows])
    start, _ = nnls(counts / times[:, None], np.ones(len(rows)))
    # then of the logarithms: a prediction of half the time is as bad as one of twice of it
    scale = np.where(counts.any(0), np.maximum(start, 1e-3), 0)
    # a butterfly cannot cost less than its five vector operations, two of them in a cycle
    least = np.array([0.5 if work == "butterfly" else 0.0 for work in rows[0][1]])
    found = least_squares(
        lambda c: np.log(np.maximum(counts @ c, 1.0) / times),
        np.maximum(scale, least + 1e-6),
        bounds=(least, np.inf),
        loss="soft_l1",
        f_scale=0.2,
        x_scale=np.maximum(scale, 1e-3),
    )
    return found.x, counts @ found.x / times


def fitted_line(key, rows, worst):
    """The line of the file, printed with how near it comes."""
    costs, ratios = fitted(rows)
    line = f"{key} {{{', '.join(f'{cost:.3g}' for cost in costs)}}})"
    print(line)
    error = np.exp(np.abs(np.log(ratios)).mean())
    print(f"{len(rows)} cases, predicted within a factor of {error:.2f} on average")
    order = np.argsort(-np.abs(np.log(ratios)))
    for i in order[:worst]:
        took = f"{rows[i][2] * 1e-6:.3g} ms, predicted {ratios[i]:.2f} of it"
        print(f"  {rows[i][0]}: {took}", flush=True)
    return line


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--levels", nargs="*", default=_core.levels(), choices=_core.levels())
    parser.add_argument("--dtypes", nargs="*", default=list(DTYPES), choices=list(DTYPES))
    parser.add_argument("--seconds", type=float, default=0.05, help="per case and pass")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--worst", type=int, default=5, help="cases to print")
    arguments = parser.parse_args()
    machine = _core.machine()
    constants = Path(__file__).resolve().parent.parent / "cpp" / "policy" / "constants"
    target = constants / f"layers-{machine['vendor'].lower()}-{machine['family']}.inc"
    kept = target.read_text().splitlines() if target.exists() else []
    header = [
        "// Made by benchmarks/calibrate_layers.py: do not edit. Nanoseconds per full vector on one core.",
        f"// Machine: {machine['processor']}, L1 {machine['l1'] >> 10} KiB, L2 {machine['l2'] >> 10} KiB.",
    ]
    asked = [
        (level, name)
        for level in _core.levels()
        for name in DTYPES
        # a level upon another one has its loops
        if level in arguments.levels
        and level not in _core.levels_upon()
        and name in arguments.dtypes
    ]
    rows = {}
    with faltung.set_workers(1):
        for number in range(arguments.passes):
            for level, name in asked:
                _core.force_level(level)
                rows[level, name] = list(measurements(DTYPES[name], arguments.seconds))
            print(f"pass {number + 1} of {arguments.passes}", flush=True)
    _core.force_level(None)
    lines = []
    for level in _core.levels():
        for name in DTYPES:
            key = f'FALTUNG_LAYER_COSTS("{level}", Arithmetic::{name},'
            if (level, name) in rows:
                lines.append(fitted_line(key, rows[level, name], arguments.worst))
            else:
                lines += [line for line in kept if line.startswith(key)]
    lines += [line for line in kept if level_of(line) not in ("", *_core.levels())]
    header.append("// level, arithmetic, " + ", ".join(next(iter(rows.values()))[0][1]))
    if arguments.write:
        target.write_text("\n".join(header + lines) + "\n")


if __name__ == "__main__":
    main()
