"""Recursive (infinite impulse response) filters along one axis: what `faltung.compat` and `faltung.series` stand on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from faltung import _core
from faltung._arguments import Array, as_array, as_dtype, chosen_axis, served
from faltung._config import resolve_workers


def recursive_filter(
    b: npt.ArrayLike,
    a: npt.ArrayLike,
    x: npt.ArrayLike,
    axis: int = -1,
    zi: npt.ArrayLike | None = None,
    *,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> tuple[Array, Array | None]:
    """Filter x along `axis` by rational transfer functions, one after another.

    ``a[0] y[n] = sum over k of b[k] x[n - k] - sum over k >= 1 of a[k] y[n - k]``, with x and y zero
    before the start, or as `zi` says. Computed in float64 whatever the dtypes are.

    Parameters
    ----------
    b, a : array_like
        Coefficients: one filter, or with two axes a cascade of them, a row for each section.
    x : array_like
        Samples; any axes, strides and dtype that `faltung.convolve` takes.
    axis : int
        The axis of time.
    zi : array_like, optional
        The state before the first sample, of the transposed direct form II: x's shape with
        ``max(len(a), len(b)) - 1`` along `axis`; for a cascade with an axis of sections before.
    dtype : dtype, optional
        Of the answer and the state; by default what NumPy's promotion makes of b, a, x and zi, and at
        least float32.
    workers : int, optional
        Threads to use, over lines.

    Returns
    -------
    y : ndarray
        Of x's shape.
    zf : ndarray or None
        The state after the last sample, if `zi` is given: what continues the signal.

    Raises
    ------
    ValueError
        Coefficients of more than two axes or none, ``a[0] == 0``, an axis out of range, a `zi` of
        another shape.
    TypeError
        A dtype that is not served.

    References
    ----------
    Oppenheim and Schafer, *Discrete-Time Signal Processing*, chapter 6; the look-ahead by blocks is
    Burrus, "Block realization of digital filters", IEEE Trans. Audio Electroacoust. 20 (1972).
    """
    samples = as_array(x, "x")
    numerators, denominators = _coefficients(b, "b"), _coefficients(a, "a")
    cascade = numerators.ndim == 2
    if denominators.ndim != numerators.ndim:
        raise ValueError("b and a must both have one axis, or both a row for each section")
    numerators, denominators = np.atleast_2d(numerators), np.atleast_2d(denominators)
    if len(numerators) != len(denominators):
        raise ValueError(f"b has {len(numerators)} sections and a has {len(denominators)}")
    lead = denominators[:, :1]
    if not lead.all():
        raise ValueError("a must not begin with 0")
    axis = chosen_axis(axis, samples.ndim)

    operands = [numerators, denominators, samples]
    state = None if zi is None else as_array(zi, "zi")
    if state is not None:
        operands.append(state)
    due = np.result_type(*operands) if dtype is None else as_dtype(dtype, "dtype")
    due = served(due, "the result")
    if due.kind not in "fc":
        due = np.dtype(np.float64)
    if state is not None:
        shape = list(samples.shape)
        shape[axis] = max(numerators.shape[1], denominators.shape[1]) - 1
        wanted = (len(numerators), *shape) if cascade else tuple(shape)
        if state.shape != wanted:
            raise ValueError(f"zi has shape {state.shape}; it must have shape {wanted}")
        state = state.astype(np.complex128 if due.kind == "c" else np.float64)
        state = state if cascade else state[np.newaxis]
    y, final = _core.recursive_filter(
        (numerators / lead).astype(np.complex128),
        (denominators / lead).astype(np.complex128),
        samples,
        axis,
        state,
        due,
        resolve_workers(workers),
    )
    if final is not None:
        final = final.astype(due)
        final = final if cascade else final[0]
    return y, final


def _coefficients(values: Any, name: str) -> Array:
    given = np.atleast_1d(as_array(values, name))
    served(given.dtype, name)
    if given.ndim > 2 or given.size == 0:
        raise ValueError(
            f"{name} has shape {given.shape}; it must be one filter, or a row per section"
        )
    return given
