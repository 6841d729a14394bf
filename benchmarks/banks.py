"""Banks of kernels over one image: Faltung's, its kernels one by one, MKL by hand and OpenCV, in one run.

    python benchmarks/banks.py [--rounds 7] [--words 3x3 gabor]

Every candidate runs once per round, in turn, and gets all cores; the table shows medians in milliseconds. "Filled" is
what writing the maps takes at least: a new array of their size, filled by as many threads. MKL by hand transforms the
image once and multiplies it by the spectrum of one kernel after the other, all of one good size.
"""

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import faltung

WORKERS = len(os.sched_getaffinity(0))
SIDE = 2048


def gabors(count, size):
    y, x = np.mgrid[:size, :size] - size // 2
    angles = np.linspace(0, np.pi, count, endpoint=False)
    return np.stack(
        [
            np.exp(-(x**2 + y**2) / (size * 3.0)) * np.cos(0.6 * (x * np.cos(a) + y * np.sin(a)))
            for a in angles
        ]
    ).astype(np.float32)


def by_mkl(fft, x, kernels):
    import scipy.fft

    size = kernels.shape[-1]
    points = [scipy.fft.next_fast_len(n + size - 1, True) for n in x.shape]
    image, begin = fft.rfft2(x, points), (size - 1) // 2
    maps = np.empty((len(kernels), *x.shape), x.dtype)
    for kernel, result in zip(kernels, maps, strict=True):
        full = fft.irfft2(image * fft.rfft2(kernel, points), points)
        result[...] = full[begin : begin + x.shape[0], begin : begin + x.shape[1]]
    return maps


def by_opencv(cv2, x, kernels):
    maps = np.empty((len(kernels), *x.shape), x.dtype)
    for kernel, result in zip(kernels, maps, strict=True):
        cv2.filter2D(x, cv2.CV_32F, kernel[::-1, ::-1], result, borderType=cv2.BORDER_CONSTANT)
    return maps


def filled(count):
    maps = np.empty((count, SIDE, SIDE), np.float32)
    parts = np.array_split(maps, WORKERS)
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda part: part.fill(1), parts))
    return maps


def candidates(x, kernels):
    bank = faltung.filter_bank_plan(kernels, x.shape)
    out = bank(x)
    calls = {
        "filter_bank": lambda: faltung.filter_bank(x, kernels),
        "prepared, out=": lambda: bank(x, out),
        "one by one": lambda: [faltung.convolve(x, kernel, "same") for kernel in kernels],
        "filled": lambda: filled(len(kernels)),
    }
    try:
        import mkl_fft.interfaces.scipy_fft as fft

        calls["MKL by hand"] = lambda: by_mkl(fft, x, kernels)
    except ImportError:
        pass
    try:
        import cv2

        cv2.setNumThreads(WORKERS)
        calls["OpenCV"] = lambda: by_opencv(cv2, x, kernels)
    except ImportError:
        pass
    return calls, bank


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--words", nargs="*", default=[])
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    banks = {
        f"16 of {k}x{k}": rng.standard_normal((16, k, k)).astype(np.float32) for k in (3, 5, 7, 15)
    }
    banks["64 gabors of 31x31"] = gabors(64, 31)
    for name, kernels in banks.items():
        if options.words and not any(word in name for word in options.words):
            continue
        calls, bank = candidates(x, kernels)
        seconds = {what: [] for what in calls}
        for _ in range(options.rounds + 1):  # the first one warms up
            for what, call in calls.items():
                start = time.perf_counter()
                call()
                seconds[what].append(time.perf_counter() - start)
        print(f"{name}, {bank.explain().splitlines()[0]}")
        for what, spent in seconds.items():
            print(f"    {what:15} {statistics.median(spent[1:]) * 1e3:8.1f} ms", flush=True)


if __name__ == "__main__":
    main()
