"""Ready-made kernels for :func:`faltung.convolve`.

Three conventions hold for all of them:

* **Sign.** A kernel is meant for ``convolve``: a derivative comes out positive where the samples
  grow with the index. So the middle row of ``sobel(axis=1)`` reads ``[2, 0, -2]``; SciPy's and
  OpenCV's filters, which correlate, hold the mirror image and give the same answer. Flip a kernel
  (``k[::-1, ::-1]``) before handing it to ``correlate``.
* **Scale.** Kernels with whole-number weights (``box``, ``disk``, ``sobel``, ``laplacian``, ...)
  come unnormalised; divide with :func:`normalize`. ``gaussian``, ``heat`` and ``softmax`` are
  densities and sum to one.
* **Shape.** Odd along every axis, with the origin in the middle, unless a size asks for something
  else. A scalar size or width means the same along each of `ndim` axes; a sequence gives one per
  axis.

Values are computed in float64 and converted once, at the end, to `dtype`.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from faltung._arguments import as_dtype, pick
from faltung._kernel_parts import (
    PREWITT,
    SCHARR,
    SOBEL,
    Array,
    count,
    derivative_factors,
    dimensions,
    finish,
    finite,
    gaussian_1d,
    gaussian_factors,
    heat_on_a_lattice,
    outer,
    per_axis,
    reach,
    working,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "binomial",
    "box",
    "disk",
    "edge",
    "emboss",
    "gabor",
    "gaussian",
    "heat",
    "identity",
    "laplacian",
    "normalize",
    "prewitt",
    "scharr",
    "sharpen",
    "sobel",
    "softmax",
]

# Smoothing


def box(
    size: int | Sequence[int] = 3, ndim: int | None = None, *, dtype: npt.DTypeLike = np.float64
) -> Array:
    """Ones everywhere: the sum over a window, and the mean once normalised.

    Parameters
    ----------
    size : int or sequence of int
        Samples per axis.
    ndim : int, optional
        Number of axes for a scalar `size`; 2 by default.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Ones of shape `size`. ``normalize(box(3))`` is the 3x3 mean of
        ``scipy.ndimage.uniform_filter(size=3)``.
    """
    sizes = [count("size", s) for s in per_axis("size", size, ndim)]
    return finish(np.ones(sizes), dtype)


def binomial(
    size: int | Sequence[int] = 3, ndim: int | None = None, *, dtype: npt.DTypeLike = np.float64
) -> Array:
    """Rows of Pascal's triangle: the whole-number cousin of the Gaussian.

    Along one axis of n samples the weights are ``(n-1)! / (t! (n-1-t)!)``, so ``binomial(5,
    ndim=1)`` is ``[1, 4, 6, 4, 1]``, the smoother of Burt and Adelson's pyramid (1983). Their sum
    is ``2**(n-1)`` per axis and their standard deviation ``sqrt(n-1) / 2``.

    Parameters
    ----------
    size : int or sequence of int
        Samples per axis.
    ndim : int, optional
        Number of axes for a scalar `size`; 2 by default.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Of shape `size`, unnormalised; exact in an integer `dtype`.

    Raises
    ------
    TypeError, ValueError
        A `size` that is no number of samples, or weights that `dtype` does not hold.
    """
    sizes = [count("size", s) for s in per_axis("size", size, ndim)]
    due = as_dtype(dtype, "dtype")
    longest = 1100  # beyond which no dtype holds the weight in the middle
    most = np.iinfo(due).max if due.kind in "iu" else int(np.finfo(np.float64).max)
    if max(sizes) > longest or math.prod(math.comb(n - 1, n // 2) for n in sizes) > most:
        raise ValueError(f"size must be less, not {size!r}: {due} does not hold the weights")
    lines = [[math.comb(n - 1, t) for t in range(n)] for n in sizes]
    if due.kind in "iu":
        return reduce(np.multiply.outer, [np.array(line, due) for line in lines])
    return finish(outer(lines), dtype)


def gaussian(
    sigma: float | Sequence[float] = 1.0,
    ndim: int | None = None,
    *,
    order: int | Sequence[int] = 0,
    truncate: float = 4.0,
    radius: int | Sequence[int] | None = None,
    dtype: npt.DTypeLike = np.float64,
) -> Array:
    r"""Sampled Gaussian, or one of its derivatives.

    Along each axis, with :math:`\varphi` sampled at the whole numbers from -radius to radius and
    divided by its sum,

    .. math:: k(t) = \frac{d^n}{dt^n}\varphi(t)
              = \left(\frac{-1}{\sigma}\right)^{n} He_n\!\left(\frac{t}{\sigma}\right)\varphi(t),
              \qquad \varphi(t) \propto e^{-t^2/2\sigma^2},

    where :math:`He_n` is the probabilists' Hermite polynomial and n the order. The kernel is the
    outer product over the axes, exactly what ``scipy.ndimage.gaussian_filter`` applies.

    Parameters
    ----------
    sigma : float or sequence of float
        Standard deviation in samples, per axis. Zero leaves an axis as it is (order 0 only).
    ndim : int, optional
        Number of axes for a scalar `sigma`; 2 by default.
    order : int or sequence of int, optional
        Order of the derivative, per axis.
    truncate : float, optional
        The kernel ends at ``int(truncate * sigma + 0.5)`` samples from its middle.
    radius : int or sequence of int, optional
        Where it ends, in place of `truncate`.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Of ``2 * radius + 1`` samples per axis. With order 0 it is non-negative and sums to one.
    """
    return finish(
        outer(gaussian_factors(sigma, ndim, order=order, truncate=truncate, radius=radius)), dtype
    )


def disk(radius: float = 1, ndim: int = 2, *, dtype: npt.DTypeLike = np.float64) -> Array:
    """Ones within `radius` of the middle: a disk, or a ball in three dimensions.

    Parameters
    ----------
    radius : float
        In samples; a sample at exactly this distance is in.
    ndim : int, optional
        Number of axes.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Zeros and ones, of ``2 * int(radius) + 1`` samples per axis, as
        ``skimage.morphology.disk`` and ``ball`` give.
    """
    radius = finite("radius", radius)
    ends = reach("radius", radius)
    steps = np.ogrid[(slice(-ends, ends + 1),) * dimensions(ndim)]
    squared: Array = reduce(np.add, (s.astype(np.float64) ** 2 for s in steps))
    return finish((squared <= radius * radius).astype(np.float64), dtype)


def heat(
    time: float,
    diffusivity: float = 1.0,
    ndim: int = 2,
    *,
    kind: Literal["sampled", "lattice"] = "sampled",
    truncate: float = 5.0,
    dtype: npt.DTypeLike = np.float64,
) -> Array:
    r"""Propagator of the heat (diffusion) equation :math:`\partial_t u = D\,\nabla^2 u`.

    Convolving a state with it gives the state a time later. It is a density: nothing is lost,
    nothing is negative, and its standard deviation is :math:`\sigma = \sqrt{2 D t}` along every
    axis.

    Parameters
    ----------
    time : float
        How long the heat spreads, t.
    diffusivity : float, optional
        D, in squared samples per unit of time.
    ndim : int, optional
        Number of axes.
    kind : {"sampled", "lattice"}, optional
        ``"sampled"`` takes the solution of continuous space, :math:`(4\pi D t)^{-1/2} e^{-x^2 / 4
        D t}` per axis, at the whole numbers: the Gaussian. ``"lattice"`` solves the equation on
        the grid itself, with the second difference ``[1, -2, 1]`` in the place of the second
        derivative: :math:`e^{-2 D t} I_x(2 D t)` per axis, with the modified Bessel function I.
        Only this one keeps its variance, and composes exactly, for short times too (Lindeberg,
        "Scale-space for discrete signals", 1990).
    truncate : float, optional
        Ends the kernel that many standard deviations from its middle; what is cut is given back
        by scaling.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Of odd size along each of `ndim` axes; sums to one.

    See Also
    --------
    faltung.diffusion.propagator : with its own diffusivity and spacing for each axis, and a third kind.
    """
    variance = 2.0 * finite("time", time) * finite("diffusivity", diffusivity)
    sigma, truncate, ndim = math.sqrt(variance), finite("truncate", truncate), dimensions(ndim)
    radius = reach("truncate * sqrt(2 * time * diffusivity)", truncate * sigma + 0.5)
    if pick(kind, "kind", ("sampled", "lattice")) == "sampled":
        line = gaussian_1d(sigma, 0, radius)
    else:
        line = heat_on_a_lattice(variance, max(radius, math.ceil(truncate)) if variance else 0)
    return finish(outer([line] * ndim), dtype)


# Derivatives


def sobel(axis: int = 0, ndim: int = 2, *, dtype: npt.DTypeLike = np.float64) -> Array:
    """Sobel's derivative: ``[1, 0, -1]`` along `axis`, ``[1, 2, 1]`` along all others.

    Parameters
    ----------
    axis : int
        Along which to differentiate.
    ndim : int, optional
        Number of axes.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Three samples per axis. Convolving gives what ``scipy.ndimage.sobel(x, axis)`` and, on
        images, ``cv2.Sobel(..., ksize=3)`` give; scikit-image divides by ``4 ** (ndim - 1)``. A
        ramp of slope 1 answers with ``2 * 4 ** (ndim - 1)``.
    """
    return finish(outer(derivative_factors(SOBEL, axis, ndim)), dtype)


def prewitt(axis: int = 0, ndim: int = 2, *, dtype: npt.DTypeLike = np.float64) -> Array:
    """Prewitt's derivative: ``[1, 0, -1]`` along `axis`, ``[1, 1, 1]`` along all others.

    Parameters
    ----------
    axis : int
        Along which to differentiate.
    ndim : int, optional
        Number of axes.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Three samples per axis. Convolving gives what ``scipy.ndimage.prewitt(x, axis)`` gives;
        scikit-image divides by ``3 ** (ndim - 1)``.
    """
    return finish(outer(derivative_factors(PREWITT, axis, ndim)), dtype)


def scharr(axis: int = 0, ndim: int = 2, *, dtype: npt.DTypeLike = np.float64) -> Array:
    """Scharr's derivative: ``[1, 0, -1]`` along `axis`, ``[3, 10, 3]`` along all others.

    Its answer to an edge depends less on the direction of the edge than Sobel's does (H. Scharr,
    thesis, Heidelberg 2000).

    Parameters
    ----------
    axis : int
        Along which to differentiate.
    ndim : int, optional
        Number of axes.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Three samples per axis. Convolving gives what ``cv2.Scharr`` gives; scikit-image divides
        by ``16 ** (ndim - 1)``.
    """
    return finish(outer(derivative_factors(SCHARR, axis, ndim)), dtype)


def laplacian(ndim: int = 2, *, connectivity: int = 1, dtype: npt.DTypeLike = np.float64) -> Array:
    """Sum over neighbours of (neighbour - middle): the second derivative over all axes together.

    Parameters
    ----------
    ndim : int, optional
        Number of axes.
    connectivity : int, optional
        Which samples are neighbours: those that differ from the middle in at most this many axes.
        1 is the cross (``[[0, 1, 0], [1, -4, 1], [0, 1, 0]]`` in two dimensions), `ndim` the full
        block.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Three samples per axis, sum zero, negative in the middle: ``scipy.ndimage.laplace`` and
        ``cv2.Laplacian`` with connectivity 1. ``skimage.filters.laplace`` has the opposite sign.
    """
    ndim = dimensions(ndim)
    connectivity = count("connectivity", connectivity)
    if connectivity > ndim:
        raise ValueError(f"connectivity must be from 1 to ndim = {ndim}, not {connectivity}")
    distance: Array = reduce(np.add, (np.abs(s) for s in np.ogrid[(slice(-1, 2),) * ndim]))
    k = (distance <= connectivity).astype(np.float64)
    k[(1,) * ndim] = 1.0 - k.sum()
    return finish(k, dtype)


def edge(
    ndim: int = 2, *, connectivity: int | None = None, dtype: npt.DTypeLike = np.float64
) -> Array:
    """How much a sample stands out from its neighbours: minus the Laplacian.

    Parameters
    ----------
    ndim : int, optional
        Number of axes.
    connectivity : int, optional
        As for `laplacian`; `ndim` by default, which makes the image kernel
        ``[[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]``.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Three samples per axis, sum zero, positive in the middle.
    """
    return finish(
        -laplacian(ndim, connectivity=ndim if connectivity is None else connectivity) + 0.0, dtype
    )


def sharpen(
    amount: float = 1.0, ndim: int = 2, *, connectivity: int = 1, dtype: npt.DTypeLike = np.float64
) -> Array:
    """The identity plus `amount` times `edge`.

    Parameters
    ----------
    amount : float, optional
        0 leaves the samples alone; 1 gives ``[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]``.
    ndim : int, optional
        Number of axes.
    connectivity : int, optional
        As for `laplacian`.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Three samples per axis; sums to one, so that the mean brightness stays.
    """
    amount = finite("amount", amount, least=-math.inf)
    k = identity(ndim)
    if math.isinf(amount * k.size):
        raise ValueError(f"amount must be nearer to 0 than {amount:g}: weights leave float64")
    return finish(k + amount * edge(ndim, connectivity=connectivity), dtype)


def emboss(*, dtype: npt.DTypeLike = np.float64) -> Array:
    """Relief: the picture plus its slope down the main diagonal.

    Parameters
    ----------
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        ``[[2, 1, 0], [1, 1, -1], [0, -1, -2]]``: sums to one, and edges that grow brighter
        towards the lower right catch the light. Programs that correlate write it turned by 180
        degrees.
    """
    return finish(np.array([[2.0, 1.0, 0.0], [1.0, 1.0, -1.0], [0.0, -1.0, -2.0]]), dtype)


def gabor(
    frequency: float,
    theta: float = 0.0,
    *,
    bandwidth: float = 1.0,
    sigma: float | Sequence[float] | None = None,
    phase: float = 0.0,
    truncate: float = 3.0,
    dtype: npt.DTypeLike = np.complex128,
) -> Array:
    r"""Complex Gabor kernel: a plane wave under a Gaussian window.

    With :math:`u = x\cos\theta + y\sin\theta` and :math:`v = y\cos\theta - x\sin\theta` (x along
    the last axis),

    .. math:: k(y, x) = \frac{1}{2\pi\sigma_u\sigma_v}
              \exp\left(-\frac{u^2}{2\sigma_u^2} - \frac{v^2}{2\sigma_v^2}
              + i\,(2\pi f u + \phi)\right).

    Parameters
    ----------
    frequency : float
        f, in periods per sample.
    theta : float, optional
        Direction of the wave in radians, from the last axis towards the first.
    bandwidth : float, optional
        Width of the pass band in octaves, at half height; it sets `sigma` where that is not given.
    sigma : float or pair of float, optional
        Standard deviations along and across the wave.
    phase : float, optional
        In radians.
    truncate : float, optional
        Ends the kernel that many standard deviations from its middle.
    dtype : dtype, optional
        Of the result; for a real one take ``gabor(...).real`` (even) or ``.imag`` (odd).

    Returns
    -------
    ndarray
        Two axes of odd size, complex. The values are those of ``skimage.filters.gabor_kernel``.
    """
    frequency = finite("frequency", frequency, above=True)
    theta = finite("theta", theta, least=-math.inf)
    phase = finite("phase", phase, least=-math.inf)
    truncate = finite("truncate", truncate)
    due = as_dtype(dtype, "dtype")
    if due.kind != "c":
        raise TypeError(f"dtype must be complex64 or complex128 for a Gabor kernel, not {due}")
    if sigma is None:
        # (2**b - 1) / (2**b + 1), without its ends leaving the range of numbers
        width_of_band = math.tanh(finite("bandwidth", bandwidth, above=True) * math.log(2.0) / 2)
        least = math.sqrt(math.log(2.0) / 2.0) / math.pi
        sigma = least / width_of_band / frequency if width_of_band else math.inf
        if sigma == math.inf:
            raise ValueError(
                f"bandwidth must be more than {bandwidth!r}, or frequency than {frequency!r}: "
                "they make a kernel without end"
            )
    along, across = (finite("sigma", s, above=True) for s in per_axis("sigma", sigma, 2))
    cosine, sine = math.cos(theta), math.sin(theta)
    high = max(truncate * across * abs(cosine), truncate * along * abs(sine), 1.0)
    wide = max(truncate * along * abs(cosine), truncate * across * abs(sine), 1.0)
    reach("truncate * sigma", max(high, wide))
    height, width = math.ceil(high), math.ceil(wide)
    y, x = np.ogrid[-height : height + 1, -width : width + 1]
    u, v = x * cosine + y * sine, y * cosine - x * sine
    with np.errstate(all="ignore"):
        window = np.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2)) / (
            2.0 * math.pi * along * across
        )
        k = window * np.exp(1j * (2.0 * math.pi * frequency * u + phase))
    if not np.isfinite(k).all():
        raise ValueError(
            f"frequency must be less than {frequency:g}, or sigma more than {along:g} and {across:g}: "
            "weights leave float64"
        )
    return finish(k, dtype)


def identity(
    ndim: int = 2, *, size: int | Sequence[int] = 3, dtype: npt.DTypeLike = np.float64
) -> Array:
    """One in the middle, zeros around it: convolving changes nothing.

    Parameters
    ----------
    ndim : int, optional
        Number of axes.
    size : int or sequence of int, optional
        Samples per axis; odd.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Of shape `size`.
    """
    sizes = [count("size", s) for s in per_axis("size", size, ndim)]
    if any(s % 2 == 0 for s in sizes):
        raise ValueError(f"size must be odd, so that there is a middle, not {size}")
    k = np.zeros(sizes)
    k[tuple(s // 2 for s in sizes)] = 1.0
    return finish(k, dtype)


# From any kernel


def normalize(
    k: npt.ArrayLike,
    by: Literal["sum", "size", "l1", "l2"] = "sum",
    *,
    dtype: npt.DTypeLike | None = None,
) -> Array:
    """Divide a kernel by its sum, its size or a norm.

    Parameters
    ----------
    k : array_like
        Any kernel.
    by : {"sum", "size", "l1", "l2"}, optional
        ``"sum"`` keeps constants as they are (a kernel that sums to zero has no such scale and is
        refused), ``"size"`` divides by the number of samples m, ``"l1"`` by the sum of magnitudes
        (an answer then never exceeds the largest sample), ``"l2"`` by the square root of the sum
        of squares (white noise keeps its variance).
    dtype : dtype, optional
        Of the result; by default that of `k` if inexact, else float64.

    Returns
    -------
    ndarray
        Of the shape of `k`.
    """
    values, dtype = working(k, dtype)
    pick(by, "by", ("sum", "size", "l1", "l2"))
    magnitude = float(np.abs(values).sum())
    divisor: Any
    if by == "sum":
        divisor = values.sum()
        if abs(divisor) <= 8 * np.finfo(np.float64).eps * magnitude:
            raise ValueError(
                "by='sum' needs a k whose sum is finite and not zero; take by='size', 'l1' or 'l2'"
            )
    elif by == "size":
        divisor = values.size
    elif by == "l1":
        divisor = magnitude
    else:
        # Scaled first: squares of very large or tiny weights would leave the range of float64.
        largest = float(np.abs(values).max())
        divisor = largest * float(np.linalg.norm(values / largest)) if largest else 0.0
    if divisor == 0:
        raise ValueError(f"by={by!r} needs a k that is not zero everywhere")
    return finish(values / divisor, dtype)


def softmax(
    k: npt.ArrayLike, temperature: float = 1.0, *, dtype: npt.DTypeLike | None = None
) -> Array:
    r"""Turn any real kernel into a probability density, a propagator.

    .. math:: p_t = \frac{e^{k_t/T}}{\sum_s e^{k_s/T}}

    The largest weight is subtracted first, so that no exponential overflows however large the
    weights are.

    Parameters
    ----------
    k : array_like
        Real weights; minus infinity makes a probability of zero.
    temperature : float, optional
        T: towards 0 the largest weight takes all, towards infinity all become equal.
    dtype : dtype, optional
        Of the result; by default that of `k` if inexact, else float64.

    Returns
    -------
    ndarray
        Of the shape of `k`: non-negative, sums to one.
    """
    values, dtype = working(k, dtype)
    if np.iscomplexobj(values):
        raise TypeError("k must be real: complex weights have no largest one")
    temperature = finite("temperature", temperature, above=True)
    largest = values.max()
    if not np.isfinite(largest):
        raise ValueError(f"k must have a finite largest weight, not {largest}")
    with np.errstate(over="ignore"):  # a difference beyond float64 is minus infinity: weight zero
        weights = np.exp((values - largest) / temperature)
    return finish(weights / weights.sum(), dtype)
