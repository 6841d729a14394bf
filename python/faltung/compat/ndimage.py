"""Stand-ins for functions of ``scipy.ndimage``: same names, arguments, shapes, dtypes and errors."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from faltung._arguments import Array
from faltung._kernel_parts import gaussian_1d
from faltung.compat._neighbourhood import Samples, Target, chosen_axes, per_axis
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
    return _line(input, as_numbers(weights), axis, output, mode, cval, operator.index(origin))


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
    taps = as_numbers(weights)
    if taps.ndim != 1:
        raise PassOn
    origin = -operator.index(origin) - (taps.size % 2 == 0)
    return _line(input, taps[::-1].conj(), axis, output, mode, cval, origin)


def _line(x: Any, taps: Array, axis: Any, output: Any, mode: Any, cval: Any, origin: int) -> Array:
    """One pass: a correlation along one axis."""
    if taps.ndim != 1 or taps.size == 0:
        raise PassOn
    samples = Samples(x, output, taps.dtype.kind == "c")
    place = chosen_axes(operator.index(axis), samples.x.ndim)
    return samples.summed(taps, place, (origin,), mode, cval)


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
    return _box(input, as_numbers(weights), output, mode, cval, origin, axes, turn=False)


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
    return _box(input, as_numbers(weights), output, mode, cval, origin, axes, turn=True)


def _box(
    x: Any, taps: Array, output: Any, mode: Any, cval: Any, origin: Any, axes: Any, *, turn: bool
) -> Array:
    samples = Samples(x, output, taps.dtype.kind == "c")
    named = chosen_axes(axes, samples.x.ndim)
    if taps.ndim != len(named) or taps.size == 0:
        raise PassOn
    # the axes of the weights belong to those of the samples in rising order, however they are named
    origins = dict(zip(named, map(operator.index, per_axis(origin, len(named))), strict=True))
    over = tuple(sorted(named))
    shifts = [origins[axis] for axis in over]
    if turn:
        shifts = [-o - (size % 2 == 0) for o, size in zip(shifts, taps.shape, strict=True)]
        taps = taps[(slice(None, None, -1),) * taps.ndim].conj()
    return samples.summed(taps, over, shifts, mode, cval)


# Gaussians


def _gaussian(sigma: Any, order: Any, truncate: Any, radius: Any) -> Array:
    """Weights of a correlation: the Gaussian's derivative turned around."""
    deviation, derivative = float(sigma), operator.index(order)
    reach = int(float(truncate) * deviation + 0.5) if radius is None else operator.index(radius)
    if derivative < 0 or reach < 0 or not deviation > 0:
        raise PassOn
    return _gaussian_weights(deviation, derivative, reach)


@functools.lru_cache(64)
def _gaussian_weights(deviation: float, derivative: int, reach: int) -> Array:
    weights: Array = gaussian_1d(deviation, derivative, reach)[::-1]
    weights.flags.writeable = False
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
    return _line(input, _gaussian(sigma, order, truncate, radius), axis, output, mode, cval, 0)


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
    return _blurred(input, sigma, order, output, mode, cval, truncate, radius, axes)


def _blurred(
    x: Any,
    sigma: Any,
    order: Any,
    output: Any,
    mode: Any,
    cval: Any,
    truncate: Any = 4.0,
    radius: Any = None,
    axes: Any = None,
) -> Array:
    samples = Samples(x, output)
    over = chosen_axes(axes, samples.x.ndim)
    rank = len(over)
    passes = [
        (axis, _gaussian(s, o, truncate, r), m)
        for axis, s, o, r, m in zip(
            over, per_axis(sigma, rank), per_axis(order, rank), per_axis(radius, rank),
            per_axis(mode, rank), strict=True,
        )
        if s > 1e-15
    ]  # fmt: skip
    return _passes(samples, passes, cval)


def _passes(samples: Samples, passes: list[tuple[int, Array, Any]], cval: Any) -> Array:
    """Correlations along one axis after another, all in one go where that comes to the same."""
    if not passes:
        raise PassOn
    axes, factors, modes = zip(*passes, strict=True)
    if all(mode == modes[0] for mode in modes):
        answer = samples.separable(factors, axes, modes[0], cval)
        if answer is not None:
            return answer
    x = samples.x
    for to_come, (axis, taps, mode) in zip(reversed(range(len(passes))), passes, strict=True):
        x = Samples(x, samples.target.after(to_come)).summed(taps, (axis,), (0,), mode, cval)
    return x


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
    return _accumulated(input, sigma, 2, output, mode, cval, axes, kwargs, square=False)


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
    return _accumulated(input, sigma, 1, output, mode, cval, None, kwargs, square=True)


def _accumulated(
    x: Any,
    sigma: Any,
    order: int,
    output: Any,
    mode: Any,
    cval: Any,
    axes: Any,
    options: dict[str, Any],
    *,
    square: bool,
) -> Array:
    """The sum of the derivatives of this order along each axis, or the root of the sum of their squares."""
    samples = as_numbers(x)
    if not set(options) <= {"truncate", "radius"} or samples.ndim == 0:
        raise PassOn
    over = chosen_axes(axes, samples.ndim)
    deviations, modes = [0.0] * samples.ndim, per_axis(mode, len(over))
    for axis, deviation in zip(over, per_axis(sigma, len(over)), strict=True):
        deviations[axis] = deviation
    target = Target(output, samples, complex_answer=samples.dtype.kind == "c")
    if not over or (square and target.dtype.kind not in "fc"):
        raise PassOn

    def part(place: int) -> Array:
        orders = [0] * samples.ndim
        orders[over[place]] = order
        answer = _blurred(samples, deviations, orders, target.dtype, modes[place], cval, **options)
        return np.multiply(answer, answer, answer) if square else answer

    total = part(0)
    for place in range(1, len(over)):
        total += part(place)
    return target.deliver(np.sqrt(total, total) if square else total)


# Small derivatives

DIFFERENCE, SUM_OF_3, BINOMIAL = map(np.array, ((-1, 0, 1), (1, 1, 1), (1, 2, 1)))


@routed("ndimage")
def prewitt(
    input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0
) -> Array:
    """Stand-in for ``scipy.ndimage.prewitt``."""
    return _slope(SUM_OF_3, input, axis, output, mode, cval)


@routed("ndimage")
def sobel(
    input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0
) -> Array:
    """Stand-in for ``scipy.ndimage.sobel``."""
    return _slope(BINOMIAL, input, axis, output, mode, cval)


def _slope(smooth: Array, x: Any, axis: Any, output: Any, mode: Any, cval: Any) -> Array:
    samples = Samples(x, output)
    (along,) = chosen_axes(operator.index(axis), samples.x.ndim)
    modes = per_axis(mode, samples.x.ndim)
    order = [along, *(a for a in range(samples.x.ndim) if a != along)]
    taps = [DIFFERENCE if a == along else smooth for a in order]
    return _passes(samples, list(zip(order, taps, [modes[a] for a in order], strict=True)), cval)


@routed("ndimage")
def laplace(
    input: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None
) -> Array:
    """Stand-in for ``scipy.ndimage.laplace``."""
    samples = Samples(input, output)
    over = chosen_axes(axes, samples.x.ndim)
    modes = per_axis(mode, len(over))
    if not over or any(one != modes[0] for one in modes):
        raise PassOn
    taps = np.zeros((3,) * len(over), np.int64)
    for axis in range(len(over)):
        lines = np.moveaxis(taps, axis, -1)
        lines[(1,) * (len(over) - 1)] += (1, -2, 1)
    return samples.summed(taps, over, (0,) * len(over), modes[0], cval)


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
    samples = Samples(input, output)
    (place,) = chosen_axes(operator.index(axis), samples.x.ndim)
    return _mean(samples, operator.index(size), place, mode, cval, operator.index(origin))


def _mean(samples: Samples, size: int, axis: int, mode: Any, cval: Any, origin: int) -> Array:
    if size < 1:
        raise PassOn
    if not (samples.whole_numbers and samples.c_casts):
        return samples.summed(np.full(size, 1 / size), (axis,), (origin,), mode, cval)
    constant = mode in ("constant", "grid-constant") and cval != 0
    if samples.x.dtype.itemsize <= 2 and size < 256 and not constant:
        # means that are whole numbers must not fall short of them before they are cut off. Rounding
        # misses them by less than 2^-28, so by this factor they come out above; the others lie 1/size
        # or more from the next whole number, which is twice what the factor adds at most
        taps = np.full(size, (1 + 2**-25) / size)
        return samples.summed(taps, (axis,), (origin,), mode, cval)
    # the exact sum, then one division
    total = Samples(samples.x, np.float64).summed(np.ones(size), (axis,), (origin,), mode, cval)
    return samples.target.deliver(np.divide(total, size, total))


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
    samples = Samples(input, output)
    over = chosen_axes(axes, samples.x.ndim)
    rank = len(over)
    passes = [
        (axis, int(s), operator.index(o), m)
        for axis, s, o, m in zip(
            over, per_axis(size, rank), per_axis(origin, rank), per_axis(mode, rank), strict=True
        )
        if s > 1
    ]
    if not passes:
        raise PassOn
    if not any(origin for _, _, origin, _ in passes):
        factors = [(axis, np.full(size, 1 / size), mode) for axis, size, _, mode in passes]
        if not (samples.whole_numbers and samples.target.dtype.kind in "iu"):
            return _passes(samples, factors, cval)
    x = samples.x
    for to_come, (axis, size, origin, mode) in zip(
        reversed(range(len(passes))), passes, strict=True
    ):
        x = _mean(Samples(x, samples.target.after(to_come)), size, axis, mode, cval, origin)
    return x
