"""Pooling as it is defined, one window after the other. Arrays are (N, C, *spatial)."""

from __future__ import annotations

import itertools
import math

import numpy as np


def outputs(n, k, s, d, before, after, ceil):
    room = n + before + after - (k - 1) * d - 1
    out = room // s + 1
    if ceil and room % s and out * s < n + before:
        out += 1
    return out


def windows(shape, size, stride, padding, dilation, ceil):
    """(output, samples under its window, taps on samples or padding) for every output of one channel."""
    axes = range(len(shape))
    counts = [outputs(shape[a], size[a], stride[a], dilation[a], *padding[a], ceil) for a in axes]
    for j in itertools.product(*map(range, counts)):
        taps = [
            [j[a] * stride[a] - padding[a][0] + t * dilation[a] for t in range(size[a])]
            for a in axes
        ]
        inside = [[i for i in taps[a] if 0 <= i < shape[a]] for a in axes]
        padded = [[i for i in taps[a] if i < shape[a] + padding[a][1]] for a in axes]
        yield j, list(itertools.product(*inside)), math.prod(map(len, padded))


class Pool:
    def __init__(self, x, size, stride=None, padding=None, dilation=None, ceil=False):
        self.x = np.asarray(x)
        rank = self.x.ndim - 2
        self.shape = self.x.shape[2:]
        self.args = (
            size,
            size if stride is None else stride,
            padding or [(0, 0)] * rank,
            dilation or [1] * rank,
            ceil,
        )
        size, stride, padding, dilation, ceil = self.args
        self.out = tuple(
            outputs(n, k, s, d, *p, ceil)
            for n, k, s, d, p in zip(self.shape, size, stride, dilation, padding, strict=True)
        )

    def each(self):
        """(n, c, output, positions, taps that count)"""
        for n, c in np.ndindex(self.x.shape[:2]):
            for j, under, padded in windows(self.shape, *self.args):
                yield n, c, j, under, padded

    def result(self, dtype):
        return np.empty((*self.x.shape[:2], *self.out), dtype)

    def max(self):
        """Values and places; the first NaN, else the first of the largest."""
        values, places = self.result(self.x.dtype), self.result(np.int64)
        for n, c, j, under, _ in self.each():
            samples = np.array([self.x[n, c][i] for i in under])
            best = int(np.argmax(samples))
            values[n, c][j] = samples[best]
            places[n, c][j] = np.ravel_multi_index(under[best], self.shape)
        return values, places

    def _weights(self, include_pad, divisor):
        for n, c, j, under, padded in self.each():
            yield n, c, j, under, divisor or (padded if include_pad else len(under))

    def mean(self, include_pad=False, divisor=None):
        out = self.result(np.float64)
        for n, c, j, under, by in self._weights(include_pad, divisor):
            out[n, c][j] = math.fsum(float(self.x[n, c][i]) for i in under) / by
        return out

    def norm(self, p):
        out = self.result(np.float64)
        for n, c, j, under, _ in self.each():
            out[n, c][j] = math.fsum(abs(float(self.x[n, c][i])) ** p for i in under) ** (1 / p)
        return out

    def max_gradient(self, grad):
        dx = np.zeros(self.x.shape)
        for n, c, j, under, _ in self.each():
            best = int(np.argmax([self.x[n, c][i] for i in under]))
            dx[n, c][under[best]] += grad[n, c][j]
        return dx

    def mean_gradient(self, grad, include_pad=False, divisor=None):
        dx = np.zeros(self.x.shape)
        for n, c, j, under, by in self._weights(include_pad, divisor):
            for i in under:
                dx[n, c][i] += grad[n, c][j] / by
        return dx
