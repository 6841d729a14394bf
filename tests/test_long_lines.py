"""Lines whose transform is made of short ones, by both engines; channels that are stored together."""

import numpy as np
import pytest
from bounds import assert_answer
from cases import Case, operands, truth

import faltung

DTYPES = [np.dtype(name) for name in ("float32", "float64", "complex64", "complex128")]


def check(case, dtype, mode, boundary, method):
    x, k = operands(case, dtype, dtype, False)
    expected = truth("convolve", case, dtype, dtype, mode, boundary, False)
    actual = faltung.convolve(x, k, mode, method, axes=case.axes, boundary=boundary)
    assert_answer(actual, expected, method, dtype, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("boundary", ["zero", "mirror", "wrap"])
def test_against_the_oracle(level, tile_engine, dtype, boundary):
    # wrapped: 9000 the library transforms without padding, 8192 we do too
    for case in (Case((9_001,), (301,)), Case((9_000,), (30,)), Case((3, 8_192), (130,), 1)):
        for mode in ("full", "same", "valid"):
            check(case, dtype, mode, boundary, "fft")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_kernels_about_as_long_as_the_line(level, dtype):
    for case in (Case((6_000,), (5_500,)), Case((5_000,), (6_001,))):
        check(case, dtype, "full", "zero", "fft")


@pytest.mark.parametrize("n", [9_000, 70_000, 300_000, 1_100_000, 2_400_000])
def test_every_way_to_fold_a_line(n):
    """An impulse shifts, whatever the lengths of rows and columns."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal(n)
    k = np.zeros(n // 3)
    k[[5, 1000]] = 1, -2
    expected = np.zeros(n + len(k) - 1)
    expected[5 : n + 5] = x
    expected[1000 : n + 1000] -= 2 * x
    actual = faltung.convolve(x, k, "full", "fft")
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_workers_change_no_bit():
    rng = np.random.default_rng(0)
    x, k = rng.standard_normal(30_000), rng.standard_normal(20_001)
    for method in ("fft", "overlap_save"):
        alone = faltung.convolve(x, k, "full", method, workers=1)
        assert np.array_equal(alone, faltung.convolve(x, k, "full", method, workers=3))


@pytest.mark.parametrize("channels", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_channels_side_by_side(level, dtype, channels):
    for case in (
        Case((70, 67, channels), (5, 7), (0, 1)),
        Case((700, channels), (31,), 0),
    ):
        check(case, dtype, "same", "mirror", "overlap_save")
        check(case, dtype, "full", "zero", "overlap_save")


def test_a_large_kernel_is_looked_at_whole():
    """Its copy and what is found out about it take a way of their own."""
    rng = np.random.default_rng(1)
    x, k = rng.standard_normal(1000), rng.standard_normal(200_000)
    expected = faltung.convolve(k, x, "full")
    for kernel in (k, np.repeat(k, 2)[::2], k[::-1].copy()[::-1]):
        np.testing.assert_allclose(faltung.convolve(x, kernel, "full"), expected, atol=1e-9)
    tiny = faltung.convolve(x, k * 1e-250, "full", "fft")
    np.testing.assert_allclose(tiny, expected * 1e-250, atol=1e-259)
    k[77_777] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        faltung.convolve(x, k, "full", "fft")
