"""Pooling over one to three spatial axes, and its gradients."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from faltung import _core
from faltung._arguments import Array, as_array, flag, one_integer, served
from faltung._config import resolve_workers
from faltung._kernel_parts import finite
from faltung.nn._arguments import (
    PaddingLike,
    PerAxis,
    channels_first,
    check_axes,
    float_array,
    is_channels_last,
    per_axis,
    resolve_padding,
)


def _real_array(value: Any, name: str) -> Array:
    array = as_array(value, name)
    if served(array.dtype, name).kind == "c":
        raise TypeError(
            f"{name} has dtype {array.dtype}; allowed are bool, integers and real floats"
        )
    return array


def _pooling(
    kind: str,
    x: Array,
    size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    last: bool,
    *,
    divisor: str = "one",
    fixed_divisor: int = 1,
    p: float = 2,
) -> _core.Pooling:
    """The windows over x, whose axes are N, C, spatial."""
    axes = check_axes(x.ndim)
    sizes = per_axis(size, "size", axes)
    strides = sizes if stride is None else per_axis(stride, "stride", axes)
    dilations = per_axis(dilation, "dilation", axes)
    return _core.Pooling(
        kind=kind,
        x_shape=x.shape,
        size=sizes,
        stride=strides,
        padding=resolve_padding(padding, x.shape[2:], sizes, strides, dilations),
        dilation=dilations,
        ceil_mode=flag(ceil_mode, "ceil_mode"),
        divisor=divisor,
        fixed_divisor=fixed_divisor,
        power=p,
        channels_last=last,
    )


def _to_layout(result: Array, last: bool) -> Array:
    return np.moveaxis(result, 1, -1) if last else result


def _forward(
    pooling: _core.Pooling, x: Array, dtype: np.dtype[Any], last: bool, workers: int | None
) -> Array:
    return _to_layout(_core.pool(pooling, x, dtype, resolve_workers(workers)), last)


def _mean_dtype(x: Array) -> np.dtype[Any]:
    """As `numpy.mean` has it: floats keep theirs, integers give float64."""
    return x.dtype.newbyteorder("=") if x.dtype.kind == "f" else np.dtype(np.float64)


def _gradient(
    pooling: _core.Pooling,
    grad: Any,
    x: Array,
    y: Array | None,
    last: bool,
    workers: int | None,
) -> Array:
    grad = channels_first(float_array(grad, "grad"), last)
    shape = (*x.shape[:2], *pooling.outputs)
    if grad.shape != shape:
        raise ValueError(
            f"grad has shape {grad.shape} (axes N, C, spatial); the result of this pooling has {shape}"
        )
    dx = _core.pool_backward(pooling, grad, x, y, resolve_workers(workers))
    return _to_layout(dx, last)


def _whole(x: npt.ArrayLike, layout: str) -> tuple[int, ...]:
    """The size of a window over everything."""
    array = channels_first(as_array(x, "x"), is_channels_last(layout))
    check_axes(array.ndim)
    return array.shape[2:]


@overload
def max_pool(
    x: npt.ArrayLike,
    size: PerAxis,
    *,
    stride: PerAxis | None = ...,
    padding: PaddingLike = ...,
    dilation: PerAxis = ...,
    ceil_mode: bool = ...,
    return_indices: Literal[False] = ...,
    layout: str = ...,
    workers: int | None = ...,
) -> Array: ...
@overload
def max_pool(
    x: npt.ArrayLike,
    size: PerAxis,
    *,
    stride: PerAxis | None = ...,
    padding: PaddingLike = ...,
    dilation: PerAxis = ...,
    ceil_mode: bool = ...,
    return_indices: Literal[True],
    layout: str = ...,
    workers: int | None = ...,
) -> tuple[Array, Array]: ...


def max_pool(
    x: npt.ArrayLike,
    size: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: str = "NCHW",
    workers: int | None = None,
) -> Array | tuple[Array, Array]:
    """The largest sample under each window, channel by channel.

    ``out[n, c, j] = max over t of x[n, c, j*stride + t*dilation - padding]``, over one to three spatial
    axes; padding holds no samples, so it never wins.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial)
        Bool, integers, float16, float32 or float64; any strides. With ``layout="NHWC"``, shape
        (N, *spatial, C).
    size : int or sequence of int
        Taps of the window along every spatial axis, or each.
    stride : int or sequence of int, optional
        Samples between neighbouring windows; by default `size`, so that windows do not meet.
    padding : int, sequence of int or of pairs, "same", "valid"
        Positions without samples before and after each spatial axis. ``"same"``: as many as give
        ``ceil(spatial / stride)`` windows, an odd one after. ``"valid"``: none.
    dilation : int or sequence of int
        Samples between neighbouring taps.
    ceil_mode : bool
        Whether a last window that is only partly filled counts too, if it starts on a sample or on the
        padding before.
    return_indices : bool
        Whether to tell where the maxima are as well.
    layout : {"NCHW", "NHWC"}
        Where the channels are: second, or last. Nothing is copied to another layout.
    workers : int, optional
        Threads to use. The result is the same for any number.

    Returns
    -------
    out : ndarray, shape (N, C, *spatial) or (N, *spatial, C)
        In x's dtype: ``floor((n + before + after - (size - 1)*dilation - 1) / stride) + 1`` along each
        spatial axis (``ceil`` with `ceil_mode`). A NaN under the window is the largest.
    indices : ndarray of int64, like out
        Only with `return_indices`: positions in the C order of x's spatial axes. Of equal samples the
        first one counts, of NaNs too.

    Raises
    ------
    ValueError
        A window that does not fit, or one that would lie in the padding alone; the message names the
        axis and the numbers.
    TypeError
        Complex samples, masked arrays.
    MemoryError
        Sizes that no memory holds.

    See Also
    --------
    max_pool_backward : its gradient.

    Examples
    --------
    >>> from faltung import nn
    >>> nn.max_pool([[[1, 5, 2, 4]]], 2).tolist()
    [[[5, 4]]]
    """
    last = is_channels_last(layout)
    x = channels_first(_real_array(x, "x"), last)
    pooling = _pooling("max", x, size, stride, padding, dilation, ceil_mode, last)
    if not flag(return_indices, "return_indices"):
        return _forward(pooling, x, x.dtype.newbyteorder("="), last, workers)
    out, indices = _core.pool_places(pooling, x, resolve_workers(workers))
    return _to_layout(out, last), _to_layout(indices, last)


def max_pool_backward(
    grad: npt.ArrayLike,
    x: npt.ArrayLike,
    size: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    indices: npt.ArrayLike | None = None,
    layout: str = "NCHW",
    workers: int | None = None,
) -> Array:
    """The gradient of `max_pool`: each window hands its gradient to the sample that was its maximum.

    Parameters
    ----------
    grad : array_like, shape of the pooling's result
        The gradient with respect to the result.
    x : array_like
        What was pooled: float16, float32 or float64.
    size, stride, padding, dilation, ceil_mode, layout, workers
        As in `max_pool`.
    indices : array_like of int, shape of the pooling's result, optional
        What `max_pool` gave with ``return_indices=True``: the maxima are not searched for again.

    Returns
    -------
    ndarray, shape and dtype of x
        The gradient with respect to x. Of equal samples the first one gets it.

    See Also
    --------
    max_pool : parameters and errors.
    """
    last = is_channels_last(layout)
    x = channels_first(float_array(x, "x"), last)
    pooling = _pooling("max", x, size, stride, padding, dilation, ceil_mode, last)
    places = None
    if indices is not None:
        places = channels_first(as_array(indices, "indices"), last)
        if places.dtype.kind not in "iu":
            raise TypeError(f"indices has dtype {places.dtype}; allowed are integers")
        if places.shape != (*x.shape[:2], *pooling.outputs):
            raise ValueError(
                f"indices has shape {places.shape} (axes N, C, spatial); "
                f"the result of this pooling has {(*x.shape[:2], *pooling.outputs)}"
            )
    return _gradient(pooling, grad, x, places, last, workers)


def _average(
    x: Array,
    size: PerAxis,
    stride: PerAxis | None,
    padding: PaddingLike,
    dilation: PerAxis,
    count_include_pad: bool,
    ceil_mode: bool,
    divisor: int | None,
    last: bool,
) -> _core.Pooling:
    if divisor is None:
        return _pooling(
            "sum", x, size, stride, padding, dilation, ceil_mode, last,
            divisor="padded" if flag(count_include_pad, "count_include_pad") else "inside",
        )  # fmt: skip
    fixed = one_integer(divisor, "divisor")
    if fixed == 0:
        raise ValueError("divisor is 0; allowed are integers other than 0")
    return _pooling(
        "sum", x, size, stride, padding, dilation, ceil_mode, last,
        divisor="fixed", fixed_divisor=fixed,
    )  # fmt: skip


def avg_pool(
    x: npt.ArrayLike,
    size: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    count_include_pad: bool = False,
    ceil_mode: bool = False,
    divisor: int | None = None,
    layout: str = "NCHW",
    workers: int | None = None,
) -> Array:
    """The mean of the samples under each window, channel by channel.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial)
        As in `max_pool`.
    size, stride, padding, dilation, ceil_mode, layout, workers
        As in `max_pool`.
    count_include_pad : bool
        Whether a window counts its positions in the padding, as zeros. (PyTorch's default is yes, ONNX's
        and ours no.) What lies beyond the padding under the last window of `ceil_mode` never counts.
    divisor : int, optional
        What every sum is divided by, whatever lies under the window.

    Returns
    -------
    ndarray, shape (N, C, *spatial) or (N, *spatial, C)
        In x's dtype; integers and bools give float64, as `numpy.mean` does.

    See Also
    --------
    max_pool : all other parameters, shapes and errors.
    avg_pool_backward : its gradient.

    Examples
    --------
    >>> from faltung import nn
    >>> nn.avg_pool([[[1.0, 5.0, 2.0]]], 2, stride=1, padding=1).tolist()
    [[[1.0, 3.0, 3.5, 2.0]]]
    """
    last = is_channels_last(layout)
    x = channels_first(_real_array(x, "x"), last)
    pooling = _average(
        x, size, stride, padding, dilation, count_include_pad, ceil_mode, divisor, last
    )
    return _forward(pooling, x, _mean_dtype(x), last, workers)


def avg_pool_backward(
    grad: npt.ArrayLike,
    x: npt.ArrayLike,
    size: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    count_include_pad: bool = False,
    ceil_mode: bool = False,
    divisor: int | None = None,
    layout: str = "NCHW",
    workers: int | None = None,
) -> Array:
    """The gradient of `avg_pool`: each window hands an equal share to all of its samples.

    Parameters
    ----------
    grad : array_like, shape of the pooling's result
        The gradient with respect to the result.
    x : array_like
        What was pooled: float16, float32 or float64. Only its shape, dtype and layout matter.
    size, stride, padding, dilation, count_include_pad, ceil_mode, divisor, layout, workers
        As in `avg_pool`.

    Returns
    -------
    ndarray, shape and dtype of x
        The gradient with respect to x.

    See Also
    --------
    avg_pool : parameters and errors.
    """
    last = is_channels_last(layout)
    x = channels_first(float_array(x, "x"), last)
    pooling = _average(
        x, size, stride, padding, dilation, count_include_pad, ceil_mode, divisor, last
    )
    return _gradient(pooling, grad, x, None, last, workers)


def lp_pool(
    x: npt.ArrayLike,
    size: PerAxis,
    *,
    p: float = 2,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    layout: str = "NCHW",
    workers: int | None = None,
) -> Array:
    """The p-norm of the samples under each window, channel by channel: ``(sum of |x|**p) ** (1/p)``.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial)
        As in `max_pool`.
    p : float
        The exponent, above 0 and finite. 1 and 2 are the quick ones.
    size, stride, padding, dilation, ceil_mode, layout, workers
        As in `max_pool`; padding holds zeros.

    Returns
    -------
    ndarray, shape (N, C, *spatial) or (N, *spatial, C)
        In x's dtype; integers and bools give float64.

    See Also
    --------
    max_pool : all other parameters, shapes and errors.
    lp_pool_backward : its gradient.

    Examples
    --------
    >>> from faltung import nn
    >>> nn.lp_pool([[[3.0, -4.0]]], 2).tolist()
    [[[5.0]]]
    """
    last = is_channels_last(layout)
    x = channels_first(_real_array(x, "x"), last)
    p = finite("p", p, above=True)
    pooling = _pooling("norm", x, size, stride, padding, dilation, ceil_mode, last, p=p)
    return _forward(pooling, x, _mean_dtype(x), last, workers)


def lp_pool_backward(
    grad: npt.ArrayLike,
    x: npt.ArrayLike,
    size: PerAxis,
    *,
    p: float = 2,
    stride: PerAxis | None = None,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    layout: str = "NCHW",
    workers: int | None = None,
) -> Array:
    """The gradient of `lp_pool`: ``sign(x) * |x|**(p-1)`` times the sum of ``grad * y**(1-p)``.

    Parameters
    ----------
    grad : array_like, shape of the pooling's result y
        The gradient with respect to the result.
    x : array_like
        What was pooled: float16, float32 or float64.
    p, size, stride, padding, dilation, ceil_mode, layout, workers
        As in `lp_pool`.

    Returns
    -------
    ndarray, shape and dtype of x
        The gradient with respect to x; 0 under windows whose norm is 0.

    See Also
    --------
    lp_pool : parameters and errors.
    """
    last = is_channels_last(layout)
    x = channels_first(float_array(x, "x"), last)
    p = finite("p", p, above=True)
    pooling = _pooling("norm", x, size, stride, padding, dilation, ceil_mode, last, p=p)
    y = _core.pool(pooling, x, x.dtype.newbyteorder("="), resolve_workers(workers))
    return _gradient(pooling, grad, x, y, last, workers)


def global_max_pool(x: npt.ArrayLike, *, layout: str = "NCHW", workers: int | None = None) -> Array:
    """The largest sample of each channel: `max_pool` with one window over everything.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial)
        As in `max_pool`.
    layout, workers
        As in `max_pool`.

    Returns
    -------
    ndarray, shape (N, C, 1, ...) or (N, 1, ..., C)
        As many axes as x.

    See Also
    --------
    max_pool : dtypes and errors.
    """
    size = _whole(x, layout)
    return max_pool(x, size, layout=layout, workers=workers)


def global_max_pool_backward(
    grad: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    layout: str = "NCHW",
    workers: int | None = None,
) -> Array:
    """The gradient of `global_max_pool`.

    Parameters
    ----------
    grad : array_like, shape (N, C, 1, ...) or (N, 1, ..., C)
        The gradient with respect to the result.
    x : array_like
        What was pooled: float16, float32 or float64.
    layout, workers
        As in `max_pool`.

    Returns
    -------
    ndarray, shape and dtype of x
        The gradient with respect to x.

    See Also
    --------
    max_pool_backward : parameters and errors.
    """
    size = _whole(x, layout)
    return max_pool_backward(grad, x, size, layout=layout, workers=workers)


def global_avg_pool(x: npt.ArrayLike, *, layout: str = "NCHW", workers: int | None = None) -> Array:
    """The mean of each channel: `avg_pool` with one window over everything.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial)
        As in `avg_pool`.
    layout, workers
        As in `avg_pool`.

    Returns
    -------
    ndarray, shape (N, C, 1, ...) or (N, 1, ..., C)
        As many axes as x.

    See Also
    --------
    avg_pool : dtypes and errors.
    """
    size = _whole(x, layout)
    return avg_pool(x, size, layout=layout, workers=workers)


def global_avg_pool_backward(
    grad: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    layout: str = "NCHW",
    workers: int | None = None,
) -> Array:
    """The gradient of `global_avg_pool`.

    Parameters
    ----------
    grad : array_like, shape (N, C, 1, ...) or (N, 1, ..., C)
        The gradient with respect to the result.
    x : array_like
        What was pooled: float16, float32 or float64.
    layout, workers
        As in `avg_pool`.

    Returns
    -------
    ndarray, shape and dtype of x
        The gradient with respect to x.

    See Also
    --------
    avg_pool_backward : parameters and errors.
    """
    size = _whole(x, layout)
    return avg_pool_backward(grad, x, size, layout=layout, workers=workers)


def global_lp_pool(
    x: npt.ArrayLike, *, p: float = 2, layout: str = "NCHW", workers: int | None = None
) -> Array:
    """The p-norm of each channel: `lp_pool` with one window over everything.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial)
        As in `lp_pool`.
    p, layout, workers
        As in `lp_pool`.

    Returns
    -------
    ndarray, shape (N, C, 1, ...) or (N, 1, ..., C)
        As many axes as x.

    See Also
    --------
    lp_pool : dtypes and errors.
    """
    size = _whole(x, layout)
    return lp_pool(x, size, p=p, layout=layout, workers=workers)


def global_lp_pool_backward(
    grad: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    p: float = 2,
    layout: str = "NCHW",
    workers: int | None = None,
) -> Array:
    """The gradient of `global_lp_pool`.

    Parameters
    ----------
    grad : array_like, shape (N, C, 1, ...) or (N, 1, ..., C)
        The gradient with respect to the result.
    x : array_like
        What was pooled: float16, float32 or float64.
    p, layout, workers
        As in `lp_pool`.

    Returns
    -------
    ndarray, shape and dtype of x
        The gradient with respect to x.

    See Also
    --------
    lp_pool_backward : parameters and errors.
    """
    size = _whole(x, layout)
    return lp_pool_backward(grad, x, size, p=p, layout=layout, workers=workers)
