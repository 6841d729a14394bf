"""Stand-ins for ``numpy.convolve`` and ``numpy.correlate``."""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung import _api
from faltung._arguments import MODES, Array
from faltung.compat._routing import PassOn, routed
from faltung.compat._windows import as_numbers, narrowed, overlapping

__all__ = ["convolve", "correlate"]


NUMBERED = ("valid", "same", "full")  # NumPy takes a mode's number too


def _operands(a: Any, v: Any, mode: Any) -> tuple[Array, Array, str]:
    x, k = np.atleast_1d(as_numbers(a, "e")), np.atleast_1d(as_numbers(v, "e"))
    if type(mode) is int and 0 <= mode < 3:
        mode = NUMBERED[mode]
    if x.ndim != 1 or k.ndim != 1 or x.size == 0 or k.size == 0 or mode not in MODES:
        raise PassOn
    return x, k, mode


@routed("numpy")
def convolve(a: Any, v: Any, mode: Any = "full") -> Array:
    """Stand-in for ``numpy.convolve``: the longer of the two counts as the samples."""
    x, k, name = _operands(a, v, mode)
    if k.size > x.size:
        x, k = k, x
    return narrowed(overlapping(_api.convolve(x, k, name), k), np.result_type(x, k))


@routed("numpy")
def correlate(a: Any, v: Any, mode: Any = "valid") -> Array:
    """Stand-in for ``numpy.correlate``."""
    x, k, name = _operands(a, v, mode)
    if np.ndim(a) == 0 or np.ndim(v) == 0:
        raise PassOn  # NumPy takes numbers for lines in `convolve` only
    if k.size > x.size:
        turned = overlapping(_api.correlate(k, x, name), x)[::-1].conj()
        return narrowed(turned, np.result_type(x, k))
    return narrowed(overlapping(_api.correlate(x, k, name), k), np.result_type(x, k))
