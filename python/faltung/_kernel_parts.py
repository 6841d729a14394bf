"""What kernels and filters share: 1-D factors, and checks of arguments that name the culprit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex

import numpy as np
import numpy.typing as npt

from faltung._arguments import as_array, as_dtype, one_or_more

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = npt.NDArray[Any]

SOBEL = (1.0, 2.0, 1.0)
PREWITT = (1.0, 1.0, 1.0)
SCHARR = (3.0, 10.0, 3.0)


def gaussian_factors(
    sigma: float | Sequence[float],
    ndim: int | None = None,
    *,
    order: int | Sequence[int] = 0,
    truncate: float = 4.0,
    radius: int | Sequence[int] | None = None,
) -> list[Array]:
    """The 1-D kernels whose outer product is `gaussian`, one per axis."""
    sigmas = [finite("sigma", s) for s in per_axis("sigma", sigma, ndim)]
    orders = [count("order", n, least=0) for n in per_axis("order", order, len(sigmas))]
    truncate = finite("truncate", truncate)
    if radius is None:
        radii = [reach("truncate * sigma", truncate * s + 0.5) for s in sigmas]
    else:
        radii = [count("radius", r, least=0) for r in per_axis("radius", radius, len(sigmas))]
    return [gaussian_1d(*each) for each in zip(sigmas, orders, radii, strict=True)]


def gaussian_1d(sigma: float, order: int, radius: int) -> Array:
    return _gaussian_1d(sigma, order, radius).copy()


@lru_cache(64)
def _gaussian_1d(sigma: float, order: int, radius: int) -> Array:
    if sigma == 0:
        if order:
            raise ValueError(f"sigma must be positive for a derivative (order = {order}), not 0")
        return np.asarray(np.eye(1, 2 * radius + 1, radius)[0])
    if order > 1000:
        raise ValueError(f"order must be at most 1000, not {order}")
    with np.errstate(all="ignore"):
        t = np.arange(-radius, radius + 1) / sigma
        density = np.exp(-0.5 * t * t)
        density /= density.sum()
        if order == 0:
            return np.asarray(density)
        hermite = np.polynomial.hermite_e.hermeval(t, [0.0] * order + [1.0])
        derivative = np.float64(-1.0 / sigma) ** order * hermite * density
    if not np.isfinite(derivative).all():
        raise ValueError(f"order must be less, or sigma = {sigma:g} more: weights leave float64")
    return np.asarray(derivative)


def heat_on_a_lattice(variance: float, radius: int) -> Array:
    """Solved on a ring, in its Fourier basis; so long a ring that its far side stays cold."""
    ring = 2 * radius + 1 + 64 + int(16 * math.sqrt(variance))
    decay = np.exp(variance * (np.cos(2.0 * np.pi * np.arange(ring) / ring) - 1.0))
    line = np.fft.ifft(decay).real[np.arange(-radius, radius + 1)]
    line = np.maximum(line, 0.0)  # rounding leaves +-1e-17 in the tails
    return np.asarray(line / line.sum())


def derivative_factors(smooth: Sequence[float], axis: int, ndim: int) -> list[Array]:
    """``[1, 0, -1]`` for `axis`, `smooth` for each other axis."""
    ndim, axis = dimensions(ndim), whole("axis", axis)
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis must be from {-ndim} to {ndim - 1} for ndim = {ndim}, not {axis}")
    factors = [np.asarray(smooth, np.float64)] * ndim
    factors[axis] = np.array([1.0, 0.0, -1.0])
    return factors


def outer(factors: Sequence[npt.ArrayLike]) -> Array:
    return np.asarray(reduce(np.multiply.outer, [np.asarray(f, np.float64) for f in factors]))


def per_axis(name: str, value: Any, ndim: int | None) -> list[Any]:
    if ndim is not None:
        ndim = dimensions(ndim)
    single = isinstance(value, type) or not isinstance(value, Iterable)
    try:
        depth = 0 if single else np.ndim(value)
    except ValueError:  # rows of different lengths
        depth = 2
    if depth == 0:
        return [value] * (2 if ndim is None else ndim)
    values = one_or_more(value)
    if depth != 1 or not values or (ndim is not None and len(values) != ndim):
        wanted = "one value per axis" if ndim is None else f"{ndim} values, one per axis"
        raise ValueError(f"{name} must be a scalar or {wanted}, not {value!r}")
    return values


def dimensions(ndim: Any) -> int:
    number = count("ndim", ndim)
    if number > 64:
        raise ValueError(f"ndim must be at most 64, as NumPy has it, not {number}")
    return number


def whole(name: str, value: Any) -> int:
    if type(value) is int:  # asking for a protocol takes microseconds
        return value
    if isinstance(value, SupportsIndex) and not isinstance(value, type | bool | np.bool_):
        try:
            return value.__index__()
        except TypeError:  # an array
            pass
    raise TypeError(f"{name} must be a whole number, not {value!r}")


def count(name: str, value: Any, least: int = 1) -> int:
    number = whole(name, value)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    if number >= 1 << 62:
        raise ValueError(f"{name} must be less than 2**62, not {number}")
    return number


def real(name: str, value: Any) -> float:
    if type(value) is float:
        return value
    kind = getattr(getattr(value, "dtype", None), "kind", "O")
    numeric = kind in {"b", "i", "u", "f", "O"}
    if type(value) is int or (numeric and isinstance(value, SupportsFloat)):
        try:
            return float(value)
        except OverflowError:
            return math.inf
        except (TypeError, ValueError):  # arrays, and what only looks like a number
            pass
    raise TypeError(f"{name} must be a real number, not {value!r}")


def finite(name: str, value: Any, least: float = 0.0, above: bool = False) -> float:
    number = real(name, value)
    if not math.isfinite(number) or number < least or (above and number <= least):
        wanted = "finite"
        if least != -math.inf:
            wanted += f" and {'above' if above else 'at least'} {least:g}"
        raise ValueError(f"{name} must be {wanted}, not {value!r}")
    return number


def reach(name: str, samples: float) -> int:
    """From a kernel's middle to its end."""
    if not samples < 1 << 33:
        raise MemoryError(f"{name} asks for a kernel that reaches {samples:g} samples far")
    return int(samples)


def working(k: npt.ArrayLike, dtype: npt.DTypeLike | None) -> tuple[Array, np.dtype[Any]]:
    """The kernel in float64 or complex128, and the dtype that its answer is due in."""
    given = as_array(k, "k")
    if given.dtype.kind not in "biufc":
        raise TypeError(f"k must hold numbers, not {given.dtype}")
    if given.size == 0:
        raise ValueError(f"k must not be empty; its shape is {given.shape}")
    if dtype is None:
        dtype = given.dtype if given.dtype.kind in "fc" else np.float64
    wide = given.astype(np.complex128 if given.dtype.kind == "c" else np.float64)
    return wide, as_dtype(dtype, "dtype")


def finish(k: Array, dtype: npt.DTypeLike) -> Array:
    """`k` in `dtype`, refused where an integer type would change a weight."""
    due = as_dtype(dtype, "dtype")
    if due.kind not in "biufc":
        raise TypeError(f"dtype must be a numeric type, not {due}")
    if k.dtype.kind == "c" and due.kind != "c":
        raise TypeError(f"dtype must be complex for a complex kernel, not {due}")
    if due.kind in "biu":
        low, high = (0, 1) if due.kind == "b" else (np.iinfo(due).min, np.iinfo(due).max)
        if np.any(k != np.rint(k)) or k.min() < low or k.max() >= float(high) + 1:
            raise ValueError(f"dtype must be able to hold every weight exactly; {due} cannot")
    elif due.itemsize < k.itemsize:
        with np.errstate(over="ignore"):
            if np.any(np.isinf(k.astype(due)) & np.isfinite(k)):
                raise ValueError(f"dtype must be able to hold every weight; {due} cannot")
    return k.astype(due)
