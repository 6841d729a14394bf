"""A prepared convolution layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from faltung import _core
from faltung._arguments import Array
from faltung._config import resolve_workers
from faltung.nn._arguments import (
    PaddingLike,
    PerAxis,
    arithmetic,
    bias_array,
    channels_first,
    float_array,
    float_dtype,
    given_or_new,
    is_channels_last,
    is_relu,
    make_layer,
    method_name,
    shape_of_layer,
)


class ConvPlan:
    """Weights prepared for inputs of one shape and dtype. Made by `faltung.nn.plan`; safe to share between threads."""

    __slots__ = ("_dtype", "_last", "_layer", "_plan", "_result")

    def __init__(
        self,
        plan: _core.ConvPlan,
        layer: _core.ConvLayer,
        dtype: np.dtype[Any],
        result: np.dtype[Any],
        last: bool,
    ) -> None:
        self._plan, self._layer, self._dtype, self._result, self._last = (
            plan,
            layer,
            dtype,
            result,
            last,
        )

    def __call__(self, x: npt.ArrayLike, out: Array | None = None) -> Array:
        """The layer's answer for x.

        Parameters
        ----------
        x : array_like
            Of the plan's shape, layout and dtype.
        out : ndarray, optional
            Where to put the answer.

        Raises
        ------
        ValueError
            A shape other than the plan's.
        TypeError
            A dtype other than the plan's.
        """
        array = channels_first(float_array(x, "x"), self._last)
        if array.dtype.newbyteorder("=") != self._dtype:
            raise TypeError(f"x has dtype {array.dtype}; this plan is for {self._dtype}")
        target, answer = given_or_new(out, self._layer.out_shape, self._result, self._last)
        self._plan.run(array, target)
        return answer

    @property
    def method(self) -> str:
        """The method that runs."""
        return self._plan.method

    @property
    def level(self) -> str:
        """The instruction-set level that it runs on."""
        return self._plan.level

    @property
    def predicted_seconds(self) -> float:
        """What one call was predicted to take on the cores that this process may use."""
        return self._plan.predicted_seconds

    @property
    def workspace_bytes(self) -> int:
        """Scratch memory that one worker borrows during a call."""
        return self._plan.workspace_bytes

    def explain(self) -> str:
        """What was chosen, what it is predicted to cost, and why methods do not serve."""
        return self._plan.explain()

    def __repr__(self) -> str:
        milliseconds = self.predicted_seconds * 1e3
        return (
            f"<faltung.nn.ConvPlan: {self.method} on {self.level}, {milliseconds:.3g} ms predicted>"
        )


def plan(
    w: npt.ArrayLike,
    x_shape: tuple[int, ...],
    bias: npt.ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    boundary: str = "zero",
    layout: str = "NCHW",
    activation: str | None = None,
    method: str = "auto",
    x_dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> ConvPlan:
    """Prepare a layer: choose a method, pack or transform the weights once, use them many times.

    Parameters
    ----------
    w : array_like, shape (O, C / groups, *kernel)
        The weights; later changes to the array do not show.
    x_shape : tuple of int
        The shape of the inputs to come, in `layout`.
    x_dtype : dtype, optional
        Their dtype; by default that of w.
    bias, stride, padding, dilation, groups, boundary, layout, activation, method, workers
        As in `conv`.

    Returns
    -------
    ConvPlan
        Call it with an array.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As `conv`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung import nn
    >>> layer = nn.plan(np.ones((16, 3, 3, 3), np.float32), (1, 3, 32, 32), padding=1)
    >>> layer(np.ones((1, 3, 32, 32), np.float32)).shape
    (1, 16, 32, 32)
    """
    last = is_channels_last(layout)
    w = float_array(w, "w")
    shape = shape_of_layer(x_shape, last)
    samples = float_dtype(w.dtype if x_dtype is None else x_dtype, "x_dtype")
    result, computed = arithmetic(np.empty(0, samples), w)
    layer = make_layer(shape, w.shape, stride, padding, dilation, groups, boundary, computed)
    prepared = _core.ConvPlan(
        layer,
        w,
        bias_array(bias, computed),
        is_relu(activation),
        not last,
        method_name(method),
        resolve_workers(workers),
    )
    return ConvPlan(prepared, layer, samples, result, last)
