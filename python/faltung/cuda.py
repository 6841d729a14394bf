"""Convolution on NVIDIA GPUs.

`faltung.convolve`, `correlate` and `plan` take arrays in device memory (CuPy, PyTorch, Numba, JAX, anything with
``__dlpack__`` or ``__cuda_array_interface__``), work on the caller's stream, and give back the caller's kind of
array. Nothing has to be called here for that; this module says what there is.
"""

from __future__ import annotations

import importlib.metadata
import math
import operator
from types import ModuleType
from typing import Any

import numpy as np

from faltung import _core, _device
from faltung._arguments import (
    MODES,
    as_array,
    integers,
    make_request,
    pick,
    resolve_axes,
    resolve_boundary,
    resolve_cval,
)

__all__ = ["Array", "Plan", "info", "is_available"]

_loaded: ModuleType | None = None
_requests: dict[Any, tuple[Any, str]] = {}
_MOST_REQUESTS = 1024
_missing = "is not part of this installation: build it with `pip install '.[cuda]' -Ccmake.define.FALTUNG_CUDA=ON`"


def _extension() -> ModuleType:
    """The compiled part; RuntimeError where it was not built, or where no device can be used."""
    global _loaded
    if _loaded is None:
        try:
            from faltung import _cuda
        except ImportError as error:
            raise RuntimeError(f"faltung's CUDA target {_missing} ({error})") from None
        count, reason = _cuda.device_count()
        if count == 0:
            raise RuntimeError(f"no CUDA device can be used: {reason}")
        _cuda.set_cufft_candidates(_cufft_files())
        _loaded = _cuda
    return _loaded


def _cufft_files() -> list[str]:
    """Libraries that an installed nvidia-cufft distribution carries."""
    found = []
    for name in ("nvidia-cufft", "nvidia-cufft-cu13", "nvidia-cufft-cu12"):
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found += [str(file.locate()) for file in files if file.name.startswith("libcufft.so")]
    return found


def is_available() -> bool:
    """Whether the CUDA target was built, and a device can be used."""
    try:
        _extension()
    except RuntimeError:
        return False
    return True


def info() -> dict[str, Any]:
    """What was found: devices, and the cuFFT library for transforms of whole arrays.

    Returns
    -------
    dict
        ``available`` (bool), ``reason`` (str; why not, or empty), ``devices`` (a dict for each: name,
        capability, multiprocessors, sizes in bytes, rates per second) and ``cufft`` (path and version, or None).
    """
    try:
        extension = _extension()
    except RuntimeError as error:
        return {"available": False, "reason": str(error), "devices": [], "cufft": None}
    count, _ = extension.device_count()
    return {
        "available": True,
        "reason": "",
        "devices": [extension.device_info(index) for index in range(count)],
        "cufft": extension.cufft(),
    }


def device_number(device: Any) -> int:
    """The number behind ``device="cuda"`` or ``"cuda:1"``, whether there is such a device or not."""
    home, _, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    if home != "cuda" or (number and not number.isdecimal()):
        raise ValueError(f"device is {device!r}; allowed are 'cpu', 'cuda' and 'cuda:N'")
    return int(number or 0)


def device_index(device: Any) -> int:
    """The same, of a device that there is."""
    index = device_number(device)
    count, _ = _extension().device_count()
    if index >= count:
        raise ValueError(f"device is {device!r}, but there are {count} devices")
    return index


class Array:
    """An array of faltung's own in device memory, for callers whose kind of array it cannot make.

    Any library takes it by DLPack or by ``__cuda_array_interface__`` (which has no bfloat16): ``torch.from_dlpack``,
    ``cupy.asarray`` and so on.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
        Its name.
    device : int
    stream : int
        CUDA's handle of the stream that writes to it; 0 is the default stream.
    """

    def __init__(self, shape: tuple[int, ...], element: str, device: int, stream: int = 0) -> None:
        self.shape = tuple(operator.index(extent) for extent in shape)
        self.dtype, self.device, self.stream = element, device, stream
        self.itemsize = np.dtype(_device.STAND_IN.get(element, element)).itemsize
        self._memory = _extension().Memory(math.prod(self.shape) * self.itemsize, device)

    @property
    def address(self) -> int:
        """Where it is in the device's memory."""
        address: int = self._memory.address
        return address

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if self.dtype in _device.STAND_IN:
            raise AttributeError(f"__cuda_array_interface__ has no {self.dtype}; DLPack has")
        return {
            "shape": self.shape,
            "typestr": np.dtype(self.dtype).str,
            "data": (self.address, False),
            "strides": None,
            "stream": self.stream or _device.DEFAULT_STREAM,
            "version": 3,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        """DLPack's (kind, number): CUDA's memory."""
        return (2, self.device)

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> object:
        """The array for whoever works on `stream` (1 or None: the default stream; -1: do not wait)."""
        if copy or (dl_device is not None and tuple(dl_device) != self.__dlpack_device__()):
            raise BufferError(
                "this array can be had where it is, not as a copy or on another device"
            )
        if stream == 0:
            raise ValueError("stream is 0; 1 is the default stream, 2 that of the thread")
        if stream != -1:
            reader = 0 if stream in (None, _device.DEFAULT_STREAM) else stream
            if reader != self.stream:
                _extension().wait_for(self.stream, reader, self.device)
        versioned = max_version is not None and max_version[0] >= 1
        return _core.dlpack_capsule(
            self.address, self.dtype, self.shape, self.__dlpack_device__(), self, versioned, False
        )

    def numpy(self) -> np.ndarray[Any, Any]:
        """A copy in the host's memory."""
        host: np.ndarray[Any, Any] = np.empty(self.shape, self.dtype)
        _extension().synchronize(self.stream, self.device)
        self._memory.copy_to(host)
        return host


def _view(array: _device.DeviceArray) -> Any:
    return _extension().View(array.address, array.type, array.shape, array.strides)


def _upload(value: Any, name: str, device: int) -> _device.DeviceArray:
    """A NumPy array's copy on a device."""
    host = np.asarray(as_array(value, name), order="C")
    host = host.astype(host.dtype.newbyteorder("="), copy=False)
    copy = Array(host.shape, host.dtype.name, device)
    copy._memory.copy_from(host)
    return _device.describe(copy, name)


def _kernel(
    k: Any, x: _device.DeviceArray | None
) -> tuple[Any, tuple[int, ...], str, _device.DeviceArray | None]:
    """What the extension takes for k; its shape; the name of its type; what has to live as long as it is read."""
    if not _device.is_device_array(k, "k"):
        host = as_array(k, "k")
        return host, host.shape, host.dtype.name, None
    array = _device.describe(k, "k")
    if x is not None and array.device != x.device:
        raise ValueError(f"k is on device {array.device}, x on device {x.device}")
    return _view(array), array.shape, array.type, array


def _delivered(
    target: _device.DeviceArray, copy_back: Any, out: Any, *read: _device.DeviceArray | None
) -> Any:
    """The answer as the caller wants it; the first of the arrays that were read says of which kind."""
    x = read[0]
    assert x is not None
    if target.borrowed or any(array is not None and array.borrowed for array in read):
        # their owners may use the memory again as soon as it is given back
        _extension().synchronize(x.stream, x.device)
    if out is not None and copy_back is None:
        return out
    answer = target.owner if x.given_back is None else x.given_back(target.owner)
    if copy_back is None:
        return answer
    copy_back[...] = answer
    return copy_back


def _request(
    x_shape: tuple[int, ...], x_type: str, k_shape: tuple[int, ...], k_type: str, options: Any
) -> tuple[Any, str]:
    """The request, and the name of the result's type; those of recent calls are kept."""
    key: Any = (x_shape, x_type, k_shape, k_type, *options.values(), type(options["cval"]))
    try:
        found = _requests.get(key)
    except TypeError:  # a list among the options
        key, found = None, None
    if found is None:
        found = _new_request(x_shape, x_type, k_shape, k_type, dict(options))
        if key is not None and all(type(one) is int for one in _numbers(options)):
            if len(_requests) >= _MOST_REQUESTS:
                _requests.clear()
            _requests[key] = found
    return found


def _numbers(options: Any) -> list[Any]:
    """What stands for axes and spacings: 1.0 would find what was checked for 1."""
    given = (options[name] for name in ("axes", "stride", "dilation") if options[name] is not None)
    flat = [one for value in given for one in (value if isinstance(value, tuple) else (value,))]
    return flat if options.get("lags") is None else [*flat, options["lags"]]


def _new_request(
    x_shape: tuple[int, ...], x_type: str, k_shape: tuple[int, ...], k_type: str, options: Any
) -> tuple[Any, str]:
    asked = options.pop("dtype", None)
    natural = _device.result_type(x_type, k_type)
    result = natural if asked is None else _device.type_name(asked)

    def standing(name: str) -> np.dtype[Any]:
        return np.dtype(_device.STAND_IN.get(name, name))

    request = make_request(
        x_shape, standing(x_type), k_shape, standing(k_type),
        dtype=standing(result), kind=_extension().Request, **options,
    )  # fmt: skip
    return request, result


def run(x: Any, k: Any, *, out: Any, device: Any, **options: Any) -> Any:
    """One convolution or correlation on the device; what `faltung.convolve` does there."""
    extension = _extension()
    on_device = _device.is_device_array(x, "x")
    if not on_device and _device.is_device_array(k, "k") and device is None:
        raise TypeError("k is in device memory and x is not; pass both there, or device='cuda'")
    array = (
        _device.describe(x, "x") if on_device else _upload(x, "x", device_index(device or "cuda"))
    )
    if on_device and device is not None and device_index(device) != array.device:
        raise ValueError(f"device is {device!r}, but x is on device {array.device}")
    kernel, k_shape, k_type, kept = _kernel(k, array)
    request, result = _request(array.shape, array.type, k_shape, k_type, options)
    target, copy_back = _target(request.out_shape, result, array, out if on_device else None)
    extension.run(
        request, _view(array), kernel, _view(target), device=array.device, stream=array.stream
    )
    if not on_device:
        return _download(target.owner, out)
    return _delivered(target, copy_back, out, array, kept)


def match(
    image: Any, template: Any, *, mode: str, axes: Any, boundary: Any, cval: Any, mask: Any, image_mask: Any,
    peaks: int | None, out: Any, dtype: Any,
) -> Any:  # fmt: skip
    """Normalised cross-correlation on the device; what `faltung.match_template` does there."""
    from faltung import _match

    extension = _extension()
    most = _match.check_peaks(peaks, out)
    x = _device.describe(image, "image")
    t, t_shape, _, kept = _kernel(template, x)
    described = t if kept is None else kept
    over = resolve_axes(axes, len(x.shape), len(t_shape), "image", "template")
    pick(mode, "mode", MODES)
    _match.check_extents(x, described, over, mode)
    result = _match.precision(_match.real(x, "image"), _match.real(described, "template"))
    asked = _match.map_dtype(dtype, result)
    kept_samples = _mask(mask, "mask", "the template's", t_shape, x.device)
    image_kept = _mask(image_mask, "image_mask", "the image's", x.shape, x.device)
    options: dict[str, Any] = {
        "x_shape": x.shape, "x_dtype": x.dtype, "k_shape": t_shape, "k_dtype": described.dtype,
        "result_dtype": result, "out_dtype": asked, "axes": list(over), "strides": [1] * len(t_shape),
        "dilations": [1] * len(t_shape), "mode": mode, "method": "auto", "boundary": resolve_boundary(boundary),
        "cval": resolve_cval(cval, result), "flip": False, "c_casts": False, "lags": None,
    }  # fmt: skip
    request = extension.Request(**options)
    target, copy_back = _target(request.out_shape, asked.name, x, out)
    extension.match(
        request, _view(x), t, kept_samples and _view(kept_samples), image_kept and _view(image_kept), _view(target),
        device=x.device, stream=x.stream,
    )  # fmt: skip
    if most is None:
        return _delivered(target, copy_back, out, x, kept, kept_samples, image_kept)
    scores: np.ndarray[Any, Any] = np.empty(target.shape, target.dtype)
    extension.copy_to_host(_view(target), scores, x.device, x.stream)
    batch = [n for axis, n in enumerate(x.shape) if axis not in over]
    return _match.find_peaks(_core.Request(**options), scores, most, batch)


def _mask(
    mask: Any, name: str, whose: str, shape: tuple[int, ...], device: int
) -> _device.DeviceArray | None:
    """A mask on the device; one in the host's memory is copied there."""
    if mask is None:
        return None
    there = _device.is_device_array(mask, name)
    array: Any = _device.describe(mask, name) if there else as_array(mask, name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; it must have {whose}, {shape}")
    if not there:
        host = array.astype(bool)
        if name == "mask" and not host.any():
            raise ValueError("mask leaves no sample of the template")
        return _upload(host, name, device)
    if array.device != device:
        raise ValueError(f"{name} is on device {array.device}, image on device {device}")
    if array.dtype.kind == "c":
        raise TypeError(f"{name} has dtype {array.dtype}; on a device masks are real")
    given: _device.DeviceArray = array
    return given


def layer(
    x: Any,
    w: Any,
    bias: Any,
    *,
    layout: str,
    activation: Any,
    method: str,
    out: Any,
    **options: Any,
) -> Any:
    """A convolution layer on the device; what `faltung.nn.conv` does there."""
    from faltung.nn import _arguments

    extension = _extension()
    last = _arguments.is_channels_last(layout)
    if method not in ("auto", "direct", "fft", "overlap_save"):
        raise ValueError(
            f"method is {method!r}; allowed on a device are 'auto', 'direct', 'fft' and 'overlap_save'"
        )
    array = _device.describe(x, "x")
    given = _layer_arrays(array, w=w, **({} if bias is None else {"bias": bias}))
    result = _device.result_type(array.type, given["w"].type)
    computed = np.dtype(np.float64 if result == "float64" else np.float32)
    view = _device.moved(array, -1, 1) if last else array
    described = _arguments.make_layer(view.shape, given["w"].shape, computed=computed, **options)
    outputs = described.out_shape[1]
    if bias is not None and given["bias"].shape != (outputs,):
        raise ValueError(f"bias has shape {given['bias'].shape}; it must have shape ({outputs},)")
    shape = described.out_shape
    target, copy_back = _target(
        (shape[0], *shape[2:], outputs) if last else shape, result, array, out
    )
    extension.run_layer(
        described.numbers, _view(view), _view(given["w"]),
        _view(given["bias"]) if bias is not None else None,
        _arguments.is_relu(activation), method,
        _view(_device.moved(target, -1, 1) if last else target),
        device=array.device, stream=array.stream,
    )  # fmt: skip
    return _delivered(target, copy_back, out, *given.values())


def _layer_arrays(x: _device.DeviceArray, **others: Any) -> dict[str, _device.DeviceArray]:
    """What a layer is given, by name, x first; those in the host's memory are copied to x's device."""
    given = {"x": x} | {name: _there(value, name, x.device) for name, value in others.items()}
    for name, one in given.items():
        if one.type not in ("float16", "bfloat16", "float32", "float64"):
            raise TypeError(
                f"{name} has dtype {one.type}; allowed are float16, bfloat16, float32 and float64"
            )
        if one.device != x.device:
            raise ValueError(f"{name} is on device {one.device}, x on device {x.device}")
    return given


def layer_gradients(
    grad: Any, x: Any, w: Any, *, bias: bool, layout: str, method: str, input_gradient: bool, **options: Any
) -> tuple[Any, Any, Any]:  # fmt: skip
    """The gradients of a layer on the device; what `faltung.nn.conv_backward` does there."""
    from faltung.nn import _arguments

    extension = _extension()
    last = _arguments.is_channels_last(layout)
    if method not in ("auto", "direct"):
        raise ValueError(f"method is {method!r}; allowed on a device are 'auto' and 'direct'")
    array = _device.describe(x, "x")
    given = _layer_arrays(array, w=w, grad=grad)
    result = _device.result_type(
        array.type, _device.result_type(given["w"].type, given["grad"].type)
    )
    computed = np.dtype(np.float64 if result == "float64" else np.float32)
    turned = {
        name: _device.moved(one, -1, 1) if last and name != "w" else one
        for name, one in given.items()
    }
    described = _arguments.make_layer(
        turned["x"].shape, given["w"].shape, computed=computed, **options
    )
    if turned["grad"].shape != described.out_shape:
        raise ValueError(
            f"grad has shape {turned['grad'].shape}; it must have the output's, {described.out_shape}"
        )

    def new(shape: tuple[int, ...]) -> _device.DeviceArray:
        return _target(shape, result, array, None)[0]

    dx = new(array.shape) if input_gradient else None
    dw = new(given["w"].shape)
    db = new(given["w"].shape[:1]) if bias else None
    extension.run_gradients(
        described.numbers, _view(turned["grad"]), _view(turned["x"]), _view(given["w"]),
        dx and _view(_device.moved(dx, -1, 1) if last else dx), _view(dw), db and _view(db),
        device=array.device, stream=array.stream,
    )  # fmt: skip
    answers = [one and _delivered(one, None, None, *given.values()) for one in (dx, dw, db)]
    return answers[0], answers[1], answers[2]


def _there(value: Any, name: str, device: int) -> _device.DeviceArray:
    """An array on the device, copied there if it is in the host's memory."""
    if _device.is_device_array(value, name):
        return _device.describe(value, name)
    return _upload(value, name, device)


def _target(
    shape: tuple[int, ...], element: str, x: _device.DeviceArray, out: Any
) -> tuple[_device.DeviceArray, Any]:
    """Where the answer goes, and the array that it has to be copied to afterwards."""
    if out is None:
        return _device.describe(x.empty(shape, element), "out"), None
    if not _device.is_device_array(out, "out"):
        raise TypeError(f"out is a {out.__class__.__name__}; it must be in device memory, as x is")
    given = _device.describe(out, "out")
    if given.shape != shape:
        raise ValueError(f"out has shape {given.shape}; it must have shape {shape}")
    if given.type != element:
        raise TypeError(f"out has dtype {given.type}; the result has dtype {element}")
    if given.device != x.device:
        raise ValueError(f"out is on device {given.device}, x on device {x.device}")
    if given.read_only:
        raise ValueError("out is read-only")
    if _overlap(given, x):
        if not hasattr(out, "__setitem__"):
            raise ValueError("out overlaps x, and cannot be assigned to afterwards")
        return _device.describe(x.empty(shape, element), "out"), out
    return given, None


def _overlap(a: _device.DeviceArray, b: _device.DeviceArray) -> bool:
    def span(array: _device.DeviceArray) -> tuple[int, int]:
        reaches = [(n - 1) * s for n, s in zip(array.shape, array.strides, strict=True)]
        low = array.address + sum(min(0, reach) for reach in reaches)
        high = array.address + sum(max(0, reach) for reach in reaches) + array.dtype.itemsize
        return low, high

    (a_low, a_high), (b_low, b_high) = span(a), span(b)
    return a_low < b_high and b_low < a_high


def _download(result: Array, out: Any) -> Any:
    if out is None:
        return result.numpy()
    if out.shape != result.shape:
        raise ValueError(f"out has shape {out.shape}; it must have shape {result.shape}")
    if out.dtype != result.dtype:
        raise TypeError(f"out has dtype {out.dtype}; the result has dtype {result.dtype}")
    out[...] = result.numpy()
    return out


class Plan:
    """A kernel prepared for device arrays of one shape and dtype. Made by `faltung.plan`."""

    __slots__ = ("_plan", "_request", "_type", "_x_type")

    def __init__(
        self, k: Any, shape: Any, x_dtype: Any, device: Any, options: dict[str, Any]
    ) -> None:
        extension = _extension()
        stream = 0
        kernel, k_shape, k_type, kept = _kernel(k, None)
        if kept is not None:
            index, stream = kept.device, kept.stream
        else:
            index = device_index(device)
        self._x_type = k_type if x_dtype is None else _device.type_name(x_dtype)
        self._request, self._type = _request(
            tuple(integers(shape, "shape")), self._x_type, k_shape, k_type, options
        )
        self._plan = extension.Plan(
            self._request, kernel, self._x_type, self._type, device=index, stream=stream
        )
        if kept is not None and kept.borrowed:
            extension.synchronize(stream, index)

    def __call__(self, x: Any, out: Any = None) -> Any:
        """The answer for x, a device array of the plan's shape and dtype, or a NumPy array.

        Raises
        ------
        ValueError
            A shape other than the plan's, or another device.
        TypeError
            A dtype other than the plan's.
        OverflowError
            Integers whose exact answer might not fit.
        """
        on_device = _device.is_device_array(x, "x")
        array = _device.describe(x, "x") if on_device else _upload(x, "x", self._plan.device)
        if array.type != self._x_type:
            raise TypeError(f"x has dtype {array.type}; this plan is for {self._x_type}")
        if array.device != self._plan.device:
            raise ValueError(f"x is on device {array.device}; this plan is for {self._plan.device}")
        shape = self._request.out_shape
        target, copy_back = _target(shape, self._type, array, out if on_device else None)
        self._plan(_view(array), _view(target), array.stream)
        if not on_device:
            return _download(target.owner, out)
        return _delivered(target, copy_back, out, array)

    @property
    def method(self) -> str:
        """The method that runs."""
        return str(self._plan.method)

    @property
    def level(self) -> str:
        """The kind of device that it runs on."""
        major, minor = _extension().device_info(self._plan.device)["capability"]
        return f"sm_{major}{minor}"

    @property
    def predicted_seconds(self) -> float:
        """What one call was predicted to take on the device."""
        return float(self._plan.predicted_seconds)

    @property
    def workspace_bytes(self) -> int:
        """Device memory that a call borrows beside x and the answer."""
        return int(self._plan.workspace_bytes)

    def explain(self) -> str:
        """What was chosen, what it is predicted to cost, and why each other method was not taken."""
        return str(self._plan.explain())

    def __repr__(self) -> str:
        return f"<faltung.cuda.Plan: {self.method} on {self.level}, {self.predicted_seconds * 1e3:.3g} ms predicted>"
