"""Arrays and kernels that the tests share, and the truth about them, worked out once."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import oracle

METHODS = ("auto", "direct", "separable", "fft", "overlap_save")
DTYPES = tuple(
    np.dtype(name)
    for name in [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    ]
)
INTEGERS = tuple(dtype for dtype in DTYPES if dtype.kind in "biu")
INEXACT = tuple(dtype for dtype in DTYPES if dtype.kind not in "biu")
CVAL = 3  # fits every dtype but bool


@dataclass(frozen=True)
class Case:
    shape: tuple[int, ...]
    kernel: tuple[int, ...]
    axes: tuple[int, ...] | int | None = None
    id: str = field(default="", compare=False)

    def __str__(self) -> str:
        text = "x".join(map(str, self.shape)) + "-by-" + "x".join(map(str, self.kernel))
        return text if self.axes is None else f"{text}-axes{self.axes}".replace(" ", "")

    @property
    def convolved(self) -> list[int]:
        axes = range(len(self.shape)) if self.axes is None else np.atleast_1d(self.axes)
        return [int(axis) % len(self.shape) for axis in axes]

    def fits(self, mode: str) -> bool:
        extents = zip(self.convolved, self.kernel, strict=True)
        return mode != "valid" or all(self.shape[axis] >= taps for axis, taps in extents)


CASES = (
    Case((1,), (1,)),
    Case((17,), (5,)),
    Case((5,), (17,)),  # the kernel is longer than the array, everywhere below too
    Case((100,), (8,)),
    Case((517,), (65,)),
    Case((13, 17), (3, 3)),
    Case((40, 37), (7, 6)),
    Case((6, 5), (8, 3)),
    Case((3, 4), (5, 9)),
    Case((7, 8, 9), (3, 2, 4)),
    Case((3, 4, 5, 6), (2, 3, 2, 5)),
    # batches
    Case((4, 50), (7,), (1,)),
    Case((50, 4), (7,), 0),
    Case((6, 20, 5, 8), (4, 3), (1, 3)),
    Case((9, 7, 8), (2, 3), (2, 0)),  # the axes of k the other way round
    Case((2, 12, 30), (5,), -1),
    # photographs: channels last
    Case((23, 19, 3), (5, 4), (0, 1)),
    Case((21, 33, 4), (3, 3), (0, 1)),
)


def numbers(shape: tuple[int, ...], dtype: np.dtype, seed: int = 0) -> np.ndarray:
    """Numbers of every sign that the dtype has; integers small enough that no sum of this suite overflows."""
    rng = np.random.default_rng([seed, *shape])
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        low, high = (0, 200) if dtype.kind == "u" else (-100, 100)
        return rng.integers(low, high, shape, endpoint=True).astype(dtype)
    values = rng.standard_normal(shape)
    if dtype.kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def outer(extents: tuple[int, ...], dtype: np.dtype, seed: int = 0) -> np.ndarray:
    """A kernel of rank one."""
    dtype = np.dtype(dtype)
    kernel = np.ones((), dtype)
    for axis, extent in enumerate(extents):
        factor = numbers((extent,), dtype, seed + axis)
        if dtype.kind in "iu":
            # int8 holds the product of four
            factor = factor % np.array(3, dtype) + np.array(1, dtype)
        elif dtype == np.float16:
            # and so does float16, exactly
            factor = (np.round(2 * factor) / 2 + np.float16(0.25)).astype(dtype)
        kernel = np.multiply.outer(kernel, factor)
    return kernel.astype(dtype)


@functools.cache
def operands(case: Case, x_dtype: np.dtype, k_dtype: np.dtype, rank_one: bool):
    x = numbers(case.shape, x_dtype)
    k = outer(case.kernel, k_dtype, 1) if rank_one else numbers(case.kernel, k_dtype, 1)
    x.flags.writeable = k.flags.writeable = False
    return x, k


@functools.cache
def truth(
    name: str,
    case: Case,
    x_dtype: np.dtype,
    k_dtype: np.dtype,
    mode: str,
    boundary: str,
    rank_one: bool = False,
) -> oracle.Truth:
    x, k = operands(case, x_dtype, k_dtype, rank_one)
    cval = cval_for(x_dtype, k_dtype) if boundary == "constant" else 0
    return getattr(oracle, name)(x, k, mode, axes=case.axes, boundary=boundary, cval=cval)


def cval_for(x_dtype: np.dtype, k_dtype: np.dtype) -> complex:
    return CVAL - 1j if np.result_type(x_dtype, k_dtype).kind == "c" else CVAL
