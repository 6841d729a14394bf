"""How far the direct method is from what the machine can do: a Markdown table for docs/performance/direct.md.

    python benchmarks/floors.py [--side 2048] [--kernels 3 5 7 9 11 15 31] [--rounds 15]

One worker. For each dtype, level and kernel size: the time, the arithmetic and the memory traffic that it amounts to,
and the floor below which no direct method gets: the larger of the multiply-adds at the level's peak and of reading the
input and writing the output once. Peak and copy are measured in the same run by a small C++ program, which needs `c++`
or `g++`; without one the floor is left out.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

import faltung
from faltung import _core

PROGRAM = r"""
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

typedef REAL Vector __attribute__((vector_size(BYTES)));

static double now() {
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

// Enough independent sums to hide the latency of a multiply-add, few enough for 16 registers.
static double peak() {
    constexpr int chains = 12, lanes = BYTES / sizeof(REAL);
    const long turns = 200000;
    double best = 0;
    for (int round = 0; round < 60; ++round) {
        Vector sum[chains], factor, term;
        for (int i = 0; i < lanes; ++i) factor[i] = REAL(0.999), term[i] = REAL(1e-3) * REAL(i + round);
        for (int c = 0; c < chains; ++c) sum[c] = term * REAL(c + 1);  // alike, they would be one
        const double start = now();
        for (long turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 12
            for (int c = 0; c < chains; ++c) sum[c] = sum[c] * factor + term;
        }
        const double seconds = now() - start;
        REAL total = 0;
        for (auto& s : sum) total += s[0];
        if (total == REAL(-1)) std::puts("");  // so that the loop is not dropped
        const double rate = 2.0 * chains * lanes * turns / seconds;
        if (rate > best) best = rate;
    }
    return best;
}

static double copy(std::size_t bytes) {
    char* from = static_cast<char*>(std::aligned_alloc(64, bytes));
    char* to = static_cast<char*>(std::aligned_alloc(64, bytes));
    std::memset(from, 1, bytes);
    std::memset(to, 2, bytes);
    double best = 0;
    for (int round = 0; round < 15; ++round) {
        const double start = now();
        std::memcpy(to, from, bytes);
        const double rate = 2.0 * double(bytes) / (now() - start);
        if (rate > best) best = rate;
        from[round] = to[bytes - 1 - std::size_t(round)];
    }
    std::free(from);
    std::free(to);
    return best;
}

int main(int, char** argument) {
    std::printf("{\"peak\": %.6g, \"copy\": %.6g}\n", peak(), copy(std::strtoull(argument[1], nullptr, 10)));
}
"""
ARITHMETIC = {  # what each dtype is computed in
    "float16": "float32",
    "float32": "float32",
    "complex64": "float32",
    "float64": "float64",
    "complex128": "float64",
}
FLAGS = {  # as in cmake/IsaLevels.cmake, and the width of a vector
    "baseline": ([], 16),
    "v3": (["-march=x86-64-v3"], 32),
    "v4": (["-march=x86-64-v4", "-mprefer-vector-width=512"], 64),
    "neon": ([], 16),
}


def limits(level, dtype, megabytes):
    """Peak multiply-add rate (counted as two operations) and copy bandwidth of one core; None without a compiler."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None or level not in FLAGS:
        return None
    flags, width = FLAGS[level]
    real = {"float32": "float", "float64": "double"}[ARITHMETIC[dtype]]
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder) / "limits.cpp", Path(folder) / "limits"
        source.write_text(PROGRAM)
        define = [f"-DREAL={real}", f"-DBYTES={width}"]
        command = [
            compiler,
            "-O3",
            "-std=c++20",
            "-ffp-contract=fast",
            *flags,
            *define,
            source,
            "-o",
            program,
        ]
        subprocess.run(command, check=True)
        told = subprocess.run([program, str(megabytes)], check=True, capture_output=True, text=True)
    return json.loads(told.stdout)


def least_time(call, rounds):
    """The fastest of the rounds, as for the limits: what the machine can do when nothing else runs."""
    call()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def numbers(shape, dtype, rng):
    values = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def rows(options):
    rng = np.random.default_rng(7)
    side = options.side
    for dtype in options.dtypes:
        x = numbers((side, side), dtype, rng)
        out = np.empty_like(x)
        for level in _core.levels():
            if level in _core.levels_upon():  # the same loops again
                continue
            limit = limits(level, dtype, x.nbytes)
            before = _core.force_level(level)
            try:
                for n in options.kernels:
                    k = numbers((n, n), dtype, rng)
                    plan = faltung.plan(k, x.shape, "same", "direct", workers=1)
                    yield (
                        dtype,
                        level,
                        n,
                        least_time(partial(plan, x, out), options.rounds),
                        limit,
                    )
            finally:
                _core.force_level(before)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--kernels", type=int, nargs="+", default=[3, 5, 7, 9, 11, 15, 31])
    parser.add_argument(
        "--dtypes", nargs="+", choices=list(ARITHMETIC), default=["float32", "float64"]
    )
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()

    side, told = options.side, set()
    header = "| dtype | level | kernel | ms | GF/s | of peak | GB/s | floor ms | above floor |"
    print(f"{side} × {side}, one worker, method direct, answer into an existing array\n\n{header}")
    print("|" + "---|" * (header.count("|") - 1))
    notes = []
    for dtype, level, n, seconds, limit in rows(options):
        products = 4 if dtype.startswith("complex") else 1
        flops = 2.0 * side * side * n * n * products
        traffic = 2.0 * side * side * np.dtype(dtype).itemsize
        cells = [dtype, level, f"{n}×{n}", f"{seconds * 1e3:.2f}", f"{flops / seconds / 1e9:.0f}"]
        if limit:
            floor = max(flops / limit["peak"], traffic / limit["copy"])
            cells += [f"{flops / seconds / limit['peak']:.0%}", f"{traffic / seconds / 1e9:.1f}"]
            cells += [f"{floor * 1e3:.2f}", f"{seconds / floor:.2f}×"]
            if (dtype, level) not in told:
                told.add((dtype, level))
                peak, copy = limit["peak"] / 1e9, limit["copy"] / 1e9
                notes.append(
                    f"{dtype} {level}: peak {peak:.0f} GF/s, copy {copy:.1f} GB/s (read + written)"
                )
        else:
            cells += ["-", f"{traffic / seconds / 1e9:.1f}", "-", "-"]
        print("| " + " | ".join(cells) + " |", flush=True)
    print()
    print("\n".join(notes) if notes else "No C++ compiler found, so no floors.")


if __name__ == "__main__":
    main()
