"""What structure in a kernel is worth: a Markdown table for docs/performance/direct.md.

    python benchmarks/structure.py [--side 2048] [--kernels 7 9 11 15 21 31 61] [--rounds 7]

Milliseconds, one worker, float32, answers into an existing array. Every kernel is given as plain numbers; "rank r" is a
sum of r outer products, "box" has equal taps, "n taps" are all that is not zero. Beside them a kernel of full rank by
the direct method and by tiles.
"""

import argparse
import time

import numpy as np

import faltung

LISTS = (5, 20)


def gaussians(side, terms):
    """Gaussians of different widths, added: as many outer products."""
    t = np.arange(side) - (side - 1) / 2
    total = np.zeros((side, side))
    for term in range(terms):
        line = np.exp(-((t / (side / 6 * (1 + term / 4))) ** 2) / 2)
        total += (-0.5) ** term * np.outer(line, line)
    return total


def few(side, count, rng):
    k = np.zeros(side * side)
    k[rng.permutation(k.size)[:count]] = 1 + rng.random(min(count, k.size))
    return k.reshape(side, side)


def kernels(side, rng):
    """Columns of the table: a kernel and the method that serves it."""
    for terms in (1, 2, 3):
        yield f"rank {terms}", gaussians(side, terms), "separable"
    yield "box", np.full((side, side), 1 / side**2), "separable"
    for count in LISTS:
        yield f"{count} taps", few(side, count, rng), "direct"
    full = rng.standard_normal((side, side))
    yield "full rank, direct", full, "direct"
    yield "full rank, tiles", full, "overlap_save"


def least_time(call, rounds):
    call()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--kernels", type=int, nargs="+", default=[7, 9, 11, 15, 21, 31, 61])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()

    rng = np.random.default_rng(7)
    x = rng.random((options.side, options.side), dtype=np.float32)
    out = np.empty_like(x)
    for side in options.kernels:
        cells = [f"{side}×{side}"]
        names = ["kernel"]
        for name, k, method in kernels(side, rng):
            plan = faltung.plan(k.astype(np.float32), x.shape, "same", method, workers=1)
            seconds = least_time(lambda plan=plan: plan(x, out), options.rounds)
            cells.append(f"{seconds * 1e3:.2f}")
            names.append(name)
        if side == options.kernels[0]:
            print("| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|")
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
