"""Filters along one axis as ``scipy.signal`` has them."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from faltung import _core
from faltung._api import windows, windows_request
from faltung._arguments import Array
from faltung._recursive import recursive_filter
from faltung.compat._routing import PassOn, routed
from faltung.compat._windows import as_numbers

INEXACT = frozenset("fdFD")


def _axis(axis: Any, ndim: int) -> int:
    place = operator.index(axis)
    if not -ndim <= place < ndim:
        raise PassOn
    return place % ndim


def _with_length(array: Array, axis: int, length: int) -> tuple[int, ...]:
    return (*array.shape[:axis], length, *array.shape[axis + 1 :])


def _part(array: Array, axis: int, begin: int | None, end: int | None) -> Array:
    part: Array = array[(slice(None),) * axis + (slice(begin, end),)]
    return part


@routed("signal")
def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """Stand-in for ``scipy.signal.lfilter``."""
    numerator, denominator, samples = as_numbers(b), as_numbers(a), as_numbers(x)
    if _plain(numerator, denominator, samples):
        if zi is None:
            return _recursive(numerator, denominator, samples, axis)[0]
        if type(zi) is np.ndarray and zi.dtype == samples.dtype and zi.ndim == samples.ndim:
            return _recursive(numerator, denominator, samples, axis, zi)
    numerator, denominator = np.atleast_1d(numerator), np.atleast_1d(denominator)
    if numerator.ndim != 1 or denominator.ndim != 1 or samples.ndim == 0:
        raise PassOn
    if numerator.size == 0 or denominator.size == 0 or samples.size == 0 or denominator[0] == 0:
        raise PassOn
    place = _axis(axis, samples.ndim)
    operands = [numerator, denominator, samples]
    if zi is not None:
        states = max(numerator.size, denominator.size) - 1
        wanted = _with_length(samples, place, states)
        state = as_numbers(zi)
        if state.ndim != samples.ndim or state.shape[place] != states:
            raise PassOn
        state = np.broadcast_to(state, wanted)
        operands.append(state)
    due = np.result_type(*operands)
    if due.char not in INEXACT:
        raise PassOn
    if denominator.size == 1:
        taps = (numerator.astype(due) / denominator.astype(due)[0]).astype(due)
        answer = _moving_sum(taps, samples, place, due)
        if zi is None:
            return answer
        return answer, _carry_state(taps, samples, place, state, answer)
    answer, final = recursive_filter(
        numerator, denominator, samples, place, None if zi is None else state, dtype=due
    )
    return answer if zi is None else (answer, final)


def _plain(b: Array, a: Array, x: Array) -> bool:
    """Nothing to convert and nothing wrong: most calls. Of short signals, checking is what takes time."""
    dtype = x.dtype
    return (
        (dtype == np.float64 or dtype == np.float32)
        and dtype == b.dtype == a.dtype
        and b.ndim == a.ndim == 1
        and b.size > 0
        and a.size > 1
        and bool(a[0])
        and x.ndim > 0
        and x.size > 0
    )


def _recursive(
    b: Array, a: Array, x: Array, axis: Any, zi: Array | None = None
) -> tuple[Array, Array | None]:
    place, lead = _axis(axis, x.ndim), a[0]
    state = None
    if zi is not None:
        states = max(b.size, a.size) - 1
        if zi.shape[place] != states:
            raise PassOn
        wanted = _with_length(x, place, states)
        state = (zi if zi.shape == wanted else np.broadcast_to(zi, wanted))[np.newaxis]
        state = state.astype(np.float64, copy=False)
    if lead != 1:
        b, a = b / lead, a / lead
    answer, final = _core.recursive_filter(
        b[np.newaxis], a[np.newaxis], x, place, state, x.dtype, None
    )
    return answer, final if final is None else final[0].astype(x.dtype, copy=False)


def _moving_sum(taps: Array, x: Array, axis: int, due: np.dtype[Any]) -> Array:
    n = x.shape[axis]
    return windows(x, taps, (axis,), (1 - taps.size,), (n,), flip=True, dtype=due)


def _carry_state(taps: Array, x: Array, axis: int, state: Array, answer: Array) -> Array:
    """Adds what the state holds to the answer's beginning; the state afterwards."""
    n, states = x.shape[axis], taps.size - 1
    if states == 0:
        return state.astype(answer.dtype)
    used = min(n, states)
    head = _part(answer, axis, 0, used)
    head += _part(state, axis, 0, used)
    # what the last samples would add to the outputs after them
    final = windows(x, taps, (axis,), (n - states,), (states,), flip=True, dtype=answer.dtype)
    if n < states:
        rest = _part(final, axis, 0, states - n)
        rest += _part(state, axis, n, None)
    return final


@routed("signal")
def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """Stand-in for ``scipy.signal.sosfilt``."""
    sections, samples = np.atleast_2d(as_numbers(sos)), as_numbers(x)
    if sections.ndim != 2 or sections.shape[1] != 6 or len(sections) == 0 or samples.size == 0:
        raise PassOn
    if not (sections[:, 3] == 1).all():
        raise PassOn
    place = _axis(axis, samples.ndim)
    operands = [sections, samples]
    state = None
    if zi is not None:
        state = as_numbers(zi)
        if state.shape != (len(sections), *_with_length(samples, place, 2)):
            raise PassOn
        operands.append(state)
    due = np.result_type(*operands)
    if due.char not in INEXACT:
        raise PassOn
    sections = sections.astype(due)
    answer, final = recursive_filter(
        sections[:, :3], sections[:, 3:], samples, place, state, dtype=due
    )
    return answer if zi is None else (answer, final)


# names of numpy.pad, which are upfirdn's; its other modes go to SciPy
EXTENSIONS = {
    "constant": "constant",
    "wrap": "wrap",
    "edge": "edge",
    "symmetric": "symmetric",
    "reflect": "mirror",
}


@routed("signal")
def upfirdn(
    h: Any,
    x: Any,
    up: int = 1,
    down: int = 1,
    axis: int = -1,
    mode: str = "constant",
    cval: float = 0,
) -> Array:
    """Stand-in for ``scipy.signal.upfirdn``.

    The outputs whose positions leave the same remainder by `up` see the same taps of `h` (Crochiere and
    Rabiner, *Multirate Digital Signal Processing*, 1983): each such phase is one convolution with stride.
    """
    taps, samples = as_numbers(h), as_numbers(x)
    up, down = int(up), int(down)
    if taps.ndim != 1 or taps.size == 0 or samples.ndim == 0 or samples.size == 0:
        raise PassOn
    if up < 1 or down < 1 or not isinstance(mode, str) or mode.lower() not in EXTENSIONS:
        raise PassOn
    due = np.result_type(taps, samples, np.float32)
    if due.char not in INEXACT or complex(cval).imag:
        raise PassOn
    taps = taps.astype(due)
    place = _axis(axis, samples.ndim)
    n = samples.shape[place]
    boundary = EXTENSIONS[mode.lower()]
    if boundary == "constant" and cval == 0:
        boundary = "zero"
    length = ((n - 1) * up + taps.size - 1) // down + 1
    common = math.gcd(up, down)
    phases = up // common
    if phases > 8 and length > 1 << 16:
        raise PassOn  # each phase would walk through all of a result that leaves the cache
    parts = _phases(
        samples.shape, samples.dtype, taps.size, due, up, down, place, length, boundary, cval
    )
    whole, _ = parts[0]
    if up == 1 and whole is not None:
        return _core.run(whole, samples, taps, None, None)
    answer = np.empty(_with_length(samples, place, length), due)
    along = (slice(None),) * place
    for phase, (request, offset) in enumerate(parts):
        part = answer[(*along, slice(phase, None, phases))]
        if request is None:
            part[...] = 0
        else:
            _core.run(request, samples, taps[offset::up], part, None)
    return answer


@functools.lru_cache(256, typed=True)
def _phases(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    taps: int,
    due: np.dtype[Any],
    up: int,
    down: int,
    axis: int,
    length: int,
    boundary: str,
    cval: Any,
) -> list[tuple[_core.Request | None, int]]:
    """For each phase of upfirdn what to ask for, and the first of its taps; None where it has none."""
    common = math.gcd(up, down)
    phases, stride = up // common, down // common
    parts: list[tuple[_core.Request | None, int]] = []
    for phase in range(min(phases, length)):
        newest, offset = divmod(phase * down, up)  # the last sample seen, and its tap
        seen = len(range(offset, taps, up))
        count = len(range(phase, length, phases))
        request = None
        if seen:
            request = windows_request(
                shape, dtype, (seen,), due, (axis,), (newest + 1 - seen,), (count,),
                flip=True, boundary=boundary, cval=cval, dtype=due, stride=stride,
            )  # fmt: skip
        parts.append((request, offset))
    return parts


@routed("signal")
def savgol_filter(
    x: Any,
    window_length: int,
    polyorder: int,
    deriv: int = 0,
    delta: float = 1.0,
    axis: int = -1,
    mode: str = "interp",
    cval: float = 0.0,
) -> Array:
    """Stand-in for ``scipy.signal.savgol_filter``.

    Savitzky and Golay, "Smoothing and differentiation of data by simplified least squares procedures",
    Analytical Chemistry 36 (1964).
    """
    samples = as_numbers(x)
    boundaries = {
        "interp": "zero",
        "constant": "constant",
        "nearest": "edge",
        "mirror": "mirror",
        "wrap": "wrap",
    }
    length, order, deriv = map(operator.index, (window_length, polyorder, deriv))
    if (
        mode not in boundaries
        or samples.dtype.kind == "c"
        or samples.ndim == 0
        or samples.size == 0
    ):
        raise PassOn
    if not 0 <= order < length or deriv < 0 or delta == 0:
        raise PassOn
    place = _axis(axis, samples.ndim)
    due = samples.dtype if samples.dtype == np.float32 else np.dtype(np.float64)
    n = samples.shape[place]
    if mode == "interp" and length > n:
        raise PassOn

    half = length // 2
    fit = _fitted(length, order, deriv, float(delta))
    weights = fit((length - 1) / 2)[0].astype(due)
    answer = windows(
        samples, weights, (place,), (-((length - 1) // 2),), (n,), flip=False,
        boundary=boundaries[mode], cval=cval if mode == "constant" else 0, dtype=due,
    )  # fmt: skip
    if mode == "interp" and half:
        ends = [(fit(0, half), slice(0, length), slice(0, half))]
        ends.append((fit(length - half, half), slice(n - length, n), slice(n - half, n)))
        lines, to = np.moveaxis(samples, place, -1), np.moveaxis(answer, place, -1)
        for matrix, seen, written in ends:
            to[..., written] = lines[..., seen] @ matrix.T
    return answer


@functools.lru_cache(64)
def _fitted(length: int, order: int, deriv: int, delta: float) -> Callable[..., Array]:
    """What gives, for positions in the window, the weights of the derivative of the fitted polynomial."""
    scale = max(length - 1, 1) / 2  # powers of numbers up to 1 are the better conditioned ones
    samples = (np.arange(length) - (length - 1) / 2) / scale
    coefficients = np.linalg.pinv(np.vander(samples, order + 1, increasing=True))
    powers = np.arange(order + 1)
    factors = np.array([math.perm(int(p), deriv) for p in powers], np.float64)

    @functools.lru_cache(3)
    def weights(first: float, count: int = 1) -> Array:
        t = (first + np.arange(count) - (length - 1) / 2) / scale
        terms = factors * t[:, np.newaxis] ** np.maximum(powers - deriv, 0)
        return np.asarray(terms @ coefficients / (scale * delta) ** deriv)

    return weights
