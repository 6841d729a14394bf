"""A bright star does not drown the faint ones beside it, whatever the method: what a transform adds as noise
depends on the samples near a window, not on the brightest of the array."""

import numpy as np
import oracle
import pytest
from bounds import bound_nearby
from cases import numbers
from scipy import ndimage

import faltung

METHODS = ("auto", "fft", "overlap_save")
STARS = (1e6, 1e9, 1e12)


def nearby(x, k, beside):
    """The largest magnitude in each window of "same" and so many samples around it, or a kernel's length."""
    largest = np.abs(x).astype(np.float64)
    for axis, taps in enumerate(k.shape):
        if taps > 1:
            radius = (taps + 1) // 2 + max(taps, beside)
            largest = ndimage.maximum_filter1d(largest, 2 * radius + 1, axis, mode="constant")
    return largest


def check(x, k, method, beside=None, **options):
    if beside is None:
        beside = 32 if sum(taps > 1 for taps in k.shape) > 1 else 256
    truth = oracle.convolve(x, k, "same")
    actual = faltung.convolve(x, k, "same", method, **options)
    allowed = bound_nearby(truth, nearby(x, k, beside), np.result_type(x, k))
    error = np.abs(actual - truth.value)
    assert (error <= allowed).all(), (
        f"{float(np.max(error / np.maximum(allowed, 1e-300))):.3g} times the bound"
    )
    return actual


def noise_with_stars(shape, dtype, star, count=5):
    x = numbers(shape, np.dtype(dtype))
    at = np.random.default_rng(3).integers(0, x.size, count)
    x.flat[at] = star
    return x


@pytest.mark.parametrize("star", STARS, ids="{:.0e}".format)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("name", METHODS)
class TestStars:
    def test_signals(self, name, dtype, star):
        x, k = noise_with_stars((30_000,), dtype, star), numbers((63,), np.dtype(dtype), 1)
        check(x, k, name)

    def test_images(self, name, dtype, star):
        x, k = noise_with_stars((230, 240), dtype, star), numbers((9, 7), np.dtype(dtype), 1)
        check(x, k, name)

    def test_volumes(self, name, dtype, star):
        x, k = (
            noise_with_stars((50, 52, 54), dtype, star, 2),
            numbers((3, 4, 3), np.dtype(dtype), 1),
        )
        check(x, k, name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_levels(level, dtype):
    x, k = noise_with_stars((120, 130), dtype, 1e9), numbers((9, 7), np.dtype(dtype), 1)
    check(x, k, "overlap_save")
    x, k = noise_with_stars((20_000,), dtype, 1e9), numbers((63,), np.dtype(dtype), 1)
    check(x, k, "overlap_save")


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("axis", [0, 1])
def test_one_axis_of_an_image(name, axis):
    shape = (2000, 20) if axis == 0 else (20, 2000)
    x = noise_with_stars(shape, "float32", 1e8)
    k = numbers((31, 1) if axis == 0 else (1, 31), np.dtype("float32"), 1)
    check(x, k, name)


@pytest.mark.parametrize("star", STARS, ids="{:.0e}".format)
def test_tiles_keep_it_within_the_window(tile_engine, star):
    # a tile that is taken apart adds nothing of a star to windows without it
    x, k = noise_with_stars((200, 210), "float32", star), numbers((11, 11), np.dtype("float32"), 1)
    check(x, k, "overlap_save", beside=0)


@pytest.mark.parametrize("name", METHODS)
def test_a_bright_half(name):
    x = numbers((400, 300), np.dtype("float32"))
    x[:170] *= 1e7
    check(x, numbers((11, 11), np.dtype("float32"), 1), name)


@pytest.mark.parametrize("name", METHODS)
def test_a_signal_that_decays(name):
    x = numbers((40_000,), np.dtype("float32")) * np.exp(-np.arange(40_000) / 1000).astype(
        np.float32
    )
    check(x, numbers((255,), np.dtype("float32"), 1), name)


def test_a_dark_channel():
    x = numbers((150, 140, 3), np.dtype("float32"))
    x[..., 1] *= 1e8
    k = numbers((11, 11), np.dtype("float32"), 1)
    actual = faltung.convolve(x, k, "same", "overlap_save", axes=(0, 1))
    for channel in range(3):
        truth = oracle.convolve(x[..., channel], k, "same")
        allowed = bound_nearby(truth, nearby(x[..., channel], k, 32), np.dtype("float32"))
        assert (np.abs(actual[..., channel] - truth.value) <= allowed).all()


def test_zeros_stay_zeros(tile_engine):
    x = np.zeros((300, 310), np.float32)
    x[100:120, 110:150] = numbers((20, 40), np.dtype("float32"))
    actual = faltung.convolve(x, numbers((11, 13), np.dtype("float32"), 1), "same", "overlap_save")
    seen = np.zeros(x.shape, bool)
    seen[95:125, 104:156] = True
    assert np.count_nonzero(actual[~seen]) == 0
    assert np.count_nonzero(actual[seen]) > 0


def test_stride_and_workers():
    x, k = noise_with_stars((230, 240), "float32", 1e9), numbers((9, 9), np.dtype("float32"), 1)
    every = check(x, k, "overlap_save")
    for workers in (1, 2, 3):
        again = faltung.convolve(x, k, "same", "overlap_save", workers=workers)
        np.testing.assert_array_equal(again, every)
    third = faltung.convolve(x, k, "same", "overlap_save", stride=3)
    truth = oracle.convolve(x, k, "same")
    allowed = bound_nearby(truth, nearby(x, k, 32), np.dtype("float32"))
    assert (np.abs(third - truth.value[::3, ::3]) <= allowed[::3, ::3]).all()


def test_stars_and_a_nan():
    x, k = noise_with_stars((200, 210), "float32", 1e9), numbers((9, 9), np.dtype("float32"), 1)
    x[60, 70] = np.nan
    clean = np.where(np.isnan(x), 0, x)
    actual = faltung.convolve(x, k, "same", "overlap_save")
    truth = oracle.convolve(x, k, "same")
    allowed = bound_nearby(truth, nearby(clean, k, 32), np.dtype("float32"))
    assert np.isnan(actual[truth.touched]).all()
    whole = ~truth.touched
    assert (np.abs(actual - truth.value)[whole] <= allowed[whole]).all()


@pytest.mark.parametrize("side", [512, 640, 768, 1024])
def test_large_tiles_at_the_border_are_looked_at(side):
    """Their rows come a few at a time, out of which a place has to be made."""
    rng = np.random.default_rng(side)
    x = rng.standard_normal((900, 800)).astype("float32")
    x[:40, :40] *= 1e7
    k = rng.standard_normal((101, 51)).astype("float32")
    faltung._core.force_tile([side, side])
    try:
        actual = faltung.convolve(x, k, "same", "overlap_save")
    finally:
        faltung._core.force_tile(None)
    expected = faltung.convolve(x.astype("float64"), k.astype("float64"), "same", "fft")
    faint = np.s_[100:, 100:]
    error = np.abs(actual[faint] - expected[faint]).max()
    assert error < 1e-5 * np.abs(expected[faint]).max()


# Kernels so large that one transform of the whole array is several times as quick as tiles.
WHOLES = {
    "image": ((180, 190), (57, 61), {}),
    "line": ((20_000,), (5001,), {}),
    "volume": ((70, 68, 72), (15, 17, 16), {}),
    "batch": ((3, 180, 190), (57, 61), {"axes": (1, 2)}),
    "channels": ((170, 180, 2), (57, 61), {"axes": (0, 1)}),
    "columns": ((9000, 6), (2001,), {"axes": 0}),
    "rows": ((6, 9000), (2001,), {"axes": 1}),
}


def convolved_with_stars(shape, kernel, stars, dtype, boundary="zero", **options):
    """An array with stars, its kernel, and the true "same" result: each star adds the kernel's image."""
    x, k = numbers(shape, np.dtype(dtype)), numbers(kernel, np.dtype(dtype), 1)
    places = np.random.default_rng(5).integers(0, x.size, len(stars))
    x.flat[places] = 0
    wide = np.promote_types(np.dtype(dtype), np.float64)
    exact = k.astype(wide)
    truth = faltung.convolve(x.astype(wide), exact, "same", "fft", boundary=boundary, **options)
    axes = np.atleast_1d(options.get("axes", range(len(shape))))
    for place, star in zip(places, stars, strict=True):
        x.flat[place] += star
        image, where = exact, list(np.unravel_index(place, shape))
        for a, axis in enumerate(axes):
            at = where[axis] - (kernel[a] - 1) // 2 + np.arange(kernel[a])
            inside = (at >= 0) & (at < shape[axis]) if boundary == "zero" else at == at
            image = np.compress(inside, image, axis=a)
            where[axis] = at[inside] % shape[axis]
        truth[np.ix_(*map(np.atleast_1d, where))] += star * np.expand_dims(
            image, [a for a in range(len(shape)) if a not in axes]
        )
    return x, k, truth


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("name", WHOLES)
@pytest.mark.parametrize("boundary", ["zero", "wrap"])
def test_whole_arrays_level_by_level(level, tile_engine, name, boundary, dtype):
    shape, kernel, options = WHOLES[name]
    stars = [1e6, -1e12, 1e6, 3e17]
    x, k, truth = convolved_with_stars(shape, kernel, stars, dtype, boundary, **options)
    for method in ("auto", "fft"):
        actual = faltung.convolve(x, k, "same", method, boundary=boundary, **options)
        # what sees no star is as good as if there were none
        dark = np.abs(truth) < 1e4
        assert dark.any()
        taps = k.size
        allowed = 4 * 2.0**-23 * np.log2(2 + taps) * np.sqrt(taps) * 64 * np.linalg.norm(k)
        error = np.abs(actual - truth)
        assert error[dark].max() < allowed * 8
        np.testing.assert_allclose(actual[~dark], truth[~dark], rtol=0.01, atol=allowed * 3e6)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_levels_of_whole_arrays_whatever_the_workers_and_the_layout(workers):
    shape, kernel, _ = WHOLES["image"]
    x, k, truth = convolved_with_stars(shape, kernel, [1e6, 1e12, 3e17], "float32")
    actual = faltung.convolve(x, k, "same", "fft", workers=workers)
    np.testing.assert_array_equal(actual, faltung.convolve(x, k, "same", "fft"))
    scattered = np.empty((*shape[:1], 2 * shape[1]), np.float32)[:, ::2]
    faltung.convolve(x, k, "same", "fft", workers=workers, out=scattered)
    np.testing.assert_array_equal(scattered, actual)
    third = faltung.convolve(x, k, "same", "fft", workers=workers, stride=3)
    np.testing.assert_allclose(third, truth[::3, ::3], atol=1e-5 * np.abs(truth).max(), rtol=1e-3)
    assert np.abs(third - truth[::3, ::3])[np.abs(truth[::3, ::3]) < 1e4].max() < 0.05


def test_whole_arrays_with_a_black_part_are_black_there():
    x = numbers((300, 310), np.dtype("float32"))
    x[100:] = 0
    actual = faltung.convolve(x, numbers((61, 51), np.dtype("float32"), 1), "same", "fft")
    assert np.count_nonzero(actual[131:]) == 0
    assert np.count_nonzero(actual[:130]) > 0


def test_whole_arrays_of_numbers_near_the_end_of_the_range():
    x, k = numbers((200, 210), np.dtype("float32")), numbers((99, 101), np.dtype("float32"), 1)
    expected = faltung.convolve(x, k, "same", "fft")
    largest = np.float32(2.0**110)
    actual = faltung.convolve(x * largest, k, "same", "fft") / largest
    np.testing.assert_allclose(actual, expected, atol=1e-5 * np.abs(expected).max())
