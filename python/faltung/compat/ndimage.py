"""Stand-ins for functions of ``scipy.ndimage``: same names, arguments, shapes, dtypes and errors."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from faltung._arguments import Array
from faltung._kernel_parts import gaussian_1d
from faltung.compat._neighbourhood import Reading, chosen_axes, passes, per_axis
from faltung.compat._recipes import (
    Accumulation,
    Gaps,
    Recipe,
    Step,
    Weights,
    comparable,
    filtered,
    remembered,
)
from faltung.compat._routing import PassOn, routed
from faltung.compat._windows import as_numbers

__all__ = [
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "laplace",
    "prewitt",
    "sobel",
    "uniform_filter",
    "uniform_filter1d",
]


# Every function has a recipe, which is worked out from the samples' shape and dtype and from the arguments.


@routed("ndimage")
def correlate1d(
    input: Any,
    weights: Any,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Array:
    """Stand-in for ``scipy.ndimage.correlate1d``."""
    taps = comparable(as_numbers(weights))
    return filtered(_line, input, output, taps, axis, mode, cval, origin, False)


@routed("ndimage")
def convolve1d(
    input: Any,
    weights: Any,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Array:
    """Stand-in for ``scipy.ndimage.convolve1d``."""
    taps = comparable(as_numbers(weights))
    return filtered(_line, input, output, taps, axis, mode, cval, origin, True)


@remembered
def _line(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    output: Any,
    weights: Weights | Array,
    axis: Any,
    mode: Any,
    cval: Any,
    origin: Any,
    turn: bool,
) -> Recipe:
    taps = _array(weights)
    if taps.ndim != 1 or taps.size == 0:
        raise PassOn
    taps, (shift,) = (
        _turned(taps, [operator.index(origin)]) if turn else (taps, [operator.index(origin)])
    )
    reading = Reading(shape, dtype, output, taps.dtype.kind == "c")
    place = chosen_axes(operator.index(axis), reading.ndim)
    return reading.recipe(reading.sum(taps, place, (shift,), mode, cval))


@routed("ndimage")
def correlate(
    input: Any,
    weights: Any,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    """Stand-in for ``scipy.ndimage.correlate``."""
    taps = comparable(as_numbers(weights))
    return filtered(_box, input, output, taps, mode, cval, origin, axes, False)


@routed("ndimage")
def convolve(
    input: Any,
    weights: Any,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    """Stand-in for ``scipy.ndimage.convolve``."""
    taps = comparable(as_numbers(weights))
    return filtered(_box, input, output, taps, mode, cval, origin, axes, True)


@remembered
def _box(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    output: Any,
    weights: Weights | Array,
    mode: Any,
    cval: Any,
    origin: Any,
    axes: Any,
    turn: bool,
) -> Recipe:
    taps = _counted(_array(weights))
    reading = Reading(shape, dtype, output, taps.dtype.kind == "c")
    named = chosen_axes(axes, reading.ndim)
    if taps.ndim != len(named) or taps.size == 0:
        raise PassOn
    # the axes of the weights belong to those of the samples in rising order, however they are named
    origins = dict(zip(named, map(operator.index, per_axis(origin, len(named))), strict=True))
    over = tuple(sorted(named))
    shifts = [origins[axis] for axis in over]
    if turn:
        taps, shifts = _turned(taps, shifts)
    total: Step = reading.sum(taps, over, shifts, mode, cval)
    if dtype.kind in "fc" and not taps.all():
        if not np.isfinite(cval):
            raise PassOn
        total = Gaps(total, None)
    return reading.recipe(total)


def _counted(taps: Array) -> Array:
    """The weights that SciPy counts in several dimensions: those beyond the rounding of one."""
    if taps.dtype.kind == "c":
        return _counted(taps.real) + 1j * _counted(taps.imag)
    if taps.dtype.kind != "f":
        return taps
    return np.where(np.abs(taps) > np.finfo(np.float64).eps, taps, 0)


def _array(weights: Weights | Array) -> Array:
    return weights.array() if isinstance(weights, Weights) else weights


def _turned(taps: Array, origins: list[int]) -> tuple[Array, list[int]]:
    """Weights and origins of the correlation that a convolution is."""
    shifts = [-o - (size % 2 == 0) for o, size in zip(origins, taps.shape, strict=True)]
    return taps[(slice(None, None, -1),) * taps.ndim].conj(), shifts


# Gaussians


def _gaussian(sigma: Any, order: Any, truncate: Any, radius: Any) -> Array:
    """Weights of a correlation: the Gaussian's derivative turned around."""
    deviation, derivative = float(1.0 * sigma), operator.index(order)  # no text
    reach = int(truncate * deviation + 0.5)
    if radius is not None:
        reach = operator.index(radius)
    if derivative < 0 or reach < 0 or not deviation > 0:
        raise PassOn
    weights: Array = gaussian_1d(deviation, derivative, reach)[::-1]
    return weights


@routed("ndimage")
def gaussian_filter1d(
    input: Any,
    sigma: float,
    axis: int = -1,
    order: int = 0,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | None = None,
) -> Array:
    """Stand-in for ``scipy.ndimage.gaussian_filter1d``."""
    return filtered(
        _blurred_line, input, output, sigma, axis, order, mode, cval, truncate, radius
    )  # fmt: skip


@remembered
def _blurred_line(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    output: Any,
    sigma: Any,
    axis: Any,
    order: Any,
    mode: Any,
    cval: Any,
    truncate: Any,
    radius: Any,
) -> Recipe:
    reading = Reading(shape, dtype, output)
    place = chosen_axes(operator.index(axis), reading.ndim)
    taps = _gaussian(sigma, order, truncate, radius)
    return reading.recipe(reading.sum(taps, place, (0,), mode, cval))


@routed("ndimage")
def gaussian_filter(
    input: Any,
    sigma: Any,
    order: Any = 0,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: Any = None,
    axes: Any = None,
) -> Array:
    """Stand-in for ``scipy.ndimage.gaussian_filter``."""
    return filtered(_blurred, input, output, sigma, order, mode, cval, truncate, radius, axes)


@remembered
def _blurred(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    output: Any,
    sigma: Any,
    order: Any,
    mode: Any,
    cval: Any,
    truncate: Any = 4.0,
    radius: Any = None,
    axes: Any = None,
) -> Recipe:
    reading = Reading(shape, dtype, output, promotes=False)
    over = chosen_axes(axes, reading.ndim)
    rank = len(over)
    factors = [
        (axis, _gaussian(s, o, truncate, r), m)
        for axis, s, o, r, m in zip(
            over, per_axis(sigma, rank), per_axis(order, rank), per_axis(radius, rank),
            per_axis(mode, rank), strict=True,
        )
        if s > 1e-15
    ]  # fmt: skip
    return passes(reading, factors, cval)


@routed("ndimage")
def gaussian_laplace(
    input: Any,
    sigma: Any,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    *,
    axes: Any = None,
    **kwargs: Any,
) -> Array:
    """Stand-in for ``scipy.ndimage.gaussian_laplace``."""
    truncate, radius = _options(kwargs)
    return filtered(
        _accumulated, input, output, sigma, 2, mode, cval, axes, truncate, radius, False
    )  # fmt: skip


@routed("ndimage")
def gaussian_gradient_magnitude(
    input: Any,
    sigma: Any,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    *,
    axes: Any = None,
    **kwargs: Any,
) -> Array:
    """Stand-in for ``scipy.ndimage.gaussian_gradient_magnitude``."""
    if axes is not None:
        raise PassOn  # SciPy's deviations and modes belong to other axes here than anywhere else
    truncate, radius = _options(kwargs)
    return filtered(
        _accumulated, input, output, sigma, 1, mode, cval, None, truncate, radius, True
    )  # fmt: skip


def _options(given: dict[str, Any]) -> tuple[Any, Any]:
    if not set(given) <= {"truncate", "radius"}:
        raise PassOn
    return given.get("truncate", 4.0), given.get("radius")


@remembered
def _accumulated(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    output: Any,
    sigma: Any,
    order: int,
    mode: Any,
    cval: Any,
    axes: Any,
    truncate: Any,
    radius: Any,
    square: bool,
) -> Recipe:
    """The sum of the derivatives of this order along each axis, or the root of the sum of their squares."""
    reading = Reading(shape, dtype, output, promotes=False)
    over = chosen_axes(axes, reading.ndim)
    deviations, modes = [0.0] * reading.ndim, per_axis(mode, len(over))
    for axis, deviation in zip(over, per_axis(sigma, len(over)), strict=True):
        deviations[axis] = deviation
    if not over or (square and reading.due.kind not in "fc"):
        raise PassOn
    parts = []
    for axis, mode in zip(over, modes, strict=True):
        orders = [0] * reading.ndim
        orders[axis] = order
        parts.append(
            _blurred(shape, dtype, reading.due, deviations, orders, mode, cval, truncate, radius)
        )
    return reading.recipe(Accumulation(parts, square))


# Small derivatives

DIFFERENCE, SUM_OF_3, BINOMIAL = map(np.array, ((-1, 0, 1), (1, 1, 1), (1, 2, 1)))


@routed("ndimage")
def prewitt(
    input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0
) -> Array:
    """Stand-in for ``scipy.ndimage.prewitt``."""
    return filtered(_slope, input, output, axis, mode, cval, False)


@routed("ndimage")
def sobel(
    input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0
) -> Array:
    """Stand-in for ``scipy.ndimage.sobel``."""
    return filtered(_slope, input, output, axis, mode, cval, True)


@remembered
def _slope(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    output: Any,
    axis: Any,
    mode: Any,
    cval: Any,
    binomial: bool,
) -> Recipe:
    reading = Reading(shape, dtype, output, promotes=False)
    (along,) = chosen_axes(operator.index(axis), reading.ndim)
    modes = per_axis(mode, reading.ndim)
    smooth = BINOMIAL if binomial else SUM_OF_3
    order = [along, *(a for a in range(reading.ndim) if a != along)]
    return passes(
        reading, [(a, DIFFERENCE if a == along else smooth, modes[a]) for a in order], cval
    )


@routed("ndimage")
def laplace(
    input: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None
) -> Array:
    """Stand-in for ``scipy.ndimage.laplace``."""
    return filtered(_laplacian, input, output, mode, cval, axes)


@remembered
def _laplacian(
    shape: tuple[int, ...], dtype: np.dtype[Any], output: Any, mode: Any, cval: Any, axes: Any
) -> Recipe:
    reading = Reading(shape, dtype, output, promotes=False)
    over = chosen_axes(axes, reading.ndim)
    modes = per_axis(mode, len(over))
    if not 1 <= len(over) <= 8 or any(one != modes[0] for one in modes):  # 3**8 taps
        raise PassOn
    taps = np.zeros((3,) * len(over), np.int64)
    for axis in range(len(over)):
        lines = np.moveaxis(taps, axis, -1)
        lines[(1,) * (len(over) - 1)] += (1, -2, 1)
    total: Step = reading.sum(taps, over, (0,) * len(over), modes[0], cval)
    if dtype.kind in "fc" and len(over) > 1:
        second = np.array((1, -2, 1))
        along = [
            _line(shape, dtype, reading.due, second, axis, modes[0], cval, 0, False)
            for axis in over
        ]
        each = Accumulation(along, False)
        total = Gaps(total, each) if np.isfinite(cval) else each
    return reading.recipe(total)


# Means


@routed("ndimage")
def uniform_filter1d(
    input: Any,
    size: int,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Array:
    """Stand-in for ``scipy.ndimage.uniform_filter1d``."""
    return filtered(_mean_of_line, input, output, size, axis, mode, cval, origin)


@remembered
def _mean_of_line(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    output: Any,
    size: Any,
    axis: Any,
    mode: Any,
    cval: Any,
    origin: Any,
) -> Recipe:
    reading = Reading(shape, dtype, output)
    (place,) = chosen_axes(operator.index(axis), reading.ndim)
    mean = reading.mean(operator.index(size), place, mode, cval, operator.index(origin))
    return reading.recipe(mean)


@routed("ndimage")
def uniform_filter(
    input: Any,
    size: Any = 3,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    """Stand-in for ``scipy.ndimage.uniform_filter``."""
    return filtered(_mean, input, output, size, mode, cval, origin, axes)


@remembered
def _mean(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    output: Any,
    size: Any,
    mode: Any,
    cval: Any,
    origin: Any,
    axes: Any,
) -> Recipe:
    reading = Reading(shape, dtype, output)
    over = chosen_axes(axes, reading.ndim)
    rank = len(over)
    means = [
        (axis, int(s), operator.index(o), m)
        for axis, s, o, m in zip(
            over, per_axis(size, rank), per_axis(origin, rank), per_axis(mode, rank), strict=True
        )
        if s > 1
    ]
    if not means:
        raise PassOn
    if not any(origin for _, _, origin, _ in means):
        factors = [(axis, np.full(size, 1 / size), mode) for axis, size, _, mode in means]
        if not (reading.whole_numbers and reading.c_casts):
            return passes(reading, factors, cval)
    steps, read = [], reading
    for axis, size, origin, mode in means:
        steps.append(read.mean(size, axis, mode, cval, origin))
        read = read.then()
    return reading.recipe(*steps)
