"""What all stand-ins share: which arrays the core takes, and narrow integers."""

from __future__ import annotations

import cmath
from typing import Any

import numpy as np

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


def narrowed(answer: Array, dtype: np.dtype[Any]) -> Array:
    """Exact integers in a narrower integer type: they wrap around, and bools say whether there is any."""
    if answer.dtype == dtype:
        return answer
    if dtype.kind == "b":
        return np.asarray(answer != 0)
    return answer.astype(dtype)


def overlapping(answer: Array, k: Array) -> Array:
    """`answer`, unless a tap that is not finite met the zeros outside: SciPy and NumPy sum what overlaps."""
    # where one is not, no number of the answer is
    spoilt = answer.dtype.kind in "fc" and not cmath.isfinite(answer.item(0))
    if spoilt and not np.isfinite(k).all():
        raise PassOn
    return answer
