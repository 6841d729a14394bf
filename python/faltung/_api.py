"""The functions that people call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from faltung import _core, _device, cuda
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
from faltung._plan import Plan

# Requests of recent calls. Checking arguments takes longer than a small convolution.
_requests: dict[Any, _core.Request] = {}
_MOST_REQUESTS = 1024


def run(
    x: Any,
    k: Any,
    mode: str,
    method: str,
    axes: Any,
    boundary: str,
    cval: Any,
    out: Array | None,
    dtype: Any,
    workers: int | None,
    flip: bool,
    lags: Any,
    stride: Any,
    dilation: Any,
    device: str | None = None,
) -> Array:
    if _runs_on_device(x, k, device):
        answer: Array = cuda.run(
            x, k, out=out, device=device, mode=mode, method=method, axes=axes, boundary=boundary, cval=cval,
            dtype=dtype, flip=flip, lags=lags, stride=stride, dilation=dilation,
        )  # fmt: skip
        return answer
    x = as_array(x, "x")
    k = as_array(k, "k")
    make = _request
    if not (
        axes is None and lags is None and type(stride) is int and type(dilation) is int
    ) and not (_plain(axes) and _plain(lags) and _plain(stride) and _plain(dilation)):
        make = _new_request  # 1.0 would find what was checked for 1
    request = make(
        x.shape, x.dtype, k.shape, k.dtype, mode, method, axes, boundary, cval, type(cval), dtype, flip, lags,
        stride, dilation,
    )  # fmt: skip
    return _core.run(request, x, k, check_out(out), resolve_workers(workers))


def windows(
    x: Array,
    k: Array,
    axes: tuple[int, ...],
    first: tuple[int, ...],
    count: tuple[int, ...],
    *,
    out: Array | None = None,
    **options: Any,
) -> Array:
    """``out[j] = sum over t of k[t] * x[first + j*stride + t]``, `count` of them along each of `axes`.

    What `faltung.compat` stands on; the options are those of `windows_request`.
    """
    request = windows_request(x.shape, x.dtype, k.shape, k.dtype, axes, first, count, **options)
    return _core.run(request, x, k, out, None)


def windows_request(
    x_shape: tuple[int, ...],
    x_dtype: np.dtype[Any],
    k_shape: tuple[int, ...],
    k_dtype: np.dtype[Any],
    axes: tuple[int, ...],
    first: tuple[int, ...],
    count: tuple[int, ...],
    *,
    flip: bool,
    boundary: str = "zero",
    cval: Any = 0,
    dtype: Any = None,
    stride: int = 1,
    c_casts: bool = False,
) -> _core.Request:
    """The request that `windows` runs.

    k is turned around if `flip`, else conjugated. To integers the answer is rounded and saturated, with
    `c_casts` cut off and wrapped around.
    """
    lags = tuple([(f, f + (c - 1) * stride) for f, c in zip(first, count, strict=True)])
    return _request(
        x_shape, x_dtype, k_shape, k_dtype, "full", "auto", axes, boundary, cval, type(cval), dtype, flip,
        lags if len(lags) > 1 else lags[0], stride, 1, c_casts,
    )  # fmt: skip


def _request(*arguments: Any) -> _core.Request:
    """`_new_request`, remembered."""
    try:
        request = _requests.get(arguments)
    except TypeError:  # a list among the arguments
        return _new_request(*arguments)
    if request is None:
        request = _new_request(*arguments)
        if len(_requests) >= _MOST_REQUESTS:
            _requests.clear()
        _requests[arguments] = request
    return request


def _new_request(
    x_shape: tuple[int, ...],
    x_dtype: np.dtype[Any],
    k_shape: tuple[int, ...],
    k_dtype: np.dtype[Any],
    mode: str,
    method: str,
    axes: Any,
    boundary: str,
    cval: Any,
    _: type,  # of cval: 0 and 0.0 are the same key
    dtype: Any,
    flip: bool,
    lags: Any,
    stride: Any,
    dilation: Any,
    c_casts: bool = False,
) -> _core.Request:
    request: _core.Request = make_request(
        x_shape, x_dtype, k_shape, k_dtype,
        mode=mode, method=method, axes=axes, boundary=boundary, cval=cval, dtype=dtype, flip=flip, lags=lags,
        stride=stride, dilation=dilation, c_casts=c_casts,
    )  # fmt: skip
    return request


def _runs_on_device(x: Any, k: Any, device: str | None) -> bool:
    if device is not None:
        if isinstance(device, str) and device == "cpu":
            return False
        cuda.device_number(device)  # a name that is wrong is wrong without a device too
        return True
    if type(x) is np.ndarray and type(k) is np.ndarray:
        return False
    return _device.is_device_array(x, "x") or _device.is_device_array(k, "k")


def _plain(axes: Any) -> bool:
    return axes is None or type(axes) is int or (type(axes) is tuple and all(map(_plain, axes)))


def convolve(
    x: npt.ArrayLike,
    k: npt.ArrayLike,
    mode: str = "full",
    method: str = "auto",
    *,
    axes: int | tuple[int, ...] | None = None,
    stride: int | tuple[int, ...] = 1,
    dilation: int | tuple[int, ...] = 1,
    boundary: str = "zero",
    cval: complex = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
    device: str | None = None,
) -> Array:
    """Convolve an array with a kernel.

    ``out[j] = sum over t of k[t] * x[j - t]``, over all of `axes` at once.

    Parameters
    ----------
    x : array_like
        The array. Bool, integers, float16/32/64, complex64/128; any strides and byte order.
    k : array_like
        The kernel, with one axis for each of `axes`.
    mode : {"full", "same", "valid"}
        ``"full"``: every position where x and k overlap, ``x + k - 1`` along each axis. ``"same"``: the
        shape of x, centred on the full result (x and k are never swapped). ``"valid"``: only positions
        where k lies inside x, ``x - k + 1``.
    method : {"auto", "direct", "separable", "fft", "overlap_save"}
        How to compute it; ``"auto"`` takes the method with the least predicted time. All methods give the
        same answer within the accuracy bound (docs/semantics.md).
    axes : int or tuple of int, optional
        The axes of x that k runs over, in k's order; the others are a batch. By default all axes, which needs
        ``k.ndim == x.ndim``.
    stride : int or tuple of int
        Keep every `stride`-th output along each of `axes`, from the first.
    dilation : int or tuple of int
        Samples between neighbouring taps: the kernel acts as if it had ``dilation - 1`` zeros between them.
    boundary : {"zero", "constant", "edge", "symmetric", "mirror", "wrap"}
        What lies outside x: zeros; `cval`; the edge sample; x reflected with its edge sample repeated, or not
        repeated; x repeated. ``"nearest"`` is ``"edge"``, ``"circular"`` is ``"wrap"``.
    cval : scalar
        What ``boundary="constant"`` continues with, in the result's dtype.
    out : ndarray, optional
        Where to put the answer: right shape and dtype, any strides; it may overlap x or k. Giving one
        saves the page faults of a fresh large array.
    dtype : dtype, optional
        The dtype of the answer. Integers are rounded half to even and saturate.
    workers : int, optional
        Threads to use; by default what `set_workers` says. The answer is the same bit by bit for any number.
    device : {"cpu", "cuda", "cuda:N"}, optional
        Where to compute; by default where x is. Arrays in a GPU's memory (CuPy, PyTorch, Numba) give an array of
        their kind there, in the order of their stream; with ``"cuda"`` NumPy arrays are copied there and back.

    Returns
    -------
    ndarray
        Inexact inputs: ``np.result_type(x, k)``; float16 is computed in float32. Integers and bools: exact, in
        int64 (uint64 where both are unsigned and one is uint64).

    Raises
    ------
    ValueError
        An unknown name, axes that do not fit, an empty axis, ``"valid"`` with x shorter than k, or a method
        that cannot serve the problem (the message gives the reason).
    TypeError
        A dtype that is not served, or a masked array.
    OverflowError
        Integers whose exact answer might not fit.
    MemoryError
        Sizes that no memory holds.

    Examples
    --------
    >>> import faltung
    >>> faltung.convolve([1, 2, 3], [1, 1]).tolist()
    [1, 3, 5, 3]
    """
    return run(
        x, k, mode, method, axes, boundary, cval, out, dtype, workers, True, None, stride, dilation,
        device,
    )  # fmt: skip


def correlate(
    x: npt.ArrayLike,
    k: npt.ArrayLike,
    mode: str = "full",
    method: str = "auto",
    *,
    axes: int | tuple[int, ...] | None = None,
    stride: int | tuple[int, ...] = 1,
    dilation: int | tuple[int, ...] = 1,
    boundary: str = "zero",
    cval: complex = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
    device: str | None = None,
    lags: int | tuple[int | tuple[int, int], ...] | None = None,
) -> Array:
    """Correlate an array with a kernel: `convolve` with k conjugated and not flipped.

    ``out[lag] = sum over t of conj(k[t]) * x[lag + t]``.

    Parameters
    ----------
    lags : int or pair of int, or one of these per axis, optional
        Compute only these lags, ``-n..n`` for an integer n or ``first..last`` (both included) for a
        pair, in place of what `mode` says. Lag 0 is where k lies on the start of x. With several axes,
        a sequence with an entry for each of `axes`.

    See Also
    --------
    convolve : all other parameters, the result and the errors.

    Examples
    --------
    >>> import faltung
    >>> faltung.correlate([0, 1, 2, 0], [1, 2], "valid").tolist()
    [2, 5, 2]
    """
    return run(
        x, k, mode, method, axes, boundary, cval, out, dtype, workers, False, lags, stride, dilation,
        device,
    )  # fmt: skip


def separable(
    x: npt.ArrayLike,
    factors: Sequence[npt.ArrayLike],
    axes: int | tuple[int, ...] | None = None,
    *,
    mode: str = "same",
    boundary: str = "zero",
    cval: complex = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
    flip: bool = True,
) -> Array:
    """Convolve with the outer product of one-dimensional factors, one per axis, without multiplying it out.

    What `faltung.filters` stands on; `convolve` finds such kernels by itself.
    """
    x = as_array(x, "x")
    taps = [as_array(factor, "factors") for factor in factors]
    common = np.result_type(*taps) if taps else np.dtype(np.float64)
    for factor in taps:
        if factor.ndim != 1:
            raise ValueError(f"factors must be one-dimensional; one has {factor.ndim} axes")
    request = separable_request(
        x.shape, x.dtype, tuple([factor.size for factor in taps]), common, axes,
        mode=mode, boundary=boundary, cval=cval, dtype=dtype, flip=flip,
    )  # fmt: skip
    return _core.run_separable(
        request,
        x,
        [f.astype(common, copy=False) for f in taps],
        check_out(out),
        resolve_workers(workers),
    )


def separable_request(
    x_shape: tuple[int, ...],
    x_dtype: np.dtype[Any],
    sizes: tuple[int, ...],
    dtype_of_factors: np.dtype[Any],
    axes: int | tuple[int, ...] | None = None,
    *,
    mode: str = "same",
    boundary: str = "zero",
    cval: complex = 0,
    dtype: npt.DTypeLike | None = None,
    flip: bool = True,
    c_casts: bool = False,
) -> _core.Request:
    """The request that `separable` runs, for factors of these sizes; `c_casts` as in `windows_request`."""
    make = _request if _plain(axes) else _new_request
    return make(
        x_shape, x_dtype, sizes, dtype_of_factors, mode, "separable", axes, boundary, cval, type(cval), dtype,
        flip, None, 1, 1, c_casts,
    )  # fmt: skip


def plan(
    k: npt.ArrayLike,
    shape: int | tuple[int, ...],
    mode: str = "full",
    method: str = "auto",
    *,
    axes: int | tuple[int, ...] | None = None,
    stride: int | tuple[int, ...] = 1,
    dilation: int | tuple[int, ...] = 1,
    boundary: str = "zero",
    cval: complex = 0,
    dtype: npt.DTypeLike | None = None,
    x_dtype: npt.DTypeLike | None = None,
    correlate: bool = False,
    workers: int | None = None,
    device: str | None = None,
) -> Plan | cuda.Plan:
    """Prepare a kernel for arrays of one shape: choose, pack or transform it once, use it many times.

    Parameters
    ----------
    k : array_like
        The kernel; it is copied.
    shape : int or tuple of int
        The shape of the arrays to come.
    x_dtype : dtype, optional
        Their dtype; by default k's.
    correlate : bool
        Prepare `correlate` in place of `convolve`.
    mode, method, axes, stride, dilation, boundary, cval, dtype, workers
        As in `convolve`.
    device : {"cpu", "cuda", "cuda:N"}, optional
        Where to compute; by default where k is.

    Returns
    -------
    Plan
        Or `faltung.cuda.Plan`, for a device. Call it with an array. It may be shared between threads.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As `convolve`.

    Examples
    --------
    >>> import faltung, numpy as np
    >>> smooth = faltung.plan(np.ones((5, 5)) / 25, (100, 100), "same", boundary="edge")
    >>> smooth(np.ones((100, 100))).shape
    (100, 100)
    """
    if _runs_on_device(None, k, device):
        options = {
            "mode": mode, "method": method, "axes": axes, "boundary": boundary, "cval": cval, "dtype": dtype,
            "flip": not flag(correlate, "correlate"), "stride": stride, "dilation": dilation,
        }  # fmt: skip
        return cuda.Plan(k, shape, x_dtype, device, options)
    kernel = as_array(k, "k").copy()
    x_shape = shape_to_come(shape, "shape")
    samples = dtype_to_come(x_dtype, kernel.dtype, "k")
    request = make_request(
        x_shape, samples, kernel.shape, kernel.dtype,
        mode=mode, method=method, axes=axes, boundary=boundary, cval=cval, dtype=dtype,
        flip=not flag(correlate, "correlate"), stride=stride, dilation=dilation,
    )  # fmt: skip
    return Plan(request, kernel, resolve_workers(workers))
