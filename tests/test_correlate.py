"""Correlation: unflipped, conjugated, and otherwise the same call."""

import inspect

import numpy as np
import oracle
import pytest
from bounds import assert_answer
from cases import CASES, numbers, outer
from oracle import BOUNDARIES, MODES
from scipy import signal
from test_convolve import check

import faltung


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", ["float32", "complex128", "int32"])
def test_against_the_oracle(level, method, dtype, boundary):
    for case in CASES:
        for mode in filter(case.fits, MODES):
            check("correlate", case, np.dtype(dtype), np.dtype(dtype), mode, boundary, method)


def test_real_samples_and_a_complex_kernel(method):
    for case in CASES:
        check("correlate", case, np.dtype("float32"), np.dtype("complex64"), "full", "zero", method)


@pytest.mark.parametrize("mode", MODES)
def test_as_scipy_does(mode):
    x, k = numbers((30,), np.dtype("complex128")), numbers((7,), np.dtype("complex128"), 1)
    np.testing.assert_allclose(
        faltung.correlate(x, k, mode), signal.correlate(x, k, mode, method="direct"), atol=1e-13
    )


def test_convolving_with_the_flipped_conjugate_is_the_same(method):
    x, k = numbers((19, 23), np.dtype("complex128")), outer((3, 4), np.dtype("complex128"), 1)
    options = {"mode": "same", "method": method, "boundary": "wrap"}
    one = faltung.correlate(x, k, **options)
    other = faltung.convolve(x, np.flip(k.conj()), **options)
    # the window of an even kernel sits one sample apart in mode 'same' of neither
    assert_answer(one, oracle.correlate(x, k, "same", boundary="wrap"), method, x.dtype, k.dtype)
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)


class TestLags:
    x, k = numbers((40,), np.dtype("float64")), numbers((7,), np.dtype("float64"), 1)

    @pytest.mark.parametrize("lags", [(0, 0), (-3, 5), (-6, 39), (10, 12), (-50, -40), (35, 90)])
    @pytest.mark.parametrize("boundary", BOUNDARIES)
    def test_a_range(self, method, lags, boundary):
        actual = faltung.correlate(self.x, self.k, method=method, lags=lags, boundary=boundary)
        expected = oracle.correlate(self.x, self.k, lags=lags, boundary=boundary)
        assert_answer(actual, expected, method, self.x.dtype, self.k.dtype)

    def test_a_number_is_both_ways(self):
        np.testing.assert_array_equal(
            faltung.correlate(self.x, self.k, lags=4),
            faltung.correlate(self.x, self.k, lags=(-4, 4)),
        )

    def test_the_mode_says_nothing(self):
        x = self.x[:5]  # shorter than k
        for mode in MODES:
            np.testing.assert_array_equal(
                faltung.correlate(x, self.k, mode, lags=4), faltung.correlate(x, self.k, lags=4)
            )

    def test_full_is_every_lag_that_touches(self):
        every = faltung.correlate(self.x, self.k, lags=(-6, 39))
        np.testing.assert_allclose(every, faltung.correlate(self.x, self.k), rtol=0, atol=1e-14)

    def test_lines_of_a_batch(self):
        x = numbers((3, 20, 4), np.dtype("float32"))
        actual = faltung.correlate(x, self.k, axes=1, lags=(-2, 3))
        assert actual.shape == (3, 6, 4)
        full = faltung.correlate(x, self.k, axes=1)
        np.testing.assert_allclose(actual, full[:, 4:10], rtol=0, atol=1e-12)

    @pytest.mark.parametrize("boundary", ["zero", "mirror"])
    def test_a_range_per_axis(self, rng, boundary):
        x, k = rng.normal(size=(9, 7)), rng.normal(size=(3, 2))
        actual = faltung.correlate(x, k, lags=((-1, 4), 3), boundary=boundary)
        far = np.pad(x, 6, mode="reflect" if boundary == "mirror" else "constant")
        expected = [
            [np.sum(far[6 + i : 9 + i, 6 + j : 8 + j] * k) for j in range(-3, 4)]
            for i in range(-1, 5)
        ]
        np.testing.assert_allclose(actual, expected, atol=1e-12)

    @pytest.mark.parametrize("lags", [(3, 2), "12", (1, 2, 3), 1.5, (0.5, 2), -1])
    def test_what_is_no_range(self, lags):
        with pytest.raises((TypeError, ValueError), match="lags"):
            faltung.correlate(self.x, self.k, lags=lags)

    def test_one_axis_only(self):
        with pytest.raises(ValueError, match=r"lags"):
            faltung.correlate(np.ones((4, 4)), np.ones((2, 2)), lags=1)

    def test_too_many_are_a_memory_error(self):
        with pytest.raises(MemoryError):
            faltung.correlate(self.x, self.k, lags=(0, 2**45))


def test_the_faces_agree():
    ours = inspect.signature(faltung.convolve).parameters
    theirs = inspect.signature(faltung.correlate).parameters
    assert list(ours) == [name for name in theirs if name != "lags"]
    for name, parameter in ours.items():
        assert parameter.default == theirs[name].default, name
        assert parameter.kind == theirs[name].kind, name


@pytest.mark.parametrize("method", ["auto", "direct", "fft", "overlap_save"])
@pytest.mark.parametrize("stride", [1, 2**61])
@pytest.mark.parametrize("lag", [2**40, 2**61, -(2**31), -(2**61)])
def test_windows_far_from_all_samples_take_no_memory(lag, stride, method):
    x, k = np.arange(7, dtype=np.float32), np.ones(3, np.float32)
    actual = faltung.correlate(x, k, lags=(lag, lag + 3), method=method, stride=stride)
    np.testing.assert_array_equal(actual, np.zeros(4 if stride == 1 else 1))


def test_kernels_that_no_transform_holds_are_refused_at_once():
    x, k = np.arange(7, dtype=np.float32), np.ones(3, np.float32)
    with pytest.raises(ValueError, match=r"method 'fft' cannot serve.*2\*\*34 points"):
        faltung.correlate(x, k, lags=(0, 3), method="fft", dilation=2**40)
    with pytest.raises(MemoryError, match="not enough memory"):
        faltung.correlate(x, k, lags=(0, 3), method="direct", dilation=2**58)
