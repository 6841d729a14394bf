"""What all stand-ins share: the sum over a window, with windows that begin where SciPy's do."""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung import _api
from faltung._arguments import Array
from faltung.compat._routing import PassOn

# dtypes that the core computes with; float16 in convolutions only
NUMBERS = frozenset("?bBhHiIlLqQfdFD")


def as_numbers(value: Any, also: str = "") -> Array:
    """`value` as an array, if it is one that the core can take."""
    kind = type(value)
    if kind is not np.ndarray:
        if isinstance(value, np.ndarray) and kind is not np.ndarray:
            raise PassOn  # masked arrays, matrices
        if hasattr(value, "__array_namespace__") and not isinstance(value, np.generic):
            raise PassOn  # another library's array
        value = np.asarray(value)
    if value.dtype.char not in NUMBERS and value.dtype.char not in also:
        raise PassOn
    array: Array = value
    return array


def windows(
    x: Array,
    k: Array,
    axes: tuple[int, ...],
    first: tuple[int, ...],
    count: tuple[int, ...],
    *,
    flip: bool,
    boundary: str = "zero",
    cval: Any = 0,
    out: Array | None = None,
    dtype: Any = None,
    stride: int = 1,
    method: str = "auto",
) -> Array:
    """``out[j] = sum over t of k[t] * x[first + j*stride + t]`` over `axes`, k turned around if `flip`.

    `count` outputs along each axis; k is conjugated unless it is turned around, as everywhere.
    """
    lags = tuple((f, f + (c - 1) * stride) for f, c in zip(first, count, strict=True))
    return _api.run(
        x, k, "full", method, axes, boundary, cval, out, dtype, None, flip,
        lags if len(lags) > 1 else lags[0], stride, 1,
    )  # fmt: skip


def narrowed(answer: Array, dtype: np.dtype[Any]) -> Array:
    """Exact integers in a narrower integer type: they wrap around, and bools say whether there is any."""
    if answer.dtype == dtype:
        return answer
    if dtype.kind == "b":
        return np.asarray(answer != 0)
    return answer.astype(dtype)
