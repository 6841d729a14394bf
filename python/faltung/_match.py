"""Template matching by normalised correlation."""

from __future__ import annotations

from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from faltung import _core, _device, cuda
from faltung._arguments import (
    MODES,
    Array,
    as_array,
    check_out,
    one_integer,
    pick,
    resolve_axes,
    resolve_boundary,
    resolve_cval,
    served,
    served_dtype,
)
from faltung._config import locate_fft_libraries, resolve_workers


class Peaks(NamedTuple):
    """The best matches that do not overlap, the best one first.

    Attributes
    ----------
    positions : ndarray of int64, shape (..., n, axes)
        Where the template's first sample lies in the image, along the axes that were matched.
    scores : ndarray of float64, shape (..., n)
        Their scores. Where an entry of the batch has fewer matches than another, the rest is NaN, with
        positions of -1.
    """

    positions: Array
    scores: Array


@overload
def match_template(
    image: npt.ArrayLike,
    template: npt.ArrayLike,
    mode: str = ...,
    *,
    axes: int | tuple[int, ...] | None = ...,
    boundary: str = ...,
    cval: float = ...,
    mask: npt.ArrayLike | None = ...,
    image_mask: npt.ArrayLike | None = ...,
    peaks: None = ...,
    out: Array | None = ...,
    dtype: npt.DTypeLike | None = ...,
    workers: int | None = ...,
) -> Array: ...
@overload
def match_template(
    image: npt.ArrayLike,
    template: npt.ArrayLike,
    mode: str = ...,
    *,
    axes: int | tuple[int, ...] | None = ...,
    boundary: str = ...,
    cval: float = ...,
    mask: npt.ArrayLike | None = ...,
    image_mask: npt.ArrayLike | None = ...,
    peaks: int,
    out: None = ...,
    dtype: npt.DTypeLike | None = ...,
    workers: int | None = ...,
) -> Peaks: ...
def match_template(
    image: npt.ArrayLike,
    template: npt.ArrayLike,
    mode: str = "valid",
    *,
    axes: int | tuple[int, ...] | None = None,
    boundary: str = "zero",
    cval: float = 0,
    mask: npt.ArrayLike | None = None,
    image_mask: npt.ArrayLike | None = None,
    peaks: int | None = None,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array | Peaks:
    """How well a template matches every window of an image: normalised cross-correlation.

    ``score = sum(t * w) / sqrt(sum(t**2) * sum(w**2))`` with t the template and w the window, each less its
    own mean: Pearson's coefficient. 1 is the template itself, whatever its brightness and contrast; -1 its
    negative. Equal to OpenCV's ``TM_CCOEFF_NORMED`` and to ``skimage.feature.match_template``.

    Parameters
    ----------
    image : array_like
        Real numbers of any dtype, any number of axes. One in a GPU's memory gives a map of its kind there; peaks are
        NumPy arrays always.
    template : array_like
        What to look for, with one axis for each of `axes`.
    mode : {"valid", "same", "full"}
        Which windows: those inside the image (output j lies on ``image[j:j + len(template)]``), those
        centred on a sample of it, or all that overlap it.
    axes : int or tuple of int, optional
        The axes of the image that the template runs over; the others are a batch. By default all.
    boundary, cval
        What lies outside the image, for windows that reach there, as in `convolve`.
    mask : array_like, optional
        Of the template's shape: only its samples where this is not zero count.
    image_mask : array_like, optional
        Of the image's shape: only samples where this is not zero count. It is continued like the
        image by the boundary; outside a ``"zero"`` or ``"constant"`` one, nothing counts. Each window is
        then compared with the part of the template that lies on samples that count [1]_.
    peaks : int, optional
        Give the positions and scores of this many best matches in place of the map: each the best one
        whose window overlaps none before it, the first in C order among equals.
    out : ndarray, optional
        Where to put the map.
    dtype : dtype, optional
        Of the map: float16, float32 or float64.
    workers : int, optional
        Threads to use. The answer is the same bit by bit for any number.

    Returns
    -------
    ndarray or Peaks
        Scores within [-1, 1]. float64 where image or template is float64 or an integer of more than 16
        bits, else float32. Windows without contrast (all samples equal), and all windows of such a
        template, score 0; windows that hold NaN or an infinity are NaN.

    Raises
    ------
    ValueError
        Shapes or axes that do not fit, a template larger than the image in mode ``"valid"``, NaN in the
        template, a mask that leaves nothing.
    TypeError
        A complex dtype or one that is not served, a masked array.
    RuntimeError
        A template so long that an FFT library is needed, and none is found.

    References
    ----------
    .. [1] D. Padfield, "Masked object registration in the Fourier domain", IEEE Transactions on Image
       Processing 21(5), 2012.

    Examples
    --------
    >>> import faltung, numpy as np
    >>> image = np.random.default_rng(0).random((60, 80))
    >>> template = 3 * image[20:30, 35:50] + 7
    >>> faltung.match_template(image, template, peaks=1).positions.tolist()
    [[20, 35]]
    """
    if _device.is_device_array(image, "image"):
        there: Array = cuda.match(
            image, template, mode=mode, axes=axes, boundary=boundary, cval=cval,
            mask=mask, image_mask=image_mask, peaks=peaks, out=out, dtype=dtype,
        )  # fmt: skip
        return there
    x, t = as_array(image, "image"), as_array(template, "template")
    kept = None if mask is None else as_array(mask, "mask")
    image_kept = None if image_mask is None else as_array(image_mask, "image_mask")
    if t.ndim == 0:
        raise ValueError("template has no axes; it needs at least one")
    over = resolve_axes(axes, x.ndim, t.ndim, "image", "template")
    pick(mode, "mode", MODES)
    check_extents(x, t, over, mode)
    if kept is not None and kept.shape != t.shape:
        raise ValueError(f"mask has shape {kept.shape}; it must have the template's, {t.shape}")
    if image_kept is not None and image_kept.shape != x.shape:
        raise ValueError(
            f"image_mask has shape {image_kept.shape}; it must have the image's, {x.shape}"
        )
    peaks = check_peaks(peaks, out)
    result = precision(real(x, "image"), real(t, "template"))
    locate_fft_libraries()
    request = _core.Request(
        x_shape=x.shape,
        x_dtype=served(x.dtype, "image"),
        k_shape=t.shape,
        k_dtype=served(t.dtype, "template"),
        result_dtype=result,
        out_dtype=map_dtype(dtype, result),
        axes=list(over),
        strides=[1] * t.ndim,
        dilations=[1] * t.ndim,
        mode=mode,
        method="auto",
        boundary=resolve_boundary(boundary),
        cval=resolve_cval(cval, result),
        flip=False,
        c_casts=False,
        lags=None,
    )
    scores = _core.match(
        request,
        x,
        t,
        None if kept is None else kept.astype(bool),
        None if image_kept is None else image_kept.astype(bool),
        check_out(out),
        resolve_workers(workers),
    )
    if peaks is None:
        return scores
    return find_peaks(request, scores, peaks, [n for a, n in enumerate(x.shape) if a not in over])


def check_peaks(peaks: int | None, out: Any) -> int | None:
    if peaks is None:
        return None
    if out is not None:
        raise ValueError("out is for the map of scores, which peaks= does not give")
    peaks = one_integer(peaks, "peaks")
    if peaks < 0:
        raise ValueError(f"peaks is {peaks}; it must not be negative")
    return peaks


def find_peaks(request: Any, scores: Array, most: int, batch: list[int]) -> Peaks:
    positions, values = _core.find_peaks(request, scores, most)
    return Peaks(
        positions.reshape(*batch, *positions.shape[1:]), values.reshape(*batch, values.shape[1])
    )


def check_extents(x: Any, t: Any, axes: tuple[int, ...], mode: str) -> None:
    for of_t, axis in enumerate(axes):
        if t.shape[of_t] == 0 or x.shape[axis] == 0:
            name = "template" if t.shape[of_t] == 0 else "image"
            raise ValueError(f"{name} is empty along axis {of_t if name == 'template' else axis}")
        if mode == "valid" and t.shape[of_t] > x.shape[axis]:
            raise ValueError(
                f"template is longer than the image along axis {axis}: {t.shape[of_t]} samples, the image"
                f" has {x.shape[axis]}; mode 'valid' has no window then, 'same' and 'full' have"
            )


def real(array: Any, name: str) -> np.dtype[Any]:
    if array.dtype.kind == "c":
        raise TypeError(f"{name} has dtype {array.dtype}; scores are defined for real numbers only")
    return served(array.dtype, name)


def precision(x: np.dtype[Any], t: np.dtype[Any]) -> np.dtype[Any]:
    wide = any(one.itemsize > (4 if one.kind == "f" else 2) for one in (x, t))
    return np.dtype(np.float64 if wide else np.float32)


def map_dtype(dtype: Any, result: np.dtype[Any]) -> np.dtype[Any]:
    if dtype is None:
        return result
    asked = served_dtype(dtype, "dtype")
    if asked.kind != "f":
        raise TypeError(f"dtype is {asked}; scores are float16, float32 or float64")
    return asked
