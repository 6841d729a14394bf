"""The classical filters on images, volumes and anything else with axes.

A thin layer over :func:`faltung.convolve`: each function builds its kernel, as one factor per
axis where it has rank one, and makes one call for each kernel. The answers are SciPy's
(``scipy.ndimage``) with these differences:

* the result is inexact: of the dtype of `x` if that is inexact, else float64. Nothing wraps round
  or is cut off in silence, as the Sobel of a uint8 image does there; ask for another dtype with
  `dtype`, and integers are rounded and saturate;
* `axes` says which axes are filtered; the others (colour channels, a batch, time) are left alone;
* the boundary is ``"mirror"`` unless asked otherwise, with the names of :func:`faltung.convolve`:
  SciPy's ``reflect`` is ``symmetric`` here, its ``nearest`` is ``edge``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung import _api, kernels
from faltung._arguments import Array, as_array, chosen_axes, chosen_axis, served, served_dtype
from faltung._kernel_parts import (
    PREWITT,
    SCHARR,
    SOBEL,
    count,
    derivative_factors,
    finite,
    gaussian_factors,
    per_axis,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    Axes = int | Sequence[int] | None

__all__ = [
    "box",
    "gaussian",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "laplace",
    "prewitt",
    "scharr",
    "sharpen",
    "sobel",
    "unsharp",
]


# Smoothing


def gaussian(
    x: npt.ArrayLike,
    sigma: float | Sequence[float] = 1.0,
    *,
    order: int | Sequence[int] = 0,
    axes: Axes = None,
    boundary: str = "mirror",
    cval: complex = 0,
    truncate: float = 4.0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Gaussian blur, or the derivative of one.

    Parameters
    ----------
    x : array_like
        Samples.
    sigma : float or sequence of float
        Standard deviation in samples, one for all `axes` or one for each. Zero leaves an axis
        alone.
    order : int or sequence of int, optional
        Of the derivative, one for all `axes` or one for each: 0 smooths, 1 is the slope of the
        smoothed samples.
    {common}
    truncate : float, optional
        The kernel ends at ``int(truncate * sigma + 0.5)`` samples from its middle.

    Returns
    -------
    ndarray
        Of the shape of `x`: ``scipy.ndimage.gaussian_filter``.

    See Also
    --------
    faltung.kernels.gaussian : the kernel, and its formula.
    """
    call = _Call(x, axes, boundary, cval, dtype, workers)
    factors = gaussian_factors(sigma, len(call.axes), order=order, truncate=truncate)
    return call.separable(factors, out)


def box(
    x: npt.ArrayLike,
    size: int | Sequence[int] = 3,
    *,
    axes: Axes = None,
    boundary: str = "mirror",
    cval: complex = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Mean over a window.

    Parameters
    ----------
    x : array_like
        Samples.
    size : int or sequence of int
        Of the window, one for all `axes` or one for each. The window of an even size reaches one
        sample further back than ahead.
    {common}

    Returns
    -------
    ndarray
        Of the shape of `x`: ``scipy.ndimage.uniform_filter``.
    """
    call = _Call(x, axes, boundary, cval, dtype, workers)
    sizes = [count("size", s) for s in per_axis("size", size, len(call.axes))]
    return call.separable([np.full(s, 1.0 / s) for s in sizes], out)


# Derivatives


def sobel(
    x: npt.ArrayLike,
    axis: int | None = None,
    *,
    axes: Axes = None,
    boundary: str = "mirror",
    cval: complex = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Sobel's derivative along one axis, or the magnitude of the gradient that they make together.

    Parameters
    ----------
    x : array_like
        Samples.
    axis : int, optional
        The axis of `x` to differentiate along, one of `axes`. By default the magnitude over all
        `axes`, the square root of the sum of the squared derivatives.
    {common}

    Returns
    -------
    ndarray
        Of the shape of `x`: with `axis`, ``scipy.ndimage.sobel``, positive where the samples grow
        with the index. The kernel is not normalised: on an image, a ramp of slope 1 gives 8.
        scikit-image's ``sobel`` divides this by ``4 ** (ndim - 1)``, and its magnitude by
        ``sqrt(ndim)`` as well.
    """
    call = _Call(x, axes, boundary, cval, dtype, workers)
    return call.derivative(SOBEL, axis, out)


def prewitt(
    x: npt.ArrayLike,
    axis: int | None = None,
    *,
    axes: Axes = None,
    boundary: str = "mirror",
    cval: complex = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Prewitt's derivative along one axis, or the magnitude of the gradient that they make
    together.

    Parameters
    ----------
    x : array_like
        Samples.
    axis : int, optional
        The axis of `x` to differentiate along, one of `axes`. By default the magnitude over all
        `axes`.
    {common}

    Returns
    -------
    ndarray
        Of the shape of `x`: with `axis`, ``scipy.ndimage.prewitt``; on an image, a ramp of slope
        1 gives 6.
    """
    call = _Call(x, axes, boundary, cval, dtype, workers)
    return call.derivative(PREWITT, axis, out)


def scharr(
    x: npt.ArrayLike,
    axis: int | None = None,
    *,
    axes: Axes = None,
    boundary: str = "mirror",
    cval: complex = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Scharr's derivative along one axis, or the magnitude of the gradient that they make together.

    Parameters
    ----------
    x : array_like
        Samples.
    axis : int, optional
        The axis of `x` to differentiate along, one of `axes`. By default the magnitude over all
        `axes`.
    {common}

    Returns
    -------
    ndarray
        Of the shape of `x`: with `axis`, ``cv2.Scharr``; on an image, a ramp of slope 1 gives 32.
    """
    call = _Call(x, axes, boundary, cval, dtype, workers)
    return call.derivative(SCHARR, axis, out)


def laplace(
    x: npt.ArrayLike,
    *,
    connectivity: int = 1,
    axes: Axes = None,
    boundary: str = "mirror",
    cval: complex = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Second derivative over all axes together.

    Parameters
    ----------
    x : array_like
        Samples.
    connectivity : int, optional
        Which neighbours count, as for `faltung.kernels.laplacian`.
    {common}

    Returns
    -------
    ndarray
        Of the shape of `x`: ``scipy.ndimage.laplace``, negative on a bright spot.
    """
    call = _Call(x, axes, boundary, cval, dtype, workers)
    return call.dense(kernels.laplacian(len(call.axes), connectivity=connectivity), out)


def gaussian_gradient_magnitude(
    x: npt.ArrayLike,
    sigma: float | Sequence[float] = 1.0,
    *,
    axes: Axes = None,
    boundary: str = "mirror",
    cval: complex = 0,
    truncate: float = 4.0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Length of the gradient of the smoothed samples.

    Parameters
    ----------
    x : array_like
        Samples.
    sigma : float or sequence of float
        Standard deviation in samples, one for all `axes` or one for each.
    {common}
    truncate : float, optional
        The kernel ends at ``int(truncate * sigma + 0.5)`` samples from its middle.

    Returns
    -------
    ndarray
        Of the shape of `x`: ``scipy.ndimage.gaussian_gradient_magnitude``.
    """
    call = _Call(x, axes, boundary, cval, dtype, workers)
    slopes = [
        gaussian_factors(sigma, len(call.axes), order=order, truncate=truncate)
        for order in _unit_vectors(len(call.axes), 1)
    ]
    return call.magnitude(slopes, out)


def gaussian_laplace(
    x: npt.ArrayLike,
    sigma: float | Sequence[float] = 1.0,
    *,
    axes: Axes = None,
    boundary: str = "mirror",
    cval: complex = 0,
    truncate: float = 4.0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Laplacian of the smoothed samples, the detector of blobs.

    Parameters
    ----------
    x : array_like
        Samples.
    sigma : float or sequence of float
        Standard deviation in samples, one for all `axes` or one for each.
    {common}
    truncate : float, optional
        The kernel ends at ``int(truncate * sigma + 0.5)`` samples from its middle.

    Returns
    -------
    ndarray
        Of the shape of `x`: ``scipy.ndimage.gaussian_laplace``, negative on a bright blob.
    """
    call = _Call(x, axes, boundary, cval, dtype, workers)
    curvatures = [
        gaussian_factors(sigma, len(call.axes), order=order, truncate=truncate)
        for order in _unit_vectors(len(call.axes), 2)
    ]
    return call.deliver(reduce(np.add, map(call.working, curvatures)), out)


# Sharpening


def sharpen(
    x: npt.ArrayLike,
    amount: float = 1.0,
    *,
    connectivity: int = 1,
    axes: Axes = None,
    boundary: str = "mirror",
    cval: complex = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Subtract `amount` times the Laplacian.

    Parameters
    ----------
    x : array_like
        Samples.
    amount : float, optional
        0 changes nothing; negative values soften.
    connectivity : int, optional
        Which neighbours count, as for `faltung.kernels.sharpen`.
    {common}

    Returns
    -------
    ndarray
        Of the shape of `x`. Values may leave the range of `x`; with an integer `dtype` they
        saturate.
    """
    call = _Call(x, axes, boundary, cval, dtype, workers)
    return call.dense(kernels.sharpen(amount, len(call.axes), connectivity=connectivity), out)


def unsharp(
    x: npt.ArrayLike,
    sigma: float | Sequence[float] = 1.0,
    amount: float = 1.0,
    *,
    axes: Axes = None,
    boundary: str = "mirror",
    cval: complex = 0,
    truncate: float = 4.0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Unsharp mask: add `amount` times what a Gaussian blur takes away.

    Parameters
    ----------
    x : array_like
        Samples.
    sigma : float or sequence of float
        Standard deviation of the blur in samples, one for all `axes` or one for each.
    amount : float, optional
        0 changes nothing.
    {common}
    truncate : float, optional
        The kernel ends at ``int(truncate * sigma + 0.5)`` samples from its middle.

    Returns
    -------
    ndarray
        Of the shape of `x`: ``skimage.filters.unsharp_mask`` with ``preserve_range``, neither
        scaled nor clipped.
    """
    call = _Call(x, axes, boundary, cval, dtype, workers)
    amount = finite("amount", amount, least=-np.inf)
    result = call.working(gaussian_factors(sigma, len(call.axes), truncate=truncate))
    result *= -amount
    result += (1.0 + amount) * call.x.astype(result.dtype, copy=False)
    return call.deliver(result, out)


# What all of them do


_COMMON = """axes : int or sequence of int, optional
        The axes of `x` to filter over; all by default. The others are batch.
    boundary : str, optional
        What lies outside `x`, as for `faltung.convolve`.
    cval : scalar, optional
        The value outside for ``boundary="constant"``.
    out : ndarray, optional
        Array to put the result in.
    dtype : dtype, optional
        Of the result; by default that of `x` if inexact, else float64. Integers are rounded and
        saturate.
    workers : int, optional
        Number of threads."""

for _name in __all__:
    _function = globals()[_name]
    if _function.__doc__:  # none under python -OO
        _function.__doc__ = _function.__doc__.replace("{common}", _COMMON)


class _Call:
    """The arguments that every filter has, checked once."""

    def __init__(
        self,
        x: npt.ArrayLike,
        axes: Axes,
        boundary: str,
        cval: complex,
        dtype: npt.DTypeLike | None,
        workers: int | None,
    ) -> None:
        self.x = as_array(x, "x")
        if self.x.dtype.kind not in "biufc":
            raise TypeError(f"x must hold numbers, not {self.x.dtype}")
        self.axes = chosen_axes(axes, self.x.ndim)
        self.boundary, self.cval, self.workers = boundary, cval, workers
        self.asked = dtype is not None
        if self.asked:
            self.dtype = served_dtype(dtype, "dtype")
        else:
            samples = served(self.x.dtype, "x")
            self.dtype = samples if samples.kind in "fc" else np.dtype(np.float64)
        # Weights in single precision where neither the samples nor the answer hold more.
        single = _fits_single(self.x.dtype) and _fits_single(self.dtype)
        self.weights = np.dtype(np.float32 if single else np.float64)

    def separable(self, factors: list[Array], out: Array | None) -> Array:
        """One convolution with the outer product of `factors`."""
        return self._separable(factors, out, self.dtype)

    def working(self, factors: list[Array]) -> Array:
        """The same, for further arithmetic: inexact, and never narrower than the weights."""
        return self._separable(factors, None, np.result_type(self.x.dtype, self.weights))

    def dense(self, k: Array, out: Array | None) -> Array:
        """One convolution with `k`, which has one axis for each of `axes`."""
        return _api.convolve(
            self.x,
            k.astype(self.weights),
            "same",
            axes=self.axes,
            boundary=self.boundary,
            cval=self.cval,
            out=out,
            dtype=self.dtype,
            workers=self.workers,
        )

    def derivative(self, smooth: Sequence[float], axis: int | None, out: Array | None) -> Array:
        ndim = len(self.axes)
        if axis is None:
            return self.magnitude([derivative_factors(smooth, a, ndim) for a in range(ndim)], out)
        position = chosen_axis(axis, self.x.ndim)
        if position not in self.axes:
            raise ValueError(f"axis must be one of axes = {self.axes}, not {axis}")
        return self.separable(derivative_factors(smooth, self.axes.index(position), ndim), out)

    def magnitude(self, parts: list[list[Array]], out: Array | None) -> Array:
        """Square root of the sum of squared moduli: real, whatever the samples are."""
        squares = _squared(self.working(parts[0]))
        for factors in parts[1:]:
            squares += _squared(self.working(factors))
        if self.dtype.kind == "c" and not self.asked:
            self.dtype = self.dtype.type(0).real.dtype
        return self.deliver(np.sqrt(squares, out=squares), out)

    def deliver(self, result: Array, out: Array | None) -> Array:
        """`result` in the dtype due, in `out` if there is one: what one tap of one makes of it."""
        if out is None and result.dtype == self.dtype:
            return result
        return _api.convolve(
            result,
            np.ones(1, result.real.dtype),
            "same",
            "direct",
            axes=self.axes[0],
            out=out,
            dtype=self.dtype,
            workers=self.workers,
        )

    def _separable(self, factors: list[Array], out: Array | None, dtype: np.dtype[Any]) -> Array:
        return _api.separable(
            self.x,
            [f.astype(self.weights) for f in factors],
            self.axes,
            boundary=self.boundary,
            cval=self.cval,
            out=out,
            dtype=dtype,
            workers=self.workers,
        )


def _fits_single(dtype: np.dtype[Any]) -> bool:
    return dtype.itemsize <= {"f": 4, "c": 8}.get(dtype.kind, 2)


def _unit_vectors(ndim: int, length: int) -> list[list[int]]:
    return [[length * (a == b) for b in range(ndim)] for a in range(ndim)]


def _squared(values: Array) -> Array:
    """The squared moduli of `values`, whose memory may serve for them."""
    if values.dtype.kind != "c":
        return np.square(values, out=values)
    squares: Array = np.square(values.real)
    squares += np.square(values.imag)
    return squares
