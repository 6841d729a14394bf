"""How well `auto` chooses: its method's time over the best forced method's, on random problems.

    python benchmarks/regret.py [--problems 240] [--seed 1] [--json FILE] [--plot docs/images/choice.png]

The problems are drawn log-uniformly: one to three dimensions, with and without a batch, real, complex and integer,
arrays of 10³ to 4·10⁶ samples, kernels of 1 sample to a third of the array, full rank or rank one. Every method that
can serve runs in turn, several rounds; a regret of 1 means that none was faster than the one that `auto` took. Methods
predicted to be 30 times slower than the best prediction are not run. Then the time against the kernel's size is drawn
for each method, with the choice marked.
"""

import argparse
import json
import math
import time
from functools import partial
from pathlib import Path

import numpy as np

import faltung

DOUBTFUL = 1.2  # regrets beyond it are measured once more
METHODS = ("direct", "separable", "fft", "overlap_save")


def log_uniform(rng, low, high):
    return round(math.exp(rng.uniform(math.log(low), math.log(high))))


def random_problem(rng):
    ndim = int(rng.choice([1, 2, 3], p=[0.35, 0.45, 0.2]))
    samples = log_uniform(rng, 1e3, 4e6)
    batch = log_uniform(rng, 2, 64) if rng.random() < 0.3 else 1
    side = max(4, round((samples / batch) ** (1 / ndim)))
    kernel = min(log_uniform(rng, 1, max(2, side // 3)), {1: 10**6, 2: 201, 3: 41}[ndim])
    return {
        "x": ([batch] if batch > 1 else [])
        + [max(1, round(side * rng.uniform(0.7, 1.4))) for _ in range(ndim)],
        "k": [max(1, round(kernel * rng.uniform(0.7, 1.3))) for _ in range(ndim)],
        "dtype": str(
            rng.choice(["float32", "float64", "complex64", "uint8"], p=[0.5, 0.25, 0.15, 0.1])
        ),
        "mode": str(rng.choice(["same", "full"])),
        "boundary": str(rng.choice(["zero", "mirror", "wrap"])),
        "rank_one": bool(ndim > 1 and rng.random() < 0.25),
    }


def operands(problem, rng):
    def fill(shape):
        values = rng.standard_normal(shape)
        if problem["dtype"] == "complex64":
            values = values + 1j * rng.standard_normal(shape)
        return values

    ndim = len(problem["k"])
    if problem["rank_one"]:
        k = fill(problem["k"][0])
        for n in problem["k"][1:]:
            k = np.multiply.outer(k, fill(n))
    else:
        k = fill(problem["k"])
    if problem["dtype"] == "uint8":
        return rng.integers(0, 256, problem["x"], np.uint8), k.astype(np.float32), ndim
    return fill(problem["x"]).astype(problem["dtype"]), k.astype(problem["dtype"]), ndim


def prepare(problem, x, k, ndim):
    """A plan for each method that can serve and is not hopeless, and the one that `auto` takes."""
    settings = {
        "mode": problem["mode"],
        "boundary": problem["boundary"],
        "axes": tuple(range(-ndim, 0)),
        "x_dtype": x.dtype,
    }
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
    """The least seconds of each call, over rounds that run each in turn until `budget` is spent (3 rounds at least)."""
    for call in calls.values():
        call()
    best = dict.fromkeys(calls, math.inf)
    end, rounds = time.perf_counter() + budget, 0
    while rounds < 3 or (time.perf_counter() < end and rounds < 60):
        rounds += 1
        for name, call in calls.items():
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
    rng = np.random.default_rng(seed)
    warm_up()
    for number in range(count):
        problem = random_problem(rng)
        x, k, ndim = operands(problem, rng)
        plans, choice = prepare(problem, x, k, ndim)
        out = plans[choice](x)
        calls = {name: partial(plan, x, out) for name, plan in plans.items()}
        seconds = fastest(calls, budget)
        if seconds[choice] > DOUBTFUL * min(seconds.values()):  # a hiccup of the machine?
            again = fastest(calls, 2 * budget)
            seconds = {name: min(spent, again[name]) for name, spent in seconds.items()}
        regret = seconds[choice] / min(seconds.values())
        predicted = {name: plan.predicted_seconds for name, plan in plans.items()}
        yield problem | {
            "number": number, "choice": choice, "best": min(seconds, key=seconds.get),
            "seconds": seconds, "predicted": predicted, "regret": regret,
        }  # fmt: skip


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
        kind = f"{row['dtype']} {row['mode']} {row['boundary']}{' rank one' if row['rank_one'] else ''}"
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
        problem = {"mode": "same", "boundary": "zero"}
        plans, choice = prepare(problem, x, k, x.ndim)
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
        summary = report(list(measure(options.problems, options.seed, options.budget)))
        if options.json:
            options.json.write_text(json.dumps(summary, indent=1))
    if options.plot:
        draw(options.plot, options.budget)
        print(options.plot)


if __name__ == "__main__":
    main()
