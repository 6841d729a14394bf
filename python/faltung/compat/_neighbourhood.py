"""Sums over neighbourhoods as ``scipy.ndimage`` has them: outputs, origins, boundaries and roundings."""

from __future__ import annotations

import contextlib
import functools
import math
import operator
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from faltung import _api
from faltung._arguments import Array
from faltung.compat._routing import PassOn
from faltung.compat._windows import as_numbers

BOUNDARIES = {
    "reflect": "symmetric",
    "grid-mirror": "symmetric",
    "constant": "constant",
    "grid-constant": "constant",
    "nearest": "edge",
    "mirror": "mirror",
    "wrap": "wrap",
    "grid-wrap": "wrap",
}


class Target:
    """Where an answer goes, and in which dtype: what `output` says."""

    def __init__(self, output: Any, x: Array, *, complex_answer: bool) -> None:
        self.array: Array | None = None
        if output is None:
            dtype = np.promote_types(x.dtype, np.complex64) if complex_answer else x.dtype
        elif isinstance(output, type | np.dtype | str):
            dtype = np.dtype(output)
        else:
            if type(output) is not np.ndarray or output.shape != x.shape:
                raise PassOn
            self.array, dtype = output, output.dtype
        if dtype.kind not in "iufc" or dtype.char in "egG":
            raise PassOn
        if complex_answer and dtype.kind != "c" and isinstance(output, type | np.dtype):
            warnings.warn("promoting specified output dtype to complex", stacklevel=6)
            dtype = np.promote_types(dtype, np.complex64)
        if complex_answer != (dtype.kind == "c"):
            raise PassOn
        self.dtype = dtype

    def after(self, passes_to_come: int) -> Array | np.dtype[Any]:
        """What a pass has for `output`: the array that was asked for is the last one's."""
        return self.dtype if passes_to_come or self.array is None else self.array

    def direct(self, dtype: np.dtype[Any]) -> Array | None:
        """The array to write to, where an answer of `dtype` may go there as it is."""
        return self.array if self.array is not None and self.array.dtype == dtype else None

    def deliver(self, answer: Array) -> Array:
        """`answer` in the array and the dtype that were asked for, cast as C casts."""
        if self.array is None:
            return self._cast(answer)
        if answer is not self.array:
            self.array[...] = self._cast(answer)
        return self.array

    def _cast(self, answer: Array) -> Array:
        if answer.dtype == self.dtype:
            return answer
        if answer.dtype.kind == "f" and self.dtype.kind in "iu":
            with np.errstate(invalid="ignore"):
                if self.dtype.char in "LQ":
                    return answer.astype(self.dtype)
                # cuts off; what is too large for the target then wraps around
                short = self.dtype.itemsize < 4 or self.dtype.char == "i"
                answer = answer.astype(np.int32 if short else np.int64)
        return answer.astype(self.dtype)


class Samples:
    """The array that a filter reads, and everything that decides what is computed in."""

    def __init__(self, x: Any, output: Any, weights_are_complex: bool = False) -> None:
        self.x = as_numbers(x)
        if self.x.size == 0 or self.x.ndim == 0 or self.x.dtype.kind == "b":
            raise PassOn
        self.complex = self.x.dtype.kind == "c" or weights_are_complex
        self.target = Target(output, self.x, complex_answer=self.complex)
        single = self.x.dtype.char in "fF" and self.target.dtype.char in "fF"
        self.weights = np.dtype(np.float32 if single else np.float64)
        self.whole_numbers = self.x.dtype.kind in "iu"

        self.due = self.target.dtype.newbyteorder("=")
        self.c_casts = self.due.kind in "iu"

    def _rounded(self, weights: Array) -> Array:
        """The weights in the type computed in; the largest takes up what rounding took from their sum."""
        if weights.dtype.kind == "c":
            return weights.astype(np.result_type(self.weights, np.complex64))
        if weights.dtype.char == "d" and self.weights.char == "f":
            if weights.nbytes > 4096:
                return _singles(weights)
            return _remembered_singles(weights.tobytes(), weights.shape)
        return weights.astype(self.weights, copy=False)

    def summed(
        self, weights: Array, axes: Sequence[int], origins: Sequence[int], mode: Any, cval: Any
    ) -> Array:
        """``sum of weights[t] * x[j - size//2 - origin + t]``, delivered; complex weights are conjugated."""
        boundary, cval = checked_boundary(mode, cval, self.x)
        if not axes:
            raise PassOn
        for origin, size in zip(origins, weights.shape, strict=True):
            if not -(size // 2) <= origin <= (size - 1) // 2:
                raise PassOn
        first = tuple(-(s // 2) - o for s, o in zip(weights.shape, origins, strict=True))
        count = tuple(self.x.shape[a] for a in axes)
        if self.whole_numbers and _whole(weights) and (boundary != "constant" or _whole(cval)):
            taps = weights.astype(np.int64)
            constant = int(cval) if boundary == "constant" else 0
            with contextlib.suppress(OverflowError):
                answer = _api.windows(
                    self.x, taps, tuple(axes), first, count, flip=False, boundary=boundary,
                    cval=constant, dtype=self.due, out=self.target.direct(self.due), c_casts=self.c_casts,
                )  # fmt: skip
                return self.target.deliver(answer)
        answer = _api.windows(
            self.x, self._rounded(weights), tuple(axes), first, count, flip=False, boundary=boundary,
            cval=cval, dtype=self.due, out=self.target.direct(self.due), c_casts=self.c_casts,
        )  # fmt: skip
        return self.target.deliver(answer)

    def separable(
        self, factors: Sequence[Array], axes: Sequence[int], mode: Any, cval: Any
    ) -> Array | None:
        """The passes over all axes at once, where that gives what SciPy's passes one by one give."""
        whole = self.whole_numbers and all(map(_whole, factors))
        if self.c_casts and not (whole and self._only_wraps(factors)):
            return None  # each of SciPy's passes cuts off
        if not isinstance(mode, str) or len(axes) < 2:
            return None
        boundary, cval = checked_boundary(mode, cval, self.x)
        if boundary == "constant":
            return None  # each pass sees the constant anew
        if whole:
            with contextlib.suppress(OverflowError):
                taps = [f.astype(np.int64, copy=False) for f in factors]
                return self._separated(taps, axes, boundary)
        return self._separated([self._rounded(f) for f in factors], axes, boundary)

    def _only_wraps(self, factors: Sequence[Array]) -> bool:
        """Whether whole numbers wrap around in each pass, which one wrapping at the end comes to."""
        if self.x.dtype.itemsize > 2 or self.due.itemsize > 2:
            return False
        return math.prod(int(np.abs(f).sum()) for f in factors) <= 1 << 15

    def _separated(self, factors: list[Array], axes: Sequence[int], boundary: str) -> Array:
        answer = _api.separable(
            self.x, factors, tuple(axes), mode="same", boundary=boundary, dtype=self.due,
            out=self.target.direct(self.due), flip=False, c_casts=self.c_casts,
        )  # fmt: skip
        return self.target.deliver(answer)


@functools.lru_cache(64)
def _remembered_singles(weights: bytes, shape: tuple[int, ...]) -> Array:
    return _singles(np.frombuffer(weights).reshape(shape))


def _singles(weights: Array) -> Array:
    rounded: Array = weights.astype(np.float32)
    lost = float(weights.sum()) - float(rounded.sum(dtype=np.float64))
    if np.isfinite(lost):
        rounded.flat[np.abs(rounded).argmax()] += np.float32(lost)
    return rounded


def checked_boundary(mode: Any, cval: Any, x: Array) -> tuple[str, Any]:
    if not isinstance(mode, str) or mode not in BOUNDARIES:
        raise PassOn
    boundary = BOUNDARIES[mode]
    plain = type(cval) is float or type(cval) is int
    if not plain and (np.ndim(cval) != 0 or (np.iscomplexobj(cval) and x.dtype.kind != "c")):
        raise PassOn
    if boundary != "constant":
        return boundary, 0
    if cval == 0:
        return "zero", 0
    return boundary, complex(cval) if np.iscomplexobj(cval) else float(cval)


def _whole(weights: Any) -> bool:
    values = np.asarray(weights)
    if values.dtype.kind in "biu":
        return True
    return values.dtype.kind == "f" and bool(
        (np.abs(values) < 2**53).all() and (values == np.rint(values)).all()
    )


def chosen_axes(axes: Any, ndim: int) -> tuple[int, ...]:
    if axes is None:
        return tuple(range(ndim))
    given = axes if isinstance(axes, Iterable) else (axes,)
    resolved = tuple(operator.index(axis) for axis in given)
    if any(not -ndim <= axis < ndim for axis in resolved):
        raise PassOn
    resolved = tuple(axis % ndim for axis in resolved)
    if len(set(resolved)) != len(resolved):
        raise PassOn
    return resolved


def per_axis(value: Any, rank: int) -> list[Any]:
    if type(value) in (int, float, str) or not isinstance(value, Iterable):
        return [value] * rank
    values = list(value)
    if len(values) != rank:
        raise PassOn
    return values
