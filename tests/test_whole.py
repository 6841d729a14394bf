"""Arrays that are transformed whole along several axes, at once and in blocks, by either engine."""

import numpy as np
import pytest
from bounds import assert_answer
from cases import Case, operands, truth

import faltung

DTYPES = [np.dtype(name) for name in ("float32", "float64", "complex64", "complex128")]
SHAPES = [
    Case((37, 41), (9, 12)),
    Case((11, 90), (20, 3)),
    Case((90, 5), (70, 4)),
    Case((12, 9, 21), (5, 9, 6)),
    Case((3, 20, 4, 25), (7, 6), (1, 3)),  # a batch, and channels of a sort
    Case((4, 5, 6, 17), (3, 2, 4, 9)),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("boundary", ["zero", "edge", "mirror", "wrap"])
def test_against_the_oracle(level, tile_engine, dtype, boundary):
    for case in SHAPES:
        x, k = operands(case, dtype, dtype, False)
        for mode in ("full", "same", "valid"):
            if not case.fits(mode):
                continue
            expected = truth("convolve", case, dtype, dtype, mode, boundary, False)
            actual = faltung.convolve(x, k, mode, "fft", axes=case.axes, boundary=boundary)
            assert_answer(actual, expected, "fft", dtype, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("boundary", ["zero", "wrap"])
def test_lengths_that_need_no_padding(level, dtype, boundary):
    """A periodic axis of a length that is served is transformed as it is."""
    case = Case((48, 64), (5, 50))
    x, k = operands(case, dtype, dtype, False)
    expected = truth("convolve", case, dtype, dtype, "same", boundary, False)
    assert_answer(
        faltung.convolve(x, k, "same", "fft", boundary=boundary), expected, "fft", dtype, dtype
    )


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_stride_dilation_and_any_memory(level, dtype):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 60, 70)).astype(dtype)
    k = rng.standard_normal((7, 9)).astype(dtype)
    options = {"axes": (1, 2), "stride": (2, 3), "dilation": (3, 1), "boundary": "symmetric"}
    expected = faltung.convolve(x, k, "same", "direct", **options)
    scale = np.abs(expected).max()
    for view in (
        x,
        np.asfortranarray(x),
        np.repeat(x, 2, axis=2)[..., ::2],
        x[:, ::-1][:, ::-1].copy()[::-1][::-1],
    ):
        actual = faltung.convolve(view, k, "same", "fft", **options)
        np.testing.assert_allclose(actual, expected, atol=1e-13 * scale)


@pytest.mark.parametrize(
    "shape", [(9000, 20), (20, 9000), (17_000, 33), (40, 15_000), (3, 5000, 6)]
)
def test_axes_of_four_passes(level, shape):
    """An impulse shifts, whatever the lengths."""
    rng = np.random.default_rng(sum(shape))
    x = rng.standard_normal(shape)
    k = np.zeros([n // 3 + 1 for n in shape])
    k.flat[[0, -1]] = 1, -2
    actual = faltung.convolve(x, k, "full", "fft")
    expected = np.zeros_like(actual)
    expected[tuple(slice(0, n) for n in shape)] = x
    expected[tuple(slice(-n, None) for n in shape)] -= 2 * x
    np.testing.assert_allclose(actual, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "kernel", "boundary"),
    [
        ((8000, 900), (2500, 3), "zero"),
        ((8000, 900), (2500, 3), "wrap"),
        ((900, 8000), (5, 2501), "zero"),
        ((1800, 3200), (257, 900), "mirror"),
        ((9, 900, 900), (3, 300, 41), "zero"),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_blocks(shape, kernel, boundary, dtype):
    """What would take more than `auto` may is taken in parts. Zeros beyond the array are no faint places."""
    rng = np.random.default_rng(4)
    x, k = rng.standard_normal(shape).astype(dtype), rng.standard_normal(kernel).astype(dtype)
    x[-1, -1] = np.nan
    plan = faltung.plan(k, shape, "same", dtype=dtype, boundary=boundary)
    assert plan.method == "fft"
    actual = faltung.convolve(x, k, "same", boundary=boundary)
    assert np.array_equal(actual, plan(x), equal_nan=True)
    assert np.array_equal(
        actual, faltung.convolve(x, k, "same", boundary=boundary, workers=1), equal_nan=True
    )
    expected = faltung.convolve(
        x.astype("float64"), k.astype("float64"), "same", "fft", boundary=boundary
    )
    assert np.array_equal(np.isnan(actual), np.isnan(expected))
    there = ~np.isnan(expected)
    tolerance = 1e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(
        actual[there], expected[there], atol=tolerance * np.abs(expected[there]).max()
    )


def test_a_bright_corner_beside_faint_rows():
    """Blocks whose samples span too much for one transform go by tiles."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((900, 800)).astype("float32")
    x[:40, :40] *= 1e7
    k = rng.standard_normal((301, 201)).astype("float32")
    actual = faltung.convolve(x, k, "same", "fft")
    expected = faltung.convolve(x.astype("float64"), k.astype("float64"), "same", "fft")
    faint = np.s_[400:, 400:]
    error = np.abs(actual[faint] - expected[faint]).max()
    assert error < 1e-5 * np.abs(expected[faint]).max()


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("n", [100, 200, 300, 500, 720, 1000, 1080, 1500, 2160, 2500, 3000, 5000])
def test_wrapped_lengths_that_arrays_often_have(level, dtype, n):
    """They are transformed as they are, whether or not whole registers fill a row."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal((24, n)).astype(dtype)
    k = np.zeros((24, n // 2 + 1), x.real.dtype)
    k[0, 0], k[-1, -1], k[5, 7] = 1, -2, 3
    actual = faltung.convolve(x, k, "same", "fft", boundary="wrap")
    origin = [(taps - 1) // 2 for taps in k.shape]
    expected = np.zeros(x.shape, np.result_type(x, np.float64))
    for place in zip(*np.nonzero(k), strict=True):
        shift = [p - o for p, o in zip(place, origin, strict=True)]
        expected += k[place] * np.roll(x.astype(expected.dtype), shift, (0, 1))
    tolerance = 4e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(actual, expected, atol=tolerance)


@pytest.mark.parametrize("n", [17_000, 20_000, 30_000, 45_000])
def test_columns_longer_than_the_caches(level, n):
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 5)).astype("float32")
    k = np.zeros(n // 3, np.float32)
    k[[0, 7, -1]] = 1, 3, -2
    expected = np.zeros((n + k.size - 1, 5))
    for tap in np.flatnonzero(k):
        expected[tap : tap + n] += k[tap] * x
    for method in ("fft", "overlap_save"):
        actual = faltung.convolve(x, k, "full", method, axes=0)
        np.testing.assert_allclose(actual, expected, atol=4e-5)
