"""Layers that tests compute by every method, and what they compare with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from layer_oracle import Layer

METHODS = ("direct", "winograd4", "winograd2", "nested", "fft")
BACKWARD = tuple(method for method in METHODS if method != "nested")  # for gradients of weights
DTYPES = (np.float16, np.float32, np.float64)


@dataclass(frozen=True)
class Case:
    x: tuple[int, ...]  # N, C, spatial
    w: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1
    boundary: str = "zero"

    def options(self):
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
            "boundary": self.boundary,
        }

    def layer(self):
        return Layer(
            self.x, self.w, self.stride, self.padding, self.dilation, self.groups, self.boundary
        )


CASES = (
    Case((2, 3, 40), (5, 3, 4), (1,), "same", (1,)),
    Case((1, 20, 33), (35, 20, 3), (2,), ((0, 3),), (2,)),
    Case((2, 17, 19, 23), (33, 17, 3, 3), (1, 1), "same", (1, 1)),
    Case((1, 8, 15, 16), (6, 8, 5, 2), (2, 3), ((2, 1), (0, 4)), (1, 2)),
    Case((2, 3, 31, 30), (16, 3, 7, 7), (2, 2), ((3, 3), (3, 3)), (1, 1)),
    Case((1, 12, 14, 14), (8, 6, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 2),
    Case((2, 6, 12, 13), (6, 1, 5, 5), (1, 1), "same", (1, 1), 6),
    Case((1, 6, 12, 13), (12, 1, 3, 3), (2, 1), "valid", (1, 2), 6),
    Case((2, 37, 12, 33), (37, 1, 7, 7), (1, 1), "same", (1, 1), 37),
    Case((1, 20, 23, 9), (40, 1, 3, 4), (3, 2), ((0, 5), (4, 1)), (2, 3), 20),
    Case((1, 18, 9, 8), (18, 1, 15, 17), (1, 1), "same", (1, 1), 18, "wrap"),
    Case((1, 18, 5, 6, 7), (18, 1, 2, 3, 2), (1, 2, 1), "same", (1, 1, 1), 18),
    Case((1, 40, 9, 9), (70, 40, 1, 1), (1, 1), "valid", (1, 1)),
    Case((1, 5, 7, 6), (4, 5, 1, 1), (3, 2), "valid", (1, 1)),
    Case((1, 4, 5, 6), (3, 4, 5, 6), (1, 1), "valid", (1, 1)),
    Case((1, 300, 4, 5), (3, 300, 2, 1), (1, 1), "same", (1, 1)),
    Case((1, 4, 6, 7, 8), (5, 4, 3, 2, 3), (1, 2, 1), "same", (1, 1, 2)),
    Case((2, 9, 4, 5, 6), (6, 3, 2, 2, 2), (2, 1, 2), ((1, 0), (0, 1), (2, 2)), (1, 1, 1), 3),
    Case((1, 4, 9, 10), (3, 4, 3, 3), (1, 1), ((4, 4), (4, 4)), (2, 3), 1, "edge"),
    Case((1, 4, 9, 10), (3, 4, 3, 3), (2, 1), ((1, 2), (3, 0)), (1, 1), 1, "symmetric"),
    Case((1, 4, 5, 4), (3, 4, 3, 4), (1, 1), ((6, 7), (9, 2)), (1, 1), 1, "mirror"),
    Case((2, 4, 9, 10), (4, 2, 3, 3), (1, 2), "same", (1, 1), 2, "wrap"),
    # one tap on small planes, whose places go together across samples; with a step
    Case((5, 300, 5, 5), (20, 300, 1, 1), (1, 1), "valid", (1, 1)),
    Case((3, 16, 7, 9), (36, 8, 1, 1), (2, 1), "valid", (1, 1), 2),
    # few channels: a phase per step, lines longer and shorter than vectors, no gaps between them
    Case((1, 3, 33, 37), (14, 3, 3, 5), (2, 2), ((1, 1), (2, 2)), (1, 1)),
    Case((1, 3, 24, 24), (13, 3, 4, 4), (4, 4), "valid", (1, 1)),
    Case((2, 24, 9, 20), (24, 8, 3, 3), (1, 1), "same", (1, 1), 3),
    Case((1, 2, 60), (5, 2, 9), (3,), "same", (2,)),
    # windows that tile x: lines of 2, 4, 8, 16 and other taps, of places that fill vectors or not
    Case((2, 3, 11, 37), (20, 3, 2, 2), (2, 2), "valid", (1, 1)),
    Case((1, 6, 12, 80), (14, 3, 3, 4), (3, 4), "valid", (1, 1), 2),
    Case((1, 2, 4, 6, 24), (5, 2, 2, 3, 8), (2, 3, 8), "valid", (1, 1, 1)),
    Case((1, 2, 32, 165), (8, 2, 16, 16), (16, 16), "valid", (1, 1)),
    Case((1, 2, 9, 70), (260, 2, 3, 2), (3, 2), "valid", (1, 1)),
    Case((2, 4, 5, 99), (6, 4, 1, 3), (1, 3), "valid", (1, 1)),
    # depthwise rows: columns outside at both ends, whole and partial vectors of channels
    Case((2, 50, 6, 5), (50, 1, 7, 7), (1, 1), "same", (1, 1), 50),
    Case((1, 34, 13, 31), (34, 1, 5, 5), (2, 2), ((2, 1), (1, 2)), (2, 1), 34),
    Case((1, 17, 8, 30), (34, 1, 3, 3), (2, 1), "same", (1, 1), 17),
)


def numbers(shape, dtype, seed):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def last(x):
    """The same array with channels last, contiguous."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def first(x):
    return np.moveaxis(x, -1, 1)


def assert_within(actual, value, allowed):
    """Half a unit of the answer's own type is added to what is allowed."""
    assert actual.shape == value.shape
    eps = np.finfo(actual.dtype).eps
    allowed = allowed * (1 + eps) + eps * np.abs(value) + np.finfo(actual.dtype).smallest_subnormal
    excess = np.abs(actual.astype(np.float64) - value) - allowed
    assert (excess <= 0).all(), f"out of bound by {excess.max():.3g}"


THREE = (
    Case((1, 64, 30, 31), (35, 64, 3, 3), (1, 1), "same", (1, 1)),
    Case((2, 5, 9, 10), (17, 5, 3, 3), (1, 1), ((2, 0), (0, 3)), (1, 1), 1, "mirror"),
    Case((1, 12, 4, 3), (6, 4, 3, 3), (1, 1), "valid", (1, 1), 3),
    Case((1, 70, 58, 57), (8, 70, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    Case((2, 6, 5, 9, 8), (7, 6, 3, 3, 3), (2, 1, 1), "same", (2, 1, 1)),
)


NESTED = (
    Case((1, 1, 40, 41), (20, 1, 16, 16), (1, 1), "valid", (1, 1)),
    Case((2, 3, 31, 30), (33, 3, 7, 7), (2, 2), ((3, 3), (3, 3)), (1, 1)),
    Case((1, 3, 50, 51), (17, 3, 11, 11), (4, 3), ((2, 5), (0, 2)), (1, 1), 1, "mirror"),
    Case((2, 10, 20, 21), (14, 5, 5, 6), (1, 1), "same", (1, 1), 2),
    Case((1, 2, 60), (5, 2, 31), (2,), "same", (1,), 1, "edge"),
    Case((1, 2, 6, 12, 13), (9, 2, 3, 7, 5), (1, 2, 3), "same", (2, 1, 1), 1, "wrap"),
    Case((1, 100, 9, 10), (7, 100, 3, 4), (1, 1), "same", (1, 1)),
    Case((1, 2, 9, 9), (7, 2, 3, 1), (3, 1), "valid", (1, 1)),
    Case((2, 3, 9, 70), (4, 3, 1, 9), (2, 1), "same", (1, 1)),
)


SPECTRAL = (
    Case((1, 20, 30, 33), (40, 20, 5, 5), (1, 1), "same", (1, 1)),
    Case((3, 6, 19, 30), (10, 3, 7, 3), (1, 1), ((3, 1), (0, 2)), (1, 2), 2, "mirror"),
    Case((3, 20, 56, 40), (20, 1, 31, 21), (1, 1), "same", (1, 1), 20),
    Case((1, 18, 9, 8), (18, 1, 9, 7), (1, 1), ((9, 9), (8, 8)), (1, 1), 18, "wrap"),
    Case((2, 18, 70), (5, 18, 9), (1,), "same", (1,), 1, "edge"),
    Case((1, 3, 40, 41), (17, 3, 11, 1), (1, 1), "valid", (1, 1)),
    Case((1, 4, 3, 20, 21), (5, 4, 1, 5, 5), (2, 1, 1), "same", (1, 1, 1)),
    Case((2, 5, 11, 12, 13), (19, 5, 3, 4, 5), (1, 1, 1), "same", (1, 1, 2), 1, "wrap"),
    Case((1, 18, 14, 9, 10), (18, 1, 9, 5, 7), (1, 1, 1), "same", (1, 1, 1), 18, "mirror"),
    Case((2, 18, 150), (18, 1, 63), (1,), "same", (1,), 18),
    Case((1, 6, 7, 40), (10, 3, 1, 9), (3, 1), "same", (1, 1), 2),
    Case((3, 18, 12, 13), (18, 1, 9, 7), (1, 1), ((2, 3), (6, 0)), (1, 1), 18),
    Case((2, 20, 12, 40), (20, 1, 5, 4), (1, 1), ((0, 9), (3, 3)), (2, 3), 20),
)
