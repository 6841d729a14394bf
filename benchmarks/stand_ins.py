"""What going through `faltung.compat` costs: a Markdown table for docs/performance/functions.md.

    python benchmarks/stand_ins.py [WORDS ...] [--sides 512 1024] [--lengths 100000 1000000] [--seconds 0.4]

Medians in microseconds of the stand-in, of the native call that computes the same, and of SciPy; all three in turns, in
all orders, called several times before it is timed: what SciPy leaves in the caches is not what is measured here. The
native call is the public one with the same weights, boundary and dtype that docs/semantics.md names beside SciPy's;
where SciPy cuts uint8 off between the axes, one for each axis. WORDS choose rows: those whose name holds all of them.
The last lines tell how far stand-ins are above native calls of 100 us or more.
"""

import argparse
import itertools
import math
import statistics
import time

import numpy as np
from scipy import ndimage, signal

import faltung
from faltung.compat import ndimage as our_ndimage
from faltung.compat import signal as our_signal

BORDER = {"boundary": "symmetric"}


def each_axis(x, taps):
    for axis in range(x.ndim):
        x = faltung.correlate(x, taps, "same", axes=axis, dtype=x.dtype, **BORDER)
    return x


def images(side, dtype, rng):
    """Name, call with a module like ndimage, native call."""
    x = (rng.standard_normal((side, side)) * 30 + 100).astype(dtype)
    real = np.float64 if dtype == "uint8" else np.dtype(dtype)
    k, line = rng.standard_normal((5, 5)).astype(real), rng.standard_normal(9).astype(real)
    options = BORDER | {"dtype": x.dtype}
    gauss = faltung.kernels.gaussian(2, ndim=1)
    whole = x.dtype.kind == "u"
    filters = faltung.filters
    yield (
        "correlate, 5 × 5",
        lambda m: m.correlate(x, k),
        lambda: faltung.correlate(x, k, "same", **options),
    )
    yield (
        "correlate1d, 9, axis 0",
        lambda m: m.correlate1d(x, line, 0),
        lambda: faltung.correlate(x, line, "same", axes=0, **options),
    )
    yield (
        "gaussian_filter, sigma 2",
        lambda m: m.gaussian_filter(x, 2),
        (lambda: each_axis(x, gauss)) if whole else lambda: filters.gaussian(x, 2, **options),
    )
    yield "sobel, axis 0", lambda m: m.sobel(x, 0), lambda: filters.sobel(x, 0, **options)
    yield "laplace", lambda m: m.laplace(x), lambda: filters.laplace(x, **options)
    yield (
        "uniform_filter, 5",
        lambda m: m.uniform_filter(x, 5),
        (lambda: each_axis(x, np.full(5, 0.2, np.float32)))
        if whole
        else lambda: filters.box(x, 5, **options),
    )
    if not whole:
        yield (
            "gaussian_laplace, sigma 2",
            lambda m: m.gaussian_laplace(x, 2),
            lambda: filters.gaussian_laplace(x, 2, **options),
        )
        yield (
            "gaussian_gradient_magnitude, sigma 2",
            lambda m: m.gaussian_gradient_magnitude(x, 2),
            lambda: filters.gaussian_gradient_magnitude(x, 2, **options),
        )


def lines(length, dtype, rng):
    """Name, call with a module like signal, native call."""
    x = rng.standard_normal(length).astype(dtype)
    side = math.isqrt(length)
    image = x[: side * side].reshape(side, side)
    short, long = (rng.standard_normal(m).astype(dtype) for m in (31, 1023))
    fir, one = rng.standard_normal(64).astype(dtype), np.ones(1, dtype)
    plane = rng.standard_normal((5, 5)).astype(dtype)
    fit = signal.savgol_coeffs(11, 3).astype(dtype)
    b, a = (c.astype(dtype) for c in signal.butter(4, 0.05))
    recursive = faltung._recursive.recursive_filter
    yield "convolve, 31", lambda m: m.convolve(x, short), lambda: faltung.convolve(x, short)
    yield "correlate, 31", lambda m: m.correlate(x, short), lambda: faltung.correlate(x, short)
    yield "fftconvolve, 1023", lambda m: m.fftconvolve(x, long), lambda: faltung.convolve(x, long)
    yield "oaconvolve, 1023", lambda m: m.oaconvolve(x, long), lambda: faltung.convolve(x, long)
    yield (
        "convolve2d, 5 × 5, symm",
        lambda m: m.convolve2d(image, plane, "same", "symm"),
        lambda: faltung.convolve(image, plane, "same", **BORDER),
    )
    yield (
        "sepfir2d, 5 and 5",
        lambda m: m.sepfir2d(image, plane[0], plane[1]),
        lambda: faltung.convolve(image, np.outer(plane[1], plane[0]), "same", **BORDER),
    )
    yield (
        "lfilter, 64 taps",
        lambda m: m.lfilter(fir, one, x),
        lambda: faltung.convolve(x, fir)[:length],
    )
    yield "lfilter, order 4", lambda m: m.lfilter(b, a, x), lambda: recursive(b, a, x)
    yield (
        "upfirdn, 31, 1 : 3",
        lambda m: m.upfirdn(short, x, 1, 3),
        lambda: faltung.convolve(x, short, stride=3),
    )
    yield (
        "savgol_filter, 11",
        lambda m: m.savgol_filter(x, 11, 3, mode="mirror"),
        lambda: faltung.convolve(x, fit, "same", boundary="mirror"),
    )


def timed(call, count, before=1):
    for _ in range(before):
        call()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def medians(calls, seconds):
    """Of `calls`, in all orders, until their time is spent."""
    times = [[] for _ in calls]
    once = [min(timed(call, 2)) for call in calls]
    end = time.perf_counter() + seconds
    for turn, order in enumerate(itertools.cycle(itertools.permutations(range(len(calls))))):
        if turn >= 6 and time.perf_counter() > end:
            break
        for i in order:
            times[i] += timed(calls[i], 15, before=8) if once[i] < 2e-3 else timed(calls[i], 1)
    return [statistics.median(each) for each in times]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*")
    parser.add_argument("--sides", type=int, nargs="*", default=[512, 1024])
    parser.add_argument("--lengths", type=int, nargs="*", default=[10**5, 10**6])
    parser.add_argument("--seconds", type=float, default=0.4, help="per row")
    options = parser.parse_args()

    rng = np.random.default_rng(7)
    rows = [
        (f"{name} | {dtype} | {side} × {side}", call, native, our_ndimage, ndimage)
        for side in options.sides
        for dtype in ("float32", "float64", "uint8")
        for name, call, native in images(side, dtype, rng)
    ] + [
        (f"{name} | {dtype} | {length}", call, native, our_signal, signal)
        for length in options.lengths
        for dtype in ("float32", "float64")
        for name, call, native in lines(length, dtype, rng)
    ]
    print(
        "| call | dtype | samples | stand-in | native | SciPy | stand-in ÷ native | SciPy ÷ stand-in |"
    )
    print("|---|---|---|---|---|---|---|---|")
    ratios = []
    for name, call, native, ours, theirs in rows:
        if not all(word in name for word in options.words):
            continue
        mine, bare, scipys = medians(
            [lambda call=call, m=ours: call(m), native, lambda call=call, m=theirs: call(m)],
            options.seconds,
        )
        numbers = " | ".join(f"{t * 1e6:.0f}" for t in (mine, bare, scipys))
        print(f"| {name} | {numbers} | {mine / bare:.2f} | {scipys / mine:.1f} |", flush=True)
        if bare >= 1e-4:
            ratios.append((mine / bare, name))
    if ratios:
        mean = math.exp(statistics.fmean(math.log(ratio) for ratio, _ in ratios))
        print(
            f"\nnative calls of 100 us or more: {len(ratios)}; stand-in ÷ native {mean:.3f} in the geometric mean"
        )
        for ratio, name in sorted(ratios, reverse=True)[:5]:
            print(f"  {ratio:.2f}  {name}")


if __name__ == "__main__":
    main()
