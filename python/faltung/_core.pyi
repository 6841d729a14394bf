from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[Any]

__version__: str

class _Machine(TypedDict):
    processor: str
    family: int
    l1: int
    l2: int
    l3: int

class _Provider(TypedDict):
    found: bool
    name: str
    version: str
    path_float64: str
    path_float32: str
    searched: str
    wisdom: str

class Request:
    def __init__(
        self,
        x_shape: tuple[int, ...],
        x_dtype: np.dtype[Any],
        k_shape: tuple[int, ...],
        k_dtype: np.dtype[Any],
        result_dtype: np.dtype[Any],
        out_dtype: np.dtype[Any],
        axes: list[int],
        strides: list[int],
        dilations: list[int],
        mode: str,
        method: str,
        boundary: str,
        cval: _Array,
        flip: bool,
        c_casts: bool,
        lags: list[tuple[int, int]] | None,
    ) -> None: ...
    @property
    def out_shape(self) -> tuple[int, ...]: ...

class Borrowed:
    def __init__(self, capsule: object) -> None: ...
    @property
    def address(self) -> int: ...
    @property
    def element(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def device(self) -> tuple[int, int]: ...
    @property
    def read_only(self) -> bool: ...

def dlpack_capsule(
    address: int,
    element: str,
    shape: Sequence[int],
    device: tuple[int, int],
    owner: object,
    versioned: bool,
    read_only: bool,
) -> object: ...

class Plan:
    def __init__(self, request: Request, k: _Array, workers: int | None) -> None: ...
    def __call__(self, x: npt.ArrayLike, out: _Array | None = None) -> _Array: ...
    def run(self, x: _Array, out: _Array | None) -> _Array: ...
    @property
    def method(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def predicted_seconds(self) -> float: ...
    @property
    def workspace_bytes(self) -> int: ...
    def explain(self) -> str: ...

class ConvPlan:
    def __init__(
        self,
        layer: ConvLayer,
        w: _Array,
        bias: _Array | None,
        relu: bool,
        apart: bool,
        method: str,
        workers: int | None,
    ) -> None: ...
    def run(self, x: _Array, out: _Array) -> None: ...
    @property
    def method(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def predicted_seconds(self) -> float: ...
    @property
    def workspace_bytes(self) -> int: ...
    def explain(self) -> str: ...

class ConvLayer:
    def __init__(
        self,
        x_shape: tuple[int, ...],
        w_shape: tuple[int, ...],
        stride: list[int],
        padding: list[tuple[int, int]] | str,
        dilation: list[int],
        groups: int,
        boundary: str,
        wide: bool,
    ) -> None: ...
    @staticmethod
    def transposed(
        x_shape: tuple[int, ...],
        w_shape: tuple[int, ...],
        stride: list[int],
        padding: list[tuple[int, int]] | str,
        dilation: list[int],
        groups: int,
        output_padding: list[int],
        output_shape: list[int] | None,
        wide: bool,
    ) -> ConvLayer: ...
    @property
    def numbers(self) -> list[int]: ...
    @property
    def x_shape(self) -> tuple[int, ...]: ...
    @property
    def w_shape(self) -> tuple[int, ...]: ...
    @property
    def out_shape(self) -> tuple[int, ...]: ...
    def forward(
        self,
        x: _Array,
        w: _Array,
        bias: _Array | None,
        out: _Array,
        relu: bool,
        method: str,
        workers: int | None,
    ) -> None: ...
    def adjoint(
        self,
        x: _Array,
        w: _Array,
        bias: _Array | None,
        out: _Array,
        method: str,
        workers: int | None,
    ) -> None: ...
    def gradients(
        self,
        grad: _Array,
        x: _Array,
        w: _Array,
        dx: _Array | None,
        dw: _Array | None,
        db: _Array | None,
        method: str,
        workers: int | None,
    ) -> None: ...
    def explain(self, method: str) -> str: ...
    def explain_gradients(self, apart: bool, method: str) -> str: ...
    def work(self, method: str, prepared: bool, gradient: bool) -> dict[str, float]: ...

class Bank:
    def __init__(self, request: Request, kernels: _Array, workers: int | None) -> None: ...
    def __call__(
        self, x: _Array, out: _Array | None = None, workers: int | None = None
    ) -> _Array: ...
    @property
    def count(self) -> int: ...
    @property
    def shared(self) -> int: ...
    @property
    def predicted_seconds(self) -> float: ...
    def explain(self) -> str: ...

class Pooling:
    def __init__(
        self,
        kind: str,
        x_shape: tuple[int, ...],
        size: list[int],
        stride: list[int],
        padding: list[tuple[int, int]],
        dilation: list[int],
        ceil_mode: bool,
        divisor: str,
        fixed_divisor: int,
        power: float,
        channels_last: bool,
        empty_windows: bool = False,
    ) -> None: ...
    @property
    def outputs(self) -> tuple[int, ...]: ...

def pool(pooling: Pooling, x: _Array, out_dtype: np.dtype[Any], workers: int | None) -> _Array: ...
def pool_places(pooling: Pooling, x: _Array, workers: int | None) -> tuple[_Array, _Array]: ...
def unfold(windows: Pooling, x: _Array, last: bool, workers: int | None) -> _Array: ...
def fold(
    windows: Pooling, columns: _Array, shape: tuple[int, ...], last: bool, workers: int | None
) -> _Array: ...
def pool_backward(
    pooling: Pooling, grad: _Array, x: _Array, y: _Array | None, workers: int | None
) -> _Array: ...
def run(
    request: Request, x: _Array, k: _Array, out: _Array | None, workers: int | None
) -> _Array: ...
def chosen_method(request: Request, k: _Array) -> str: ...
def run_separable(
    request: Request, x: _Array, factors: list[_Array], out: _Array | None, workers: int | None
) -> _Array: ...
def run_by_chance(
    request: Request,
    x: _Array,
    k: _Array,
    samples: int,
    seed: int,
    out: _Array | None,
    workers: int | None,
) -> _Array: ...
def random_words(key: int, low: int, high: int) -> tuple[int, int]: ...
def recursive_filter(
    b: _Array,
    a: _Array,
    x: _Array,
    axis: int,
    zi: _Array | None,
    dtype: np.dtype[Any],
    workers: int | None,
) -> tuple[_Array, _Array | None]: ...
def match(
    request: Request,
    image: _Array,
    template: _Array,
    mask: _Array | None,
    image_mask: _Array | None,
    out: _Array | None,
    workers: int | None,
) -> _Array: ...
def find_peaks(request: Request, scores: _Array, most: int) -> tuple[_Array, _Array]: ...
def clear_plans() -> None: ...
def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> _Array: ...
def trim() -> None: ...
def available_workers() -> int: ...
def default_workers() -> int: ...
def set_default_workers(workers: int) -> None: ...
def release_threads() -> None: ...
def levels() -> list[str]: ...
def levels_upon() -> dict[str, str]: ...
def level() -> str: ...
def force_level(name: str | None) -> str: ...
def force_tile(lengths: list[int] | None) -> None: ...
def force_tile_engine(name: str | None) -> None: ...
def machine() -> _Machine: ...
def set_search_paths(choice: str, fftw_files: list[str], mkl_files: list[str]) -> None: ...
def provider() -> _Provider: ...
def tune_length(length: int, precision: str) -> float: ...
