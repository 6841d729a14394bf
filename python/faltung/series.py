r"""Time series: moving averages, autoregression, and what makes data white.

A moving average is a convolution of a series with its weights. An autoregressive model feeds a
series' own past back, which is a convolution with an endless kernel, its impulse response; after
differencing, both together are ARIMA. Whitening turns data onto the axes in which they are
uncorrelated and scales them alike; on the patches of an image it is a bank of kernels.

Time runs along `axis`; the other axes are batch. Integers are taken as float64; single precision
stays single, while recursions run in double.

(G. Box, G. Jenkins, G. Reinsel, G. Ljung, "Time Series Analysis", 5th ed., Wiley 2015.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung import _api
from faltung._arguments import Array, as_array, as_samples, chosen_axis, flag, served
from faltung._kernel_parts import count, finite
from faltung._recursive import recursive_filter
from faltung._whitening import Whitening, patches, standardize, whiten

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "Autoregression",
    "Whitening",
    "arma",
    "autocovariance",
    "autoregressive",
    "difference",
    "integrate",
    "moving_average",
    "patches",
    "standardize",
    "whiten",
    "yule_walker",
]


class Autoregression(NamedTuple):
    """An autoregressive model, as `yule_walker` fits it."""

    coefficients: Array
    """What each earlier value counts, the latest first."""
    constant: float
    """What is added in each step: the mean times one less the sum of the coefficients."""
    variance: float
    """Of the noise that drives it."""


# Averages


def moving_average(
    x: npt.ArrayLike,
    weights: int | npt.ArrayLike,
    *,
    axis: int = -1,
    centred: bool = False,
    boundary: str = "edge",
    cval: float = 0,
    workers: int | None = None,
) -> Array:
    r"""Weighted mean of each value and its neighbours in time.

    .. math:: y_t = \frac{\sum_{j=0}^{n-1} w_j\, x_{t-j+s}}{\sum_j w_j}

    with s = 0, or :math:`s = \lfloor (n - 1) / 2 \rfloor` where `centred`.

    Parameters
    ----------
    x : array_like
        The series.
    weights : int or array_like
        The weights w, that of the present first; or how many values count alike. They are divided
        by their sum, which must not be zero.
    axis : int, optional
        Along which time runs.
    centred : bool, optional
        Look ahead as far as back, in place of back alone. For a forecast only the causal average
        makes sense; it lags behind by the centre of mass of its weights, which a centred symmetric
        one does not.
    boundary : str, optional
        What was before the series, and after it, as for `faltung.convolve`.
    cval : scalar, optional
        For ``boundary="constant"``.
    workers : int, optional
        Number of threads.

    Returns
    -------
    ndarray
        Of the shape of `x`.

    Raises
    ------
    TypeError, ValueError
        Where weights are not real, finite and one-dimensional, or sum to zero, or as
        `faltung.convolve`.

    Examples
    --------
    >>> from faltung import series
    >>> series.moving_average([1.0, 2.0, 6.0, 3.0], 2)
    array([1. , 1.5, 4. , 4.5])
    >>> series.moving_average([1.0, 2.0, 6.0, 3.0], 3, centred=True).round(3)
    array([1.333, 3.   , 3.667, 4.   ])
    """
    samples, axis = _series(x, axis)
    centred = flag(centred, "centred")
    if isinstance(weights, int | np.integer):
        window = np.full(count("weights", weights), 1.0)
    else:
        window = _coefficients(weights, "weights")
    total = window.sum()
    if window.size == 0 or not abs(total) > 1e-12 * np.abs(window).sum():
        raise ValueError("weights must be at least one, and their sum must not be zero")
    window = (window / total).astype(samples.real.dtype)
    options: dict[str, Any] = {"boundary": boundary, "cval": cval, "workers": workers}
    if centred:
        return _api.convolve(samples, window, "same", axes=axis, **options)
    whole = _api.convolve(samples, window, "full", axes=axis, **options)
    return np.ascontiguousarray(_part(whole, axis, slice(samples.shape[axis])))


# Autoregression


def autoregressive(
    x: npt.ArrayLike,
    coefficients: npt.ArrayLike,
    *,
    constant: float = 0.0,
    past: npt.ArrayLike | None = None,
    axis: int = -1,
    workers: int | None = None,
) -> Array:
    r"""A series that each step makes from its own past and a new value.

    .. math:: y_t = c + \sum_{i=1}^{p} \varphi_i\, y_{t-i} + x_t

    Parameters
    ----------
    x : array_like
        What drives it: white noise, as a rule. With an impulse the answer is the impulse response,
        the kernel whose convolution with any x is this recursion.
    coefficients : array_like
        :math:`\varphi_1, \ldots, \varphi_p`. The series is stationary where all roots of
        :math:`z^p - \varphi_1 z^{p-1} - \ldots - \varphi_p` lie inside the unit circle.
    constant : float, optional
        c.
    past : array_like, optional
        The values before the first, in the order of time; the last p along `axis` count. Zeros
        unless given. Hand on the end of one answer, and the next call continues it.
    axis : int, optional
        Along which time runs.
    workers : int, optional
        Number of threads, over series.

    Returns
    -------
    ndarray
        Of the shape of `x`.

    Raises
    ------
    TypeError, ValueError
        Where coefficients are not a line of finite numbers, or `past` is shorter than they are.

    Examples
    --------
    >>> from faltung import series
    >>> first = series.autoregressive([1.0, 0, 0], [0.5])
    >>> first
    array([1.  , 0.5 , 0.25])
    >>> series.autoregressive([0.0, 0], [0.5], past=first)
    array([0.125 , 0.0625])
    """
    phi = _coefficients(coefficients, "coefficients")
    return arma(x, phi, (), constant=constant, past=past, axis=axis, workers=workers)


def arma(
    x: npt.ArrayLike,
    ar: npt.ArrayLike,
    ma: npt.ArrayLike,
    *,
    constant: float = 0.0,
    past: npt.ArrayLike | None = None,
    past_x: npt.ArrayLike | None = None,
    axis: int = -1,
    workers: int | None = None,
) -> Array:
    r"""Autoregression driven by a moving average of noise.

    .. math:: y_t = c + \sum_{i=1}^{p} \varphi_i\, y_{t-i}
              + x_t + \sum_{j=1}^{q} \vartheta_j\, x_{t-j}

    Parameters
    ----------
    x : array_like
        The noise.
    ar, ma : array_like
        The coefficients :math:`\varphi` and :math:`\vartheta`; either may be empty.
    constant : float, optional
        c.
    past, past_x : array_like, optional
        Values of y and of x before the first, in the order of time; the last p and q along `axis`
        count. Zeros unless given. Where one of them is complex, so is the answer.
    axis : int, optional
        Along which time runs.
    workers : int, optional
        Number of threads.

    Returns
    -------
    ndarray
        Of the shape of `x`.

    Raises
    ------
    TypeError, ValueError
        As `autoregressive`.

    See Also
    --------
    integrate : with which this makes ARIMA.
    """
    samples, axis = _series(x, axis)
    phi, theta = _coefficients(ar, "ar"), _coefficients(ma, "ma")
    constant = finite("constant", constant, least=-np.inf)
    past = None if past is None else as_samples(past, "past")
    past_x = None if past_x is None else as_samples(past_x, "past_x")
    if any(one is not None and one.dtype.kind == "c" for one in (past, past_x)):
        samples = samples.astype(np.result_type(samples, np.complex64), copy=False)
    real = samples.real.dtype
    driving = samples
    if theta.size:
        before = _last(past_x, "past_x", theta.size, samples, axis)
        window = np.concatenate([[1.0], theta]).astype(real)
        extended = np.concatenate([before.astype(samples.dtype, copy=False), samples], axis)
        driving = _api.convolve(extended, window, "valid", axes=axis, workers=workers)
    if constant:
        driving = driving + real.type(constant)
    if not phi.size:
        return np.array(driving) if driving is samples else driving
    before = _last(past, "past", phi.size, samples, axis)
    state = np.zeros(before.shape, np.result_type(before, np.float64))
    for m in range(phi.size):  # what the past still adds to output m
        for i in range(m + 1, phi.size + 1):
            earlier = _part(before, axis, slice(m - i, m - i + 1 or None))
            _part(state, axis, slice(m, m + 1))[...] += phi[i - 1] * earlier
    a = np.concatenate([[1.0], -phi])
    y, _ = recursive_filter([1.0], a, driving, axis, state, dtype=samples.dtype, workers=workers)
    return y


def autocovariance(x: npt.ArrayLike, lags: int) -> Array:
    r"""How much a series varies together with itself, later.

    .. math:: r_k = \frac{1}{n} \sum_{t=0}^{n-1-k} (x_t - \bar x)(x_{t+k} - \bar x)

    The sum is divided by n at every lag, which makes the sequence positive semidefinite.

    Parameters
    ----------
    x : array_like
        One series, real.
    lags : int
        The greatest lag; less than the length of `x`.

    Returns
    -------
    ndarray
        :math:`r_0, \ldots, r_{lags}`, in double precision; :math:`r_0` is the variance.

    Raises
    ------
    TypeError, ValueError
        Where `x` is not one real series, or is too short.
    """
    values = _one_series(x)
    lags = count("lags", lags, least=0)
    if lags >= values.size:
        raise ValueError(f"lags must be less than the {values.size} values of x, not {lags}")
    centred = values - values.mean()
    return _api.correlate(centred, centred, lags=(0, lags)) / values.size


def yule_walker(x: npt.ArrayLike, order: int) -> Autoregression:
    r"""Fit an autoregressive model to a series.

    Multiplying the model by earlier values and taking means gives the Yule-Walker equations

    .. math:: r_k = \sum_{i=1}^{p} \varphi_i\, r_{|k-i|}, \qquad k = 1, \ldots, p,
              \qquad \sigma^2 = r_0 - \sum_{i=1}^{p} \varphi_i\, r_i,

    for the autocovariance r, which Levinson's and Durbin's recursion solves, adding one order at a
    time. The model that it gives is always stationary.

    Parameters
    ----------
    x : array_like
        One series, real, not constant.
    order : int
        p, from 1; less than the length of `x`.

    Returns
    -------
    Autoregression
        ``coefficients``, ``constant`` and the ``variance`` of the noise; hand the first two to
        `autoregressive`.

    Raises
    ------
    TypeError, ValueError
        Where `x` is not one real series, is not finite, is too short, or does not vary.

    References
    ----------
    J. Durbin, "The fitting of time-series models", Rev. Inst. Int. Statist. 28, 1960.
    """
    values = _one_series(x)
    order = count("order", order)
    if order >= values.size:
        raise ValueError(f"order must be less than the {values.size} values of x, not {order}")
    if not np.isfinite(values).all():
        raise ValueError("x must be finite")
    r = autocovariance(values, order)
    rounding = 8 * np.finfo(np.float64).eps * np.abs(values).max()
    if not r[0] > rounding**2:
        raise ValueError("x must vary: all its values are the same")
    phi = np.zeros(order)
    variance = r[0]
    for k in range(order):
        if variance <= 0:  # foreseen without a remainder; later values cannot tell more
            break
        reflection = (r[k + 1] - phi[:k] @ r[k:0:-1]) / variance
        phi[:k] -= reflection * phi[:k][::-1].copy()
        phi[k] = reflection
        variance *= 1 - reflection**2
    constant = float(values.mean() * (1 - phi.sum()))
    return Autoregression(phi, constant, float(max(variance, 0.0)))


# Differences


def difference(x: npt.ArrayLike, order: int = 1, *, lag: int = 1, axis: int = -1) -> Array:
    r"""Changes from one time to a later one: what is left when a trend or a season is taken out.

    .. math:: y = (1 - B^{lag})^{order}\, x, \qquad (B^{lag} x)_t = x_{t - lag}

    Parameters
    ----------
    x : array_like
        The series.
    order : int, optional
        How often.
    lag : int, optional
        Over how many steps: the length of a season, or 1 against a trend.
    axis : int, optional
        Along which time runs.

    Returns
    -------
    ndarray
        Shorter than `x` by ``order * lag`` along `axis`; of its dtype, where that is inexact
        (float16 gives float32), else int64.

    Raises
    ------
    TypeError, ValueError
        Where `x` holds no numbers or is too short.
    OverflowError
        Where int64 does not hold a difference.
    """
    values, axis = _whole_or_inexact(x, axis)
    order, lag = count("order", order, least=0), count("lag", lag)
    if order * lag > values.shape[axis]:
        raise ValueError(
            f"x must be at least order * lag = {order * lag} long, not {values.shape[axis]}"
        )
    for _ in range(order):
        later, earlier = _part(values, axis, slice(lag, None)), _part(values, axis, slice(-lag))
        values = later - earlier
        # a difference that wraps around has the sign of what was taken away
        if values.dtype.kind == "i" and ((later ^ earlier) & (later ^ values) < 0).any():
            raise OverflowError("x has differences that int64 does not hold; take float64")
    return np.array(values)


def integrate(
    x: npt.ArrayLike, start: npt.ArrayLike, order: int = 1, *, lag: int = 1, axis: int = -1
) -> Array:
    """The series whose differences these are: undoes `difference`.

    Parameters
    ----------
    x : array_like
        Differences, as `difference` gives them.
    start : array_like
        The first ``order * lag`` values of the series.
    order, lag, axis : int, optional
        As `difference` had them.

    Returns
    -------
    ndarray
        Longer than `x` by ``order * lag`` along `axis`, beginning with `start`; with the dtypes of
        `difference`.

    Raises
    ------
    TypeError, ValueError
        Where `x` or `start` holds no numbers, or `start` has another length.
    OverflowError
        Where int64 does not hold a sum.

    Examples
    --------
    >>> from faltung import series
    >>> squares = [0, 1, 4, 9, 16, 25]
    >>> series.difference(squares, 2)
    array([2, 2, 2, 2])
    >>> series.integrate([2, 2, 2, 2], squares[:2], 2)
    array([ 0,  1,  4,  9, 16, 25])
    """
    values, axis = _whole_or_inexact(x, axis)
    order, lag = count("order", order, least=0), count("lag", lag)
    first, first_axis = _whole_or_inexact(start, axis, "start")
    wanted = list(values.shape)
    wanted[axis] = order * lag
    if first_axis != axis or first.shape != tuple(wanted):
        raise ValueError(
            f"start must have shape {tuple(wanted)}, not {first.shape}, for order = {order} and lag = {lag}"
        )
    for k in reversed(range(order)):
        head = _part(difference(first, k, lag=lag, axis=axis), axis, slice(lag))
        values = np.concatenate([head, values], axis)
        for season in range(lag):
            steps = _part(values, axis, slice(season, None, lag))
            sums = np.cumsum(steps, axis)
            if sums.dtype.kind == "i":
                # a sum that wraps around has the sign of neither term
                before = _part(sums, axis, slice(-1))
                after, added = (_part(one, axis, slice(1, None)) for one in (sums, steps))
                if ((before ^ after) & (added ^ after) < 0).any():
                    raise OverflowError("x has sums that int64 does not hold; take float64")
            steps[...] = sums
    return np.array(values)


# What they share


def _series(x: npt.ArrayLike, axis: int, name: str = "x") -> tuple[Array, int]:
    samples = as_samples(x, name)
    axis = chosen_axis(axis, samples.ndim, name)
    if samples.shape[axis] == 0:
        raise ValueError(
            f"{name} must not be empty along axis {axis}; its shape is {samples.shape}"
        )
    return samples, axis


def _one_series(x: npt.ArrayLike) -> Array:
    values = as_samples(x, "x")
    if values.ndim != 1 or np.iscomplexobj(values) or values.size == 0:
        raise ValueError(f"x must be one real series, not {values.dtype} of shape {values.shape}")
    return values.astype(np.float64, copy=False)


def _whole_or_inexact(x: npt.ArrayLike, axis: int, name: str = "x") -> tuple[Array, int]:
    values = as_array(x, name)
    dtype = served(values.dtype, name)
    if dtype.kind in "biu":  # differences and sums of narrow numbers would wrap around
        if dtype == np.uint64 and values.size and values.max() > np.iinfo(np.int64).max:
            raise OverflowError(f"{name} has values that int64 does not hold; take float64")
        dtype = np.dtype(np.int64)
    elif dtype == np.float16:
        dtype = np.dtype(np.float32)
    axis = chosen_axis(axis, values.ndim, name)
    return values.astype(dtype, copy=False), axis


def _coefficients(values: npt.ArrayLike, name: str) -> Array:
    given = as_array(values, name)
    if served(given.dtype, name).kind == "c":
        raise TypeError(f"{name} must be real, not {given.dtype}")
    line = given.astype(np.float64)
    if line.ndim != 1 or not np.isfinite(line).all():
        raise ValueError(f"{name} must be a line of finite numbers, not {values!r}")
    return line


def _last(past: npt.ArrayLike | None, name: str, wanted: int, samples: Array, axis: int) -> Array:
    """The last `wanted` values before a series; zeros where there are none."""
    shape = list(samples.shape)
    shape[axis] = wanted
    if past is None:
        return np.zeros(shape, samples.dtype)
    values = as_samples(past, name)
    known = values.shape[axis - samples.ndim] if values.ndim >= samples.ndim - axis else 0
    if known < wanted:
        raise ValueError(f"{name} must hold {wanted} values along axis {axis}, not {known}")
    values = _part(values, axis - samples.ndim, slice(known - wanted, None))
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        raise ValueError(f"{name} must fit x, whose shape is {samples.shape}") from None


def _part(values: Array, axis: int, index: slice) -> Array:
    """A view of some of one axis."""
    where: list[Any] = [slice(None)] * values.ndim
    where[axis] = index
    view: Array = values[tuple(where)]
    return view
