"""Arrays in device memory: whose they are, where they stand, and how to make more of the same kind.

CuPy, PyTorch and Numba are never imported: whoever passes one of their arrays has done that already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from faltung._arguments import result_dtype, served

# What NumPy lacks is computed like its neighbour of the same size.
STAND_IN = {"bfloat16": "float16"}


@dataclass(frozen=True, slots=True)
class DeviceArray:
    """An array of someone else's in device memory; strides in bytes, `stream` the caller's current one."""

    owner: Any
    address: int
    type: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    device: int
    stream: int
    empty: Callable[[tuple[int, ...], str], Any]

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the core takes the elements for."""
        return np.dtype(STAND_IN.get(self.type, self.type))


def is_device_array(value: Any) -> bool:
    """Whether `value` is an array in device memory; quick for everything else."""
    if isinstance(value, (np.ndarray, np.generic, list, tuple, int, float, complex)):
        return False
    if getattr(value, "is_cuda", None) is not None:
        return bool(value.is_cuda)
    try:
        return getattr(value, "__cuda_array_interface__", None) is not None
    except (AttributeError, RuntimeError, TypeError):
        return False


def describe(value: Any, name: str) -> DeviceArray:
    """`value`, an array for which `is_device_array` holds."""
    home = type(value).__module__.partition(".")[0]
    if hasattr(value, "is_cuda"):
        return _of_torch(value, name)
    if home == "cupy":
        return _of_cupy(value)
    return _of_interface(value, name)


def _of_torch(value: Any, name: str) -> DeviceArray:
    torch = sys.modules["torch"]
    if value.requires_grad and torch.is_grad_enabled():
        raise TypeError(
            f"{name} requires a gradient, which is not computed here; pass {name}.detach()"
        )
    if value.layout is not torch.strided:
        raise TypeError(f"{name} has layout {value.layout}; it must be a dense tensor")
    tensor = value.detach().resolve_conj().resolve_neg()
    size = tensor.element_size()

    def empty(shape: tuple[int, ...], element: str) -> Any:
        return torch.empty(shape, dtype=getattr(torch, element), device=tensor.device)

    return DeviceArray(
        owner=tensor,
        address=tensor.data_ptr(),
        type=str(tensor.dtype).removeprefix("torch."),
        shape=tuple(tensor.shape),
        strides=tuple(step * size for step in tensor.stride()),
        device=tensor.device.index,
        stream=torch.cuda.current_stream(tensor.device).cuda_stream,
        empty=empty,
    )


def _of_cupy(value: Any) -> DeviceArray:
    cupy = sys.modules["cupy"]
    device = value.data.device_id

    def empty(shape: tuple[int, ...], element: str) -> Any:
        if cupy.cuda.runtime.getDevice() == device:
            return cupy.empty(shape, np.dtype(element))
        with value.device:
            return cupy.empty(shape, np.dtype(element))

    return DeviceArray(
        owner=value,
        address=value.data.ptr,
        type=value.dtype.name,
        shape=value.shape,
        strides=value.strides,
        device=device,
        stream=cupy.cuda.get_current_stream(device).ptr,
        empty=empty,
    )


def _of_interface(value: Any, name: str) -> DeviceArray:
    """Numba's arrays, and whatever else tells where it stands."""
    from faltung import cuda

    interface = value.__cuda_array_interface__
    dtype = np.dtype(interface["typestr"])
    if not dtype.isnative:
        raise TypeError(f"{name} has byte order {dtype.byteorder!r}; it must be the machine's")
    shape = tuple(interface["shape"])
    strides = interface.get("strides")
    if strides is None:
        strides = tuple(
            int(step) for step in np.cumprod((dtype.itemsize, *shape[:0:-1]))[::-1]
        ) if shape else ()  # fmt: skip
    address, _ = interface["data"]
    numba = sys.modules.get("numba")
    of_numba = numba is not None and type(value).__module__.partition(".")[0] == "numba"

    def empty(shape: tuple[int, ...], element: str) -> Any:
        if of_numba:
            return sys.modules["numba.cuda"].device_array(shape, np.dtype(element))
        return cuda.Array(shape, element, device)

    device = cuda._extension().device_of(address) if address else 0
    return DeviceArray(
        owner=value,
        address=address,
        type=dtype.name,
        shape=shape,
        strides=tuple(strides),
        device=device,
        stream=interface.get("stream") or 0,
        empty=empty,
    )


def moved(array: DeviceArray, source: int, destination: int) -> DeviceArray:
    """The same memory with one axis elsewhere."""
    order = list(range(len(array.shape)))
    order.insert(destination % len(order), order.pop(source))
    return replace(
        array,
        shape=tuple(array.shape[a] for a in order),
        strides=tuple(array.strides[a] for a in order),
    )


def type_name(dtype: Any) -> str:
    """The name of a dtype given as NumPy's, as a tensor library's, or as a string."""
    name = str(dtype).removeprefix("torch.")
    return name if name in STAND_IN else np.dtype(dtype).name


def result_type(x: str, k: str) -> str:
    """The type of an answer that nobody asked to be another: NumPy's rules, with bfloat16 beside float16."""
    kinds = [served(np.dtype(STAND_IN.get(one, one)), name) for one, name in ((x, "x"), (k, "k"))]
    result: str = result_dtype(*kinds).name
    if result == "float16" and "bfloat16" in (x, k):
        return "float32" if "float16" in (x, k) else "bfloat16"
    return result
