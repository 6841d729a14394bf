"""Every stride-th output, and taps that stand apart."""

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
