"""Many kernels of one shape over one array."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from faltung import _core
from faltung._arguments import (
    Array,
    as_array,
    check_out,
    dtype_to_come,
    flag,
    make_request,
    shape_to_come,
)
from faltung._config import resolve_workers


class Bank:
    """Kernels prepared for arrays of one shape and dtype. Made by `filter_bank_plan`; threads may share it."""

    __slots__ = ("_bank",)

    def __init__(self, bank: _core.Bank) -> None:
        self._bank = bank

    def __call__(self, x: npt.ArrayLike, out: Array | None = None) -> Array:
        """The maps of x, one per kernel along the first axis.

        Parameters
        ----------
        x : array_like
            An array of the bank's shape and dtype, with any strides and byte order.
        out : ndarray, optional
            Where to put the maps.

        Raises
        ------
        ValueError
            A shape other than the bank's.
        TypeError
            A dtype other than the bank's.
        OverflowError
            Integers whose exact answer might not fit.
        """
        return self._bank(as_array(x, "x"), check_out(out))

    def __len__(self) -> int:
        return self._bank.count

    @property
    def shared(self) -> int:
        """How many of the kernels share the transforms of x."""
        return self._bank.shared

    @property
    def predicted_seconds(self) -> float:
        """What one call was predicted to take."""
        return self._bank.predicted_seconds

    def explain(self) -> str:
        """Which kernels share their work, and what was predicted for the first of them alone."""
        return self._bank.explain()

    def __repr__(self) -> str:
        seconds = self.predicted_seconds
        return f"<faltung.Bank: {len(self)} kernels, {self.shared} of them share, {seconds * 1e3:.3g} ms predicted>"


def filter_bank(
    x: npt.ArrayLike,
    kernels: npt.ArrayLike,
    mode: str = "same",
    method: str = "auto",
    *,
    axes: int | tuple[int, ...] | None = None,
    boundary: str = "zero",
    cval: complex = 0,
    correlate: bool = False,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Convolve an array with each of many kernels, sharing the work on the array.

    Equal to ``np.stack([convolve(x, k, mode, ...) for k in kernels])``. Tiles of x are read and transformed
    once for all kernels; kernels that are quicker by themselves (small ones, outer products) are taken so.

    Parameters
    ----------
    x : array_like
        The array.
    kernels : array_like
        The kernels, all of one shape: the first axis counts them, the others are those of a kernel. A
        complex kernel on a real array costs as much as two real ones.
    mode, method, axes, boundary, cval, dtype, workers
        As in `convolve`; ``method="overlap_save"`` is the one that shares.
    correlate : bool
        `correlate` in place of `convolve`.
    out : ndarray, optional
        Where to put the maps.

    Returns
    -------
    ndarray
        The maps, one per kernel along the first axis, each as `convolve` gives it.

    Raises
    ------
    ValueError, TypeError, OverflowError, MemoryError
        As `convolve`.

    See Also
    --------
    filter_bank_plan : prepares the kernels once for many arrays.

    Examples
    --------
    >>> import faltung
    >>> faltung.filter_bank([1, 2, 3], [[1, 1], [1, -1]], "full").tolist()
    [[1, 3, 5, 3], [1, 1, 1, -3]]
    """
    x = as_array(x, "x")
    bank = _prepare(
        x.shape, x.dtype, kernels, mode, method, axes, boundary, cval, correlate, dtype, workers
    )
    return bank(x, check_out(out), resolve_workers(workers))


def filter_bank_plan(
    kernels: npt.ArrayLike,
    shape: int | tuple[int, ...],
    mode: str = "same",
    method: str = "auto",
    *,
    axes: int | tuple[int, ...] | None = None,
    boundary: str = "zero",
    cval: complex = 0,
    correlate: bool = False,
    dtype: npt.DTypeLike | None = None,
    x_dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Bank:
    """Prepare many kernels for arrays of one shape.

    Parameters
    ----------
    kernels : array_like
        As in `filter_bank`; they are copied.
    shape : int or tuple of int
        The shape of the arrays to come.
    x_dtype : dtype, optional
        Their dtype; by default the kernels'.
    mode, method, axes, boundary, cval, correlate, dtype, workers
        As in `filter_bank`.

    Returns
    -------
    Bank
        Call it with an array.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As `convolve`.

    Examples
    --------
    >>> import faltung, numpy as np
    >>> bank = faltung.filter_bank_plan(np.random.default_rng(0).random((8, 5, 5)), (100, 100))
    >>> bank(np.ones((100, 100))).shape
    (8, 100, 100)
    """
    stack = as_array(kernels, "kernels").copy()
    samples = dtype_to_come(x_dtype, stack.dtype, "kernels")
    x_shape = shape_to_come(shape, "shape")
    return Bank(
        _prepare(
            x_shape, samples, stack, mode, method, axes, boundary, cval, correlate, dtype, workers
        )
    )


def _prepare(
    x_shape: tuple[int, ...],
    x_dtype: np.dtype[Any],
    kernels: npt.ArrayLike,
    mode: str,
    method: str,
    axes: Any,
    boundary: str,
    cval: Any,
    correlate: bool,
    dtype: Any,
    workers: int | None,
) -> _core.Bank:
    stack = as_array(kernels, "kernels")
    if stack.ndim < 2:
        raise ValueError(
            f"kernels has {stack.ndim} axes; its first counts the kernels, and a kernel needs at least one"
        )
    request = make_request(
        x_shape, x_dtype, stack.shape[1:], stack.dtype,
        mode=mode, method=method, axes=axes, boundary=boundary, cval=cval, dtype=dtype,
        flip=not flag(correlate, "correlate"), k="one of kernels",
    )  # fmt: skip
    return _core.Bank(request, stack, resolve_workers(workers))
