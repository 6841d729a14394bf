"""Unfolding against indexing, folding as its adjoint, layers as one product."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltung import nn


def columns(x, size, stride, padding, dilation):
    """Every window by NumPy's indexing; x is (N, C, *spatial), the answer (N, C, taps, windows)."""
    axes = x.ndim - 2
    padded = np.pad(x, [(0, 0), (0, 0), *padding])
    places = []
    for a in range(axes):
        reach = (size[a] - 1) * dilation[a] + 1
        starts = np.arange(0, padded.shape[2 + a] - reach + 1, stride[a])
        places.append(np.arange(size[a])[:, None] * dilation[a] + starts)
    grid = np.ix_(*[p.ravel() for p in places])
    picked = padded[(slice(None), slice(None), *grid)]
    shape = [n for p in places for n in p.shape]
    picked = picked.reshape(*x.shape[:2], *shape)
    order = [0, 1, *range(2, 2 + 2 * axes, 2), *range(3, 3 + 2 * axes, 2)]
    picked = picked.transpose(order)
    return picked.reshape(*x.shape[:2], int(np.prod(size)), -1)


@st.composite
def cases(draw):
    axes = draw(st.integers(1, 3))
    shape = draw(st.tuples(*[st.integers(1, (20, 9, 6)[axes - 1])] * axes))
    size, stride, padding, dilation = [], [], [], []
    for n in shape:
        dilation.append(draw(st.integers(1, 3)))
        size.append(draw(st.integers(1, 4)))
        stride.append(draw(st.integers(1, 3)))
        short = max(0, (size[-1] - 1) * dilation[-1] + 1 - n)
        padding.append((draw(st.integers(0, 5)), draw(st.integers(short, short + 4))))
    return shape, size, stride, padding, dilation


@given(cases(), st.integers(0, 2**32 - 1))
def test_windows_and_back(case, seed):
    shape, size, stride, padding, dilation = case
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, (2, 3, *shape)).astype(np.float64)
    where = {"stride": stride, "padding": padding, "dilation": dilation}
    expected = columns(x, size, stride, padding, dilation)
    actual = nn.unfold(x, size, **where)
    np.testing.assert_array_equal(actual, expected.reshape(2, -1, expected.shape[-1]))
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    rows = nn.unfold(last, size, **where, layout="NHWC")
    np.testing.assert_array_equal(
        rows, expected.transpose(0, 3, 2, 1).reshape(2, expected.shape[-1], -1)
    )

    # the adjoint, exactly: these are integers
    y = rng.integers(-9, 10, actual.shape).astype(np.float64)
    back = nn.fold(y, shape, size, **where)
    assert np.vdot(y, actual) == np.vdot(back, x)
    back = nn.fold(y.swapaxes(1, 2), shape, size, **where, layout="NHWC")
    assert np.vdot(y.swapaxes(1, 2), rows) == np.vdot(back, last)


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int64", "float16", "float64", "complex64", "complex128"]
)
def test_dtypes_and_strides(rng, dtype):
    x = rng.integers(0, 2, (2, 8, 6, 14)).astype(dtype)[:, ::2, :, ::-2]
    arguments = ((3, 2), (1, 2), [(1, 0), (0, 2)], (1, 2))
    expected = columns(x, *arguments)
    size, stride, padding, dilation = arguments
    for version in (x, x.copy(order="F"), x.astype(x.dtype.newbyteorder(">"))):
        actual = nn.unfold(version, size, stride=stride, padding=padding, dilation=dilation)
        assert actual.dtype == dtype
        np.testing.assert_array_equal(actual, expected.reshape(2, -1, expected.shape[-1]))


def test_a_layer_is_a_product(rng):
    x = rng.standard_normal((2, 3, 9, 8))
    w = rng.standard_normal((5, 3, 3, 2))
    y = nn.conv(x, w, stride=2, padding=1)
    product = w.reshape(5, -1) @ nn.unfold(x, (3, 2), stride=2, padding=1)
    np.testing.assert_allclose(product.reshape(y.shape), y, atol=1e-12)


def test_halves_are_summed_in_single_precision():
    x = np.full((1, 4096, 1), 1, np.float16)
    y = nn.fold(x, (1,), 4096, padding=4095, stride=4095 * 2 + 1)[0, 0]
    assert y.dtype == np.float16
    ones = np.ones((1, 1, 4096), np.float16)
    assert nn.fold(np.ones((1, 3, 4094), np.float16), (4096,), 3)[0, 0, 5] == 3
    assert nn.unfold(ones, 3).shape == (1, 3, 4094)


def test_workers_change_nothing(rng):
    x = rng.standard_normal((2, 40, 30, 30)).astype(np.float32)
    for layout in ("NCHW", "NHWC"):
        y = nn.unfold(x, 3, layout=layout, workers=1)
        np.testing.assert_array_equal(nn.unfold(x, 3, layout=layout, workers=3), y)
        shape = (30, 30) if layout == "NCHW" else (40, 30)
        one, more = (nn.fold(y, shape, 3, layout=layout, workers=w) for w in (1, 3))
        np.testing.assert_array_equal(one, more)


def test_errors():
    y = np.ones((2, 12, 9))
    with pytest.raises(ValueError, match="12.*5 taps"):
        nn.fold(y, (9,), 5)
    with pytest.raises(ValueError, match="9 windows.*8"):
        nn.fold(y, (9,), 2)
    with pytest.raises(ValueError, match="axes"):
        nn.fold(np.ones((2, 3)), (4,), 3)
    with pytest.raises(TypeError, match="int64"):
        nn.fold(np.ones((2, 12, 8), int), (9,), 2)
    with pytest.raises(ValueError, match="size 5.*axis 2"):
        nn.unfold(np.ones((1, 1, 4)), 5)
    with pytest.raises(TypeError, match="object"):
        nn.unfold(np.ones((1, 1, 4), object), 2)
    with pytest.raises(MemoryError):
        nn.unfold(np.broadcast_to(np.uint8(1), (1, 1, 2**45)), 3)


def test_empty_batches():
    assert nn.unfold(np.ones((0, 2, 5)), 2).shape == (0, 4, 4)
    assert nn.fold(np.ones((0, 4, 4)), (5,), 2).shape == (0, 2, 5)
