"""What `faltung.compat` asks of the core: integers cut off and wrapped around as C casts, not rounded and saturated."""

import math

import numpy as np
import pytest

from faltung import _api

INTEGERS = [np.dtype(code) for code in "bBhHiIqQ"]


def cast_as_c(value, dtype):
    """By way of 32 bits, or 64 for uint32 and wider types; what these cannot hold is their lowest number."""
    wide = dtype.itemsize == 8 or dtype.char == "I"
    end = 2**63 if wide else 2**31
    above = 2**64 if dtype.char == "Q" else end
    whole = math.trunc(value) if math.isfinite(value) else None
    if whole is None or not -end <= whole < above:
        whole = -end
    return np.array([whole % 2 ** (8 * dtype.itemsize)], np.uint64).astype(dtype)[0]


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("samples", [np.float32, np.float64])
def test_cut_off_and_wrapped(level, samples, dtype, rng):
    x = (rng.standard_normal(203) * 10.0 ** rng.integers(-1, 21, 203)).astype(samples)
    x[:14] = [0.99, -0.99, 255.9, -1.5, 256, 2**31, -(2.0**31), 2**32, 2**63, 2**64, -(2.0**63), np.nan,
              np.inf, -np.inf]  # fmt: skip
    answer = _api.windows(
        x, np.ones(1, samples), (0,), (0,), (x.size,), flip=False, dtype=dtype, c_casts=True
    )
    assert answer.dtype == dtype
    wanted = [cast_as_c(float(value), dtype) for value in x]
    np.testing.assert_array_equal(answer, wanted)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("largest", [3, 10**5, 10**12])  # in float32, float64, int64
@pytest.mark.parametrize("taps", [5, 1201])  # the longer ones by transforms
def test_whole_numbers_are_not_cut_but_wrapped(level, taps, largest, dtype, rng):
    x = rng.integers(-120, 120, 3001).astype(np.int16)
    k = rng.integers(-largest, largest, taps)
    answer = _api.windows(x, k, (0,), (1 - taps,), (x.size,), flip=True, dtype=dtype, c_casts=True)
    wanted = np.convolve(x.astype(np.int64), k)[: x.size].astype(dtype)
    np.testing.assert_array_equal(answer, wanted)
