"""Every stride-th output, and taps that stand apart."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from bounds import assert_answer
from cases import numbers, outer

import faltung

SHAPES = [((211,), (7,)), ((40, 53), (5, 4)), ((12, 15, 19), (3, 2, 3))]
METHODS = ["auto", "direct", "fft", "overlap_save"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("boundary", ["zero", "mirror", "wrap"])
@pytest.mark.parametrize(("stride", "dilation"), [(2, 1), (1, 2), (3, 2), (5, 3)])
@pytest.mark.parametrize(("shape", "taps"), SHAPES, ids=str)
def test_against_the_oracle(shape, taps, stride, dilation, boundary, mode, method):
    x, k = numbers(shape, np.dtype("float32")), outer(taps, np.dtype("float32"), 1)
    expected = oracle.convolve(x, k, mode, boundary=boundary, step=stride, dilation=dilation)
    actual = faltung.convolve(
        x, k, mode, method, boundary=boundary, stride=stride, dilation=dilation
    )
    assert_answer(actual, expected, method, x.dtype, k.dtype)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["uint8", "complex64"])
def test_one_per_axis(method, dtype):
    x, k = numbers((30, 41, 3), np.dtype(dtype)), numbers((4, 3), np.dtype(dtype), 2)
    every = faltung.convolve(x, k, "same", axes=(0, 1), dilation=(1, 2))
    actual = faltung.convolve(x, k, "same", method, axes=(0, 1), stride=(3, 2), dilation=(1, 2))
    np.testing.assert_allclose(actual, every[::3, ::2], rtol=1e-4, atol=1e-2)


# Rows are taken apart into as many phases as the last axis steps: x, kernel, stride, dilation.
PHASED = {
    "long line": ((20011,), (9,), 2, 1),
    "taps of a strip": ((9001,), (200,), 3, 1),
    "windows wider than x": ((700,), (61,), 4, 29),
    "steps beyond the phases": ((3001,), (5,), 9, 1),
    "as many as there are": ((3001,), (5,), 8, 1),
    "shorter than a vector": ((9,), (3,), 2, 1),
    "several strips of rows": ((23, 9100), (3, 3), 2, 1),
    "steps along lines only": ((29, 700), (5, 5), (1, 2), 1),
    "rows that stand apart": ((29, 700), (5, 4), (2, 3), (2, 1)),
    "taps that stand apart": ((29, 700), (5, 4), (3, 2), (1, 3)),
    "several sums": ((40, 300), (18, 17), 2, 1),
    "a volume": ((9, 21, 300), (3, 3, 3), 2, 1),
    "planes that are kept": ((9, 21, 300), (3, 3, 3), (1, 2, 2), (1, 2, 1)),
}


def stepped(x, k, stride, dilation, **options):
    """The oracle's answer where axes differ: of the kernel with zeros in between, and of every output."""
    rank = k.ndim
    stride, dilation = (np.broadcast_to(value, rank) for value in (stride, dilation))
    spread = np.zeros([(n - 1) * d + 1 for n, d in zip(k.shape, dilation, strict=True)], k.dtype)
    spread[tuple(slice(None, None, d) for d in dilation)] = k
    truth = oracle.convolve(x, spread, "same", **options)
    every = tuple(slice(None, None, step) for step in stride)
    parts = {name: getattr(truth, name)[every] for name in ("value", "window", "touched")}
    return replace(truth, **parts, taps=k.size, longest=max(k.shape))


@pytest.mark.parametrize("boundary", ["zero", "symmetric"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "uint8", "int32"])
@pytest.mark.parametrize("case", PHASED)
def test_rows_taken_apart(case, dtype, boundary, level):
    shape, taps, stride, dilation = PHASED[case]
    x, k = numbers(shape, np.dtype(dtype)), numbers(taps, np.dtype(dtype), 1)
    truth = stepped(x, k, stride, dilation, boundary=boundary)
    options = {"boundary": boundary, "stride": stride, "dilation": dilation}
    one = faltung.convolve(x, k, "same", "direct", workers=1, **options)
    assert_answer(one, truth, "direct", x.dtype, k.dtype)
    two = faltung.convolve(x, k, "same", "direct", workers=2, **options)
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("channels", [2, 3, 40])
def test_channels_taken_apart(channels, level):
    x = numbers((20, 300, channels), np.dtype("float32"))
    k = numbers((3, 5), np.dtype("float32"), 1)
    truth = stepped(x, k, 2, 1, axes=(0, 1))
    actual = faltung.convolve(x, k, "same", "direct", axes=(0, 1), stride=2)
    assert_answer(actual, truth, "direct", x.dtype, k.dtype)


# Rows that step are summed in groups, as far as their windows share rows: x, kernel, stride, dilation.
GROUPED = {
    "columns": ((97, 70), (23, 1), (2, 1), 1),
    "columns far apart": ((97, 37), (23, 1), (7, 1), 1),
    "hardly shared": ((97, 37), (4, 1), (3, 1), 1),
    "columns that stand apart": ((97, 37), (9, 1), (2, 1), (3, 1)),
    "several sums of columns": ((900, 21), (300, 1), (3, 1), 1),
    "images": ((61, 150), (7, 7), (2, 1), 1),
    "several sums of images": ((61, 90), (18, 17), (3, 1), 1),
    "volumes": ((9, 31, 70), (3, 5, 4), (1, 2, 1), 1),
    "planes that step": ((9, 31, 70), (3, 5, 4), (2, 2, 1), 1),
    "rows of volumes apart": ((9, 31, 70), (3, 5, 4), (1, 2, 1), (1, 3, 1)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "uint8", "int32"])
@pytest.mark.parametrize("case", GROUPED)
def test_rows_that_step(case, dtype, level):
    shape, taps, stride, dilation = GROUPED[case]
    x, k = numbers(shape, np.dtype(dtype)), numbers(taps, np.dtype(dtype), 1)
    options = {"boundary": "mirror", "dilation": dilation, "method": "direct"}
    actual = faltung.convolve(x, k, "same", stride=stride, **options)
    assert_answer(
        actual, stepped(x, k, stride, dilation, boundary="mirror"), "direct", x.dtype, k.dtype
    )
    if "several" not in case:  # in the order of all rows
        every = faltung.convolve(x, k, "same", **options)
        np.testing.assert_array_equal(actual, every[tuple(slice(None, None, n) for n in stride)])


def test_lags_far_outside(level):
    x, k = numbers((600,), np.dtype("float32")), numbers((7,), np.dtype("float32"), 1)
    every = faltung.correlate(x, k, lags=(-30000, 30000), method="direct")
    for stride in (2, 3):
        actual = faltung.correlate(x, k, lags=(-30000, 30000), method="direct", stride=stride)
        np.testing.assert_allclose(actual, every[::stride], rtol=1e-5, atol=1e-4)
    assert np.array_equal(np.flatnonzero(every)[[0, -1]] - 30000, [-6, 599])


def test_what_is_not_finite_stays_where_it_is(level):
    x, k = np.ones((30, 400), np.float32), np.zeros((3, 3), np.float32)
    x[10, 200] = np.nan
    k[1, 1] = 1
    actual = faltung.convolve(x, k, "same", "direct", stride=2)
    every = faltung.convolve(x, k, "same", "direct")
    np.testing.assert_array_equal(actual, every[::2, ::2])


def test_a_dilated_kernel_is_one_with_zeros():
    x, k = numbers((50,), np.dtype("int32")), numbers((4,), np.dtype("int32"), 1)
    spread = np.zeros(10, np.int32)
    spread[::3] = k
    np.testing.assert_array_equal(faltung.correlate(x, k, dilation=3), faltung.correlate(x, spread))


def test_in_a_plan_and_with_lags():
    x, k = numbers((90,), np.dtype("float64")), numbers((5,), np.dtype("float64"), 1)
    plan = faltung.plan(k, 90, "same", stride=4)
    np.testing.assert_array_equal(plan(x), faltung.convolve(x, k, "same", stride=4))
    every = faltung.correlate(x, k, lags=(-3, 8))
    np.testing.assert_allclose(
        faltung.correlate(x, k, lags=(-3, 8), stride=5), every[::5], rtol=1e-12
    )


def test_separable_says_that_it_declines():
    with pytest.raises(ValueError, match="stride"):
        faltung.convolve(np.ones((9, 9)), np.ones((3, 3)), method="separable", stride=2)


@pytest.mark.parametrize("name", ["stride", "dilation"])
@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-1, ValueError), ((1, 2), ValueError), (1.5, TypeError)]
)
def test_errors_name_the_argument(name, value, error):
    with pytest.raises(error, match=name):
        faltung.convolve(np.ones(9), np.ones(3), **{name: value})


def test_a_dilated_kernel_has_to_fit():
    with pytest.raises(ValueError, match="spans 11"):
        faltung.convolve(np.ones(10), np.ones(3), "valid", dilation=5)
