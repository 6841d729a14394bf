"""The same work for everybody: callables that convolve, by the name of who does it."""

import importlib
import os
from functools import cache

import numpy as np

try:
    WORKERS = len(os.sched_getaffinity(0))
except AttributeError:  # not on macOS and Windows
    WORKERS = os.cpu_count() or 1

PEERS = ["faltung", "numpy", "ndimage", "fftconvolve", "oaconvolve", "cv2", "torch"]
METHODS = ["direct", "separable", "overlap_save", "fft", "auto"]


@cache
def module(name):
    """An importable module; asv skips the combination where there is none."""
    try:
        found = importlib.import_module(name)
    except ImportError:
        raise NotImplementedError(f"{name} is not installed") from None
    if name == "torch":
        found.set_num_threads(WORKERS)
    if name == "cv2":
        found.setNumThreads(WORKERS)
    return found


def samples(shape, dtype="float32", seed=7):
    """Random samples; integers use their whole range up to 16 bits."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return rng.integers(
            max(limits.min, -(2**15)), min(limits.max, 2**15), shape, dtype, endpoint=True
        )
    values = rng.standard_normal(shape)
    if dtype.kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def same(peer, x, k):
    """A callable for the convolution of shape x, zeros outside; NotImplementedError where `peer` has none."""
    if peer == "faltung":
        faltung = module("faltung")
        return lambda: faltung.convolve(x, k, "same")
    if peer == "numpy":
        if x.ndim != 1:
            raise NotImplementedError("numpy.convolve has one dimension")
        limit_work(x, k, 4e9)
        return lambda: np.convolve(x, k, "same")
    if peer == "ndimage":
        limit_work(x, k, 3e9)
        ndimage = module("scipy.ndimage")
        return lambda: ndimage.convolve(x, k, mode="constant")
    if peer in ("fftconvolve", "oaconvolve"):
        function = getattr(module("scipy.signal"), peer)
        return lambda: function(x, k, "same")
    if peer == "cv2":
        return _cv2(x, k)
    if peer == "torch":
        return _torch(x, k)
    raise ValueError(f"peer is {peer!r}; allowed are {PEERS}")


def limit_work(x, k, most):
    """A direct peer that would take minutes is left out."""
    if x.size * k.size > most:
        raise NotImplementedError("too slow here")


def _cv2(x, k):
    cv2 = module("cv2")
    if x.ndim != 2 or x.dtype not in (np.float32, np.float64):
        raise NotImplementedError("cv2.filter2D is for images of float32 or float64 here")
    flipped = np.ascontiguousarray(k[::-1, ::-1])
    return lambda: cv2.filter2D(x, -1, flipped, borderType=cv2.BORDER_CONSTANT)


def _torch(x, k):
    torch = module("torch")
    if x.ndim > 3 or x.dtype.kind != "f" or any(n % 2 == 0 for n in k.shape):
        raise NotImplementedError("torch convolves floats along one to three axes")
    limit_work(x, k, 2e9)
    function = getattr(torch.nn.functional, f"conv{x.ndim}d")
    tx = torch.from_numpy(x)[None, None]
    tk = torch.from_numpy(np.flip(k).copy())[None, None]
    padding = tuple(n // 2 for n in k.shape)
    return lambda: function(tx, tk, padding=padding)


def by_method(method, x, k):
    """Faltung with a forced method."""
    faltung = module("faltung")
    try:
        faltung.convolve(x, k, "same", method)
    except (ValueError, RuntimeError) as error:  # no outer product, no FFT library
        raise NotImplementedError(str(error)) from None
    return lambda: faltung.convolve(x, k, "same", method)
