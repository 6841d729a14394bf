"""CuPy as the tests of `faltung.cuda` need it, for the stand-in that FALTUNG_CUDA=HOST builds.

Arrays stand in the stand-in's memory, with its guards around them; arithmetic is NumPy's, on the same memory. As with
CuPy, whatever looks at an array waits for the current stream, and for no other.
"""

from __future__ import annotations

import ctypes
import operator
from types import SimpleNamespace

import numpy as np

import faltung
from faltung import _core
from faltung.cuda import _extension

nan = np.nan
_current = 0


def are_needed() -> bool:
    """Whether this is a stand-in: then there is no CuPy that could work."""
    found = faltung.cuda.info()
    return found["available"] and "stand-in" in found["devices"][0]["name"]


def _look(address: int, dtype, shape, strides=None) -> np.ndarray:
    """The memory of a device array as NumPy sees it."""
    interface = {"data": (address, False), "shape": shape, "strides": strides, "version": 3}
    holder = SimpleNamespace(__array_interface__=interface | {"typestr": np.dtype(dtype).str})
    return np.asarray(holder)


class ndarray:
    """What stands in device memory; `owner` keeps it there."""

    def __init__(self, view: np.ndarray, owner) -> None:
        self._view, self._owner = view, owner

    @property
    def data(self):
        return SimpleNamespace(ptr=self._view.__array_interface__["data"][0], device_id=0)

    @property
    def shape(self):
        return self._view.shape

    @property
    def strides(self):
        return self._view.strides

    @property
    def dtype(self):
        return self._view.dtype

    @property
    def T(self):
        return ndarray(self._view.T, self._owner)

    @property
    def __cuda_array_interface__(self):
        return {**self._view.__array_interface__, "stream": _current or 1, "version": 3}

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, *, stream=None, max_version=None):
        assert self._view.flags.c_contiguous
        _extension().wait_for(_current, 0 if stream in (None, 1) else stream, 0)
        return _core.dlpack_capsule(
            self.data.ptr, self.dtype.name, self.shape, (2, 0), self, max_version is not None, False
        )

    def get(self) -> np.ndarray:
        _extension().synchronize(_current, 0)
        return self._view.copy()

    def astype(self, dtype):
        return asarray(self.get().astype(dtype))

    def __getitem__(self, index):
        return ndarray(self._view[index], self._owner)

    def __setitem__(self, index, value) -> None:
        self._view[index] = asnumpy(value)

    def __getattr__(self, name):  # max, all and so on
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.get(), name)


def _on_host(operation):
    def method(self, *others):
        return asarray(operation(self.get(), *map(asnumpy, others)))

    return method


for _name in ("__abs__", "__eq__", "__le__", "__mul__", "__sub__"):
    setattr(ndarray, _name, _on_host(getattr(operator, _name)))
ndarray.__module__ = "cupy"  # by which faltung knows them


def empty(shape, dtype=float) -> ndarray:
    dtype = np.dtype(dtype)
    memory = _extension().Memory(int(np.prod(shape)) * dtype.itemsize, 0)
    return ndarray(_look(memory.address, dtype, tuple(np.atleast_1d(shape).tolist())), memory)


def asarray(value, dtype=None):
    if isinstance(value, ndarray):
        return value
    if hasattr(value, "__cuda_array_interface__"):
        there = value.__cuda_array_interface__
        return ndarray(_look(there["data"][0], there["typestr"], there["shape"]), value)
    host = np.asarray(value, dtype, order="C")
    made = empty(host.shape, host.dtype)
    made._owner.copy_from(host)
    return made


def asfortranarray(array):
    return asarray(array.get().T).T


def asnumpy(value):
    return value.get() if isinstance(value, ndarray) else value


def from_dlpack(value):
    borrowed = _core.Borrowed(value.__dlpack__(stream=_current or 1, max_version=(1, 0)))
    return ndarray(_look(borrowed.address, borrowed.element, borrowed.shape), borrowed)


def full(shape, value, dtype=None):
    return asarray(np.full(shape, value, dtype))


def zeros(shape, dtype=float):
    return full(shape, 0, dtype)


def eye(n, dtype=float):
    return asarray(np.eye(n, dtype=dtype))


def isfinite(array):
    return asarray(np.isfinite(array.get()))


def isnan(array):
    return asarray(np.isnan(array.get()))


def bfloat16(host: np.ndarray) -> faltung.cuda.Array:
    """An array of ours, which holds what NumPy and CuPy lack; `host` has no NaN."""
    bits = np.asarray(host, np.float32, order="C").view(np.uint32).astype(np.uint64)
    made = faltung.cuda.Array(host.shape, "bfloat16", 0)
    made._memory.copy_from(((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16))
    return made


def widened(array: faltung.cuda.Array) -> np.ndarray:
    """bfloat16 as float32, in the host's memory."""
    assert array.dtype == "bfloat16"
    _extension().synchronize(array.stream, 0)
    bits = np.empty(array.shape, np.uint16)
    array._memory.copy_to(bits)
    return (bits.astype(np.uint32) << 16).view(np.float32)


def most_borrowed() -> int:
    """Bytes of device memory that calls have borrowed at a time since this was asked last."""
    ask = ctypes.CDLL(_extension().__file__).on_host_most_borrowed
    ask.restype = ctypes.c_size_t
    return ask()


class Stream:
    """A stream that is in order with no other."""

    def __init__(self, non_blocking: bool) -> None:
        made = ctypes.c_void_p()
        self._library = ctypes.CDLL(_extension().__file__)
        assert self._library.cudaStreamCreateWithFlags(ctypes.byref(made), int(non_blocking)) == 0
        self.ptr = made.value

    def __enter__(self):
        global _current
        self._before, _current = _current, self.ptr
        return self

    def __exit__(self, *_):
        global _current
        _current = self._before

    def synchronize(self) -> None:
        _extension().synchronize(self.ptr, 0)


cuda = SimpleNamespace(
    Stream=Stream,
    get_current_stream=lambda device=0: SimpleNamespace(ptr=_current),
    runtime=SimpleNamespace(getDevice=lambda: 0),
)
