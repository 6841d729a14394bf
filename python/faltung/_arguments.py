"""From what a caller may write to what the core takes: names, axes, dtypes, and nothing else."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from faltung import _core
from faltung._config import locate_fft_libraries

Array = npt.NDArray[Any]

MODES = ("full", "same", "valid")
METHODS = ("auto", "direct", "separable", "fft", "overlap_save")
BOUNDARIES = ("zero", "constant", "edge", "symmetric", "mirror", "wrap")
BOUNDARY_ALIASES = {"nearest": "edge", "circular": "wrap"}
UNORDERED = (Set, Mapping, bytes)  # no sequences of integers, though they can be taken for such


def as_array(value: Any, name: str) -> Array:
    """`value` as a plain ndarray; masked arrays raise, other subclasses are taken as arrays."""
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array, and a convolution has no rule for masked samples; "
            f"pass {name}.filled(value) or {name}.data"
        )
    try:
        return np.asarray(value)
    except ValueError as error:  # rows of different lengths, more axes than NumPy has
        raise ValueError(f"{name} must be an array: {error}") from None


def as_dtype(value: Any, name: str) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = np.dtype(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a dtype, not {value!r}") from None
    return dtype


def flag(value: Any, name: str) -> bool:
    """`value`, which says yes or no by its truth."""
    try:
        return bool(value)
    except (TypeError, ValueError):  # an array
        raise TypeError(f"{name} must be True or False, not {value!r}") from None


def chosen_axes(
    axes: int | Sequence[int] | None, ndim: int, name: str = "axes", x: str = "x"
) -> tuple[int, ...]:
    """The axes of an x of `ndim` axes that are meant, counted from 0; all where `axes` is None."""
    if ndim == 0:
        raise ValueError(f"{x} has no axes; it needs at least one")
    try:
        given = sorted(axes) if isinstance(axes, Set) else axes
        chosen = range(ndim) if axes is None else one_or_more(given)
        numbers = [operator.index(a) for a in chosen]
    except TypeError:
        raise TypeError(f"{name} must hold integers, not {axes!r}") from None
    for a in numbers:
        if not -ndim <= a < ndim:
            raise ValueError(f"{name} must be from {-ndim} to {ndim - 1} for this {x}, not {a}")
    positions = tuple(a % ndim for a in numbers)
    if not positions:
        raise ValueError(f"{name} must name at least one axis of {x}, which has {ndim}")
    if len(set(positions)) != len(positions):
        raise ValueError(f"{name} must not name an axis twice, as {axes!r} does")
    return positions


def chosen_axis(axis: int, ndim: int, x: str = "x") -> int:
    """The one axis that is meant, counted from 0."""
    if axis is not None and len(axes := chosen_axes(axis, ndim, "axis", x)) == 1:
        return axes[0]
    raise TypeError(f"axis must be an integer, not {axis!r}")


def one_or_more(value: Any, repeat: int = 1) -> list[Any]:
    """What is in a sequence; anything else, an array without axes too, `repeat` times.

    One entry more than an array has axes at most: what is longer is wrong already, and may be endless.
    """
    if type(value) is tuple or type(value) is list:
        return list(value[:65])
    single = type(value) is int or not isinstance(value, Iterable) or isinstance(value, UNORDERED)
    if single or getattr(value, "ndim", 1) == 0:
        return [value] * repeat
    return list(islice(value, 65))


def check_out(out: Any) -> Array | None:
    """`out` if it is an array to write to, or None."""
    if out is None or type(out) is np.ndarray:
        return out
    if isinstance(out, np.ndarray) and not isinstance(out, np.ma.MaskedArray):
        return out
    raise TypeError(f"out is a {type(out).__name__}; it must be a numpy.ndarray")


def integers(value: Any, name: str, repeat: int = 1) -> list[int]:
    """`value`, a sequence of integers, or one of them `repeat` times."""
    try:
        numbers = [operator.index(one) for one in one_or_more(value, repeat)]
    except TypeError:
        raise TypeError(
            f"{name} is {value!r}; it must be an integer or a sequence of integers"
        ) from None
    if any(not -(1 << 63) <= one < 1 << 63 for one in numbers):
        raise ValueError(f"{name} is {value!r}; integers must lie within 64 bits")
    return numbers


def one_integer(value: Any, name: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; it must be an integer") from None
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"{name} is {value!r}; integers must lie within 64 bits")
    return number


def shape_to_come(value: Any, name: str) -> tuple[int, ...]:
    """The shape of arrays that something is prepared for."""
    shape = tuple(integers(value, name))
    if not 1 <= len(shape) <= 32 or any(extent < 0 for extent in shape):
        raise ValueError(f"{name} must hold 1 to 32 extents, none of them negative, not {value!r}")
    return shape


def pick(value: Any, name: str, allowed: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in allowed:
        return value
    raise ValueError(f"{name} is {value!r}; allowed are {', '.join(map(repr, allowed))}")


def resolve_boundary(value: Any) -> str:
    if isinstance(value, str):
        if value in BOUNDARY_ALIASES:
            return BOUNDARY_ALIASES[value]
        if value == "reflect":
            raise ValueError(
                "boundary 'reflect' means two opposite things: say 'mirror' (the edge sample is not "
                "repeated: numpy.pad's 'reflect') or 'symmetric' (it is repeated: scipy.ndimage's 'reflect')"
            )
    return pick(value, "boundary", BOUNDARIES)


def resolve_axes(
    axes: Any, x_ndim: int, k_ndim: int, x: str = "x", k: str = "k"
) -> tuple[int, ...]:
    """The axes of x that k's axes run over, in k's order; `x` and `k` are the arguments' names."""
    if axes is None:
        if x_ndim != k_ndim:
            raise ValueError(
                f"{k} has {k_ndim} axes and {x} has {x_ndim}: say with axes= which {k_ndim} of {x}'s axes {k} runs over"
            )
        return tuple(range(x_ndim))
    wanted = integers(axes, "axes")
    if len(wanted) != k_ndim:
        raise ValueError(f"axes {axes!r} names {len(wanted)} axes, but {k} has {k_ndim}")
    for axis in wanted:
        if not -x_ndim <= axis < x_ndim:
            raise ValueError(
                f"axes {axes!r}: axis {axis} is out of range for {x} with {x_ndim} axes"
            )
    resolved = tuple(axis % x_ndim for axis in wanted)
    if len(set(resolved)) != len(resolved):
        raise ValueError(f"axes {axes!r} names an axis more than once")
    return resolved


def served(dtype: np.dtype[Any], name: str) -> np.dtype[Any]:
    """`dtype` in native byte order; TypeError where the core does not serve it."""
    native = dtype.newbyteorder("=")
    if native.kind in "biu" or native.char in "efdFD":
        return native
    raise TypeError(
        f"{name} has dtype {dtype}; allowed are bool, all integers, float16, float32, float64, complex64 and complex128"
    )


def served_dtype(value: Any, name: str) -> np.dtype[Any]:
    """What a caller gave as a dtype, native and served."""
    return served(as_dtype(value, name), name)


def dtype_to_come(x_dtype: Any, k_dtype: np.dtype[Any], k: str) -> np.dtype[Any]:
    """The dtype of arrays that a kernel is prepared for; its own where `x_dtype` is None."""
    return served(k_dtype, k) if x_dtype is None else served_dtype(x_dtype, "x_dtype")


def as_samples(value: Any, name: str) -> Array:
    """`value` in native float32, float64 or their complex kin; what is narrower or whole is widened."""
    array = as_array(value, name)
    dtype = served(array.dtype, name)
    wide = np.float64 if dtype.kind in "biu" else np.result_type(dtype, np.float32)
    return array.astype(wide, copy=False)


def result_dtype(x: np.dtype[Any], k: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of an answer that nobody asked to be another."""
    if x.kind in "biu" and k.kind in "biu":
        wide = np.dtype(np.uint64)
        both_unsigned = x.kind in "bu" and k.kind in "bu"
        return wide if both_unsigned and wide in (x, k) else np.dtype(np.int64)
    return np.result_type(x, k)


def resolve_out_dtype(dtype: Any, result: np.dtype[Any]) -> np.dtype[Any]:
    if dtype is None:
        return result
    asked = served_dtype(dtype, "dtype")
    if result.kind == "c" and asked.kind != "c":
        raise TypeError(f"dtype is {asked}, but the result is complex; take .real or abs() of it")
    return asked


def resolve_cval(cval: Any, result: np.dtype[Any]) -> Array:
    """`cval` in the result's dtype, widened to what the core takes: complex128, int64 or uint64."""
    refused = ValueError(f"cval is {cval!r}, which an answer of dtype {result} cannot hold")
    try:  # Python's integers have no largest one; as arrays they would be objects
        number = float(cval) if isinstance(cval, int) and result.kind in "fc" else cval
    except OverflowError:
        raise refused from None
    value = as_array(number, "cval")
    if value.ndim != 0 or (value.dtype.kind not in "biufc" and not isinstance(cval, int)):
        raise TypeError(f"cval is {cval!r}; it must be a number")
    if result.kind in "iu":
        number = value.item()
        finite = number == number and abs(number) != float("inf")
        if not finite or int(number.real) != number:
            raise refused
        limits = np.iinfo(result)
        if not limits.min <= int(number.real) <= limits.max:
            raise refused
        return np.asarray(int(number.real), dtype=result)
    if value.dtype.kind == "c" and result.kind != "c":
        raise refused
    with np.errstate(over="ignore"):
        return value.astype(result).astype(np.complex128)


def resolve_spacing(value: Any, name: str, rank: int) -> list[int]:
    """`stride` or `dilation`: one positive integer per convolved axis."""
    spacing = integers(value, name, repeat=rank)
    if len(spacing) != rank:
        raise ValueError(f"{name} {value!r} has {len(spacing)} entries, but k has {rank} axes")
    if any(not 1 <= one < 1 << 62 for one in spacing):
        raise ValueError(f"{name} is {value!r}; allowed are integers from 1")
    return spacing


def resolve_lags(lags: Any, rank: int) -> list[tuple[int, int]] | None:
    """The first and the last lag for each axis of k, both included."""
    if lags is None:
        return None
    given = [lags] if rank == 1 else one_or_more(lags, 0)
    if len(given) != rank:
        raise ValueError(f"lags is {lags!r}; k has {rank} axes, and each needs its own")
    return [_range_of_lags(one) for one in given]


def _range_of_lags(lags: Any) -> tuple[int, int]:
    try:
        if isinstance(lags, UNORDERED):
            raise TypeError
        if isinstance(lags, Iterable) and getattr(lags, "ndim", True):
            first, last = (operator.index(lag) for lag in lags)
        else:
            last = operator.index(lags)
            first = -last
    except (TypeError, ValueError):
        raise TypeError(
            f"lags is {lags!r}; it must be an integer n (for -n..n) or a pair (first, last)"
        ) from None
    if first > last:
        raise ValueError(f"lags {lags!r}: the first lag must not exceed the last")
    if not -(1 << 62) < first <= last < 1 << 62:
        raise ValueError(f"lags is {lags!r}; lags must lie within 62 bits")
    return first, last


def make_request(
    x_shape: tuple[int, ...],
    x_dtype: np.dtype[Any],
    k_shape: tuple[int, ...],
    k_dtype: np.dtype[Any],
    *,
    mode: Any,
    method: Any,
    axes: Any,
    boundary: Any,
    cval: Any,
    dtype: Any,
    flip: bool,
    lags: Any = None,
    stride: Any = 1,
    dilation: Any = 1,
    c_casts: bool = False,
    kind: Any = _core.Request,
    k: str = "k",
) -> Any:
    """The core's request; `k` is what the caller's argument is called."""
    x_native, k_native = served(x_dtype, "x"), served(k_dtype, k)
    if not k_shape:
        raise ValueError(f"{k} has no axes; a kernel needs at least one")
    if 0 in k_shape:
        raise ValueError(f"{k} is empty along axis {k_shape.index(0)}; its shape is {k_shape}")
    result = result_dtype(x_native, k_native)
    resolved_axes = resolve_axes(axes, len(x_shape), len(k_shape), k=k)
    locate_fft_libraries()
    return kind(
        x_shape=x_shape,
        x_dtype=x_native,
        k_shape=k_shape,
        k_dtype=k_native,
        result_dtype=result,
        out_dtype=resolve_out_dtype(dtype, result),
        axes=list(resolved_axes),
        strides=resolve_spacing(stride, "stride", len(resolved_axes)),
        dilations=resolve_spacing(dilation, "dilation", len(resolved_axes)),
        mode=pick(mode, "mode", MODES),
        method=pick(method, "method", METHODS),
        boundary=resolve_boundary(boundary),
        cval=resolve_cval(cval, result),
        flip=flip,
        c_casts=c_casts,
        lags=resolve_lags(lags, len(resolved_axes)),
    )
