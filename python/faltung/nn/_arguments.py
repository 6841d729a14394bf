"""What the functions of `faltung.nn` share: layouts, numbers per axis, dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from faltung import _core
from faltung._arguments import (
    Array,
    as_array,
    as_dtype,
    integers,
    one_integer,
    one_or_more,
    pick,
    resolve_boundary,
    shape_to_come,
)

# An integer, or one per spatial axis.
PerAxis = int | Sequence[int]
# The same, a pair per axis (before, after), or a rule.
PaddingLike = int | Sequence[int] | Sequence[tuple[int, int]] | str

CHANNELS_FIRST = ("NCW", "NCHW", "NCDHW")
CHANNELS_LAST = ("NWC", "NHWC", "NDHWC")
METHODS = ("auto", "direct", "winograd4", "winograd2", "nested", "fft")


def is_channels_last(layout: Any) -> bool:
    """Whether channels are the last axis; "NCHW" and "NHWC" serve any number of spatial axes."""
    return pick(layout, "layout", CHANNELS_FIRST + CHANNELS_LAST) in CHANNELS_LAST


def shape_of_layer(value: Any, last: bool) -> tuple[int, ...]:
    """`x_shape` in a caller's layout, with the channels second."""
    shape = shape_to_come(value, "x_shape")
    check_axes(len(shape), "x_shape")
    return (shape[0], shape[-1], *shape[1:-1]) if last else shape


def channels_first(x: Array, last: bool) -> Array:
    """A view with axes N, C, spatial."""
    return np.moveaxis(x, -1, 1) if last and x.ndim > 1 else x


def float_array(value: Any, name: str) -> Array:
    """`value` as an array of float16, float32 or float64."""
    array = as_array(value, name)
    _check_float(array.dtype, name)
    return array


def float_dtype(value: Any, name: str) -> np.dtype[Any]:
    """`value` as one of the same dtypes, in native byte order."""
    dtype = as_dtype(value, name)
    _check_float(dtype, name)
    return dtype.newbyteorder("=")


def _check_float(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise TypeError(f"{name} has dtype {dtype}; allowed are float16, float32 and float64")


def per_axis(value: Any, name: str, axes: int) -> list[int]:
    """One integer per spatial axis."""
    values = integers(value, name, repeat=axes)
    if len(values) != axes:
        raise ValueError(
            f"{name} is {value!r}: {len(values)} numbers for {axes} spatial axes; give one for all or one for each"
        )
    return values


def paddings(value: Any, axes: int) -> list[tuple[int, int]] | str:
    """A pair per spatial axis, or "same" or "valid"."""
    if isinstance(value, str):
        return pick(value, "padding", ("same", "valid"))
    pairs: list[tuple[int, int]] = []
    entries = one_or_more(value, axes)
    if len(entries) != axes:
        raise ValueError(
            f"padding is {value!r}: {len(entries)} entries for {axes} spatial axes; "
            "give an integer, one per axis, or a pair (before, after) per axis"
        )
    for entry in entries:
        both = integers(entry, "padding", repeat=2)
        if len(both) != 2:
            raise ValueError(
                f"padding is {value!r}: {entry!r} is not an integer or a pair (before, after)"
            )
        pairs.append((both[0], both[1]))
    return pairs


def resolve_padding(
    padding: Any, shape: tuple[int, ...], size: list[int], stride: list[int], dilation: list[int]
) -> list[tuple[int, int]]:
    """A pair per spatial axis, whatever the caller wrote."""
    resolved = paddings(padding, len(size))
    if not isinstance(resolved, str):
        return resolved
    if resolved == "valid":
        return [(0, 0)] * len(size)
    # ceil(n / stride) windows; where the padding is odd, the longer part is behind
    pairs = []
    for n, k, s, d in zip(shape, size, stride, dilation, strict=True):
        total = max(0, (-(-n // max(s, 1)) - 1) * s + (k - 1) * d + 1 - n)
        pairs.append((total // 2, total - total // 2))
    return pairs


def check_axes(ndim: int, x: str = "x") -> int:
    """How many spatial axes x has."""
    if not 3 <= ndim <= 5:
        raise ValueError(
            f"{x} has {ndim} axes; allowed are 3 to 5: batch, channels and 1 to 3 spatial axes"
        )
    return ndim - 2


def is_relu(activation: Any) -> bool:
    if activation is None:
        return False
    if isinstance(activation, str) and activation == "relu":
        return True
    raise ValueError(f"activation is {activation!r}; allowed are None and 'relu'")


def method_name(value: Any) -> str:
    """`value` if it is the name of a method, whether that serves here or not."""
    return pick(value, "method", METHODS)


def new_array(shape: tuple[int, ...], dtype: np.dtype[Any], last: bool) -> Array:
    """An uninitialised array for axes N, C, spatial that is contiguous in its caller's layout."""
    if not last:
        return _core.empty(shape, dtype)
    return np.moveaxis(_core.empty((shape[0], *shape[2:], shape[1]), dtype), -1, 1)


def given_or_new(
    out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], last: bool
) -> tuple[Array, Array]:
    """What the core writes to (axes N, C, spatial), and what the caller gets."""
    if out is None:
        target = new_array(shape, dtype, last)
        return target, (np.moveaxis(target, 1, -1) if last else target)
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"out is a {type(out).__name__}; it must be a numpy.ndarray")
    if out.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"out has dtype {out.dtype}; the result has dtype {dtype}")
    return channels_first(out, last), out


def arithmetic(*arrays: Array) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The dtype of the result, and what it is computed in."""
    result = np.result_type(*arrays).newbyteorder("=")
    return result, np.result_type(result, np.float32)


def bias_array(bias: Any, computed: np.dtype[Any]) -> Array | None:
    if bias is None:
        return None
    return np.ascontiguousarray(float_array(bias, "bias"), computed)


_BOUNDARIES = ("zero", "edge", "symmetric", "mirror", "wrap")


def resolve_padding_boundary(value: Any) -> str:
    return pick(resolve_boundary(value), "boundary", _BOUNDARIES)


def make_layer(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    boundary: Any,
    computed: np.dtype[Any],
) -> _core.ConvLayer:
    """The layer that a caller describes, checked by the core."""
    axes = check_axes(len(x_shape))
    return _core.ConvLayer(
        x_shape,
        w_shape,
        per_axis(stride, "stride", axes),
        paddings(padding, axes),
        per_axis(dilation, "dilation", axes),
        one_integer(groups, "groups"),
        resolve_padding_boundary(boundary),
        computed == np.float64,
    )
