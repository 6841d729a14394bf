"""The slow truth of layers: a loop over taps in float64, and gradients as the adjoint of that loop."""

from __future__ import annotations

from itertools import product

import numpy as np
from oracle import source_of


def pads_of(n, taps, stride, dilation, padding):
    """Positions before and after one axis."""
    reach = (taps - 1) * dilation + 1
    if padding == "valid":
        return 0, 0
    if padding == "same":
        outputs = -(-n // stride)
        total = max(0, (outputs - 1) * stride + reach - n)
        return total // 2, total - total // 2
    return padding


class Layer:
    """A layer on arrays N, C, spatial; one entry per spatial axis in every list."""

    def __init__(self, x_shape, w_shape, stride, padding, dilation, groups, boundary):
        self.x_shape, self.w_shape, self.groups = x_shape, w_shape, groups
        self.stride, self.dilation = stride, dilation
        self.sources, self.outside, self.counts = [], [], []
        for axis, (n, taps) in enumerate(zip(x_shape[2:], w_shape[2:], strict=True)):
            rule = padding if isinstance(padding, str) else padding[axis]
            before, after = pads_of(n, taps, stride[axis], dilation[axis], rule)
            source, outside = source_of(np.arange(-before, n + after), n, boundary)
            self.sources.append(source)
            self.outside.append(outside)
            reach = (taps - 1) * dilation[axis] + 1
            self.counts.append((n + before + after - reach) // stride[axis] + 1)

    def extend(self, x):
        wide = x
        for axis, (source, outside) in enumerate(zip(self.sources, self.outside, strict=True)):
            wide = np.take(wide, source, axis=axis + 2)
            wide[(slice(None),) * (axis + 2) + (outside,)] = 0
        return wide

    def windows(self):
        """Every tap with the part of the extended x that it meets."""
        for tap in product(*map(range, self.w_shape[2:])):
            yield (
                (slice(None), slice(None), *tap),
                (
                    slice(None),
                    slice(None),
                    *(
                        slice(t * d, t * d + (count - 1) * s + 1, s)
                        for t, d, s, count in zip(
                            tap, self.dilation, self.stride, self.counts, strict=True
                        )
                    ),
                ),
            )

    def split(self, channels):
        return np.array_split(np.arange(channels), self.groups)

    def forward(self, x, w, bias=None):
        wide = self.extend(x.astype(np.float64))
        out = np.zeros((x.shape[0], w.shape[0], *self.counts))
        for inputs, outputs in zip(self.split(x.shape[1]), self.split(w.shape[0]), strict=True):
            for tap, window in self.windows():
                banks = w[tap][outputs].astype(np.float64)
                out[:, outputs] += np.einsum("oc,nc...->no...", banks, wide[window][:, inputs])
        return out if bias is None else out + bias.reshape(-1, *[1] * len(self.counts))

    def backward(self, grad, x, w):
        grad = grad.astype(np.float64)
        wide = self.extend(x.astype(np.float64))
        d_wide, dw = np.zeros_like(wide), np.zeros(w.shape)
        for inputs, outputs in zip(self.split(x.shape[1]), self.split(w.shape[0]), strict=True):
            for tap, window in self.windows():
                banks = w[tap][outputs].astype(np.float64)
                part = np.einsum("oc,no...->nc...", banks, grad[:, outputs])
                d_wide[window][:, inputs] += part
                seen = wide[window][:, inputs]
                places = int(np.prod(self.counts))
                flat = grad[:, outputs].reshape(len(grad), outputs.size, places)
                seen = seen.reshape(len(grad), inputs.size, places)
                dw[(outputs, slice(None), *tap[2:])] = np.einsum("nop,ncp->oc", flat, seen)
        return self.fold(d_wide), dw, grad.sum(axis=(0, *range(2, grad.ndim)))

    def fold(self, wide):
        for axis, (source, outside) in enumerate(zip(self.sources, self.outside, strict=True)):
            inner = np.moveaxis(wide, axis + 2, 0)
            folded = np.zeros((self.x_shape[axis + 2], *inner.shape[1:]))
            np.add.at(folded, source[~outside], inner[~outside])
            wide = np.moveaxis(folded, 0, axis + 2)
        return wide
