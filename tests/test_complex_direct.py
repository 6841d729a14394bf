"""Complex samples by complex kernels, summed directly: heights, widths and borders of every kind, at every level."""

import numpy as np
import oracle
import pytest
from bounds import assert_answer
from cases import numbers

import faltung

KERNELS = [(3, 3), (5, 5), (7, 7), (9, 9), (2, 5), (6, 1), (4, 11), (1, 7), (13, 12), (17, 16)]


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("boundary", ["zero", "wrap"])
@pytest.mark.parametrize("taps", KERNELS, ids=str)
def test_against_the_oracle(taps, boundary, dtype, level):
    for shape in [(37, 203), (40, 3), (5, 96)]:
        x, k = numbers(shape, np.dtype(dtype)), numbers(taps, np.dtype(dtype), 1)
        truth = oracle.convolve(x, k, "same", boundary=boundary)
        actual = faltung.convolve(x, k, "same", "direct", boundary=boundary)
        assert_answer(actual, truth, "direct", x.dtype, k.dtype)


def test_volumes_channels_and_real_samples(level):
    x, k = numbers((9, 14, 70), np.dtype("complex64")), numbers((3, 3, 3), np.dtype("complex64"), 1)
    assert_answer(
        faltung.convolve(x, k, "same", "direct"),
        oracle.convolve(x, k, "same"),
        "direct",
        x.dtype,
        k.dtype,
    )
    plane = k[0]
    for samples in (x.real.copy(), x):  # the last axis holds the channels of an image
        image = np.ascontiguousarray(np.moveaxis(samples[:3], 0, -1))
        truth = oracle.convolve(image, plane, "same", axes=(0, 1))
        actual = faltung.convolve(image, plane, "same", "direct", axes=(0, 1))
        assert_answer(actual, truth, "direct", image.dtype, plane.dtype)


def test_large_results_into_arrays_that_begin_anywhere(level):
    k = numbers((3, 5), np.dtype("complex64"), 1)
    x = numbers((900, 1300), np.dtype("complex64"))
    truth = faltung.convolve(x.astype(complex), k.astype(complex), "same", "direct")
    memory = np.empty(x.size + 7, x.dtype)
    for offset in (0, 1, 3):
        out = memory[offset : offset + x.size].reshape(x.shape)
        faltung.convolve(x, k, "same", "direct", out=out, workers=2)
        np.testing.assert_allclose(out, truth, rtol=0, atol=1e-5 * np.abs(truth).max())
