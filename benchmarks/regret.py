"""How well `auto` chooses: its method's time over the best forced method's, on random problems.

    python benchmarks/regret.py [--problems 240] [--seed 1] [--json FILE] [--plot docs/images/choice.png]

The problems are drawn log-uniformly: one to three dimensions, alone, in a batch, with channels or along the first
axes; real, complex, half-precision and integer; arrays of 10³ to 4·10⁶ samples, kernels of 1 sample to a third of the
array, some of them outer products, of equal taps or mostly zero, some with stride or dilation. Every method that can
serve runs in turn, several rounds; a regret of 1 means that none was faster than the one that `auto` took. Methods
predicted to be 30 times slower than the best prediction are not run. Then the time against the kernel's size is drawn
for each method, with the choice marked.
"""

import argparse
import json
import math
import time
from functools import partial, reduce
from pathlib import Path

import numpy as np

import faltung

DOUBTFUL = 1.2  # regrets beyond it are measured once more
METHODS = ("direct", "separable", "fft", "overlap_save")
DTYPES = {  # of the array and of the kernel, and how often
    "float32 by float32": 0.4, "float64 by float64": 0.18, "complex64 by complex64": 0.1,
    "complex64 by float32": 0.04, "float32 by complex64": 0.04, "float16 by float32": 0.04,
    "uint8 by float32": 0.1, "int16 by float32": 0.04, "uint8 by int8": 0.06,
}  # fmt: skip


def log_uniform(rng, low, high):
    return round(math.exp(rng.uniform(math.log(low), math.log(high))))


def random_problem(rng):
    ndim = int(rng.choice([1, 2, 3], p=[0.35, 0.45, 0.2]))
    samples = log_uniform(rng, 1e3, 4e6)
    layout = rng.choice(["plain", "batch", "channels", "columns"], p=[0.6, 0.2, 0.12, 0.08])
    most = {"plain": 1, "batch": 64, "channels": 4, "columns": 500}[layout]
    others = log_uniform(rng, min(2, most), most)  # positions along the axis that has no taps
    side = max(4, round((samples / others) ** (1 / ndim)))
    kernel = min(log_uniform(rng, 1, max(2, side // 3)), {1: 10**6, 2: 201, 3: 41}[ndim])
    x = [max(2, round(side * rng.uniform(0.7, 1.4))) for _ in range(ndim)]
    steps = {"stride": [1] * ndim, "dilation": [1] * ndim}
    if rng.random() < 0.12:
        steps[str(rng.choice(["stride", "dilation"]))] = rng.integers(1, 4, ndim).tolist()
    structures = ["none", "rank one", "equal", "sparse"]
    return {
        "x": {"plain": x, "batch": [others, *x]}.get(str(layout), [*x, others]),
        "k": [max(1, round(kernel * rng.uniform(0.7, 1.3))) for _ in range(ndim)],
        "axes": list(range(-ndim, 0) if layout in ("plain", "batch") else range(ndim)),
        "dtypes": str(rng.choice(list(DTYPES), p=list(DTYPES.values()))),
        "mode": str(rng.choice(["same", "full"])),
        "boundary": str(rng.choice(["zero", "mirror", "wrap"])),
        "structure": str(rng.choice(structures, p=[0.65, 0.2, 0.08, 0.07])),
        **steps,
    }


def fill(rng, shape, dtype):
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    values = rng.standard_normal(shape)
    if np.issubdtype(dtype, np.complexfloating):
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def operands(problem, rng):
    of_x, of_k = map(np.dtype, problem["dtypes"].split(" by "))
    k = fill(rng, problem["k"], of_k)
    if problem["structure"] == "rank one":
        factors = [fill(rng, n, of_k) for n in k.shape]
        if of_k.kind == "i":  # products of three fit eight bits
            factors = [factor % 8 - 4 for factor in factors]
        k = reduce(np.multiply.outer, factors)
    elif problem["structure"] == "equal":
        k[...] = k.flat[0]
    elif problem["structure"] == "sparse":
        k[rng.random(k.shape) < 0.95] = 0
    return fill(rng, problem["x"], of_x), k


def prepare(problem, x, k):
    """A plan for each method that can serve and is not hopeless, and the one that `auto` takes."""
    settings = {name: problem[name] for name in ("mode", "boundary")}
    settings |= {name: tuple(problem[name]) for name in ("axes", "stride", "dilation")}
    settings["x_dtype"] = x.dtype
    chosen = faltung.plan(k, x.shape, **settings)
    plans = {}
    for method in METHODS:
        try:
            plan = faltung.plan(k, x.shape, method=method, **settings)
        except (ValueError, RuntimeError):  # no outer product, no FFT library
            continue
        if method == chosen.method or plan.predicted_seconds < 30 * chosen.predicted_seconds:
            plans[method] = plan
    return plans, chosen.method


def fastest(calls, budget):
    """The least seconds of each call, over rounds that run each in turn until `budget` is spent (3 rounds at least).

    Each runs several times in a row: for some calls after another method, whose workspaces have taken the caches, it
    takes up to twice as long, so that the order of the methods would decide.
    """
    for call in calls.values():
        call()
    best = dict.fromkeys(calls, math.inf)
    end, rounds = time.perf_counter() + budget, 0
    while rounds < 3 or (time.perf_counter() < end and rounds < 60):
        rounds += 1
        for name, call in calls.items():
            for _ in range(2 if best[name] > 1e-3 else 6):
                start = time.perf_counter()
                call()
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def warm_up(seconds=0.5):
    """Threads that have just been made may share a core until the scheduler has looked at them."""
    x, k = np.ones((512, 512), np.float32), np.ones((15, 15), np.float32)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        faltung.convolve(x, k)


def measure(count, seed, budget):
    """A row per problem. What is doubtful is measured once more at once, and again when all others are done: the two
    virtual cores of a virtual machine may share a real one for minutes, and then calls that two workers share take
    milliseconds. Then with a copy of the array, too: where it lies against results and workspaces, modulo a page,
    makes some calls take up to twice as long, which no choice can know."""
    rng = np.random.default_rng(seed)
    rows, doubtful = [], []
    warm_up()
    for number in range(count):
        problem = random_problem(rng)
        x, k = operands(problem, rng)
        plans, choice = prepare(problem, x, k)
        rows.append(
            problem
            | {"number": number, "choice": choice, "seconds": {}}
            | {"predicted": {name: plan.predicted_seconds for name, plan in plans.items()}}
        )
        time_plans(rows[-1], plans, x, budget)
        if rows[-1]["regret"] > DOUBTFUL:
            time_plans(rows[-1], plans, x, 2 * budget)
        if rows[-1]["regret"] > DOUBTFUL:
            doubtful.append((rows[-1], plans, x))
    for row, plans, x in doubtful:
        warm_up()
        time_plans(row, plans, x, 2 * budget)
        time_plans(row, plans, x.copy(), 2 * budget)
    return rows


def time_plans(row, plans, x, budget):
    """Lowers the row's seconds to what each plan takes now."""
    out = plans[row["choice"]](x)
    spent = fastest({name: partial(plan, x, out) for name, plan in plans.items()}, budget)
    seconds = {name: min(new, row["seconds"].get(name, math.inf)) for name, new in spent.items()}
    least = min(seconds, key=seconds.get)
    row |= {"seconds": seconds, "best": least, "regret": seconds[row["choice"]] / seconds[least]}


def report(rows):
    regrets = np.array([row["regret"] for row in rows])
    geometric = math.exp(np.log(regrets).mean())
    print(f"{len(rows)} problems: geometric mean {geometric:.3f}, median {np.median(regrets):.3f}, "
          f"90th percentile {np.percentile(regrets, 90):.2f}, worst {regrets.max():.2f}; "
          f"best taken in {(regrets == 1).mean():.0%}, within 10 % in {(regrets < 1.1).mean():.0%}")  # fmt: skip
    print("\nWorst:")
    for row in sorted(rows, key=lambda r: -r["regret"])[:10]:
        times = ", ".join(
            f"{n} {s * 1e3:.3g} ({row['predicted'][n] * 1e3:.3g})"
            for n, s in row["seconds"].items()
        )
        shape = f"{'x'.join(map(str, row['x']))} * {'x'.join(map(str, row['k']))}"
        kind = f"{row['dtypes']} {row['mode']} {row['boundary']}"
        if row["axes"][-1] == len(row["k"]) - 1 and len(row["x"]) > len(row["k"]):
            kind += f" axes {row['axes']}"
        kind += "".join(
            f" {name} {row[name]}" for name in ("stride", "dilation") if max(row[name]) > 1
        )
        kind += f" {row['structure']}" * (row["structure"] != "none")
        print(
            f"  {row['regret']:.2f}  {shape} {kind}: took {row['choice']}; ms (predicted): {times}"
        )
    return {"geometric_mean": geometric, "worst": float(regrets.max()), "problems": rows}


# The picture


def sweep(x_shape, sizes, budget):
    """Seconds by method and kernel size, and the choice."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal(x_shape).astype(np.float32)
    curves, choices = {method: [] for method in METHODS}, []
    for n in sizes:
        k = rng.standard_normal((n,) * x.ndim).astype(np.float32)
        ones = [1] * x.ndim
        problem = {
            "mode": "same",
            "boundary": "zero",
            "axes": range(x.ndim),
            "stride": ones,
            "dilation": ones,
        }
        plans, choice = prepare(problem, x, k)
        out = np.empty_like(x)
        seconds = fastest({name: partial(plan, x, out) for name, plan in plans.items()}, budget)
        for method in METHODS:
            curves[method].append(seconds.get(method, math.nan))
        choices.append(seconds[choice])
    return curves, choices


def draw(path, budget):
    from matplotlib.figure import Figure

    panels = [
        (
            "2048 × 2048, float32",
            (2048, 2048),
            [3, 5, 7, 9, 11, 15, 21, 31, 45, 63, 101],
            "k, of a k × k kernel",
        ),
        (
            "10⁶ samples, float32",
            (1_000_000,),
            [3, 7, 15, 31, 63, 127, 255, 511, 1023, 4095, 16383],
            "taps",
        ),
    ]
    colours = {
        "direct": "#c2510a",
        "separable": "#7a5195",
        "fft": "#2a7f62",
        "overlap_save": "#1f6fb2",
    }
    figure = Figure(figsize=(10, 4.2), layout="constrained", facecolor="white")
    for axes, (title, shape, sizes, label) in zip(figure.subplots(1, 2), panels, strict=True):
        curves, choices = sweep(shape, sizes, budget)
        for method, seconds in curves.items():
            if not np.all(np.isnan(seconds)):
                axes.plot(
                    sizes,
                    np.array(seconds) * 1e3,
                    color=colours[method],
                    marker=".",
                    label=method.replace("_", "-"),
                )
        axes.plot(
            sizes,
            np.array(choices) * 1e3,
            "o",
            color="none",
            markeredgecolor="black",
            markersize=9,
            label="auto takes",
        )
        axes.set(xscale="log", yscale="log", xlabel=label, ylabel="ms", title=title)
        ticks = [n for n in sizes if n in (3, 5, 9, 15, 31, 63, 101, 255, 1023, 4095, 16383)]
        axes.set_xticks(ticks, [str(n) for n in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budget", type=float, default=0.08, help="seconds of rounds per problem")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    if options.problems:
        summary = report(measure(options.problems, options.seed, options.budget))
        if options.json:
            options.json.write_text(json.dumps(summary, indent=1))
    if options.plot:
        draw(options.plot, options.budget)
        print(options.plot)


if __name__ == "__main__":
    main()
