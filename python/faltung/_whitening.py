"""What makes data white: standardising, PCA and ZCA, and the same as a bank of kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from faltung import _api
from faltung._arguments import Array, as_samples, chosen_axes, integers, pick
from faltung._kernel_parts import count, finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


def standardize(data: npt.ArrayLike, axis: int | Sequence[int] = 0) -> Array:
    """Centre and scale: mean 0 and variance 1 along `axis`.

    Parameters
    ----------
    data : array_like
        Observations.
    axis : int or sequence of int, optional
        Over which mean and variance (divided by n) are taken.

    Returns
    -------
    ndarray
        Of the shape of `data`. What does not vary becomes 0; where there is NaN or an infinity, all
        that shares its mean is NaN.

    Raises
    ------
    TypeError, ValueError
        Where `data` holds no numbers, or `axis` does not fit.
    """
    values = as_samples(data, "data")
    axes = chosen_axes(axis, values.ndim, "axis", "data")
    if values.size == 0:
        raise ValueError(f"data must not be empty; its shape is {values.shape}")
    centred = values - values.mean(axes, keepdims=True)
    # by the largest first, whose square may leave the range of numbers
    largest = np.abs(centred).max(axes, keepdims=True)
    relative = np.abs(centred) / np.where(largest > 0, largest, 1)
    spread = largest * np.sqrt(np.mean(np.square(relative), axes, keepdims=True))
    # a spread of rounding errors is none
    flat = spread <= 8 * np.finfo(spread.dtype).eps * np.abs(values).max(axes, keepdims=True)
    return np.asarray(np.where(flat, 0, centred / np.where(flat, 1, spread)))


@dataclass(frozen=True, eq=False)
class Whitening:
    r"""A linear map after which data are white: uncorrelated, each with variance 1.

    With the covariance :math:`C = U \Lambda U^T` of the data, :math:`\Lambda` its eigenvalues, the
    matrix W is

    .. math:: W_\mathrm{PCA} = (\Lambda + \varepsilon)^{-1/2}\, U^T, \qquad
              W_\mathrm{ZCA} = U\, (\Lambda + \varepsilon)^{-1/2}\, U^T.

    Both make :math:`W C W^T = 1`, as any rotation of them does. PCA's axes are the directions in
    which the data vary most, longest first; ZCA is the one that moves the data least (A. Bell, T.
    Sejnowski, "The 'independent components' of natural scenes are edge filters", Vision Research
    37, 1997).
    """

    mean: Array
    """Of each feature."""
    matrix: Array
    """W: a row for each white component."""
    inverse: Array
    """From white components to features."""
    variances: Array
    """The eigenvalues, of all components, the greatest first."""

    def __call__(self, data: npt.ArrayLike) -> Array:
        """White components of data: ``(data - mean) @ matrix.T``, the last axis holding features."""
        values = as_samples(data, "data")
        self._check(values, len(self.mean), "data")
        return np.asarray((values - self.mean) @ self.matrix.T)

    def undo(self, white: npt.ArrayLike) -> Array:
        """Data again; where components were dropped, the nearest that the others can make."""
        values = as_samples(white, "white")
        self._check(values, len(self.inverse.T), "white")
        return np.asarray(values @ self.inverse.T + self.mean)

    def kernels(self, shape: int | Sequence[int]) -> Array:
        """The rows of the matrix as kernels to convolve with, for patches of this shape."""
        extents = tuple(integers(shape, "shape"))
        if math.prod(extents) != len(self.mean):
            raise ValueError(f"shape must hold {len(self.mean)} samples, not {extents}")
        bank = self.matrix.reshape(-1, *extents)
        return np.ascontiguousarray(np.flip(bank, tuple(range(1, bank.ndim))))

    def convolve(self, image: npt.ArrayLike, shape: int | Sequence[int]) -> Array:
        """White components of every patch of an image, as maps.

        Parameters
        ----------
        image : array_like
            With one axis for each of `shape`.
        shape : int or sequence of int
            Of the patches.

        Returns
        -------
        ndarray
            A map for each component, each shorter than the image by the patch less one along every
            axis: the same numbers as `patches` followed by a call, without the patches.
        """
        samples = as_samples(image, "image")
        bank = self.kernels(shape).astype(samples.real.dtype)
        if samples.ndim != bank.ndim - 1:
            raise ValueError(
                f"image must have an axis for each of shape, {bank.ndim - 1}, not {samples.ndim}"
            )
        if any(n < e for n, e in zip(samples.shape, bank.shape[1:], strict=True)):
            raise ValueError(f"image must hold a patch of {bank.shape[1:]}, not be {samples.shape}")
        maps = np.stack([_api.convolve(samples, k, "valid") for k in bank])
        shift = (self.matrix @ self.mean).astype(samples.real.dtype)
        maps -= shift.reshape(-1, *[1] * samples.ndim)
        return maps

    @staticmethod
    def _check(values: Array, features: int, name: str) -> None:
        if values.ndim == 0 or values.shape[-1] != features:
            raise ValueError(f"{name} must have {features} along its last axis, not {values.shape}")


def whiten(
    data: npt.ArrayLike,
    method: Literal["pca", "zca"] = "pca",
    *,
    components: int | None = None,
    epsilon: float = 0.0,
) -> Whitening:
    r"""Learn from data how to make it white.

    Parameters
    ----------
    data : array_like
        A row for each observation, a column for each feature; real.
    method : {"pca", "zca"}, optional
        Components along the eigenvectors of the covariance, or turned back onto the features.
    components : int, optional
        Use only so many eigenvectors, those of the greatest variance; all by default. With
        ``"pca"`` there are as many white components. Directions in which the data do not vary
        beyond rounding are never used.
    epsilon : float, optional
        Added to the variances, so that directions that hold little but noise are not blown up.

    Returns
    -------
    Whitening
        Call it with data.

    Raises
    ------
    TypeError, ValueError
        Where `data` is not real with two axes and two rows or more, or does not vary.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung import series
    >>> rng = np.random.default_rng(0)
    >>> data = rng.normal(size=(1000, 2)) @ [[2.0, 1.0], [0.0, 0.5]]
    >>> white = series.whiten(data)(data)
    >>> np.abs(np.cov(white, rowvar=False, bias=True)).round(6)
    array([[1., 0.],
           [0., 1.]])
    """
    values = as_samples(data, "data")
    if values.ndim != 2 or np.iscomplexobj(values) or len(values) < 2 or values.shape[1] == 0:
        raise ValueError(
            "data must be real, a row for each of two observations or more; it is "
            f"{values.dtype} with shape {values.shape}"
        )
    pick(method, "method", ("pca", "zca"))
    epsilon = finite("epsilon", epsilon)
    features = values.shape[1]
    most = features if components is None else count("components", components)
    if most > features:
        raise ValueError(f"components must be at most the {features} features, not {most}")
    if not np.isfinite(values).all():
        raise ValueError("data must be finite")

    exact = values.astype(np.float64, copy=False)
    mean = exact.mean(0)
    centred = exact - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    variances, axes = np.maximum(variances[::-1], 0), axes[:, ::-1]
    # signs are a matter of taste: the greatest entry of an axis is positive
    largest = np.take_along_axis(axes, np.abs(axes).argmax(0)[None], 0)
    axes = axes * np.where(largest < 0, -1.0, 1.0)
    # what rounding leaves of a direction without variance
    rounding = features * np.finfo(np.float64).eps * max(variances[0], (mean**2).max() * 1e-8)
    used = min(most, int(np.sum(variances > rounding)))
    if used == 0:
        raise ValueError("data must vary: all rows are the same")
    axes = axes[:, :used]
    scale = np.sqrt(variances[:used] + epsilon)
    matrix, inverse = axes.T / scale[:, None], axes * scale
    if method == "zca":
        matrix, inverse = axes @ matrix, inverse @ axes.T
    kind = values.dtype
    return Whitening(
        mean.astype(kind), matrix.astype(kind), inverse.astype(kind), variances.astype(kind)
    )


def patches(
    image: npt.ArrayLike, shape: int | Sequence[int], *, step: int | Sequence[int] = 1
) -> Array:
    """Every window of an image, as rows.

    Parameters
    ----------
    image : array_like
        Samples.
    shape : int or sequence of int
        Of the windows, one extent for each axis of `image`.
    step : int or sequence of int, optional
        Between neighbouring windows, for all axes or for each.

    Returns
    -------
    ndarray
        A row of ``prod(shape)`` samples for each window, windows and samples in C order; a copy.

    Raises
    ------
    TypeError, ValueError
        Where `shape` or `step` does not fit the image.
    """
    samples = as_samples(image, "image")
    extents = tuple(integers(shape, "shape"))
    steps = integers(step, "step", repeat=samples.ndim)
    if len(extents) != samples.ndim or any(
        not 1 <= e <= n for e, n in zip(extents, samples.shape, strict=False)
    ):
        raise ValueError(f"shape must fit into image, {samples.shape}, not be {extents}")
    if len(steps) != samples.ndim or any(s < 1 for s in steps):
        raise ValueError(f"step must be positive, for all axes or for each, not {step!r}")
    windows = np.lib.stride_tricks.sliding_window_view(samples, extents)
    windows = windows[tuple(slice(None, None, s) for s in steps)]
    return windows.reshape(-1, math.prod(extents)).copy()
