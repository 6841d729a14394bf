"""Layers of nets beside PyTorch's: typical convolutions and poolings, forward and backward, worst ratio first.

    python benchmarks/layers_side_by_side.py [WORDS] [--rounds 7] [--workers N] [--forward | --backward] [--json FILE]

WORDS choose the rows whose names hold all of them. Each row takes Faltung on plain arrays (N, C, spatial) and, for
images, on channels-last ones, and PyTorch on both kinds; all in turn, round by round, a few milliseconds of calls each.
The ratio is that of PyTorch's best to Faltung on plain arrays, "last" that of PyTorch's channels-last path to Faltung
on such arrays: above 1, Faltung is the faster one. Weights are given as PyTorch wants them, channels-last beforehand.
The result of the first call is compared in value.
"""

import argparse
import json
import math
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from faltung import nn

# name: batch, channels in and out, sides, taps, and what else the call takes
CONVOLUTIONS = {
    "convnext stem 3-96 224 k4 s4": (8, 3, 96, 224, 4, {"stride": 4}),
    "convnext depthwise 96 56 k7": (8, 96, 96, 56, 7, {"padding": 3, "groups": 96}),
    "convnext depthwise 384 14 k7": (8, 384, 384, 14, 7, {"padding": 3, "groups": 384}),
    "convnext depthwise 768 7 k7": (8, 768, 768, 7, 7, {"padding": 3, "groups": 768}),
    "convnext down 96-192 56 k2 s2": (8, 96, 192, 56, 2, {"stride": 2}),
    "vit patches 3-768 224 k16 s16": (8, 3, 768, 224, 16, {"stride": 16}),
    "alexnet 3-64 224 k11 s4": (8, 3, 64, 224, 11, {"stride": 4, "padding": 2}),
    "resnet stem 3-64 224 k7 s2": (8, 3, 64, 224, 7, {"stride": 2, "padding": 3}),
    "resnet 64-64 56 k3": (8, 64, 64, 56, 3, {"padding": 1}),
    "resnet 128-128 28 k3": (8, 128, 128, 28, 3, {"padding": 1}),
    "resnet 256-256 14 k3": (8, 256, 256, 14, 3, {"padding": 1}),
    "resnet 512-512 7 k3": (8, 512, 512, 7, 3, {"padding": 1}),
    "resnet 128-128 56 k3 s2": (8, 128, 128, 56, 3, {"stride": 2, "padding": 1}),
    "resnet 256-512 14 k3 s2": (8, 256, 512, 14, 3, {"stride": 2, "padding": 1}),
    "resnet 64-256 56 k1": (8, 64, 256, 56, 1, {}),
    "resnet 512-128 28 k1": (8, 512, 128, 28, 1, {}),
    "resnet 256-1024 14 k1": (8, 256, 1024, 14, 1, {}),
    "resnet 512-2048 7 k1": (8, 512, 2048, 7, 1, {}),
    "resnet 256-512 56 k1 s2": (8, 256, 512, 56, 1, {"stride": 2}),
    "resnext 256-256 28 k3 g32": (8, 256, 256, 28, 3, {"padding": 1, "groups": 32}),
    "mobilenet stem 3-32 224 k3 s2": (8, 3, 32, 224, 3, {"stride": 2, "padding": 1}),
    "mobilenet depthwise 32 112 k3": (8, 32, 32, 112, 3, {"padding": 1, "groups": 32}),
    "mobilenet depthwise 96 112 k3 s2": (8, 96, 96, 112, 3, {"stride": 2, "padding": 1, "groups": 96}),
    "mobilenet depthwise 144 56 k3": (8, 144, 144, 56, 3, {"padding": 1, "groups": 144}),
    "mobilenet depthwise 576 14 k3": (8, 576, 576, 14, 3, {"padding": 1, "groups": 576}),
    "efficientnet depthwise 144 56 k5 s2": (8, 144, 144, 56, 5, {"stride": 2, "padding": 2, "groups": 144}),
    "efficientnet depthwise 240 28 k5": (8, 240, 240, 28, 5, {"padding": 2, "groups": 240}),
    "efficientnet depthwise 672 14 k5 s2": (8, 672, 672, 14, 5, {"stride": 2, "padding": 2, "groups": 672}),
    "efficientnet depthwise 1152 7 k3": (8, 1152, 1152, 7, 3, {"padding": 1, "groups": 1152}),
    "mobilenet 96-24 56 k1": (8, 96, 24, 56, 1, {}),
    "mobilenet 32-192 28 k1": (8, 32, 192, 28, 1, {}),
    "mobilenet 576-96 14 k1": (8, 576, 96, 14, 1, {}),
    "mobilenet 960-160 7 k1": (8, 960, 160, 7, 1, {}),
    "first 3-64 224 k3": (8, 3, 64, 224, 3, {"padding": 1}),
    "first 3-32 128 k5": (8, 3, 32, 128, 5, {"padding": 2}),
    "mnist 1-32 28 k3": (64, 1, 32, 28, 3, {}),
    "u-net last 64-2 256 k1": (1, 64, 2, 256, 1, {}),
    "u-net last 64-3 128 k3": (8, 64, 3, 128, 3, {"padding": 1}),
    "dilated 64-64 64 k3 d4": (8, 64, 64, 64, 3, {"padding": 4, "dilation": 4}),
    "audio 64-64 16000 k9": (8, 64, 64, (16000,), 9, {"padding": 4}),
    "audio 64-64 16000 k3 d8": (8, 64, 64, (16000,), 3, {"padding": 8, "dilation": 8}),
    "audio first 1-64 16000 k10 s5": (8, 1, 64, (16000,), 10, {"stride": 5}),
    "audio depthwise 256 4000 k31": (8, 256, 256, (4000,), 31, {"padding": 15, "groups": 256}),
    "volume 16-32 32x64x64 k3": (1, 16, 32, (32, 64, 64), 3, {"padding": 1}),
    "volume 1-32 32x64x64 k3": (1, 1, 32, (32, 64, 64), 3, {"padding": 1}),
    "one resnet 64-64 56 k3": (1, 64, 64, 56, 3, {"padding": 1}),
    "one resnet 256-1024 14 k1": (1, 256, 1024, 14, 1, {}),
    "one resnet 256-64 56 k1": (1, 256, 64, 56, 1, {}),
    "one resnet stem 3-64 224 k7 s2": (1, 3, 64, 224, 7, {"stride": 2, "padding": 3}),
    "one mobilenet depthwise 576 14 k3": (1, 576, 576, 14, 3, {"padding": 1, "groups": 576}),
    "one convnext depthwise 96 56 k7": (1, 96, 96, 56, 7, {"padding": 3, "groups": 96}),
    "one volume 32-32 16 k3": (1, 32, 32, (16, 16, 16), 3, {"padding": 1}),
}  # fmt: skip
TRANSPOSED = {
    "u-net up 128-64 64 k2 s2": (4, 128, 64, 64, 2, {"stride": 2}),
    "u-net up 512-256 16 k2 s2": (4, 512, 256, 16, 2, {"stride": 2}),
    "dcgan up 128-64 32 k4 s2": (16, 128, 64, 32, 4, {"stride": 2, "padding": 1}),
    "dcgan last 64-3 32 k4 s2": (16, 64, 3, 32, 4, {"stride": 2, "padding": 1}),
}
# batch, channels, side, window, stride, padding
POOLS = {
    "max 64 112 3/2": (8, 64, 112, 3, 2, 1),
    "max 64 224 2/2": (1, 64, 224, 2, 2, 0),
    "max 256 28 2/2": (8, 256, 28, 2, 2, 0),
    "max 512 14 3/1": (8, 512, 14, 3, 1, 1),
    "max 64 56 3/1": (8, 64, 56, 3, 1, 1),
    "max 256 13 3/2": (8, 256, 13, 3, 2, 0),
    "average 256 28 2/2": (8, 256, 28, 2, 2, 0),
    "average 64 112 2/2": (8, 64, 112, 2, 2, 0),
    "average 192 28 3/1": (8, 192, 28, 3, 1, 1),
    "average 2048 7 global": (8, 2048, 7, 7, 7, 0),
    "average 256 56 global": (8, 256, 56, 56, 56, 0),
    "max 2048 7 global": (8, 2048, 7, 7, 7, 0),
}


def samples(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def last(array):
    """Channels-last memory in the order of axes that Faltung wants."""
    return np.ascontiguousarray(np.moveaxis(array, 1, -1))


def last_tensor(array):
    """The same for PyTorch: the axes of a plain tensor, channels side by side in memory."""
    return torch.from_numpy(array).to(memory_format=torch.channels_last)


def spread(value, spatial):
    return [value] * spatial


def convolution(spec, transposed):
    """Calls by candidate, forward and backward."""
    batch, inputs, outputs, sides, taps, options = spec
    sides = (sides, sides) if isinstance(sides, int) else sides
    spatial = len(sides)
    groups = options.get("groups", 1)
    x = samples((batch, inputs, *sides), 3)
    channels = (inputs, outputs // groups) if transposed else (outputs, inputs // groups)
    w = samples((*channels, *spread(taps, spatial)), 4) / math.sqrt(channels[1] * taps**spatial)
    w = w.astype(np.float32)
    bias = samples(outputs, 5)
    ours = nn.conv_transpose if transposed else nn.conv
    kind = "conv_transpose" if transposed else "conv"
    theirs = getattr(functional, f"{kind}{spatial}d")
    grad = samples(ours(x, w, **options).shape, 6)
    settings = [
        spread(options.get("stride", 1), spatial),
        spread(options.get("padding", 0), spatial),
        spread(options.get("dilation", 1), spatial),
        transposed,
        spread(0, spatial),
        groups,
    ]

    def torch_calls(x, w, grad):
        b = torch.from_numpy(bias)
        return (
            lambda: theirs(x, w, b, **options),
            lambda: torch.ops.aten.convolution_backward(
                grad, x, w, [outputs], *settings, [True, True, True]
            ),
        )

    def our_calls(x, grad, layout):
        def backward():
            # a transposed layer is the gradient of a plain one, so its own gradients are two plain calls
            if transposed:
                dx = nn.conv(grad, w, layout=layout, **options)
                dw = nn.conv_backward(
                    x, grad, w, bias=False, input_gradient=False, layout=layout, **options
                )
                return dx, dw
            return nn.conv_backward(grad, x, w, layout=layout, **options)

        return lambda: ours(x, w, bias, layout=layout, **options), backward

    calls = {
        "faltung": our_calls(x, grad, "NCHW"),
        "torch": torch_calls(*map(torch.from_numpy, (x, w, grad))),
    }
    if spatial == 2:
        calls["faltung last"] = our_calls(last(x), last(grad), "NHWC")
        calls["torch last"] = torch_calls(*map(last_tensor, (x, w, grad)))
    return calls


def pool(name, spec):
    batch, channels, side, size, stride, padding = spec
    x = samples((batch, channels, side, side), 3)
    maximum = name.startswith("max")
    where = {"stride": stride, "padding": padding}
    grad = samples(nn.max_pool(x, size, **where).shape, 4)
    aten = torch.ops.aten

    def torch_calls(x, grad):
        if maximum:
            _, indices = functional.max_pool2d(x, size, stride, padding, return_indices=True)
            return (
                lambda: functional.max_pool2d(x, size, stride, padding),
                lambda: aten.max_pool2d_with_indices_backward(
                    grad, x, [size] * 2, [stride] * 2, [padding] * 2, [1, 1], False, indices
                ),
            )
        return (
            lambda: functional.avg_pool2d(x, size, stride, padding, count_include_pad=False),
            lambda: aten.avg_pool2d_backward(
                grad, x, [size] * 2, [stride] * 2, [padding] * 2, False, False, None
            ),
        )

    def our_calls(x, grad, layout):
        w = {**where, "layout": layout}
        if maximum:
            _, indices = nn.max_pool(x, size, return_indices=True, **w)
            return (
                lambda: nn.max_pool(x, size, **w),
                lambda: nn.max_pool_backward(grad, x, size, indices=indices, **w),
            )
        return (
            lambda: nn.avg_pool(x, size, **w),
            lambda: nn.avg_pool_backward(grad, x, size, **w),
        )

    return {
        "faltung": our_calls(x, grad, "NCHW"),
        "torch": torch_calls(torch.from_numpy(x), torch.from_numpy(grad)),
        "faltung last": our_calls(last(x), last(grad), "NHWC"),
        "torch last": torch_calls(last_tensor(x), last_tensor(grad)),
    }


def first_result(result, channels_last):
    """The first array of a result, plain."""
    first = result[0] if isinstance(result, tuple) else result
    first = first.numpy() if isinstance(first, torch.Tensor) else first
    return np.moveaxis(first, -1, 1) if channels_last else first


def check(calls):
    """All candidates agree."""
    truth = None
    for name, call in calls.items():
        value = first_result(call(), name == "faltung last")
        truth = value if truth is None else truth
        assert value.shape == truth.shape, (name, value.shape, truth.shape)
        error = np.abs(value - truth).max() / np.abs(truth).max()
        assert error < 1e-4, f"{name} is off by {error:.1e}"


def medians(calls, rounds, budget):
    """Seconds per call. All take turns; each turn is `budget` seconds of calls, at least two, the first not counted."""
    repeats = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, round(budget / (time.perf_counter() - start)))
    turns = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            turns[name].append((time.perf_counter() - start) / repeats[name])
    return {name: statistics.median(values) for name, values in turns.items()}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--budget", type=float, default=4e-3, help="seconds of a turn")
    parser.add_argument("--workers", type=int)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--forward", action="store_true")
    only.add_argument("--backward", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.workers:
        import faltung

        faltung.set_workers(options.workers)
        torch.set_num_threads(options.workers)
    makers = {name: lambda s=spec: convolution(s, False) for name, spec in CONVOLUTIONS.items()}
    makers |= {name: lambda s=spec: convolution(s, True) for name, spec in TRANSPOSED.items()}
    makers |= {name: lambda n=name, s=spec: pool(n, s) for name, spec in POOLS.items()}
    rows = []
    for name, make in makers.items():
        if not all(word in name for word in options.words):
            continue
        both = make()
        for number, direction in enumerate(("forward", "backward")):
            if (options.forward and number == 1) or (options.backward and number == 0):
                continue
            calls = {peer: pair[number] for peer, pair in both.items()}
            check(calls)
            ms = {p: s * 1e3 for p, s in medians(calls, options.rounds, options.budget).items()}
            best = min(ms["torch"], ms.get("torch last", math.inf))
            row = {"name": f"{name} {direction}", "ms": ms, "ratio": best / ms["faltung"]}
            if "torch last" in ms:
                row["last"] = ms["torch last"] / ms["faltung last"]
            rows.append(row)
    print(f"{'layer':52} faltung   last   torch   last   ratio   last")
    for row in sorted(rows, key=lambda r: min(r["ratio"], r.get("last", 9))):
        ms = row["ms"]
        times = " ".join(
            f"{ms[p]:7.3g}" if p in ms else " " * 7
            for p in ("faltung", "faltung last", "torch", "torch last")
        )
        last_ratio = f"{row['last']:6.2f}" if "last" in row else ""
        print(f"{row['name']:52}{times}  {row['ratio']:6.2f} {last_ratio}")
    if rows:
        for key in ("ratio", "last"):
            values = [row[key] for row in rows if key in row]
            if values:
                mean = math.exp(statistics.fmean(map(math.log, values)))
                below = sum(value < 1 for value in values)
                print(f"{key}: {len(values)} rows, {below} below 1, geometric mean {mean:.2f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
