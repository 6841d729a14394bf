"""Filters worked out for samples of one shape and dtype: requests and weights, kept for the calls to come.

What a call of ``scipy.ndimage`` means takes longer to work out than a small image takes to filter, and programs make
the same call again and again.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from faltung import _core
from faltung._arguments import Array
from faltung.compat._routing import PassOn
from faltung.compat._windows import as_numbers

_MOST_RECIPES = 256  # of each kind
_MOST_BYTES = 4096  # of weights that are compared with those of earlier calls


class Step(Protocol):
    """One pass over the samples, into `out` or a new array."""

    def run(self, x: Array, out: Array | None) -> Array: ...


@dataclass(frozen=True, slots=True)
class Sum:
    """A request, with its weights or with a factor of them for each axis."""

    request: _core.Request
    weights: Array | list[Array]
    otherwise: Sum | None = None  # for samples that whole numbers of 64 bits do not hold

    def run(self, x: Array, out: Array | None) -> Array:
        try:
            if isinstance(self.weights, list):
                return _core.run_separable(self.request, x, self.weights, out, None)
            return _core.run(self.request, x, self.weights, out, None)
        except OverflowError:
            if self.otherwise is None:
                raise
            return self.otherwise.run(x, out)


@dataclass(frozen=True, slots=True)
class Gaps:
    """A sum whose weights hold zeros, which SciPy leaves out and the core multiplies with: NaN and infinity tell."""

    total: Step
    otherwise: Step | None  # for samples that are not finite; None leaves them to SciPy

    def run(self, x: Array, out: Array | None) -> Array:
        if _all_finite(x):
            return self.total.run(x, out)
        if self.otherwise is None:
            raise PassOn
        return self.otherwise.run(x, out)


def _all_finite(x: Array) -> bool:
    if x.flags.forc:  # a sum of squares takes less time, and is finite unless it overflows
        numbers = x.ravel("K").view(x.real.dtype)
        with np.errstate(all="ignore"):
            if np.isfinite(np.dot(numbers, numbers)):
                return True
    return bool(np.isfinite(x).all())


@dataclass(frozen=True, slots=True)
class Quotient:
    """A sum in float64 divided by a number, and cast as C casts."""

    total: Step
    divisor: float
    dtype: np.dtype[Any]

    def run(self, x: Array, out: Array | None) -> Array:
        total = self.total.run(x, None)
        return delivered(np.divide(total, self.divisor, total), self.dtype, out)


@dataclass(frozen=True, slots=True)
class Accumulation:
    """The sum of what several recipes make of the samples, or the root of the sum of their squares."""

    parts: list[Recipe]
    square: bool

    def run(self, x: Array, out: Array | None) -> Array:
        total = self._part(0, x)
        for place in range(1, len(self.parts)):
            total += self._part(place, x)
        answer = np.sqrt(total, total) if self.square else total
        return delivered(answer, answer.dtype, out)

    def _part(self, place: int, x: Array) -> Array:
        answer = self.parts[place](x)
        return np.multiply(answer, answer, answer) if self.square else answer


@dataclass(frozen=True, slots=True)
class Recipe:
    """Passes one after another, and the dtype that the answer is due in."""

    steps: list[Step]
    dtype: np.dtype[Any]
    promoted: bool = False  # to complex, which SciPy warns of

    def __call__(self, x: Array, out: Array | None = None) -> Array:
        if self.promoted:
            warnings.warn("promoting specified output dtype to complex", stacklevel=5)
        for step in self.steps[:-1]:
            x = step.run(x, None)
        if out is None and self.dtype.isnative:
            return self.steps[-1].run(x, None)
        if out is not None and out.dtype.isnative:
            return self.steps[-1].run(x, out)
        return delivered(self.steps[-1].run(x, None), self.dtype, out)


class Into(NamedTuple):
    """Stands for an array to write to."""

    dtype: np.dtype[Any]


class Weights(NamedTuple):
    """Stands for an array of weights."""

    numbers: bytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def array(self) -> Array:
        return np.frombuffer(self.numbers, self.dtype).reshape(self.shape)


def remembered(work_out: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """`work_out`, a function of shape, dtype and hashable arguments, with recent answers kept.

    Lists count as tuples. Equal numbers of different types are different arguments.
    """
    known: dict[Any, Recipe] = {}

    def store(key: Any, *arguments: Any) -> Recipe:
        recipe = work_out(*arguments)
        if len(known) >= _MOST_RECIPES:
            known.clear()
        known[key] = recipe
        return recipe

    @functools.wraps(work_out)
    def find(shape: tuple[int, ...], dtype: np.dtype[Any], *given: Any) -> Recipe:
        types: tuple[Any, ...] = tuple([type(one) for one in given])
        if list in types or tuple in types:
            given = tuple([tuple(one) if type(one) is list else one for one in given])
            types += tuple([tuple(map(type, one)) for one in given if type(one) is tuple])
        key = (shape, dtype, given, types)
        try:
            recipe = known.get(key)
        except TypeError:  # arrays among them
            return work_out(shape, dtype, *given)
        return store(key, shape, dtype, *given) if recipe is None else recipe

    return find


def filtered(find: Callable[..., Recipe], samples: Any, output: Any, *arguments: Any) -> Array:
    """What the recipe for these arguments makes of `samples`, delivered as `output` says."""
    x = as_numbers(samples)
    if output is None or isinstance(output, type | np.dtype | str):
        return find(x.shape, x.dtype, output, *arguments)(x)
    if type(output) is not np.ndarray or output.shape != x.shape:
        raise PassOn
    return find(x.shape, x.dtype, Into(output.dtype), *arguments)(x, output)


def comparable(weights: Array) -> Array | Weights:
    """`weights` in a form that recipes are remembered by, unless there are many."""
    if weights.nbytes > _MOST_BYTES:
        return weights
    return Weights(weights.tobytes(), weights.dtype, weights.shape)


def delivered(answer: Array, dtype: np.dtype[Any], out: Array | None) -> Array:
    """`answer` in `out`, or else in `dtype`: cast as C casts."""
    if out is None:
        return cast(answer, dtype)
    if answer is not out:
        out[...] = cast(answer, out.dtype)
    return out


def cast(answer: Array, dtype: np.dtype[Any]) -> Array:
    if answer.dtype == dtype:
        return answer
    if answer.dtype.kind == "f" and dtype.kind in "iu":
        with np.errstate(invalid="ignore"):
            if dtype.char in "LQ":
                return answer.astype(dtype)
            # cuts off; what is too large for the target then wraps around
            short = dtype.itemsize < 4 or dtype.char == "i"
            answer = answer.astype(np.int32 if short else np.int64)
    return answer.astype(dtype)
