"""ONNX's operators, served by faltung.nn inside ONNX's reference evaluator.

Attributes and their defaults: the operator pages of https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from onnx.reference.op_run import OpRun

from faltung import nn

# how many nodes were served, by operator
SERVED_NODES: Counter[str] = Counter()


def begin_then_end(pads, axes):
    """ONNX's (begin, begin, …, end, end, …) as pairs."""
    pads = pads or [0] * (2 * axes)
    return list(zip(pads[:axes], pads[axes:], strict=True))


def same_padding(lower, spatial, size, stride, dilation):
    """SAME_UPPER and SAME_LOWER: ceil(n / stride) windows; what is odd goes to that end."""
    pairs = []
    for n, k, s, d in zip(spatial, size, stride, dilation, strict=True):
        total = max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
        pairs.append(
            (total - total // 2, total // 2) if lower else (total // 2, total - total // 2)
        )
    return pairs


def window(x, size, auto_pad, pads, strides, dilations):
    """stride, padding and dilation for every spatial axis."""
    axes = x.ndim - 2
    stride = list(strides or [1] * axes)
    dilation = list(dilations or [1] * axes)
    if auto_pad in (None, "NOTSET"):
        padding = begin_then_end(pads, axes)
    elif auto_pad == "VALID":
        padding = [(0, 0)] * axes
    else:
        padding = same_padding(auto_pad == "SAME_LOWER", x.shape[2:], size, stride, dilation)
    return {"stride": stride, "padding": padding, "dilation": dilation}


class Conv(OpRun):
    op_domain = ""

    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None,
             pads=None, strides=None):  # fmt: skip
        SERVED_NODES["Conv"] += 1
        where = window(x, w.shape[2:], auto_pad, pads, strides, dilations)
        return (nn.conv(x, w, b, groups=group or 1, **where),)


class ConvTranspose(OpRun):
    op_domain = ""

    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None,
             output_padding=None, output_shape=None, pads=None, strides=None):  # fmt: skip
        SERVED_NODES["ConvTranspose"] += 1
        axes = x.ndim - 2
        stride = list(strides or [1] * axes)
        dilation = list(dilations or [1] * axes)
        extra = list(output_padding or [0] * axes)
        padding = begin_then_end(pads, axes)
        if auto_pad in ("SAME_UPPER", "SAME_LOWER") and not output_shape:
            output_shape = [n * s for n, s in zip(x.shape[2:], stride, strict=True)]
        if output_shape:
            # the total is what the shape leaves over; SAME_UPPER puts an odd one behind
            padding = []
            for a in range(axes):
                span = (x.shape[2 + a] - 1) * stride[a] + (w.shape[2 + a] - 1) * dilation[a] + 1
                total = span + extra[a] - output_shape[a]
                if total < 0:
                    total, extra[a] = 0, extra[a] - total
                small = total // 2
                pair = (small, total - small)
                padding.append(pair if auto_pad == "SAME_UPPER" else pair[::-1])
        return (
            nn.conv_transpose(
                x, w, b, stride=stride, padding=padding, output_padding=extra,
                dilation=dilation, groups=group or 1,
            ),
        )  # fmt: skip


class MaxPool(OpRun):
    op_domain = ""

    def _run(self, x, auto_pad=None, ceil_mode=None, dilations=None, kernel_shape=None, pads=None,
             storage_order=None, strides=None):  # fmt: skip
        SERVED_NODES["MaxPool"] += 1
        where = window(x, kernel_shape, auto_pad, pads, strides, dilations)
        where["ceil_mode"] = bool(ceil_mode)
        if len(self.onnx_node.output) == 1:
            return (nn.max_pool(x, kernel_shape, **where),)
        out, indices = nn.max_pool(x, kernel_shape, **where, return_indices=True)
        places = np.unravel_index(indices, x.shape[2:])
        plane = np.ravel_multi_index(places, x.shape[2:], order="F" if storage_order else "C")
        # ONNX counts through the whole tensor, planes one after the other
        size = int(np.prod(x.shape[2:]))
        first = np.arange(x.shape[0] * x.shape[1]).reshape(x.shape[:2] + (1,) * (x.ndim - 2)) * size
        return out, plane + first


class AveragePool(OpRun):
    op_domain = ""

    def _run(self, x, auto_pad=None, ceil_mode=None, count_include_pad=None, dilations=None,
             kernel_shape=None, pads=None, strides=None):  # fmt: skip
        SERVED_NODES["AveragePool"] += 1
        where = window(x, kernel_shape, auto_pad, pads, strides, dilations)
        return (
            nn.avg_pool(
                x, kernel_shape, **where, ceil_mode=bool(ceil_mode),
                count_include_pad=bool(count_include_pad),
            ),
        )  # fmt: skip


class LpPool(OpRun):
    op_domain = ""

    def _run(self, x, auto_pad=None, ceil_mode=None, dilations=None, kernel_shape=None, p=None,
             pads=None, strides=None, count_include_pad=None):  # fmt: skip
        SERVED_NODES["LpPool"] += 1
        where = window(x, kernel_shape, auto_pad, pads, strides, dilations)
        return (nn.lp_pool(x, kernel_shape, p=p or 2, **where, ceil_mode=bool(ceil_mode)),)


class GlobalMaxPool(OpRun):
    op_domain = ""

    def _run(self, x):
        SERVED_NODES["GlobalMaxPool"] += 1
        return (nn.global_max_pool(x),)


class GlobalAveragePool(OpRun):
    op_domain = ""

    def _run(self, x):
        SERVED_NODES["GlobalAveragePool"] += 1
        return (nn.global_avg_pool(x),)


class GlobalLpPool(OpRun):
    op_domain = ""

    def _run(self, x, p=None):
        SERVED_NODES["GlobalLpPool"] += 1
        return (nn.global_lp_pool(x, p=p or 2),)


SERVED = (
    Conv, ConvTranspose, MaxPool, AveragePool, LpPool, GlobalMaxPool, GlobalAveragePool, GlobalLpPool,
)  # fmt: skip
