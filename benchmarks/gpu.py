"""Convolution on a GPU against CuPy and PyTorch: times by CUDA events, beside the device's own limits.

Every candidate gets arrays that are already on the device and gives a new array there. A sample is the time of
as many calls in a row as fill some milliseconds, over their number; samples of all candidates take turns, and
the table holds medians. "copy bandwidth" is the bytes
that must move (each input and output once) per second, over the copy bandwidth measured in the same run;
"multiply-adds" those of the direct sum per second over the stated peak: transforms need fewer, so it can exceed one.

    python benchmarks/gpu.py [--rounds N] [--only TEXT]
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from typing import Any

import cupy as cp
import numpy as np
import torch
import torch.nn.functional as F
from cupyx.scipy import ndimage, signal

import faltung

Candidate = Callable[[], Any]
SAMPLE_MS = 4.0


def event_ms(call: Candidate, repeats: int) -> float:
    begin, end = cp.cuda.Event(), cp.cuda.Event()
    begin.record()
    for _ in range(repeats):
        call()
    end.record()
    end.synchronize()
    return cp.cuda.get_elapsed_time(begin, end) / repeats


def medians(candidates: dict[str, Candidate], rounds: int) -> dict[str, float]:
    """Milliseconds of each; one that fails is left out, and so is one that is hopelessly slow."""
    repeats = {}
    for name, call in list(candidates.items()):
        try:
            call()
            once = event_ms(call, 1)
            repeats[name] = max(1, min(50, int(SAMPLE_MS / max(once, 1e-3))))
            for _ in range(2):
                event_ms(call, repeats[name])
        except Exception as error:  # noqa: BLE001 - a peer without an implementation
            print(f"    {name}: {str(error).splitlines()[0][:100]}", file=sys.stderr)
            del candidates[name]
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            samples[name].append(event_ms(call, repeats[name]))
    return {name: statistics.median(times) for name, times in samples.items()}


def by_torch(x: cp.ndarray, k: cp.ndarray) -> dict[str, Candidate]:
    """cuDNN's convolution, and one on transforms, both of mode "same"."""
    tx, tk = torch.as_tensor(x, device="cuda"), torch.as_tensor(k, device="cuda")
    conv = (F.conv1d, F.conv2d, F.conv3d)[x.ndim - 1]
    image, bank = tx[None, None], tk[None, None]
    padding = tuple(m // 2 for m in k.shape)
    lengths = [good_length(n + m - 1) for n, m in zip(x.shape, k.shape, strict=True)]
    middle = tuple(
        slice((m - 1) // 2, (m - 1) // 2 + n) for n, m in zip(x.shape, k.shape, strict=True)
    )

    def transforms() -> torch.Tensor:
        product = torch.fft.rfftn(tx, lengths) * torch.fft.rfftn(tk, lengths)
        return torch.fft.irfftn(product, lengths)[middle]

    return {
        "torch conv": lambda: conv(image, bank, padding=padding),
        "torch.fft": transforms,
    }


def good_length(n: int) -> int:
    while True:
        rest = n
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def by_cupy(x: cp.ndarray, k: cp.ndarray) -> dict[str, Candidate]:
    found: dict[str, Candidate] = {"cupyx fftconvolve": lambda: signal.fftconvolve(x, k, "same")}
    if x.ndim < 3:
        found["cupyx oaconvolve"] = lambda: signal.oaconvolve(x, k, "same")
    if k.size <= 1100 and x.ndim > 1:
        found["cupyx ndimage"] = lambda: ndimage.convolve(x, k, mode="constant")
    elif k.size <= 1100:
        found["cupyx ndimage"] = lambda: ndimage.convolve1d(x, k, mode="constant")
    return found


def single(x: cp.ndarray, k: cp.ndarray) -> dict[str, Candidate]:
    return {
        "faltung": lambda: faltung.convolve(x, k, "same"),
        **by_cupy(x, k),
        **({} if k.size > 2000 and x.ndim == 1 else by_torch(x, k)),
        **({"torch.fft": by_torch(x, k)["torch.fft"]} if x.ndim == 1 else {}),
    }


def depthwise(x: torch.Tensor, w: torch.Tensor) -> dict[str, Candidate]:
    extents = [n + m - 1 for n, m in zip(x.shape[2:], w.shape[2:], strict=True)]
    lengths = [good_length(n) for n in extents]
    cut = tuple(slice(m // 2, m // 2 + n) for n, m in zip(x.shape[2:], w.shape[2:], strict=True))

    def transforms() -> torch.Tensor:
        product = torch.fft.rfft2(x, lengths) * torch.fft.rfft2(w[:, 0].flip(-1, -2), lengths)
        return torch.fft.irfft2(product, lengths)[(..., *cut)]

    groups, half = x.shape[1], w.shape[2] // 2
    return {
        "faltung": lambda: faltung.nn.conv(x, w, padding=half, groups=groups),
        "torch conv": lambda: F.conv2d(x, w, padding=half, groups=groups),
        "torch.fft": transforms,
    }


def match(x: cp.ndarray, t: cp.ndarray) -> dict[str, Candidate]:
    """Normalised cross-correlation; the peers' from their convolutions and sums by transforms."""
    tx, tt = torch.as_tensor(x, device="cuda"), torch.as_tensor(t, device="cuda")
    lengths = [good_length(n) for n in x.shape]
    valid = tuple(slice(0, n - m + 1) for n, m in zip(x.shape, t.shape, strict=True))
    m0, m1 = t.shape

    def by_transforms() -> torch.Tensor:
        centred = tt - tt.mean()
        product = torch.fft.rfft2(tx, lengths) * torch.fft.rfft2(centred, lengths).conj()
        top = torch.fft.irfft2(product, lengths)[valid]
        sums = F.pad(torch.stack([tx, tx * tx]).double(), (1, 0, 1, 0)).cumsum(1).cumsum(2)
        box = sums[:, m0:, m1:] - sums[:, :-m0, m1:] - sums[:, m0:, :-m1] + sums[:, :-m0, :-m1]
        variance = (box[1] - box[0] ** 2 / (m0 * m1)).clamp_min(1e-30)
        return top / (variance.sqrt() * centred.norm()).float()

    return {"faltung": lambda: faltung.match_template(x, t), "torch.fft": by_transforms}


def cases() -> dict[str, Callable[[], tuple[dict[str, Candidate], float, float]]]:
    """Candidates, bytes that must move, multiply-adds of the direct sum."""
    rng = cp.random.default_rng(0)

    def numbers(*shape: int) -> cp.ndarray:
        return rng.standard_normal(shape, dtype=cp.float32)

    def plain(shape: tuple[int, ...], taps: tuple[int, ...]) -> Any:
        x, k = numbers(*shape), numbers(*taps)
        return single(x, k), 2.0 * x.nbytes, float(x.size) * k.size

    def prepared() -> Any:
        x, k = numbers(8192, 8192), numbers(3, 3)
        plan, out = faltung.plan(k, x.shape, "same"), cp.empty_like(x)
        return {"faltung": lambda: plan(x, out)}, 2.0 * x.nbytes, 9.0 * x.size

    def layer() -> Any:
        x, w = (
            torch.randn(64, 128, 56, 56, device="cuda"),
            torch.randn(128, 1, 31, 31, device="cuda"),
        )
        return depthwise(x, w), 8.0 * x.numel(), float(x.numel()) * 961

    def template() -> Any:
        x = numbers(4096, 4096)
        return match(x, x[1000:1256, 2000:2256].copy()), 2.0 * x.nbytes, 3841.0**2 * 65536

    found: dict[str, Any] = {
        f"8192² float32 k={k}": lambda k=k: plain((8192, 8192), (k, k)) for k in (3, 7, 15, 31, 101)
    }
    found["8192² float32 k=3, prepared"] = prepared
    found["2^26 × 63"] = lambda: plain((2**26,), (63,))
    found["2^26 × 65537"] = lambda: plain((2**26,), (65537,))
    found["512³ k=3"] = lambda: plain((512,) * 3, (3,) * 3)
    found["512³ k=9"] = lambda: plain((512,) * 3, (9,) * 3)
    found["depthwise 128×56² k=31 N=64"] = layer
    found["4096² match 256²"] = template
    return found


def copy_bandwidth() -> float:
    x = cp.random.default_rng(1).standard_normal((8192, 8192), dtype=cp.float32)
    y = cp.empty_like(x)
    return 2 * x.nbytes / medians({"copy": lambda: cp.copyto(y, x)}, 9)["copy"] * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True

    info = faltung.cuda.info()["devices"][0]
    copy = copy_bandwidth()
    peak = info["multiprocessors"] * 128 * info["clock_hz"]
    print(f"{info['name']}: copy {copy / 1e12:.2f} TB/s, stated peak {2 * peak / 1e12:.1f} Tflop/s")
    print(
        f"CuPy {cp.__version__}, PyTorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}"
    )

    rows = []
    for name, make in cases().items():
        if options.only not in name:
            continue
        candidates, moved, work = make()
        try:
            times = medians(candidates, options.rounds)
        except torch.OutOfMemoryError:
            continue
        del candidates
        cp.get_default_memory_pool().free_all_blocks()
        torch.cuda.empty_cache()
        print(name, {which: round(ms, 4) for which, ms in times.items()}, flush=True)
        rows.append((name, times, moved, work))

    print(
        "\n| case | faltung, ms | copy bandwidth | multiply-adds | best other, ms | which | ratio |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, times, moved, work in rows:
        if "faltung" not in times:
            continue
        ours = times.pop("faltung")
        which = min(times, key=lambda other: times[other]) if times else "-"
        best = times.get(which, float("nan"))
        print(
            f"| {name} | {ours:.3f} | {moved / ours * 1e3 / copy:.0%} | {work / ours * 1e3 / peak:.0%} |"
            f" {best:.3f} | {which} | {best / ours:.2f} |"
        )


if __name__ == "__main__":
    np.seterr(all="raise")
    main()
