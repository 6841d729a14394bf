"""NaN and infinity touch the outputs whose window holds them, and no other, whatever the method."""

import numpy as np
import oracle
import pytest
from bounds import arithmetic_of, assert_close
from cases import numbers, outer

import faltung

PLACES = {
    "corner": (0, 0),
    "edge": (20, -1),
    "middle": (37, 45),
}
BAD = [np.nan, np.inf, -np.inf]


def check(x, k, method, **options):
    actual = faltung.convolve(x, k, method=method, **options)
    truth = oracle.convolve(x, k, options.pop("mode", "full"), **options)
    assert truth.touched.any()
    assert not truth.touched.all()
    assert_close(actual, truth, method, arithmetic_of(x.dtype, k.dtype))
    touched = actual[truth.touched]
    assert not np.isfinite(touched).any(), "an output lost what its window holds"
    if actual.dtype.kind != "c" and method != "separable":
        # which of NaN and the infinities is a matter of the sum, not of its order
        np.testing.assert_array_equal(touched, truth.value[truth.touched].astype(actual.dtype))


@pytest.mark.parametrize("boundary", oracle.BOUNDARIES)
@pytest.mark.parametrize("bad", BAD, ids=str)
@pytest.mark.parametrize("place", PLACES)
def test_one_sample(level, method, place, bad, boundary):
    x, k = numbers((60, 90), np.dtype("float32")), outer((5, 4), np.dtype("float32"), 1)
    x[PLACES[place]] = bad
    check(x, k, method, mode="same", boundary=boundary)


@pytest.mark.parametrize("dtype", ["float16", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("bad", BAD, ids=str)
def test_other_dtypes(method, dtype, bad):
    x, k = numbers((50, 40), np.dtype(dtype)), outer((3, 6), np.dtype(dtype), 1)
    x[11, 13] = bad
    check(x, k, method)


def test_only_the_imaginary_part(method):
    x, k = numbers((50, 40), np.dtype("complex64")), outer((3, 3), np.dtype("complex64"), 1)
    x[20, 20] = complex(1, np.nan)
    check(x, k, method, mode="same")


@pytest.mark.parametrize("level_bad", [3, 400])
def test_many_samples_in_many_tiles(level, method, level_bad, rng):
    x, k = numbers((300, 400), np.dtype("float32")), outer((7, 6), np.dtype("float32"), 1)
    at = rng.integers(0, x.size, level_bad)
    x.flat[at] = rng.choice(BAD, level_bad)
    check(x, k, method, mode="valid")


def test_a_long_line(level, method):
    x, k = numbers((200_000,), np.dtype("float32")), numbers((33,), np.dtype("float32"), 1)
    x[[0, 70_000, 70_010, 199_999]] = [np.nan, np.inf, -np.inf, np.nan]
    check(x, k, method)


def test_a_long_kernel(method):
    x, k = numbers((9000,), np.dtype("float64")), numbers((2000,), np.dtype("float64"), 1)
    x[100] = np.nan
    check(x, k, method, mode="same")


def test_other_batch_entries(method):
    x, k = numbers((6, 30, 31), np.dtype("float32")), outer((3, 4), np.dtype("float32"), 1)
    x[2] = np.nan
    check(x, k, method, axes=(1, 2), mode="same", boundary="wrap")


def test_other_channels(method):
    x, k = numbers((40, 41, 3), np.dtype("float32")), outer((3, 4), np.dtype("float32"), 1)
    x[..., 1] = np.inf
    check(x, k, method, axes=(0, 1), mode="same")


@pytest.mark.parametrize("cval", BAD, ids=str)
def test_a_constant_that_is_not_finite(level, method, cval):
    x, k = numbers((40, 50), np.dtype("float32")), outer((4, 3), np.dtype("float32"), 1)
    check(x, k, method, mode="same", boundary="constant", cval=cval)


def test_finite_samples_whose_transform_overflows(method):
    # every product fits float32; the sum over a tile does not
    x, k = np.full((64, 64), 3e38, np.float32), np.zeros((3, 3), np.float32)
    k[1, 1] = 0.5
    x[::2] *= -1
    actual = faltung.convolve(x, k, "same", method)
    np.testing.assert_allclose(actual, x * np.float32(0.5), rtol=1e-5)


@pytest.mark.parametrize("bad", BAD, ids=str)
@pytest.mark.parametrize("method", ["auto", "direct", "fft", "overlap_save"])
def test_a_kernel_that_is_not_finite(method, bad):
    x, k = numbers((20,), np.dtype("float64")), numbers((5,), np.dtype("float64"), 1)
    k[2] = bad
    try:
        actual = faltung.convolve(x, k, "valid", method)
    except ValueError as refusal:
        assert method in ("fft", "overlap_save")  # a transform may decline, with its reason
        assert "NaN or infinity" in str(refusal)
        return
    assert not np.isfinite(actual).any()


def test_zeros_of_the_constant_boundary_hide_no_nan(method):
    # x~ is zero outside, not absent: only windows that hold the sample are touched
    x = np.zeros((30, 31))
    x[0, 0] = np.nan
    actual = faltung.convolve(x, np.ones((3, 3)), "same", method)
    assert np.isnan(actual[:2, :2]).all()
    assert np.isfinite(actual[2:]).all()
    assert np.isfinite(actual[:, 2:]).all()


def test_denormals_survive(method):
    tiny = np.float32(1e-42)
    x, k = np.full((40, 40), tiny), np.ones((3, 3), np.float32)
    actual = faltung.convolve(x, k, "valid", method)
    np.testing.assert_allclose(actual, 9 * tiny, rtol=0.2)
