"""How well `nn.conv` chooses: its method's time over the best forced one's, on typical layers.

    python benchmarks/layer_regret.py [--levels v4] [--prepared] [--backward] [--json FILE]

The layers are those of layer_cases.py (ResNet, VGG, ConvNeXt, MobileNet and others), float32, all workers. Every
method that serves a layer runs in turn, several rounds; a regret of 1 means that none was faster than the one that
`auto` takes. Methods predicted to be 20 times slower than the best prediction are not run. `--prepared` asks plans,
`--backward` the gradients of the weights.
"""

import argparse
import json
import math
import re
import time
from pathlib import Path

import numpy as np
from layer_cases import LAYERS, name_of

from faltung import _core, nn

METHODS = ("direct", "winograd4", "winograd2", "nested", "fft")


def predictions(text):
    """Milliseconds by method, and the one that is taken."""
    found, taken = {}, None
    for line in text.splitlines():
        match = re.match(r"(\w+) +([0-9.e+-]+) ms predicted", line)
        if match:
            found[match[1]] = float(match[2])
            if "<- taken" in line:
                taken = match[1]
    return found, taken


def candidates(layer, prepared, backward):
    """A call for each method that is not hopeless, and the one that `auto` takes."""
    batch, inputs, outputs, side, taps, stride, groups = layer
    rng = np.random.default_rng(3)
    x = rng.standard_normal((batch, inputs, side, side), np.float32)
    w = rng.standard_normal((outputs, inputs // groups, taps, taps), np.float32)
    settings = {"stride": stride, "padding": taps // 2, "groups": groups}
    described = _core.ConvLayer(
        x.shape, w.shape, [stride] * 2, [(taps // 2,) * 2] * 2, [1, 1], groups, "zero", False
    )
    if backward:
        text = described.explain_gradients(True, "auto").split("gradient of x")[0]
        grad = rng.standard_normal(described.out_shape, np.float32)
    elif prepared:
        text = nn.plan(w, x.shape, **settings).explain()
    else:
        text = described.explain("auto")
    predicted, taken = predictions(text)
    out = np.empty(described.out_shape, np.float32)

    def call(method):
        if backward:
            return lambda: nn.conv_backward(
                grad, x, w, bias=False, input_gradient=False, method=method, **settings
            )
        if prepared:
            plan = nn.plan(w, x.shape, method=method, **settings)
            return lambda: plan(x, out=out)
        return lambda: nn.conv(x, w, method=method, out=out, **settings)

    worth = {m: ms for m, ms in predicted.items() if ms < 20 * predicted[taken]}
    return {method: call(method) for method in worth}, predicted, taken


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


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--levels", nargs="*", default=_core.levels(), choices=_core.levels())
    parser.add_argument("--prepared", action="store_true")
    parser.add_argument("--backward", action="store_true")
    parser.add_argument("--budget", type=float, default=0.15, help="seconds of rounds per layer")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    summary = {}
    for level in options.levels:
        _core.force_level(level)
        rows = []
        for layer in LAYERS:
            calls, predicted, taken = candidates(layer, options.prepared, options.backward)
            seconds = fastest(calls, options.budget)
            regret = seconds[taken] / min(seconds.values())
            rows.append(
                {"layer": name_of(layer), "taken": taken, "regret": regret,
                 "ms": {m: s * 1e3 for m, s in seconds.items()}, "predicted": predicted}
            )  # fmt: skip
        regrets = np.array([row["regret"] for row in rows])
        geometric = math.exp(np.log(regrets).mean())
        print(
            f"{level}: {len(rows)} layers, regret {geometric:.3f} in the geometric mean, "
            f"{regrets.max():.2f} at worst; the best taken in {(regrets == 1).mean():.0%}"
        )
        for row in sorted(rows, key=lambda r: -r["regret"])[:6]:
            times = ", ".join(
                f"{m} {ms:.3g} ({row['predicted'][m]:.3g})" for m, ms in row["ms"].items()
            )
            what = f"{row['layer']}: took {row['taken']}; ms (predicted)"
            print(f"  {row['regret']:.2f}  {what}: {times}", flush=True)
        summary[level] = {
            "geometric_mean": geometric,
            "worst": float(regrets.max()),
            "layers": rows,
        }
    _core.force_level(None)
    if options.json:
        options.json.write_text(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
