"""Convolution layers: forward, transposed, gradients."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from faltung import _core, _device, cuda
from faltung._arguments import Array, flag, one_integer, shape_to_come
from faltung._config import resolve_workers
from faltung.nn._arguments import (
    PaddingLike,
    PerAxis,
    arithmetic,
    bias_array,
    channels_first,
    check_axes,
    float_array,
    float_dtype,
    given_or_new,
    is_channels_last,
    is_relu,
    make_layer,
    method_name,
    new_array,
    paddings,
    per_axis,
    shape_of_layer,
)


def conv(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
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
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    """A convolution layer: every output channel is the sum over input channels of correlations.

    ``out[n, o, j] = bias[o] + sum over i, t of w[o, i, t] * x~[n, i, j*stride + t*dilation - padding]``,
    over one to three spatial axes, where x~ is x continued by `boundary`. As in PyTorch and ONNX the
    kernel is not flipped.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial)
        float16, float32 or float64; any strides. An array in a GPU's memory is computed on there, and gives one of
        its kind. With ``layout="NHWC"``, shape (N, *spatial, C).
    w : array_like, shape (O, C / groups, *kernel)
        One bank per output channel, in this shape for either layout.
    bias : array_like, shape (O,), optional
        Added to every output of its channel.
    stride : int or sequence of int
        Samples between neighbouring outputs, for all spatial axes or each.
    padding : int, sequence of int or of pairs, "same", "valid"
        Positions added before and after each spatial axis. ``"same"``: as many as give
        ``ceil(spatial / stride)`` outputs, an odd one after. ``"valid"``: none.
    dilation : int or sequence of int
        Samples between neighbouring taps.
    groups : int
        Input and output channels are divided into so many groups that do not see each other;
        ``groups == C`` is a depthwise layer.
    boundary : {"zero", "edge", "symmetric", "mirror", "wrap"}
        What the padding holds.
    layout : {"NCHW", "NHWC"}
        Where the channels of x and of the result are: second, or last. Serves any number of spatial
        axes ("NCW", "NWC", "NCDHW", "NDHWC" are the same). Nothing is copied to another layout.
    activation : {None, "relu"}
        Applied to each output as it is stored.
    method : {"auto", "direct", "winograd4", "winograd2", "nested", "fft"}
        How to compute it; ``"auto"`` takes the method with the least predicted time.
    out : ndarray, optional
        Where to put the result.
    workers : int, optional
        Threads to use. The result is the same for any number.

    Returns
    -------
    ndarray, shape (N, O, *spatial)
        In ``np.result_type(x, w)``; float16 is computed in float32 and rounded once.

    Raises
    ------
    ValueError
        Shapes, groups, strides or paddings that do not fit; the message names axis and numbers.
    TypeError
        Integers, complex numbers, masked arrays.
    MemoryError
        Sizes that no memory holds.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung import nn
    >>> x = np.ones((1, 3, 8, 8), np.float32)
    >>> nn.conv(x, np.ones((16, 3, 3, 3), np.float32), padding=1, stride=2).shape
    (1, 16, 4, 4)
    """
    if _device.is_device_array(x, "x"):
        there: Array = cuda.layer(
            x, w, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, boundary=boundary,
            layout=layout, activation=activation, method=method, out=out,
        )  # fmt: skip
        return there
    last = is_channels_last(layout)
    x = channels_first(float_array(x, "x"), last)
    w = float_array(w, "w")
    result, computed = arithmetic(x, w)
    layer = make_layer(x.shape, w.shape, stride, padding, dilation, groups, boundary, computed)
    target, answer = given_or_new(out, layer.out_shape, result, last)
    layer.forward(
        x,
        w,
        bias_array(bias, computed),
        target,
        is_relu(activation),
        method_name(method),
        resolve_workers(workers),
    )
    return answer


def conv_transpose(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    output_shape: PerAxis | None = None,
    layout: str = "NCHW",
    method: str = "auto",
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    """A transposed convolution: the adjoint of `conv`, which scatters where `conv` gathers.

    Every sample of x adds its bank, scaled, to the result: ``out[n, o, i*stride + t*dilation - padding] +=
    x[n, c, i] * w[c, o, t]``. It is what the gradient of `conv` with respect to its input computes.

    Parameters
    ----------
    x : array_like, shape (N, C, *spatial)
        float16, float32 or float64.
    w : array_like, shape (C, O / groups, *kernel)
        One bank per input channel, as in PyTorch and ONNX.
    bias : array_like, shape (O,), optional
        Added to every output of its channel.
    stride, dilation, groups, layout, out, workers
        As in `conv`, of the layer whose adjoint this is.
    padding : int, sequence of int or of pairs, "valid"
        Positions cut away before and after each spatial axis.
    output_padding : int or sequence of int
        Positions added behind each spatial axis; less than stride or dilation.
    output_shape : int or sequence of int, optional
        The spatial shape of the result, in place of `output_padding`; the padding before each axis holds.
    method : {"auto", "direct", "winograd4", "winograd2", "fft"}
        How to compute the ordinary layers, of stride 1, that a transposed one consists of.

    Returns
    -------
    ndarray, shape (N, O, *spatial)
        With ``(spatial - 1)*stride + dilation*(kernel - 1) + 1 - padding + output_padding`` positions along
        each axis.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As `conv`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung import nn
    >>> nn.conv_transpose(np.ones((1, 8, 4, 4)), np.ones((8, 3, 2, 2)), stride=2).shape
    (1, 3, 8, 8)
    """
    last = is_channels_last(layout)
    x = channels_first(float_array(x, "x"), last)
    w = float_array(w, "w")
    axes = check_axes(x.ndim)
    result, computed = arithmetic(x, w)
    pads = paddings(padding, axes)
    if pads == "same":
        raise ValueError(
            "padding is 'same', which says nothing of a transposed layer: "
            "give numbers, or output_shape with the padding before each axis"
        )
    due = None if output_shape is None else per_axis(output_shape, "output_shape", axes)
    if due is not None and min(due) < 1:
        raise ValueError(f"output_shape must be at least 1 along each axis, not {output_shape!r}")
    layer = _core.ConvLayer.transposed(
        x.shape,
        w.shape,
        per_axis(stride, "stride", axes),
        [(0, 0)] * axes if isinstance(pads, str) else pads,
        per_axis(dilation, "dilation", axes),
        one_integer(groups, "groups"),
        per_axis(output_padding, "output_padding", axes),
        due,
        computed == np.float64,
    )
    target, answer = given_or_new(out, layer.x_shape, result, last)
    layer.adjoint(
        x, w, bias_array(bias, computed), target, method_name(method), resolve_workers(workers)
    )
    return answer


def conv_backward(
    grad: npt.ArrayLike,
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    *,
    bias: bool = True,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    boundary: str = "zero",
    layout: str = "NCHW",
    method: str = "auto",
    input_gradient: bool = True,
    weight_gradient: bool = True,
    workers: int | None = None,
) -> tuple[Array | None, Array | None, Array | None]:
    """The gradients of a `conv` layer, given that of its output.

    Parameters
    ----------
    grad : array_like
        The gradient with respect to the output of ``conv(x, w, ...)``, in its shape.
    x, w : array_like
        What the layer was given. With x in a GPU's memory all is computed there, by ``"direct"``.
    bias : bool
        Whether the gradient of the bias is wanted.
    input_gradient : bool
        Whether the gradient of x is wanted; a net's first layer needs none.
    weight_gradient : bool
        Whether the gradient of w is wanted; layers that are not trained need none.
    method : {"auto", "direct", "winograd4", "winograd2", "fft"}
        How to compute the gradients of x and of w. ``"auto"`` takes for each what has the least predicted time;
        `explain_backward` says what and why.
    stride, padding, dilation, groups, boundary, layout, workers
        As the layer was called.

    Returns
    -------
    dx : ndarray or None
        In the shape of x.
    dw : ndarray or None
        In the shape of w.
    db : ndarray or None
        Shape (O,).

    Raises
    ------
    ValueError, TypeError, MemoryError
        As `conv`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung import nn
    >>> x, w = np.ones((2, 3, 8, 8)), np.ones((4, 3, 3, 3))
    >>> dx, dw, db = nn.conv_backward(np.ones((2, 4, 6, 6)), x, w)
    >>> dx.shape, dw.shape, db.tolist()
    ((2, 3, 8, 8), (4, 3, 3, 3), [72.0, 72.0, 72.0, 72.0])
    """
    if _device.is_device_array(x, "x"):
        there: tuple[Array | None, Array, Array | None] = cuda.layer_gradients(
            grad, x, w, bias=bias, stride=stride, padding=padding, dilation=dilation, groups=groups,
            boundary=boundary, layout=layout, method=method, input_gradient=input_gradient,
        )  # fmt: skip
        return there
    last = is_channels_last(layout)
    x = channels_first(float_array(x, "x"), last)
    grad = channels_first(float_array(grad, "grad"), last)
    w = float_array(w, "w")
    result, computed = arithmetic(grad, x, w)
    layer = make_layer(x.shape, w.shape, stride, padding, dilation, groups, boundary, computed)
    dx = new_array(x.shape, result, last) if flag(input_gradient, "input_gradient") else None
    dw = np.empty(w.shape, result) if flag(weight_gradient, "weight_gradient") else None
    db = np.empty(w.shape[:1], result) if flag(bias, "bias") else None
    layer.gradients(grad, x, w, dx, dw, db, method_name(method), resolve_workers(workers))
    if dx is not None and last:
        dx = np.moveaxis(dx, 1, -1)
    return dx, dw, db


def explain_backward(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    boundary: str = "zero",
    layout: str = "NCHW",
    method: str = "auto",
    dtype: npt.DTypeLike = np.float32,
) -> str:
    """What `conv_backward` does for arrays of these shapes, what it is predicted to cost, and why methods do not serve.

    Parameters
    ----------
    x_shape, w_shape : tuple of int
        The shapes of the layer's x, in `layout`, and of its weights.
    stride, padding, dilation, groups, boundary, layout, method
        As in `conv_backward`.
    dtype : dtype
        Of the arrays.

    Returns
    -------
    str
        A line per method, for the gradient of w and for each of the ordinary layers that the gradient of x consists of:
        one, or with a stride one per residue.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As `conv`.

    Examples
    --------
    >>> from faltung import nn
    >>> print(nn.explain_backward((1, 64, 56, 56), (64, 64, 3, 3), method="direct").splitlines()[0])
    gradient of w
    """
    last = is_channels_last(layout)
    shape = shape_of_layer(x_shape, last)
    computed = np.result_type(float_dtype(dtype, "dtype"), np.float32)
    taps = shape_to_come(w_shape, "w_shape")
    layer = make_layer(shape, taps, stride, padding, dilation, groups, boundary, computed)
    return layer.explain_gradients(not last, method_name(method))
