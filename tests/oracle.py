"""The slow truth: every output as the sum that defines it. Shares no code and no cleverness with the library.

    out[j] = sum over t of k[t] * x~[first + j * step + t * dilation]      (per axis)

x~ is x continued without end by the boundary. Integers are summed exactly; everything else in an
arithmetic with more digits than the library has.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod, sqrt

import numpy as np

BOUNDARIES = ("zero", "constant", "edge", "symmetric", "mirror", "wrap")
MODES = ("full", "same", "valid")


@dataclass(frozen=True)
class Truth:
    """What an answer is held against. Arrays have the shape of the answer."""

    value: np.ndarray  # the sums: exact integers, or in more digits than the answer has
    window: np.ndarray  # the l2 norm of the finite samples behind each output
    touched: np.ndarray  # whether the window holds a sample that is not finite
    kernel_norm: float
    peak: float  # the largest finite sample of x~ in absolute value
    taps: int
    longest: int  # side of the kernel


def source_of(positions: np.ndarray, n: int, boundary: str) -> tuple[np.ndarray, np.ndarray]:
    """Which of n samples stands at each position of x~, and where the constant stands instead."""
    outside = (positions < 0) | (positions >= n)
    if boundary in ("zero", "constant"):
        return np.clip(positions, 0, n - 1), outside
    nowhere = np.zeros_like(outside)
    if boundary == "edge":
        return np.clip(positions, 0, n - 1), nowhere
    if boundary == "wrap":
        return positions % n, nowhere
    if boundary == "symmetric":  # dcba|abcd|dcba
        folded = positions % (2 * n)
        return np.where(folded < n, folded, 2 * n - 1 - folded), nowhere
    if boundary == "mirror":  # dcb|abcd|cba
        if n == 1:
            return np.zeros_like(positions), nowhere
        folded = positions % (2 * n - 2)
        return np.where(folded < n, folded, 2 * n - 2 - folded), nowhere
    raise AssertionError(boundary)


def outputs_of(n: int, taps: int, mode: str, step: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Where the window of output 0 starts, and how many outputs there are, along one axis."""
    reach = (taps - 1) * dilation + 1
    if mode == "full":
        first, count = 1 - reach, n + reach - 1
    elif mode == "same":  # the middle of the full answer; of two middles the earlier one
        first, count = (reach - 1) // 2 - (reach - 1), n
    elif mode == "valid":
        first, count = 0, n - reach + 1
    else:
        raise AssertionError(mode)
    return first, (count - 1) // step + 1


def correlation(
    x: np.ndarray,
    k: np.ndarray,
    mode: str = "full",
    *,
    axes: tuple[int, ...] | int | None = None,
    boundary: str = "zero",
    cval: complex = 0,
    step: int = 1,
    dilation: int = 1,
    lags: tuple[int, int] | None = None,
) -> Truth:
    """The kernel as it is, neither flipped nor conjugated."""
    x, k = np.asarray(x), np.asarray(k)
    k = _spread(k, x.ndim, axes)
    exact = x.dtype.kind in "biu" and k.dtype.kind in "biu"
    number = _arithmetic(x, k, cval, exact)

    extended = x.astype(number)
    outside_any = np.zeros(x.shape, bool)
    counts = []
    for axis, (n, taps) in enumerate(zip(x.shape, k.shape, strict=True)):
        if lags is not None:  # one axis, the first and the last window's start
            first, count = lags[0], lags[1] - lags[0] + 1
        else:
            first, count = outputs_of(n, taps, mode, step, dilation)
        positions = np.arange(first, first + (count - 1) * step + (taps - 1) * dilation + 1)
        source, outside = source_of(positions, n, boundary)
        extended = np.take(extended, source, axis=axis)
        outside_any = np.take(outside_any, source, axis=axis)
        outside_any |= outside.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        counts.append(count)
    extended[outside_any] = _constant(cval if boundary == "constant" else 0, number)

    finite = np.isfinite(extended.astype(complex)) if not exact else np.ones(extended.shape, bool)
    square = np.abs(np.where(finite, extended, 0)).astype(np.float64) ** 2
    value = np.zeros(counts, number)
    window = np.zeros(counts)
    touched = np.zeros(counts, bool)
    taps_list = k.astype(number)
    with np.errstate(invalid="ignore", over="ignore"):
        for at in product(*map(range, k.shape)):
            shifted = tuple(
                slice(t * dilation, t * dilation + (count - 1) * step + 1, step)
                for t, count in zip(at, counts, strict=True)
            )
            value += taps_list[at] * extended[shifted]
            window += square[shifted]
            touched |= ~finite[shifted]
    kernel = np.abs(k.astype(np.complex128))
    return Truth(
        value=value,
        window=np.sqrt(window),
        touched=touched,
        kernel_norm=float(sqrt(np.sum(kernel[np.isfinite(kernel)] ** 2))),
        peak=float(sqrt(square.max(initial=0))),
        taps=prod(k.shape),
        longest=max(k.shape),
    )


def convolve(x: np.ndarray, k: np.ndarray, mode: str = "full", **options) -> Truth:
    return correlation(x, np.flip(np.asarray(k)), mode, **options)


def correlate(x: np.ndarray, k: np.ndarray, mode: str = "full", **options) -> Truth:
    return correlation(x, np.conj(np.asarray(k)), mode, **options)


def _spread(k: np.ndarray, rank: int, axes: tuple[int, ...] | int | None) -> np.ndarray:
    """k with one axis per axis of x: length one where it is not convolved over."""
    axes = range(rank) if axes is None else (axes,) if isinstance(axes, int) else axes
    places = [axis % rank for axis in axes]
    assert len(places) == k.ndim
    assert len(set(places)) == len(places)
    k = k.transpose(np.argsort(places))
    shape = [1] * rank
    for place, extent in zip(sorted(places), k.shape, strict=True):
        shape[place] = extent
    return k.reshape(shape)


def _arithmetic(x: np.ndarray, k: np.ndarray, cval: complex, exact: bool) -> np.dtype:
    if exact:
        # int64 where no partial sum can leave it, Python's integers otherwise
        largest = max([abs(int(x.max())), abs(int(x.min())), abs(int(cval))])
        weight = sum(abs(int(tap)) for tap in k.flat)
        return np.dtype(np.int64) if largest * weight < 2**62 else np.dtype(object)
    result = np.result_type(x.dtype, k.dtype)
    narrow = result in (np.float16, np.float32, np.complex64)
    if result.kind == "c" or isinstance(cval, complex):
        return np.dtype(np.complex128 if narrow else np.clongdouble)
    return np.dtype(np.float64 if narrow else np.longdouble)


def _constant(cval: complex, number: np.dtype):
    return int(cval) if number.kind in "iO" else cval
