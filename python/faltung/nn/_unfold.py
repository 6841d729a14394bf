"""Windows as the columns of a matrix, and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from faltung import _core
from faltung._arguments import Array, as_array, integers, served
from faltung._config import resolve_workers
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


def _windows(
    shape: tuple[int, ...], size: Any, stride: Any, padding: Any, dilation: Any, last: bool
) -> _core.Pooling:
    """The windows over arrays of this shape: N, C, spatial."""
    axes = len(shape) - 2
    sizes = per_axis(size, "size", axes)
    strides = per_axis(stride, "stride", axes)
    dilations = per_axis(dilation, "dilation", axes)
    return _core.Pooling(
        kind="sum",
        x_shape=shape,
        size=sizes,
        stride=strides,
        padding=resolve_padding(padding, shape[2:], sizes, strides, dilations),
        dilation=dilations,
        ceil_mode=False,
        divisor="one",
        fixed_divisor=1,
        power=1,
        channels_last=last,
        empty_windows=True,
    )


def unfold(
    x: npt.ArrayLike,
    size: PerAxis,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    layout: str = "NCHW",
    workers: int | None = None,
) -> Array:
    """Lay the samples under each window side by side ("im2col").

    A layer is then one product of matrices: ``w.reshape(O, -1) @ unfold(x, size)`` is `conv` without bias.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial)
        Any dtype that the library serves, any strides. With ``layout="NHWC"``, shape (N, *spatial, C).
    size, stride, dilation : int or sequence of int
        The window's taps, the samples between neighbouring windows and taps, for every spatial axis or each.
    padding : int, sequence of int or of pairs, "same", "valid"
        Zeros before and after each spatial axis, as in `conv`.
    layout : {"NCHW", "NHWC"}
        Where the channels are.
    workers : int, optional
        Threads to use.

    Returns
    -------
    ndarray, shape (N, C * taps, windows)
        In x's dtype; the taps of a channel stand together, taps and windows in C order. For
        ``layout="NHWC"``, shape (N, windows, taps * C): the channels of a tap stand together.

    Raises
    ------
    ValueError
        A window that does not fit; the message names the axis and the numbers.
    MemoryError
        Sizes that no memory holds.

    See Also
    --------
    fold : its adjoint.

    Examples
    --------
    >>> from faltung import nn
    >>> nn.unfold([[[1, 2, 3, 4]]], 2).tolist()
    [[[1, 2, 3], [2, 3, 4]]]
    """
    last = is_channels_last(layout)
    x = channels_first(as_array(x, "x"), last)
    served(x.dtype, "x")
    check_axes(x.ndim)
    windows = _windows(x.shape, size, stride, padding, dilation, last)
    return _core.unfold(windows, x, last, resolve_workers(workers))


def fold(
    columns: npt.ArrayLike,
    shape: PerAxis,
    size: PerAxis,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    layout: str = "NCHW",
    workers: int | None = None,
) -> Array:
    """Add the columns of `unfold` up where they came from ("col2im"): its adjoint, and its gradient.

    Parameters
    ----------
    columns : array_like, shape (N, C * taps, windows) or (N, windows, taps * C)
        float16, float32 or float64.
    shape : sequence of int
        The spatial shape of the result, one to three axes.
    size, stride, padding, dilation, layout, workers
        As in `unfold`.

    Returns
    -------
    ndarray, shape (N, C, *shape) or (N, *shape, C)
        In the dtype of `columns`; float16 is summed in float32. What windows had in the padding is dropped.

    Raises
    ------
    ValueError
        Columns that are not as many as these windows have taps, or are.

    See Also
    --------
    unfold : parameters and errors.

    Examples
    --------
    >>> from faltung import nn
    >>> nn.fold([[[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]], (4,), 2).tolist()
    [[[1.0, 4.0, 6.0, 4.0]]]
    """
    last = is_channels_last(layout)
    given = float_array(columns, "columns")
    spatial = tuple(integers(shape, "shape", repeat=1))
    if not 1 <= len(spatial) <= 3 or given.ndim != 3:
        raise ValueError(
            f"columns has {given.ndim} axes and shape names {len(spatial)}; allowed are 3 axes, and 1 to 3 in shape"
        )
    if min(spatial) < 1:
        raise ValueError(f"shape must be at least 1 along each axis, not {shape!r}")
    taps = math.prod(per_axis(size, "size", len(spatial)))
    rows = given.shape[2 if last else 1]
    if taps < 1 or rows % taps:
        raise ValueError(
            f"columns has {rows} numbers per window, which is no multiple of the {taps} taps of size {size!r}"
        )
    whole = (given.shape[0], rows // taps, *spatial)
    windows = _windows(whole, size, stride, padding, dilation, last)
    count = math.prod(windows.outputs)
    if given.shape[1 if last else 2] != count:
        raise ValueError(
            f"columns has {given.shape[1 if last else 2]} windows; over shape {spatial} there are {count}"
        )
    computed = np.result_type(given.dtype, np.float32).newbyteorder("=")
    dense = np.ascontiguousarray(given, computed)
    result = _core.fold(windows, dense, whole, last, resolve_workers(workers))
    narrowed = result.astype(given.dtype.newbyteorder("="), copy=False)
    return np.moveaxis(narrowed, 1, -1) if last else narrowed
