"""PyTorch's functions by faltung.nn: each gives a value, and a function from its gradient to those of its inputs."""

from __future__ import annotations

import numpy as np

from faltung import nn


def numbers(value, axes):
    """One integer per spatial axis; PyTorch takes one for all in a list, too."""
    values = list(value) if isinstance(value, tuple | list) else [value]
    return values * axes if len(values) == 1 else values


class Function:
    def __init__(self, axes):
        self.axes = axes

    def per_axis(self, **values):
        """For stride, padding, dilation and the like."""
        return {
            name: value if isinstance(value, str) else numbers(value, self.axes)
            for name, value in values.items()
        }

    def batched(self, x):
        """x with an axis of samples, and what takes it away again."""
        if x.ndim == self.axes + 2:
            return x, lambda y: y
        return x[None], lambda y: y[0]


class Conv(Function):
    def __call__(self, x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
        x, back = self.batched(x)
        where = self.per_axis(stride=stride, padding=padding, dilation=dilation) | {
            "groups": groups
        }

        def gradients(grad):
            dx, dw, db = nn.conv_backward(grad.reshape(y.shape), x, w, **where)
            return [back(dx), dw] + ([] if bias is None else [db])

        y = nn.conv(x, w, bias, **where)
        return back(y), gradients


class ConvTranspose(Function):
    def __call__(
        self, x, w, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
    ):
        x, back = self.batched(x)
        where = self.per_axis(stride=stride, padding=padding, dilation=dilation) | {
            "groups": groups
        }
        extra = self.per_axis(output_padding=output_padding)

        def gradients(grad):
            # the transposed layer is the adjoint of the layer, so its gradients are the layer's own
            grad = np.ascontiguousarray(grad.reshape(y.shape))
            dx = nn.conv(grad, w, **where)
            whole = np.zeros(dx.shape, x.dtype)  # output_padding may add places that x has not
            inside = tuple(slice(n) for n in x.shape)
            whole[inside] = x
            _, dw, _ = nn.conv_backward(whole, grad, w, **where)
            axes = (0, *range(2, grad.ndim))
            return [back(dx[inside]), dw] + ([] if bias is None else [grad.sum(axes)])

        y = nn.conv_transpose(x, w, bias, **where, **extra)
        return back(y), gradients


class MaxPool(Function):
    def __call__(self, x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
                 return_indices=False):  # fmt: skip
        x, back = self.batched(x)
        size = numbers(kernel_size, self.axes)
        where = self.per_axis(padding=padding, dilation=dilation, stride=stride or kernel_size)
        where["ceil_mode"] = ceil_mode

        def gradients(grad):
            return [back(nn.max_pool_backward(grad.reshape(y.shape), x, size, **where))]

        y, indices = nn.max_pool(x, size, **where, return_indices=True)
        np.testing.assert_array_equal(nn.max_pool(x, size, **where), y)
        return ((back(y), back(indices)) if return_indices else back(y)), gradients


class AvgPool(Function):
    def __call__(self, x, kernel_size, stride=None, padding=0, ceil_mode=False,
                 count_include_pad=True, divisor_override=None):  # fmt: skip
        x, back = self.batched(x)
        size = numbers(kernel_size, self.axes)
        where = self.per_axis(padding=padding, stride=stride or kernel_size) | {
            "ceil_mode": ceil_mode,
            "count_include_pad": count_include_pad,
            "divisor": divisor_override,
        }

        def gradients(grad):
            return [back(nn.avg_pool_backward(grad.reshape(y.shape), x, size, **where))]

        y = nn.avg_pool(x, size, **where)
        return back(y), gradients


class LpPool(Function):
    def __call__(self, x, norm_type, kernel_size, stride=None, ceil_mode=False):
        x, back = self.batched(x)
        size = numbers(kernel_size, self.axes)
        where = self.per_axis(stride=stride or kernel_size) | {
            "p": norm_type,
            "ceil_mode": ceil_mode,
        }

        def gradients(grad):
            return [back(nn.lp_pool_backward(grad.reshape(y.shape), x, size, **where))]

        y = nn.lp_pool(x, size, **where)
        return back(y), gradients


class Unfold(Function):
    def __call__(self, x, kernel_size, dilation=1, padding=0, stride=1):
        x, back = self.batched(x)
        size = numbers(kernel_size, self.axes)
        where = self.per_axis(stride=stride, padding=padding, dilation=dilation)

        def gradients(grad):
            return [back(nn.fold(grad.reshape(y.shape), x.shape[2:], size, **where))]

        y = nn.unfold(x, size, **where)
        return back(y), gradients


PREFIX = "nn.functional."

FUNCTIONS = {
    **{f"{PREFIX}conv{n}d": Conv(n) for n in (1, 2, 3)},
    **{f"{PREFIX}conv_transpose{n}d": ConvTranspose(n) for n in (1, 2, 3)},
    **{f"{PREFIX}max_pool{n}d": MaxPool(n) for n in (1, 2, 3)},
    **{f"{PREFIX}avg_pool{n}d": AvgPool(n) for n in (1, 2, 3)},
    f"{PREFIX}unfold": Unfold(2),
}

# PyTorch has no OpInfo for these
WITHOUT_SAMPLES = {f"lp_pool{n}d": LpPool(n) for n in (1, 2, 3)}
