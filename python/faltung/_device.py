"""Arrays in device memory: whose they are, where they stand, and how to make more of the same kind.

CuPy, PyTorch and Numba are never imported: whoever passes one of their arrays has done that already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from faltung import _core
from faltung._arguments import result_dtype, served

# What NumPy lacks is computed like its neighbour of the same size.
STAND_IN = {"bfloat16": "float16"}

# DLPack's numbers for where memory is
HOST = frozenset((1, 3, 11))  # plain, or pinned for CUDA or ROCm
CUDA = frozenset((2, 13))
OTHERS = {
    4: "OpenCL", 7: "Vulkan", 8: "Metal", 9: "VPI", 10: "ROCm", 12: "an extension's", 14: "oneAPI", 15: "WebGPU",
    16: "Hexagon", 17: "MAIA", 18: "Trainium",
}  # fmt: skip
DEFAULT_STREAM = (
    1  # the legacy one, as DLPack and __cuda_array_interface__ call it; CUDA's handle of it is 0
)


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
    read_only: bool = False
    # makes the caller's kind of array of what `empty` gave
    given_back: Callable[[Any], Any] | None = None
    # the memory goes back to its owner, who knows nothing of `stream`, when `owner` goes
    borrowed: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the core takes the elements for."""
        return np.dtype(STAND_IN.get(self.type, self.type))


def is_device_array(value: Any, name: str = "an array") -> bool:
    """Whether `value` is an array in CUDA's memory; quick for everything else.

    Raises
    ------
    TypeError
        It is in memory that neither the host nor CUDA reaches.
    """
    if isinstance(value, (np.ndarray, np.generic, list, tuple, int, float, complex)):
        return False
    if getattr(value, "is_cuda", None) is not None:
        return bool(value.is_cuda)
    try:
        if getattr(value, "__cuda_array_interface__", None) is not None:
            return True
    except (AttributeError, RuntimeError, TypeError):
        pass
    try:
        place = value.__dlpack_device__()
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
        return False
    return _is_cuda(place, name)


def _is_cuda(device: tuple[Any, Any], name: str) -> bool:
    """Whether DLPack's (kind, number) is a device of CUDA's, and not the host."""
    kind, number = int(device[0]), int(device[1])
    if kind in CUDA or kind in HOST:
        return kind in CUDA
    raise TypeError(
        f"{name} is in {OTHERS.get(kind, 'unknown')} memory (DLPack's device ({kind}, {number})); "
        "served are arrays in the host's memory and in that of NVIDIA GPUs (CUDA)"
    )


def describe(value: Any, name: str) -> DeviceArray:
    """`value`, an array for which `is_device_array` holds."""
    from faltung import cuda

    if isinstance(value, cuda.Array):
        return _of_ours(value)
    if hasattr(value, "is_cuda"):
        return _of_torch(value, name)
    if type(value).__module__.partition(".")[0] == "cupy":
        return _of_cupy(value)
    if hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__"):
        return _of_dlpack(value, name)
    return _of_interface(value, name)


def _of_ours(value: Any) -> DeviceArray:
    from faltung import cuda

    def empty(shape: tuple[int, ...], element: str) -> Any:
        return cuda.Array(shape, element, value.device, value.stream)

    return DeviceArray(
        owner=value,
        address=value.address,
        type=value.dtype,
        shape=value.shape,
        strides=compact_strides(value.shape, value.itemsize),
        device=value.device,
        stream=value.stream,
        empty=empty,
    )


def _of_dlpack(value: Any, name: str) -> DeviceArray:
    """Arrays of whoever speaks DLPack; JAX is one.

    They tell nothing about their streams: we name ours, the default stream, and their owner makes it wait until
    the array can be read (https://dmlc.github.io/dlpack/latest/python_spec.html).
    """
    from faltung import cuda

    _is_cuda(value.__dlpack_device__(), name)
    borrowed = _core.Borrowed(_capsule(value))
    kind, device = borrowed.device
    if kind not in CUDA:
        raise TypeError(f"{name} says that it is in CUDA memory, and gives DLPack's device {kind}")

    def empty(shape: tuple[int, ...], element: str) -> Any:
        return cuda.Array(shape, element, device)

    return DeviceArray(
        owner=borrowed,
        address=borrowed.address,
        type=borrowed.element,
        shape=borrowed.shape,
        strides=borrowed.strides,
        device=device,
        stream=0,
        empty=empty,
        read_only=borrowed.read_only,
        given_back=_importer(value),
        borrowed=True,
    )


def _capsule(value: Any) -> object:
    try:
        return value.__dlpack__(stream=DEFAULT_STREAM, max_version=(1, 0))
    except TypeError:  # from before version 1
        return value.__dlpack__(stream=DEFAULT_STREAM)


def _importer(value: Any) -> Callable[[Any], Any] | None:
    """`from_dlpack` of the array's library, if it is one of the Array API standard's."""
    namespace = getattr(value, "__array_namespace__", None)
    return None if namespace is None else getattr(namespace(), "from_dlpack", None)


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
    if interface.get("mask") is not None:
        raise TypeError(
            f"{name} is a masked array, and a convolution has no rule for masked samples"
        )
    dtype = np.dtype(interface["typestr"])
    if not dtype.isnative:
        raise TypeError(f"{name} has byte order {dtype.byteorder!r}; it must be the machine's")
    shape = tuple(interface["shape"])
    strides = interface.get("strides")
    if strides is None:
        strides = compact_strides(shape, dtype.itemsize)
    address, read_only = interface["data"]
    stream = interface.get("stream") or 0
    numba = sys.modules.get("numba")
    of_numba = numba is not None and type(value).__module__.partition(".")[0] == "numba"

    def empty(shape: tuple[int, ...], element: str) -> Any:
        if of_numba:
            return sys.modules["numba.cuda"].device_array(shape, np.dtype(element))
        return cuda.Array(shape, element, device, stream)

    device = cuda._extension().device_of(address) if address else 0
    return DeviceArray(
        owner=value,
        address=address,
        type=dtype.name,
        shape=shape,
        strides=tuple(strides),
        device=device,
        stream=stream,
        empty=empty,
        read_only=bool(read_only),
    )


def compact_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Bytes between neighbours along each axis, the last one fastest."""
    strides = []
    for extent in reversed(shape):
        strides.append(itemsize)
        itemsize *= extent
    return tuple(reversed(strides))


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
