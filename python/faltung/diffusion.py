r"""Diffusion: a state and what convolving it with a propagator makes of it.

Salt in water, heat in metal, the spread of a random walk all obey

.. math:: \frac{\partial u}{\partial t} = \nabla \cdot (D\, \nabla u),

whose solution after a time t is the state at the start convolved with one kernel, the *propagator*:
what a unit of salt in one place has become. Here it comes in three kinds, all of which agree where
the spread :math:`\sigma = \sqrt{2 D t}` is a few cells or more:

``"lattice"``
    solves the equation on the cells themselves, with second differences in the place of second
    derivatives: :math:`p(x) = e^{-2s} I_x(2s)` with :math:`s = D t / h^2` and the modified Bessel
    function I. It is positive, and two steps make one, at any time. What `diffuse` takes unless
    asked otherwise.
``"sampled"``
    samples the Gaussian :math:`e^{-x^2/4s}` of continuous space, and scales it to sum to one.
``"band_limited"``
    the Gaussian less its frequencies beyond 1/2, before it is sampled: :math:`p(x) =
    \int_{-1/2}^{1/2} e^{-4\pi^2 s f^2} \cos(2\pi f x)\, df`. Exact for states that are
    band-limited themselves; for short times it swings below zero.

(T. Lindeberg, "Scale-space for discrete signals", IEEE Trans. PAMI 12, 1990; J. Crank, "The
Mathematics of Diffusion", ch. 2.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from faltung import _api
from faltung._arguments import Array, as_samples, chosen_axes, pick, resolve_boundary, served
from faltung._kernel_parts import (
    count,
    finish,
    finite,
    gaussian_1d,
    heat_on_a_lattice,
    outer,
    per_axis,
    reach,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Kind = Literal["lattice", "sampled", "band_limited"]

__all__ = ["diffuse", "propagator"]

# The propagator ends where its tail has fallen to e to the minus this, below any rounding.
DECAY = 40.0
# Beyond this s, the Gaussian has nothing above half a period per sample that rounding would leave.
BAND_HOLDS_ALL = 4.5


def propagator(
    t: float,
    D: float | Sequence[float] = 1.0,
    ndim: int | None = None,
    *,
    spacing: float | Sequence[float] = 1.0,
    kind: Kind = "lattice",
    radius: int | Sequence[int] | None = None,
    dtype: npt.DTypeLike = np.float64,
) -> Array:
    r"""What a unit in one cell becomes after a time.

    Parameters
    ----------
    t : float
        Time, at least 0; at 0 the propagator is a single one.
    D : float or sequence of float, optional
        Diffusivity, length squared per time; one for all axes or one for each (a substance with
        grain, whose diffusion tensor is diagonal).
    ndim : int, optional
        Number of axes for a scalar `D`; 2 by default.
    spacing : float or sequence of float, optional
        h, the length of a cell along each axis.
    kind : {"lattice", "sampled", "band_limited"}, optional
        See the head of this module.
    radius : int or sequence of int, optional
        Cells from the middle to the end, per axis. By default so many that what is cut off is
        below the rounding of float64, except for ``"band_limited"``, whose tails fall off only as
        :math:`2 s e^{-\pi^2 s} / x^2`: with s = 1 they are at 1e-8 a hundred cells out.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    ndarray
        Of odd size along every axis, symmetric, with the sum 1: what is cut is given back by
        scaling.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not finite or out of range.

    Examples
    --------
    >>> from faltung import diffusion
    >>> p = diffusion.propagator(0.5, ndim=1, radius=2)
    >>> p.round(3)
    array([0.051, 0.212, 0.475, 0.212, 0.051])
    """
    factors = _factors(t, D, ndim, spacing, kind, radius)
    return finish(outer(factors), dtype)


def diffuse(
    x: npt.ArrayLike,
    t: float,
    D: float | Sequence[float] = 1.0,
    boundary: str = "symmetric",
    *,
    spacing: float | Sequence[float] = 1.0,
    kind: Kind = "lattice",
    axes: int | Sequence[int] | None = None,
    cval: complex = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    r"""The state after a time.

    Convolves with the propagator, one pass per axis. With the default kind this is, but for
    rounding, the exact solution in time of the equation on cells,

    .. math:: \frac{du_i}{dt} = \frac{D}{h^2} (u_{i-1} - 2 u_i + u_{i+1}) \quad\text{(summed over axes),}

    which a finite-difference solver approaches with many short steps.

    Parameters
    ----------
    x : array_like
        The state: concentrations, temperatures.
    t : float
        Time, at least 0.
    D : float or sequence of float, optional
        Diffusivity, length squared per time; one for all of `axes`, or one for each.
    boundary : str, optional
        What the border is, with the names of `faltung.convolve`. ``"symmetric"``: a wall that
        nothing passes. ``"mirror"``: a wall through the middle of the outermost cells, which are
        half cells, then. ``"wrap"``: a ring, a torus. ``"zero"``: water without end, fresh at the
        start, of which x is a window; what leaves it is out of sight. ``"constant"``: the same
        with the concentration `cval` at the start; ``"edge"``: with that of the nearest cell.
    spacing : float or sequence of float, optional
        h, the length of a cell along each axis.
    kind : {"lattice", "sampled", "band_limited"}, optional
        See the head of this module.
    axes : int or sequence of int, optional
        The axes to diffuse along; all by default. The others are batch: other substances, other
        experiments.
    cval : scalar, optional
        For ``boundary="constant"``.
    out : ndarray, optional
        Array to put the result in.
    dtype : dtype, optional
        Of the result: by default that of `x` if inexact, else float64.
    workers : int, optional
        Number of threads.

    Returns
    -------
    ndarray
        Of the shape of `x`. Between walls and on the ring the sum is that of `x` to rounding
        (with ``"mirror"``, the sum that counts half cells half), and no value leaves the range of
        `x`, unless `kind` is ``"band_limited"``.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not finite or out of range, as `faltung.convolve`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung import diffusion
    >>> drop = np.zeros(7)
    >>> drop[3] = 1
    >>> diffusion.diffuse(drop, 0.5).round(3)
    array([0.009, 0.05 , 0.208, 0.466, 0.208, 0.05 , 0.009])
    """
    state = as_samples(x, "x")
    chosen = chosen_axes(axes, state.ndim)
    factors = _factors(t, D, len(chosen), spacing, kind, None)
    for axis in chosen:
        if state.shape[axis] == 0:
            raise ValueError(f"x must not be empty along axis {axis}; its shape is {state.shape}")
    if dtype is None:
        given = np.asarray(x).dtype
        dtype = served(given, "x") if given.kind in "fc" else np.dtype(np.float64)
    boundary, real = resolve_boundary(boundary), state.real.dtype
    return _api.separable(
        state,
        [
            _folded(factor, state.shape[axis], boundary).astype(real)
            for factor, axis in zip(factors, chosen, strict=True)
        ],
        chosen,
        boundary=boundary,
        cval=cval,
        out=out,
        dtype=dtype,
        workers=workers,
    )


def _factors(
    t: float,
    diffusivity: float | Sequence[float],
    ndim: int | None,
    spacing: float | Sequence[float],
    kind: str,
    radius: int | Sequence[int] | None,
) -> list[Array]:
    """One line per axis."""
    t = finite("t", t)
    diffusivities = [finite("D", d) for d in per_axis("D", diffusivity, ndim)]
    ndim = len(diffusivities)
    lengths = [finite("spacing", h, above=True) for h in per_axis("spacing", spacing, ndim)]
    pick(kind, "kind", ("lattice", "sampled", "band_limited"))
    spreads = [
        finite("t * D / spacing**2", t * d / h / h)  # the square may leave the range of floats
        for d, h in zip(diffusivities, lengths, strict=True)
    ]
    if radius is None:
        for s in spreads:  # a Gaussian's reach, before it is counted
            reach("t * D / spacing**2", math.sqrt(4 * DECAY * s))
        radii = [_reach(s) for s in spreads]
    else:
        radii = [count("radius", r, least=0) for r in per_axis("radius", radius, ndim)]
    return [_line(s, r, kind) for s, r in zip(spreads, radii, strict=True)]


def _reach(s: float) -> int:
    """Where the tail on a lattice, which is heavier than the Gaussian's, has fallen to e^-DECAY.

    By Chernoff's bound for the difference of two Poisson variables of mean s, the logarithm of the
    tail from x on is at most -x asinh(x/2s) + sqrt(x² + 4s²) - 2s: for large s, the Gaussian's
    -x²/4s.
    """
    if s == 0:
        return 0

    def exponent(x: float) -> float:
        return x * math.asinh(x / (2 * s)) - math.sqrt(x * x + 4 * s * s) + 2 * s

    low, high = 0, 16 + int(16 * math.sqrt(s) + DECAY)
    while low < high:
        middle = (low + high) // 2
        if exponent(middle) < DECAY:
            low = middle + 1
        else:
            high = middle
    return low


def _line(s: float, radius: int, kind: str) -> Array:
    if kind == "lattice":
        return heat_on_a_lattice(2 * s, radius)
    if kind == "sampled":
        return gaussian_1d(math.sqrt(2 * s), 0, radius)
    if s > BAND_HOLDS_ALL:
        return gaussian_1d(math.sqrt(2 * s), 0, radius)
    # The integral over frequencies from 0 to 1/2, panel by panel, none longer than a period.
    nodes, weights = np.polynomial.legendre.leggauss(16)
    panels = 8 + radius // 2
    f = ((np.arange(panels)[:, None] + (nodes + 1) / 2) / (2 * panels)).ravel()
    density = np.tile(weights / (2 * panels), panels) * np.exp(-((2 * np.pi * f) ** 2) * s)
    half = np.empty(radius + 1)
    some = 1 + 2**20 // f.size  # places at a time: the matrix of all of them may fill the memory
    for first in range(0, radius + 1, some):
        places = np.arange(first, min(first + some, radius + 1))
        half[places] = np.cos(2 * np.pi * np.outer(places, f)) @ density
    line = np.concatenate([half[:0:-1], half])
    return np.asarray(line / line.sum())


def _folded(line: Array, n: int, boundary: str) -> Array:
    """A shorter line that does the same to n cells: taps that always meet the same cell are one."""
    radius = len(line) // 2
    period = {"wrap": n, "symmetric": 2 * n, "mirror": max(2 * n - 2, 1)}.get(boundary)
    if period is None:  # beyond n cells, all that follows is alike
        if radius <= n:
            return line
        middle = line[radius - n : radius + n + 1].copy()
        middle[[0, -1]] += line[: radius - n].sum()
        return middle
    if len(line) <= period + 1:
        return line
    ring = np.bincount(np.arange(-radius, radius + 1) % period, line, period)
    half = ring[: period // 2 + 1].copy()
    if period % 2 == 0 and period > 1:
        half[-1] /= 2  # the far side of the ring is reached from both sides
    return np.concatenate([half[:0:-1], half])
