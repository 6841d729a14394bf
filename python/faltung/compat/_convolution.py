"""Convolution and correlation as ``scipy.signal`` has them."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from faltung import _api, _core
from faltung._arguments import MODES, Array, make_request
from faltung.compat._routing import PassOn, routed
from faltung.compat._windows import as_numbers, narrowed, overlapping

# asked for by name, "direct" is; SciPy's "fft" is every other method
METHODS = {"auto": "auto", "direct": "direct", "fft": "auto"}
BOUNDARIES = {
    "fill": "constant", "pad": "constant", "wrap": "wrap", "circular": "wrap",
    "symm": "symmetric", "symmetric": "symmetric",
}  # fmt: skip


def _operands(in1: Any, in2: Any, also: str = "e") -> tuple[Array, Array]:
    x, k = as_numbers(in1, also), as_numbers(in2, also)
    if x.ndim != k.ndim or x.ndim == 0 or x.size == 0 or k.size == 0:
        raise PassOn
    return x, k


def _exchanged(x: Array, k: Array, mode: str, axes: Iterable[int] | None = None) -> bool:
    """Whether SciPy exchanges the two for mode "valid", in which neither may be longer on one axis only."""
    if mode != "valid":
        return False
    sizes = [(x.shape[a], k.shape[a]) for a in (range(x.ndim) if axes is None else axes)]
    if all(n >= m for n, m in sizes):
        return False
    if all(n <= m for n, m in sizes):
        return True
    raise PassOn


def _left_to_scipy(x: Array, k: Array) -> None:
    """Bools and halves in several dimensions: SciPy sums none directly, and tells."""
    if x.ndim > 1 and np.result_type(x, k).char in "?e":
        raise PassOn


def _checked(mode: Any, method: Any) -> str:
    if mode not in MODES or method not in METHODS:
        raise PassOn
    return METHODS[method]


@routed("signal")
def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Array:
    """Stand-in for ``scipy.signal.convolve``."""
    x, k = _operands(in1, in2)
    how = _checked(mode, method)
    _left_to_scipy(x, k)
    if _exchanged(x, k, mode):
        x, k = k, x
    answer = overlapping(_api.convolve(x, k, mode, how), k)
    return narrowed(answer, np.result_type(x, k))


@routed("signal")
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Array:
    """Stand-in for ``scipy.signal.correlate``."""
    x, k = _operands(in1, in2)
    how = _checked(mode, method)
    _left_to_scipy(x, k)
    if _exchanged(x, k, mode):
        turned = k.conj()[(slice(None, None, -1),) * k.ndim]
        answer = _api.convolve(turned, x, mode, how)
    else:
        answer = overlapping(_api.correlate(x, k, mode, how), k)
    return narrowed(answer, np.result_type(x, k))


@routed("signal")
def choose_conv_method(
    in1: Any, in2: Any, mode: str = "full", measure: bool = False
) -> str | tuple[str, dict[str, float]]:
    """Stand-in for ``scipy.signal.choose_conv_method``: what the core would take, as SciPy calls it.

    Measured where `measure` asks for it: by SciPy, as its own methods are.
    """
    x, k = _operands(in1, in2)
    _checked(mode, "auto")
    if measure:
        raise PassOn
    if _exchanged(x, k, mode):
        x, k = k, x
    if x.dtype.kind == k.dtype.kind == "b":
        return "direct"
    if "i" in (x.dtype.kind, k.dtype.kind) or "u" in (x.dtype.kind, k.dtype.kind):
        largest = abs(complex(np.abs(x).max())) * abs(complex(np.abs(k).max()))
        if not largest * min(x.size, k.size) < 2**52:
            return "direct"
    request = make_request(
        x.shape, x.dtype, k.shape, k.dtype,
        mode=mode, method="auto", axes=None, boundary="zero", cval=0, dtype=None, flip=True,
    )  # fmt: skip
    method = _core.chosen_method(request, k)
    return "direct" if method in ("direct", "separable") else "fft"


@routed("signal")
def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Array:
    """Stand-in for ``scipy.signal.fftconvolve``."""
    return _over_axes(in1, in2, mode, axes)


@routed("signal")
def oaconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Array:
    """Stand-in for ``scipy.signal.oaconvolve``."""
    return _over_axes(in1, in2, mode, axes)


def _over_axes(in1: Any, in2: Any, mode: str, axes: Any) -> Array:
    """Convolution over some axes; along the others the two are broadcast against each other."""
    x, k = _operands(in1, in2)
    _checked(mode, "fft")
    named = range(x.ndim) if axes is None else _axes(axes, x.ndim)
    over = tuple(a for a in named if x.shape[a] != 1 and k.shape[a] != 1)
    beside = [a for a in range(x.ndim) if a not in over]
    if not over or any(
        x.shape[a] != k.shape[a] and 1 not in (x.shape[a], k.shape[a]) for a in beside
    ):
        raise PassOn
    if _exchanged(x, k, mode, over):
        x, k = k, x
    if mode == "same" and any(x.shape[a] < k.shape[a] for a in beside):
        raise PassOn

    due = np.result_type(*map(_transformed, (x.dtype, k.dtype)))
    if np.result_type(x, k) != due and (x.dtype.kind in "fc" or k.dtype.kind in "fc"):
        k = k.astype(np.result_type(due, k), copy=False)
    many = [
        a for a in beside if k.shape[a] > 1
    ]  # along these, each position has a kernel of its own
    if not many:
        kernel = k.reshape([k.shape[a] for a in over])
        return _api.convolve(x, kernel, mode, axes=over, dtype=due)

    kernels = math.prod(k.shape[a] for a in many)
    shape = [
        max(x.shape[a], k.shape[a]) if a in beside else _length(x.shape[a], k.shape[a], mode)
        for a in range(x.ndim)
    ]
    if kernels > 64 and math.prod(shape) < 4096 * kernels:
        raise PassOn  # many small convolutions: one transform over all of them takes less
    answer = np.empty(shape, due)
    for place in _places(k.shape, many):
        samples = x[tuple(place[a] if x.shape[a] > 1 else slice(None) for a in range(x.ndim))]
        kernel = k[tuple(place)].reshape([k.shape[a] for a in over])
        _api.convolve(samples, kernel, mode, axes=over, dtype=due, out=answer[tuple(place)])
    return answer


def _axes(axes: Any, ndim: int) -> tuple[int, ...]:
    given = axes if isinstance(axes, Iterable) else (axes,)
    resolved = tuple(operator.index(axis) for axis in given)
    if not resolved or any(not -ndim <= axis < ndim for axis in resolved):
        raise PassOn
    resolved = tuple(axis % ndim for axis in resolved)
    if len(set(resolved)) != len(resolved):
        raise PassOn
    return tuple(sorted(resolved))


def _transformed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What SciPy's transforms make of it."""
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    return np.dtype(np.float32) if dtype.char == "e" else dtype


def _length(n: int, m: int, mode: str) -> int:
    return {"full": n + m - 1, "same": n, "valid": n - m + 1}[mode]


def _places(shape: tuple[int, ...], axes: list[int]) -> Iterator[list[slice]]:
    """A list of slices for every position on `axes`, each one position thick."""
    for position in np.ndindex(*(shape[a] for a in axes)):
        place = [slice(None)] * len(shape)
        for axis, at in zip(axes, position, strict=True):
            place[axis] = slice(at, at + 1)
        yield place


@routed("signal")
def convolve2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0
) -> Array:
    """Stand-in for ``scipy.signal.convolve2d``."""
    return _plane(in1, in2, mode, boundary, fillvalue, flip=True)


@routed("signal")
def correlate2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0
) -> Array:
    """Stand-in for ``scipy.signal.correlate2d``."""
    return _plane(in1, in2, mode, boundary, fillvalue, flip=False)


def _plane(in1: Any, in2: Any, mode: str, boundary: str, fillvalue: Any, *, flip: bool) -> Array:
    x, k = _operands(in1, in2, also="")
    _checked(mode, "auto")
    if x.ndim != 2 or boundary not in BOUNDARIES or np.ndim(fillvalue) != 0:
        raise PassOn
    exchanged = _exchanged(x, k, mode)
    if exchanged:
        x, k = k, x
    due = np.result_type(x, k)
    if due.kind == "b":
        raise PassOn
    continued = BOUNDARIES[boundary]
    if continued == "constant":
        filled = complex(fillvalue)
        if (filled.imag and due.kind != "c") or (due.kind in "iu" and filled.real % 1):
            raise PassOn
        if due.kind in "iu" and not np.iinfo(due).min <= filled.real <= np.iinfo(due).max:
            raise PassOn
        if not filled:
            continued = "zero"
    elif any(m - 1 > n for n, m in zip(x.shape, k.shape, strict=True)):
        raise PassOn  # SciPy reads zeros beyond one period
    # SciPy puts the middle of an even kernel on one side for convolution, on the other for correlation
    before = {
        "full": [m - 1 for m in k.shape],
        "same": [m // 2 if flip else (m - 1) // 2 for m in k.shape],
        "valid": [0, 0],
    }[mode]
    answer = _api.windows(
        x, k, (0, 1), tuple(-b for b in before),
        tuple(_length(n, m, mode) for n, m in zip(x.shape, k.shape, strict=True)),
        flip=flip, boundary=continued, cval=fillvalue if continued == "constant" else 0,
    )  # fmt: skip
    answer = narrowed(overlapping(answer, k), due)
    return answer[::-1, ::-1] if exchanged and not flip else answer


@routed("signal")
def sepfir2d(input: Any, hrow: Any, hcol: Any) -> Array:
    """Stand-in for ``scipy.signal.sepfir2d``; filters may be longer than the image is wide."""
    x, row, column = as_numbers(input), as_numbers(hrow), as_numbers(hcol)
    real = np.dtype(x.dtype.char.lower())
    if x.ndim != 2 or x.size == 0 or x.dtype.kind not in "fc" or row.ndim != 1 or column.ndim != 1:
        raise PassOn
    if row.size % 2 == 0 or column.size % 2 == 0:
        raise PassOn
    if not (np.can_cast(row.dtype, real) and np.can_cast(column.dtype, real)):
        raise PassOn
    factors = [column.astype(real), row.astype(real)]
    return _api.separable(x, factors, mode="same", boundary="symmetric")


@routed("signal")
def correlation_lags(in1_len: int, in2_len: int, mode: str = "full") -> Array:
    """Stand-in for ``scipy.signal.correlation_lags``."""
    n, m = operator.index(in1_len), operator.index(in2_len)
    if n < 1 or m < 1:
        raise PassOn
    if mode == "full":
        return np.arange(1 - m, n)
    if mode == "same":  # for odd n and even m SciPy begins one further on than its `correlate`
        return np.arange(n) + ((n + m - 1) // 2 - n // 2 + 1 - m)
    if mode == "valid":
        return np.arange(min(n - m, 0), max(n - m, 0) + 1)
    raise PassOn
