"""Arrays that are transformed whole along several axes, at once and in blocks, by either engine."""

import numpy as np
import pytest
from bounds import assert_answer
from cases import Case, operands, truth
from script import output_of

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


def checked_modes(case, dtype, taps, boundary):
    """Every mode that fits, with the answer in it, which the oracle has seen."""
    x, k = operands(case, dtype, taps, False)
    for mode in ("full", "same", "valid"):
        if not case.fits(mode):
            continue
        expected = truth("convolve", case, dtype, taps, mode, boundary, False)
        actual = faltung.convolve(x, k, mode, "fft", axes=case.axes, boundary=boundary)
        assert_answer(actual, expected, "fft", dtype, taps)
        yield mode, actual


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("boundary", ["zero", "edge", "mirror", "wrap"])
def test_against_the_oracle(level, tile_engine, dtype, boundary):
    for case in SHAPES:
        for _ in checked_modes(case, dtype, dtype, boundary):
            pass


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


WRAPPED = [
    ((48, 64), (48, 64)),
    ((48, 40), (5, 3)),  # an odd number of panels
    ((100, 60), (99, 61)),  # rows of one frequency that fill no register; a row that is padded
    ((32, 47), (9, 9)),
    ((12, 16, 20), (12, 16, 20)),  # opposite frequencies in different slabs
    ((2, 24, 3, 48), (7, 9)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "kernel"), WRAPPED, ids=str)
def test_periodic_columns_in_pairs(level, dtype, shape, kernel):
    """Of real arrays: no column is padded, whatever is read, whatever is finite."""
    rng = np.random.default_rng(7)
    axes = (1, 3) if len(shape) == 4 else None
    x = rng.standard_normal(shape).astype(dtype)
    k = rng.standard_normal(kernel).astype(dtype)
    tolerance = 3e-5 if dtype == "float32" else 1e-12
    for mode in ("same", "full"):
        for stride in (1, 3):
            options = {"axes": axes, "boundary": "wrap", "stride": stride}
            expected = faltung.convolve(x, k, mode, "direct", **options)
            actual = faltung.convolve(x, k, mode, "fft", **options)
            np.testing.assert_allclose(actual, expected, atol=tolerance * np.abs(expected).max())
    x.flat[x.size // 3], x.flat[7] = np.nan, np.inf
    expected = faltung.convolve(x, k, "same", "direct", axes=axes, boundary="wrap")
    actual = faltung.convolve(x, k, "same", "fft", axes=axes, boundary="wrap")
    there = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~there], expected[~there])
    if there.any():
        largest = np.abs(expected[there]).max()
        np.testing.assert_allclose(actual[there], expected[there], atol=tolerance * largest)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_periodic_columns_take_no_more_memory_than_the_array(dtype):
    x = np.ones((1000, 1200), dtype)
    plan = faltung.plan(x, x.shape, "same", "fft", boundary="wrap", x_dtype=dtype)
    assert plan.workspace_bytes < 1.3 * x.nbytes  # twice as much were they padded


CHANNELS = [
    Case((37, 41, 3), (9, 12), (0, 1)),
    Case((60, 70, 4), (31, 20), (0, 1)),
    Case((48, 64, 2), (5, 50), (0, 1)),
    Case((2, 40, 30, 5), (17, 9), (1, 2)),  # a batch of them
    Case((12, 9, 21, 3), (5, 9, 6), (0, 1, 2)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "uint8"])
@pytest.mark.parametrize("boundary", ["zero", "mirror", "wrap"])
def test_channels_together(level, dtype, boundary):
    """Channels that lie side by side are transformed at once, converted or as they stand."""
    dtype = np.dtype(dtype)
    taps = dtype if dtype.kind == "f" else np.dtype("float32")
    for case in CHANNELS:
        x, k = operands(case, dtype, taps, False)
        for mode in ("full", "same", "valid"):
            expected = truth("convolve", case, dtype, taps, mode, boundary, False)
            actual = faltung.convolve(x, k, mode, "fft", axes=case.axes, boundary=boundary)
            assert_answer(actual, expected, "fft", dtype, taps)


def test_channels_take_memory_together():
    k = np.ones((101, 101), np.float32)
    of_one = faltung.plan(k, (400, 500), method="fft").workspace_bytes
    of_three = faltung.plan(k, (400, 500, 3), method="fft", axes=(0, 1)).workspace_bytes
    assert of_three > 2.5 * of_one


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, 1e37])
def test_a_channel_that_cannot_be_transformed_with_the_others(spoilt):
    rng = np.random.default_rng(8)
    x = rng.standard_normal((80, 90, 3)).astype("float32")
    k = rng.standard_normal((31, 33)).astype("float32")
    x[40, 50, 1] = spoilt
    expected = [
        faltung.convolve(np.ascontiguousarray(x[..., c]), k, "same", "fft") for c in range(3)
    ]
    actual = faltung.convolve(x, k, "same", "fft", axes=(0, 1))
    near = np.zeros((80, 90, 3), bool)
    near[25:56, 34:67, 1] = True  # windows that hold the sample: its rounding is what remains
    truth = np.stack(expected, -1)
    np.testing.assert_allclose(actual[~near], truth[~near], rtol=1e-5, atol=1e-4)
    rounding = 1e-6 * spoilt if np.isfinite(spoilt) else 0
    np.testing.assert_allclose(actual[near], truth[near], rtol=1e-5, atol=rounding)


def test_a_faint_channel_beside_a_bright_one():
    """What is bright in one channel drowns nothing in the others."""
    rng = np.random.default_rng(9)
    x = rng.standard_normal((200, 210, 3)).astype("float32")
    x[..., 1] *= 1e6
    x[:20, :20, 2] *= 1e7  # but in its own
    k = rng.standard_normal((31, 33)).astype("float32")
    actual = faltung.convolve(x, k, "same", "fft", axes=(0, 1))
    expected = faltung.convolve(x.astype("float64"), k.astype("float64"), axes=(0, 1), mode="same")
    for c in range(3):
        faint = np.s_[100:, 100:, c]
        error = np.abs(actual[faint] - expected[faint]).max()
        assert error < 1e-5 * np.abs(expected[faint]).max()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(700, 500), (400_000,)], ids=str)
def test_large_kernels_are_read_where_they_stand(dtype, shape):
    """In one call; a plan copies them. Whichever way they lie in memory, and of whichever dtype."""
    rng = np.random.default_rng(10)
    x = rng.standard_normal(shape).astype(dtype)
    base = rng.integers(-9, 9, shape).astype(dtype)
    kept = base.copy()
    rows = np.repeat(base, 2, axis=0)[::2]
    for call in (faltung.convolve, faltung.correlate):
        for k in (base, base[::-1], np.flip(base), rows, base.astype("int16")):
            given = np.ascontiguousarray(k)
            expected = call(x, given[..., ::-1][..., ::-1].astype("float64"), "same", "fft")
            actual = call(x, k, "same", "fft")
            scale = 2e-6 if dtype == "float32" else 1e-13
            np.testing.assert_allclose(actual, expected, atol=scale * np.abs(expected).max())
            if call is faltung.convolve:
                plan = faltung.plan(k, shape, "same", "fft", x_dtype=dtype)
                np.testing.assert_array_equal(plan(x), actual)
    np.testing.assert_array_equal(base, kept)


def test_a_large_kernel_is_not_copied():
    """One call needs room for the two spectra and the result."""
    source = """
        import resource
        import numpy as np
        import faltung

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        rng = np.random.default_rng(1)
        x, k = rng.standard_normal((2, 3000, 3000), np.float32)
        faltung.convolve(x[:300, :300].copy(), k[:200, :200].copy(), "same", "fft")
        before = peak()
        y = faltung.convolve(x, k, "same", "fft", boundary="wrap")
        print((peak() - before - y.nbytes / 2**20) / (x.nbytes / 2**20))
    """
    assert float(output_of(source, timeout=120)) < 2.5


COLUMNS = [
    Case((48, 70), (5,), 0),
    Case((100, 64), (90,), 0),  # whole registers, read and written where they stand
    Case((5, 48, 32), (20,), 1),
    Case((20, 30, 17), (31,), 1),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int16"])
@pytest.mark.parametrize("boundary", ["zero", "mirror", "wrap"])
def test_columns_alone(level, tile_engine, dtype, boundary):
    dtype = np.dtype(dtype)
    taps = np.dtype("float32") if dtype.kind == "c" else dtype
    for case in COLUMNS:
        x, k = operands(case, dtype, taps, False)
        for mode, actual in checked_modes(case, dtype, taps, boundary):
            stepped = faltung.convolve(
                x, k, mode, "fft", axes=case.axes, boundary=boundary, stride=3
            )
            thirds = np.moveaxis(np.moveaxis(actual, case.axes, 0)[::3], 0, case.axes)
            np.testing.assert_allclose(stepped, thirds, atol=2e-6 * np.abs(actual).max())


@pytest.mark.parametrize("width", [32, 37])
def test_columns_that_are_not_finite(level, width):
    """Poison one column, and no other."""
    rng = np.random.default_rng(11)
    x, k = rng.standard_normal((300, width)).astype("float32"), rng.standard_normal(40)
    x[100, 3], x[200, 30], x[250, 5] = np.nan, np.inf, 1e37
    actual = faltung.convolve(x, k.astype("float32"), "same", "fft", axes=0)
    expected = faltung.convolve(x, k.astype("float32"), "same", "direct", axes=0)
    there = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~there], expected[~there])
    others = np.delete(np.arange(width), [3, 5, 30])
    np.testing.assert_allclose(actual[:, others], expected[:, others], atol=1e-4)


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


@pytest.mark.parametrize("width", [600, 610])  # pieces of whole registers; one that is left
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_columns_in_several_pieces(level, width, dtype):
    """Wider than one block, with a bright sample above faint ones and one that is not finite."""
    rng = np.random.default_rng(width)
    x = rng.standard_normal((1200, width)).astype(dtype)
    k = rng.standard_normal(60).astype("float32")
    x[0, 250], x[1:, 250] = 1e6, 1e-6 * x[1:, 250]
    x[700, 400] = np.nan
    actual = faltung.convolve(x, k, "same", "fft", axes=0)
    expected = faltung.convolve(x, k, "same", "direct", axes=0)
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    # one transform would err by 0.1 there; columns that share a tile by their own roundings
    np.testing.assert_allclose(actual[60:, 250], expected[60:, 250], atol=1e-5)
    others = np.delete(np.arange(width), [250, 400])
    np.testing.assert_allclose(actual[:, others], expected[:, others], atol=1e-4)
