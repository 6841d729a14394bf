"""Sums over neighbourhoods as ``scipy.ndimage`` has them: outputs, origins, boundaries and roundings."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from faltung import _api
from faltung._arguments import Array
from faltung.compat._recipes import Into, Quotient, Recipe, Step, Sum
from faltung.compat._routing import PassOn

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


class Reading:
    """The samples that a filter reads, the answer it owes, and what decides what is computed in.

    Parameters
    ----------
    shape, dtype
        Of the samples.
    output : None, dtype_like or Into
        ndimage's argument.
    weights_are_complex : bool
        So is the answer then.
    promotes : bool
        Whether SciPy makes a real `output` complex where the answer is; filters made of several do not.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        output: Any,
        weights_are_complex: bool = False,
        promotes: bool = True,
    ) -> None:
        if not shape or 0 in shape or dtype.kind == "b":
            raise PassOn
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)
        complex_answer = dtype.kind == "c" or weights_are_complex
        self.promoted = False
        if output is None:
            self.target = np.promote_types(dtype, np.complex64) if complex_answer else dtype
            self.target = self.target.newbyteorder("=")
        elif isinstance(output, Into):
            self.target = output.dtype
        else:
            self.target = np.dtype(output)
        if self.target.kind not in "iufc" or self.target.char in "egG":
            raise PassOn
        real_wanted = self.target.kind != "c" and isinstance(output, type | np.dtype)
        if complex_answer and real_wanted and promotes:
            self.target = np.promote_types(self.target, np.complex64)
            self.promoted = True
        if complex_answer != (self.target.kind == "c"):
            raise PassOn
        single = dtype.char in "fF" and self.target.char in "fF"
        self.weights = np.dtype(np.float32 if single else np.float64)
        self.whole_numbers = dtype.kind in "iu"
        self.due = self.target.newbyteorder("=")
        self.c_casts = self.due.kind in "iu"

    def then(self) -> Reading:
        """What the next pass reads: this one's answer."""
        return Reading(self.shape, self.due, self.target)

    def recipe(self, *steps: Step) -> Recipe:
        return Recipe(list(steps), self.target, self.promoted)

    def sum(
        self, weights: Array, axes: Sequence[int], origins: Sequence[int], mode: Any, cval: Any
    ) -> Sum:
        """``sum of weights[t] * x[j - size//2 - origin + t]``; complex weights are conjugated."""
        boundary, cval = checked_boundary(mode, cval, self.dtype)
        inexact = self._asked(self._rounded(weights), axes, origins, boundary, cval)
        if self.whole_numbers and is_whole(weights) and (boundary != "constant" or is_whole(cval)):
            constant = int(cval) if boundary == "constant" else 0
            taps = weights.astype(np.int64)
            return self._asked(taps, axes, origins, boundary, constant, inexact)
        return inexact

    def _asked(
        self,
        taps: Array,
        axes: Sequence[int],
        origins: Sequence[int],
        boundary: str,
        cval: Any,
        otherwise: Sum | None = None,
    ) -> Sum:
        if not axes:
            raise PassOn
        for origin, size in zip(origins, taps.shape, strict=True):
            if not -(size // 2) <= origin <= (size - 1) // 2:
                raise PassOn
        first = tuple(-(s // 2) - o for s, o in zip(taps.shape, origins, strict=True))
        request = _api.windows_request(
            self.shape, self.dtype, taps.shape, taps.dtype, tuple(axes), first,
            tuple(self.shape[a] for a in axes),
            flip=False, boundary=boundary, cval=cval, dtype=self.due, c_casts=self.c_casts,
        )  # fmt: skip
        return Sum(request, taps, otherwise)

    def separable(
        self, factors: Sequence[Array], axes: Sequence[int], mode: Any, cval: Any
    ) -> Sum | None:
        """The passes over all axes at once, where that gives what SciPy's passes one by one give."""
        whole = self.whole_numbers and all(map(is_whole, factors))
        if self.c_casts and not (whole and self._only_wraps(factors)):
            return None  # each of SciPy's passes cuts off
        if not isinstance(mode, str) or len(axes) < 2:
            return None
        boundary, cval = checked_boundary(mode, cval, self.dtype)
        if boundary == "constant":
            return None  # each pass sees the constant anew

        def asked(taps: list[Array], otherwise: Sum | None = None) -> Sum:
            request = _api.separable_request(
                self.shape, self.dtype, tuple([t.size for t in taps]), taps[0].dtype, tuple(axes),
                boundary=boundary, dtype=self.due, flip=False, c_casts=self.c_casts,
            )  # fmt: skip
            return Sum(request, taps, otherwise)

        inexact = asked([self._rounded(f) for f in factors])
        if whole:
            return asked([f.astype(np.int64) for f in factors], inexact)
        return inexact

    def _only_wraps(self, factors: Sequence[Array]) -> bool:
        """Whether whole numbers wrap around in each pass, which one wrapping at the end comes to."""
        if self.dtype.itemsize > 2 or self.due.itemsize > 2:
            return False
        return math.prod(int(np.abs(f).sum()) for f in factors) <= 1 << 15

    def mean(self, size: int, axis: int, mode: Any, cval: Any, origin: int) -> Step:
        """The mean of `size` neighbours along an axis."""
        if size < 1:
            raise PassOn
        if not (self.whole_numbers and self.c_casts):
            return self.sum(np.full(size, 1 / size), (axis,), (origin,), mode, cval)
        constant = mode in ("constant", "grid-constant") and cval != 0
        # means that are whole numbers must not fall short of them before they are cut off. A factor
        # of 1 + f lifts them by f or more, which has to exceed all rounding; the others lie 1/size
        # or more from the next whole number, which f and rounding must not reach
        if self.dtype.itemsize == 1 and size <= 21 and not constant:
            # float32: rounding is within (size + 2) 2^-24 of the mean of |x|, and that is 2^7 at most
            # where x has signs. What it and f can reach: size (size + 2) (2^-9 + 2^-16) < 1
            taps = np.full(size, np.float32((1 + (size + 2) * 2**-17) / size))
            boundary, cval = checked_boundary(mode, cval, self.dtype)
            return self._asked(taps, (axis,), (origin,), boundary, cval)
        if self.dtype.itemsize <= 2 and size < 256 and not constant:
            # float64: rounding is within 2^-28, the factor adds less than 1 / (2 size)
            taps = np.full(size, (1 + 2**-25) / size)
            return self.sum(taps, (axis,), (origin,), mode, cval)
        # the exact sum, then one division
        total = Reading(self.shape, self.dtype, np.float64)
        return Quotient(total.sum(np.ones(size), (axis,), (origin,), mode, cval), size, self.due)

    def _rounded(self, weights: Array) -> Array:
        """The weights in the type computed in; the largest takes up what rounding took from their sum."""
        if weights.dtype.kind == "c":
            return weights.astype(np.result_type(self.weights, np.complex64))
        if weights.dtype.char == "d" and self.weights.char == "f":
            return _singles(weights)
        rounded = weights.astype(self.weights)
        if (
            self.c_casts
            and self.whole_numbers
            and self.dtype.itemsize <= 2
            and (rounded >= 0).all()
        ):
            # a sum that is a whole number, as in every flat part of an image, must not fall short of
            # it by its rounding before it is cut off
            rounded *= 1 + 2**-42
        return rounded


def passes(reading: Reading, factors: Sequence[tuple[int, Array, Any]], cval: Any) -> Recipe:
    """Correlations (axis, weights, mode) one after another, all in one go where that comes to the same."""
    if not factors:
        raise PassOn
    axes, taps, modes = zip(*factors, strict=True)
    if all(mode == modes[0] for mode in modes):
        together = reading.separable(taps, axes, modes[0], cval)
        if together is not None:
            return reading.recipe(together)
    steps, read = [], reading
    for axis, one, mode in factors:
        steps.append(read.sum(one, (axis,), (0,), mode, cval))
        read = read.then()
    return reading.recipe(*steps)


def _singles(weights: Array) -> Array:
    rounded: Array = weights.astype(np.float32)
    lost = float(weights.sum()) - float(rounded.sum(dtype=np.float64))
    if np.isfinite(lost):
        rounded.flat[np.abs(rounded).argmax()] += np.float32(lost)
    return rounded


def checked_boundary(mode: Any, cval: Any, dtype: np.dtype[Any]) -> tuple[str, Any]:
    """Our boundary and constant, for samples of `dtype`."""
    if not isinstance(mode, str) or mode not in BOUNDARIES:
        raise PassOn
    boundary = BOUNDARIES[mode]
    kind = np.asarray(cval).dtype.kind
    if np.ndim(cval) != 0 or kind not in "biufcO" or (kind == "c" and dtype.kind != "c"):
        raise PassOn
    if boundary != "constant":
        return boundary, 0
    if cval == 0:
        return "zero", 0
    return boundary, complex(cval) if kind == "c" else float(cval)


def is_whole(weights: Any) -> bool:
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
