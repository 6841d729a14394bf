r"""The Fourier picture of signals, images and volumes.

Spectra and masks are *centred*: along each axis of n samples the zero frequency stands at index
``n // 2``, where ``numpy.fft.fftshift`` puts it. Frequencies are in periods per sample, from -1/2
up to 1/2, whatever the length of the axis; so a mask that is a disk in frequency is an ellipse in
the array where the axes differ in length.

Transforms are NumPy's, so that everything here works without an FFTW-compatible library. Single
precision stays single; integers are taken as float64.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from faltung._arguments import Array, as_samples, chosen_axes, chosen_axis, one_or_more, pick
from faltung._kernel_parts import count, finish, finite, per_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Axes = int | Sequence[int] | None

__all__ = [
    "Filtered",
    "Orientation",
    "derivative",
    "disk_mask",
    "filter_by_mask",
    "log_spectrum",
    "orientation",
    "periodic_part",
    "ring_mask",
]


class Orientation(NamedTuple):
    """What `orientation` found."""

    angle: float
    """Degrees in (-90, 90], counter-clockwise on the screen."""
    confidence: float
    """From 0, no direction stands out, to 1, everything lies in one direction."""


class Filtered(NamedTuple):
    """What `filter_by_mask` left."""

    samples: Array
    """The filtered samples."""
    kept_area: float
    """Share of the frequencies that were kept: the mean of the mask. Its inverse is the
    compression ratio."""
    kept_energy: float
    """Share of the energy that was kept: the sum of squared moduli after, over that before."""


# Looking


def log_spectrum(
    x: npt.ArrayLike,
    *,
    axes: Axes = None,
    border: Literal["hann", "periodic", "none"] = "hann",
    floor: float = -120.0,
) -> Array:
    r"""Magnitude of the spectrum in decibels, zero frequency in the centre.

    .. math:: 20 \log_{10} \frac{|X_f|}{\max_g |X_g|}

    A transform takes its array for one period of a pattern without end. The jumps where
    opposite borders meet belong to no object in the picture, but draw a bright cross over its
    spectrum; `border` says how to be rid of it.

    Parameters
    ----------
    x : array_like
        Samples, of any number of axes.
    axes : int or sequence of int, optional
        The axes to transform over; all by default. The others are batch, each entry with its own
        maximum.
    border : {"hann", "periodic", "none"}, optional
        ``"hann"`` fades towards the borders with the product of Hann windows; lines get up to two
        frequencies wider. ``"periodic"`` transforms `periodic_part`, which keeps lines sharp.
        ``"none"`` leaves the cross.
    floor : float, optional
        Decibels below which nothing is shown; negative.

    Returns
    -------
    ndarray
        Real, of the shape of `x`, from `floor` to 0. All `floor` where `x` is zero everywhere.

    Raises
    ------
    TypeError, ValueError
        Where `x` holds no numbers, `axes` do not fit, or an option is not one of those above.

    Examples
    --------
    A wave of 8 periods in 64 samples stands 8 to either side of the centre.

    >>> import numpy as np
    >>> from faltung import fourier
    >>> wave = np.cos(2 * np.pi * 8 * np.arange(64) / 64)
    >>> np.flatnonzero(fourier.log_spectrum(wave, border="none") > -6) - 32
    array([-8,  8])
    """
    samples, axes = _prepared(x, axes)
    floor = finite("floor", floor, least=-math.inf)
    if floor >= 0:
        raise ValueError(f"floor must be negative, in decibels below the maximum, not {floor:g}")
    pick(border, "border", ("hann", "periodic", "none"))
    if border == "hann":
        samples = samples * _hann(samples, axes)
    elif border == "periodic":
        samples = periodic_part(samples, axes=axes)
    magnitude = np.abs(np.fft.fftshift(np.fft.fftn(samples, axes=axes), axes))
    most = magnitude.max(axes, keepdims=True)
    relative = magnitude / np.where(most > 0, most, 1)
    with np.errstate(divide="ignore"):  # of nothing: far below any floor
        return np.asarray(np.maximum(20 * np.log10(relative), floor))


def periodic_part(x: npt.ArrayLike, *, axes: Axes = None) -> Array:
    r"""`x` less a smooth part, so that it continues across its borders like any other place.

    The smooth part s solves the discrete Poisson equation :math:`\Delta s = v` on the torus, where
    v holds the jumps between opposite borders, and has mean zero: L. Moisan, "Periodic plus smooth
    image decomposition", J. Math. Imaging Vision 39, 2011.

    Parameters
    ----------
    x : array_like
        Samples, of any number of axes.
    axes : int or sequence of int, optional
        The axes that have borders; all by default.

    Returns
    -------
    ndarray
        Of the shape of `x`, with the same mean.
    """
    samples, axes = _prepared(x, axes)
    jumps = np.zeros_like(samples)
    curvature = np.zeros((1,) * samples.ndim)
    for axis in axes:
        first, last = (_at(samples.ndim, axis, i) for i in (0, -1))
        step = samples[first] - samples[last]
        jumps[first] -= step
        jumps[last] += step
        curvature = curvature + 2 * np.cos(2 * np.pi * _frequencies(samples, axis)) - 2
    curvature[_at(samples.ndim, axes, 0)] = 1  # the mean of the jumps is zero, and that of s
    spectrum = np.fft.fftn(jumps, axes=axes) / curvature.astype(samples.real.dtype)
    smooth = np.fft.ifftn(spectrum, axes=axes)
    return np.asarray(samples - (smooth if np.iscomplexobj(samples) else smooth.real))


def orientation(
    image: npt.ArrayLike, *, band: tuple[float, float] | None = None, step: float = 0.5
) -> Orientation:
    r"""The direction in which the lines of a picture run: of text, of a grating, of brushed metal.

    Lines in one direction have their spectrum along the normal to it. The energy of the windowed
    spectrum X on every ray from the centre, within a band of frequencies,

    .. math:: E(\theta) = \int_{f_0}^{f_1} |X(f\cos\theta, f\sin\theta)|^2 f\,df,

    is therefore greatest across the lines. By the projection-slice theorem this is the skew
    criterion that sums the picture along lines and asks in which direction the sums vary most
    (W. Postl, "Detection of linear oblique structures and skew scan in digitized documents", 8th
    ICPR, 1986).

    Parameters
    ----------
    image : array_like
        Two axes, real. Its rows run downwards, as on a screen.
    band : pair of float, optional
        :math:`f_0` and :math:`f_1` in periods per sample, within 0 and 1/2; by default from 0.02
        (three periods in the shorter side, if that is more) to 0.25.
    step : float, optional
        Degrees between the directions that are tried, 0.001 to 5; the peak among them is then
        interpolated.

    Returns
    -------
    Orientation
        ``angle``, of the lines, in degrees in (-90, 90]: 0 is along a row, and positive turns
        counter-clockwise, as ``skimage.transform.rotate`` does. ``confidence`` is 1 less the ratio
        of the greatest energy more than 15 degrees off to the energy at the peak: near 1 for a
        grating, 0 where two directions are as good as each other, as on a chessboard, and for a
        picture of one colour.

    Raises
    ------
    TypeError, ValueError
        Where `image` is not real and finite with two axes of 16 samples or more, or `band` or
        `step` does not fit.
    """
    samples, axes = _prepared(image, None, "image")
    if samples.ndim != 2 or np.iscomplexobj(samples) or min(samples.shape) < 16:
        raise ValueError(
            "image must be real, with two axes of 16 samples or more; it is "
            f"{samples.dtype} with shape {samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise ValueError("image must be finite")
    edges = per_axis("band", (max(0.02, 3 / min(samples.shape)), 0.25) if band is None else band, 2)
    least, most = (finite("band", edge) for edge in edges)
    if not least < most <= 0.5:
        raise ValueError(f"band must be two rising frequencies of at most 0.5, not {band!r}")
    step = finite("step", step, above=True)
    if not 1e-3 <= step <= 5:
        raise ValueError(f"step must be from 0.001 to at most 5 degrees, not {step:g}")

    # 1. Fade to the border, without what is left of the mean.
    window = _hann(samples, axes)
    faded = (samples - (samples * window).sum() / window.sum()) * window
    faded /= np.abs(faded).max() or 1  # squares of what is very bright or faint leave the range
    # 2. The power spectrum, twice as fine as the picture asks, its axes alike; half of it is enough.
    side = 2 * max(samples.shape)
    power = np.abs(np.fft.fftshift(np.fft.rfft2(faded, (side, side)), 0)) ** 2
    # 3. Along rays over half a turn.
    turn = math.pi / round(180 / step)
    angles = np.arange(round(180 / step)) * turn - math.pi / 2
    radii = np.arange(least * side, min(most * side, side / 2 - 2) + 1)
    rows = side // 2 + np.outer(np.sin(angles), radii)
    columns = np.outer(np.maximum(np.cos(angles), 0), radii)
    energy = (_interpolated(power, rows, columns) * radii).sum(1)
    # 4. The peak, by a parabola through its neighbours; and how far it stands above the others.
    peak = int(energy.argmax())
    if energy[peak] <= 0:
        return Orientation(0.0, 0.0)
    before, here, after = energy[[peak - 1, peak, (peak + 1) % len(energy)]]
    bend = before - 2 * here + after
    normal = angles[peak] + (0.5 * (before - after) / bend if bend < 0 else 0.0) * turn
    apart = np.abs((angles - normal + math.pi / 2) % math.pi - math.pi / 2)
    confidence = 1 - energy[apart > math.radians(15)].max() / here
    # 5. From the normal, which turns from the last axis towards the first, to the lines.
    angle = 90 - math.degrees(normal)
    return Orientation(90 - (90 - angle) % 180, max(float(confidence), 0.0))


# Masks


def disk_mask(
    shape: int | Sequence[int],
    radius: float,
    *,
    softness: float = 0.0,
    dtype: npt.DTypeLike = np.float64,
) -> Array:
    """Ones for the frequencies within `radius` of zero: a low pass, the same in all directions.

    Parameters
    ----------
    shape : int or sequence of int
        Of the array to be filtered.
    radius : float
        In periods per sample; 0.5 reaches the border of the spectrum, ``sqrt(ndim) / 2`` its
        corners.
    softness : float, optional
        Width of the edge in periods per sample: over it the mask falls from 1 to 0 as half a
        cosine, with 1/2 at `radius`. A sharp edge (0) makes ripples along every edge in the
        picture.
    dtype : dtype, optional
        Of the mask.

    Returns
    -------
    ndarray
        Centred, of shape `shape`, from 0 to 1.

    Examples
    --------
    >>> from faltung import fourier
    >>> fourier.disk_mask(8, 0.25)
    array([0., 0., 1., 1., 1., 1., 1., 0.])
    """
    return ring_mask(shape, 0.0, finite("radius", radius), softness=softness, dtype=dtype)


def ring_mask(
    shape: int | Sequence[int],
    inner: float,
    outer: float,
    *,
    softness: float = 0.0,
    dtype: npt.DTypeLike = np.float64,
) -> Array:
    """Ones for the frequencies from `inner` to `outer`: a band pass, the same in all directions.

    Parameters
    ----------
    shape : int or sequence of int
        Of the array to be filtered.
    inner, outer : float
        In periods per sample. With 0 for `inner`, zero frequency is kept: a disk.
    softness : float, optional
        Width of both edges, as for `disk_mask`.
    dtype : dtype, optional
        Of the mask.

    Returns
    -------
    ndarray
        Centred, of shape `shape`, from 0 to 1.
    """
    sizes = [count("shape", n) for n in one_or_more(shape)]
    if not 1 <= len(sizes) <= 64:
        raise ValueError(f"shape must hold 1 to 64 extents, not {len(sizes)}")
    inner, outer = finite("inner", inner), finite("outer", outer)
    softness = finite("softness", softness)
    if inner > outer:
        raise ValueError(f"inner must not exceed outer = {outer:g}, not {inner:g}")
    lines = [np.fft.fftshift(np.fft.fftfreq(n)) for n in sizes]
    squares: Array = reduce(np.add.outer, [line**2 for line in lines])
    distance = np.sqrt(squares)
    mask = _edge(outer - distance, softness)
    if inner > 0:
        mask = np.minimum(mask, _edge(distance - inner, softness))
    return finish(mask, dtype)


def filter_by_mask(x: npt.ArrayLike, mask: npt.ArrayLike, *, axes: Axes = None) -> Filtered:
    """Keep the frequencies that a mask lets through.

    Parameters
    ----------
    x : array_like
        Samples.
    mask : array_like
        What each frequency is multiplied by: real, centred, with one axis for each of `axes`. For
        real `x` it is made symmetric first, as half the sum of it and of its reflection through
        zero frequency, which is what taking the real part of the answer comes to.
    axes : int or sequence of int, optional
        The axes to filter over; all by default. The others are batch.

    Returns
    -------
    Filtered
        ``samples`` of the shape of `x`, real if `x` is; ``kept_area`` and ``kept_energy``, which
        by Parseval's theorem is the same in samples and in frequencies.

    Raises
    ------
    TypeError, ValueError
        Where `x` or `mask` holds no numbers, the mask is complex, or shapes do not fit.
    """
    samples, axes = _prepared(x, axes)
    weights, _ = _prepared(mask, None, "mask")
    wanted = tuple(samples.shape[a] for a in axes)
    if np.iscomplexobj(weights) or weights.shape != wanted:
        raise ValueError(
            f"mask must be real with shape {wanted}, not {weights.dtype} with {weights.shape}"
        )
    weights = np.fft.ifftshift(weights).astype(samples.real.dtype)
    if not np.iscomplexobj(samples):
        reflected = np.roll(np.flip(weights), 1, tuple(range(weights.ndim)))
        weights = (weights + reflected) / 2
    order = np.argsort(axes)  # the mask's axes in the order of x's, with length one for a batch
    spread = np.expand_dims(
        weights.transpose(order), [a for a in range(samples.ndim) if a not in axes]
    )
    spectrum = np.fft.fftn(samples, axes=axes)
    before = _energy(spectrum)
    spectrum *= spread
    result = np.fft.ifftn(spectrum, axes=axes)
    return Filtered(
        result if np.iscomplexobj(samples) else np.ascontiguousarray(result.real),
        float(weights.mean(dtype=np.float64)),
        _energy(spectrum) / before if before else 1.0,
    )


# Differentiating


def derivative(x: npt.ArrayLike, axis: int = -1, order: int = 1, *, spacing: float = 1.0) -> Array:
    r"""Spectral derivative: exact for every wave that the samples can hold.

    Differentiating multiplies each frequency by :math:`2\pi i f`:

    .. math:: x^{(n)} = \mathcal F^{-1}\left[\left(\frac{2\pi i f}{h}\right)^{n}
              \mathcal F[x]_f\right]

    with h the spacing. The samples are one period; where their ends do not meet, the answer
    oscillates as it does beside any jump, and it amplifies noise of high frequency the more, which
    `faltung.filters.gaussian` with ``order`` tames by smoothing first. For odd orders the frequency
    1/2 of an even number of samples, whose sign cannot be known, is left out (L. N. Trefethen,
    "Spectral Methods in MATLAB", ch. 3).

    Parameters
    ----------
    x : array_like
        Samples, equally spaced.
    axis : int, optional
        Along which to differentiate.
    order : int, optional
        n: 0 changes nothing.
    spacing : float, optional
        h, the distance between samples; the answer is per its n-th power.

    Returns
    -------
    ndarray
        Of the shape of `x`; real if `x` is.

    Raises
    ------
    TypeError, ValueError
        Where `x` holds no numbers, or an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung import fourier
    >>> t = 2 * np.pi * np.arange(8) / 8
    >>> slope = fourier.derivative(np.sin(3 * t), spacing=t[1])
    >>> bool(np.allclose(slope, 3 * np.cos(3 * t)))
    True
    """
    samples = as_samples(x, "x")
    axis = chosen_axis(axis, samples.ndim)
    samples, _ = _prepared(samples, axis)
    order, spacing = count("order", order, least=0), finite("spacing", spacing, above=True)
    n = samples.shape[axis]
    real = not np.iscomplexobj(samples)
    frequencies = np.fft.rfftfreq(n) if real else np.fft.fftfreq(n)
    transform: Any = np.fft.rfft if real else np.fft.fft
    spectrum = transform(samples, axis=axis)
    with np.errstate(all="ignore"):
        factors = ((2j * np.pi / spacing * frequencies) ** order).astype(spectrum.dtype)
    if not np.isfinite(factors).all():
        raise ValueError(
            f"order must be less than {order}, or spacing more than {spacing:g}: "
            f"powers of frequencies leave {samples.dtype}"
        )
    if n % 2 == 0 and order % 2 == 1:
        factors[n // 2] = 0
    spectrum *= factors.reshape([-1 if a == axis else 1 for a in range(samples.ndim)])
    back: Any = np.fft.irfft if real else np.fft.ifft
    return np.asarray(back(spectrum, n, axis=axis))


# What they share


def _prepared(x: npt.ArrayLike, axes: Axes, name: str = "x") -> tuple[Array, tuple[int, ...]]:
    """Inexact samples of single or double precision, and the axes, none of them empty."""
    samples = as_samples(x, name)
    chosen = chosen_axes(axes, samples.ndim, x=name)
    for a in chosen:
        if samples.shape[a] == 0:
            raise ValueError(f"{name} must not be empty; its shape is {samples.shape}")
    return samples, chosen


def _at(ndim: int, axes: int | tuple[int, ...], index: int) -> tuple[Any, ...]:
    """An index for all of an array at `index` of these axes, which stay, with length one."""
    several = (axes,) if isinstance(axes, int) else axes
    position = slice(index, index + 1 or None)
    return tuple(position if a in several else slice(None) for a in range(ndim))


def _frequencies(samples: Array, axis: int) -> Array:
    line = np.fft.fftfreq(samples.shape[axis])
    return line.reshape([-1 if a == axis else 1 for a in range(samples.ndim)])


def _hann(samples: Array, axes: tuple[int, ...]) -> Array:
    """The product of Hann windows, none of whose samples is zero."""
    window = np.ones((1,) * samples.ndim, samples.real.dtype)
    for axis in axes:
        n = samples.shape[axis]
        line = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
        window = window * line.reshape([-1 if a == axis else 1 for a in range(samples.ndim)])
    return window.astype(samples.real.dtype)


def _edge(inside: Array, softness: float) -> Array:
    """0 far outside, 1 far inside, half a cosine between; `inside` is the distance to the edge."""
    if softness == 0:
        return (inside >= -1e-12).astype(np.float64)  # a frequency just at the radius is in
    with np.errstate(over="ignore"):  # an edge too narrow for its division is sharp
        return np.asarray(0.5 + 0.5 * np.sin(np.pi * np.clip(inside / softness, -0.5, 0.5)))


def _interpolated(image: Array, rows: Array, columns: Array) -> Array:
    """Between the four samples around each place; all places lie inside."""
    top, left = np.floor(rows).astype(np.intp), np.floor(columns).astype(np.intp)
    down, right = rows - top, columns - left
    upper = image[top, left] * (1 - right) + image[top, left + 1] * right
    lower = image[top + 1, left] * (1 - right) + image[top + 1, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


def _energy(values: Array) -> float:
    return float(np.sum(np.square(np.abs(values), dtype=np.float64)))
