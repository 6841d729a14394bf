"""The Fourier picture against what is known of spectra: waves, Parseval, calculus, rotated text."""

import math

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage as ndi
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from faltung import filters, fourier

SHAPES = [(16,), (15,), (12, 17), (9, 8, 7)]
shapes = pytest.mark.parametrize("shape", SHAPES)


def samples(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def wave(shape, periods, phase=0.0):
    """A plane wave of whole periods along each axis."""
    turns = sum(p * g / n for p, g, n in zip(periods, np.indices(shape), shape, strict=True))
    return np.cos(2 * np.pi * turns + phase)


def written(shape=(160, 260), seed=0):
    """A page of lines of words of letters, each a box with strokes missing; 0 is paper, 1 is ink."""
    rng = np.random.default_rng(seed)
    page = np.zeros(shape)
    for top in range(8, shape[0] - 8, 14):
        left = 8
        while left < shape[1] - 40:
            for _ in range(rng.integers(2, 8)):
                width = rng.integers(2, 6)
                page[top : top + 7, left : left + width] = rng.random((7, width)) < 0.55
                left += width + 2
            left += 6
    return page


def turned(page, angle):
    """Counter-clockwise on the screen, on paper that goes on beyond the page."""
    return ndi.rotate(page, angle, reshape=True, order=1, cval=float(np.median(page)))


def between(a, b):
    """Degrees between two directions of lines."""
    return abs((a - b + 90) % 180 - 90)


# Spectra


@pytest.mark.parametrize("border", ["hann", "periodic", "none"])
@pytest.mark.parametrize(
    ("shape", "periods"), [((64,), (9,)), ((48, 65), (7, -11)), ((16, 18, 20), (3, 4, -5))]
)
def test_a_wave_is_two_points(shape, periods, border):
    picture = fourier.log_spectrum(wave(shape, periods, 0.3), border=border)
    centre = np.array([n // 2 for n in shape])
    for sign in (1, -1):
        assert_allclose(picture[tuple(centre + sign * np.array(periods))], 0, atol=0.2)
    near = {tuple(p) for p in np.argwhere(picture > -3) - centre}
    assert near == {tuple(periods), tuple(-p for p in periods)}


@shapes
def test_decibels_of_the_definition(shape):
    x = samples(shape)
    magnitude = np.abs(scipy.fft.fftshift(scipy.fft.fftn(x)))
    expected = 20 * np.log10(magnitude / magnitude.max())
    assert_allclose(fourier.log_spectrum(x, border="none"), expected, atol=1e-9)
    assert fourier.log_spectrum(x).max() == 0
    assert fourier.log_spectrum(x, floor=-10).min() >= -10 - 1e-12
    assert_array_equal(fourier.log_spectrum(np.zeros(shape), floor=-50), np.full(shape, -50.0))


def test_scale_and_batch_change_nothing():
    x = samples((3, 20, 24))
    x[1] *= 1e-9
    stack = fourier.log_spectrum(x, axes=(1, 2))
    for one, picture in zip(x, stack, strict=True):
        assert_allclose(picture, fourier.log_spectrum(one), atol=1e-9)
        assert_allclose(picture, fourier.log_spectrum(one * 1e12), atol=1e-9)


def test_the_cross_of_the_borders_is_gone():
    y, x = np.mgrid[0:96, 0:128] / 100
    slope = 3 * x + 2 * y + 0.1 * np.sin(20 * x * y)
    cross = np.zeros(slope.shape, bool)
    cross[48, :56] = cross[48, 73:] = cross[:40, 64] = cross[57:, 64] = True
    with_cross = fourier.log_spectrum(slope, border="none")[cross].mean()
    for border in ("hann", "periodic"):
        assert fourier.log_spectrum(slope, border=border)[cross].mean() < with_cross - 20


@shapes
def test_periodic_part(shape):
    x = samples(shape)
    x += sum(5.0 * g for g in np.indices(shape))
    part = fourier.periodic_part(x)
    assert_allclose(part.mean(), x.mean(), rtol=1e-12)
    # inside, its Laplacian on the torus is that of x: the smooth part there is harmonic
    smooth = x - part
    inside = (slice(1, -1),) * len(shape)
    assert_allclose(ndi.laplace(smooth, mode="wrap")[inside], 0, atol=1e-9)
    for axis in range(x.ndim):  # and its jumps are no greater than its steps
        step = np.abs(np.diff(part, axis=axis)).max()
        assert np.abs(part.take(0, axis) - part.take(-1, axis)).max() <= 2 * step
    again = np.ones(shape)
    assert_allclose(fourier.periodic_part(again), again, atol=1e-12)


# Orientation


@pytest.mark.parametrize("seed", range(12))
def test_orientation_of_rotated_text(seed):
    angle = np.random.default_rng(seed).uniform(-90, 90)
    page = turned(written(seed=seed), angle)
    noisy = page + 0.2 * samples(page.shape, seed)
    for image in (page, 255 * (1 - noisy)):
        found = fourier.orientation(image)
        assert between(found.angle, angle) < 1
        assert found.confidence > 0.5


@pytest.mark.parametrize("name", ["page", "text"])
def test_orientation_of_photographed_text(name):
    data = pytest.importorskip("skimage.data")
    transform = pytest.importorskip("skimage.transform")
    page = getattr(data, name)()
    upright = fourier.orientation(page)
    if name == "page":
        assert between(upright.angle, 0) < 1
    for angle in np.random.default_rng(3).uniform(-90, 90, 8):
        image = transform.rotate(
            page, angle, resize=True, cval=np.median(page), preserve_range=True
        )
        found = fourier.orientation(image)
        assert between(found.angle, upright.angle + angle) < 1
        assert found.confidence > 0.2


@pytest.mark.parametrize("angle", [-90, -63.2, -45, -0.2, 0, 12.3, 37, 45, 89.7, 90])
def test_orientation_of_a_grating(angle):
    y, x = np.indices((90, 120))
    across = math.radians(angle)  # rows run downwards
    image = np.sin(0.7 * (x * math.sin(across) + y * math.cos(across)))
    found = fourier.orientation(image)
    assert between(found.angle, angle) < 0.4  # the lobe of an oblong picture is oblong itself
    assert -90 < found.angle <= 90
    assert found.confidence > 0.95


def test_confidence_where_nothing_stands_out():
    noise = [fourier.orientation(samples((128, 128), seed)).confidence for seed in range(10)]
    assert max(noise) < 0.35
    y, x = np.indices((128, 128))
    board = np.sin(0.5 * x) + np.sin(0.5 * y)
    assert fourier.orientation(board).confidence < 0.02
    assert fourier.orientation(np.full((20, 30), 7)) == (0.0, 0.0)


# Masks


@pytest.mark.parametrize("shape", [(9,), (8,), (33, 48), (7, 8, 9)])
def test_disk_mask_is_a_disk_of_frequencies(shape):
    mask = fourier.disk_mask(shape, 0.3)
    grids = np.meshgrid(*(np.fft.fftshift(np.fft.fftfreq(n)) for n in shape), indexing="ij")
    assert_array_equal(mask, np.sqrt(sum(g**2 for g in grids)) <= 0.3)
    assert fourier.disk_mask(shape, 1.0).all()
    alone = fourier.disk_mask(shape, 0.0)
    assert alone.sum() == 1
    assert alone[tuple(n // 2 for n in shape)] == 1


def test_area_of_disk_and_ring():
    assert_allclose(fourier.disk_mask((600, 500), 0.25).mean(), math.pi / 16, rtol=2e-3)
    ring = fourier.ring_mask((600, 500), 0.1, 0.25)
    assert_allclose(ring.mean(), math.pi * (0.25**2 - 0.1**2), rtol=2e-3)
    soft = fourier.disk_mask((600, 500), 0.25, softness=0.1)
    assert_array_equal(np.unique(fourier.disk_mask((60, 50), 0.25)), [0, 1])
    distance = np.hypot(
        *np.meshgrid(*(np.fft.fftshift(np.fft.fftfreq(n)) for n in (600, 500)), indexing="ij")
    )
    assert_array_equal(soft[distance < 0.1999], 1)
    assert_array_equal(soft[distance > 0.3001], 0)
    fall = np.argsort(distance, axis=None)
    assert np.diff(soft.ravel()[fall]).max() < 1e-12
    assert_allclose(soft[np.abs(distance - 0.25) < 1e-3], 0.5, atol=0.02)
    assert fourier.disk_mask(9, 0.2, dtype="f4").dtype == np.float32


@shapes
def test_filtering_keeps_the_energy_that_it_says(shape):
    for x in (samples(shape), samples(shape) + 1j * samples(shape, 1)):
        mask = np.random.default_rng(5).random(shape)
        y, area, energy = fourier.filter_by_mask(x, mask)
        assert y.shape == x.shape
        assert np.iscomplexobj(y) == np.iscomplexobj(x)
        assert_allclose(area, mask.mean())
        assert_allclose(energy, (np.abs(y) ** 2).sum() / (np.abs(x) ** 2).sum())
        spectrum = scipy.fft.fftn(x) * scipy.fft.ifftshift(mask)
        expected = scipy.fft.ifftn(spectrum)
        assert_allclose(y, expected if np.iscomplexobj(x) else expected.real, atol=1e-12)


@shapes
def test_projections(shape):
    x = samples(shape)
    mask = fourier.disk_mask(shape, 0.25)
    low = fourier.filter_by_mask(x, mask)
    high = fourier.filter_by_mask(x, 1 - mask)
    assert_allclose(low.samples + high.samples, x, atol=1e-12)
    assert_allclose(low.kept_energy + high.kept_energy, 1)
    assert_allclose(fourier.filter_by_mask(low.samples, mask).samples, low.samples, atol=1e-12)
    assert_allclose(fourier.filter_by_mask(x, np.ones(shape)).samples, x, atol=1e-12)
    assert fourier.filter_by_mask(np.zeros(shape), mask).kept_energy == 1


def test_a_ring_lets_one_wave_through():
    shape = (60, 50)
    slow, fast = wave(shape, (2, 3)), wave(shape, (12, -15))
    found = fourier.filter_by_mask(slow + fast, fourier.ring_mask(shape, 0.2, 0.5))
    assert_allclose(found.samples, fast, atol=1e-12)
    assert_allclose(found.kept_energy, 0.5)


def test_filtering_over_some_axes():
    x = samples((12, 3, 17))
    mask = fourier.disk_mask((17, 12), 0.3)
    kept = fourier.filter_by_mask(x, mask, axes=(2, 0)).samples
    for channel in range(3):
        one = fourier.filter_by_mask(x[:, channel], mask.T).samples
        assert_allclose(kept[:, channel], one, atol=1e-12)


# Derivatives


@given(st.integers(3, 40), st.integers(0, 4), st.integers(0, 2**32))
def test_derivative_of_a_trigonometric_polynomial(n, order, seed):
    rng = np.random.default_rng(seed)
    t = 2 * np.pi * np.arange(n) / n
    x, expected = np.zeros(n), np.zeros(n)
    for k in range((n - 1) // 2 + 1):
        size, phase = rng.normal(), rng.uniform(0, 7)
        x += size * np.cos(k * t + phase)
        expected += size * k**order * np.cos(k * t + phase + order * np.pi / 2)
    scale = max(1.0, n / 2) ** order * n
    assert_allclose(fourier.derivative(x, order=order, spacing=t[1]), expected, atol=1e-13 * scale)


def test_derivative_along_each_axis():
    x = samples((9, 10, 11)) + 1j * samples((9, 10, 11), 1)
    for axis in (0, 1, 2, -1):
        whole = fourier.derivative(x, axis, 1)
        parts = fourier.derivative(x.real, axis) + 1j * fourier.derivative(x.imag, axis)
        assert_allclose(whole, parts, atol=1e-12)
        moved = fourier.derivative(np.moveaxis(x, axis, -1))
        assert_allclose(np.moveaxis(moved, -1, axis), whole, atol=1e-12)
        assert_allclose(whole.sum(axis), 0, atol=1e-11)
    line = x.real[:, :, :-1]
    assert_allclose(
        fourier.derivative(fourier.derivative(x.real, 2), 2),
        fourier.derivative(x.real, 2, 2),
        atol=1e-11,
    )
    half = np.cos(np.pi * np.arange(10))  # the frequency 1/2: its slope is zero at every sample
    assert_allclose(fourier.derivative(half), 0, atol=1e-12)
    assert_allclose(fourier.derivative(half, order=2), -(np.pi**2) * half)
    assert_array_equal(fourier.derivative(line, order=0).shape, line.shape)


def test_against_finite_differences_and_the_gaussian_derivative():
    n = 256
    t = np.arange(n)
    for periods in (2, 8, 24):
        omega = 2 * np.pi * periods / n
        x, true = np.sin(omega * t), omega * np.cos(omega * t)
        spectral = fourier.derivative(x)
        assert_allclose(spectral, true, atol=1e-12)
        # A central difference is short by sin(w) / w; a Gaussian derivative by its own low pass.
        central = (np.roll(x, -1) - np.roll(x, 1)) / 2
        assert_allclose(central, spectral * np.sin(omega) / omega, atol=1e-12)
        sigma = 3.0
        smooth = filters.gaussian(x, sigma, order=1, boundary="wrap", truncate=9)
        assert_allclose(smooth, spectral * np.exp(-0.5 * (sigma * omega) ** 2), atol=1e-6)


# Types and errors


@pytest.mark.parametrize(
    ("given_", "real", "complex_"),
    [("f4", "f4", "c8"), ("f2", "f4", "c8"), ("u1", "f8", "c16"), (">f8", "f8", "c16")],
)
def test_types(given_, real, complex_):
    x = np.arange(64).reshape(8, 8).astype(given_)
    assert fourier.log_spectrum(x).dtype == np.dtype(real)
    assert fourier.periodic_part(x).dtype == np.dtype(real)
    assert fourier.derivative(x).dtype == np.dtype(real)
    assert fourier.filter_by_mask(x, np.ones((8, 8))).samples.dtype == np.dtype(real)
    z = x.astype(complex_)
    assert fourier.derivative(z).dtype == np.dtype(complex_)
    assert fourier.filter_by_mask(z, np.ones((8, 8))).samples.dtype == np.dtype(complex_)
    assert fourier.periodic_part(z).dtype == np.dtype(complex_)
    assert_array_equal(x, np.arange(64).reshape(8, 8))  # nothing is done in place


X = np.ones((18, 24))


def test_very_bright_and_very_faint_pictures():
    rng = np.random.default_rng(0)
    picture = np.cos(0.3 * np.arange(64)) + 0.01 * rng.normal(size=(64, 64))
    found = fourier.orientation(picture)
    for scale in (1e-30, 1e25):
        again = fourier.orientation((picture * scale).astype(np.float32))
        assert_allclose(again, found, atol=1e-3)
        faint = (picture * scale).astype(np.float32)
        assert 0 < fourier.filter_by_mask(faint, fourier.disk_mask((64, 64), 0.1)).kept_energy <= 1


def test_no_floor_is_too_low():
    x = np.zeros((2, 8), np.float32)
    x[0] = 1
    for floor in (-1000.0, -1e5):
        with np.errstate(all="raise"):
            shown = fourier.log_spectrum(x, axes=1, border="none", floor=floor)
        assert shown[0, 4] == 0
        assert (shown[1] == floor).all()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fourier.log_spectrum(X, border="hamming"), ValueError, "'hamming'"),
        (lambda: fourier.log_spectrum(X, floor=3), ValueError, "floor must be negative"),
        (lambda: fourier.log_spectrum(X, axes=2), ValueError, "axes must be from -2 to 1"),
        (lambda: fourier.log_spectrum(np.ones((0, 3))), ValueError, "x must not be empty"),
        (lambda: fourier.log_spectrum(["a"]), TypeError, "x has dtype"),
        (lambda: fourier.log_spectrum(3.0), ValueError, "axes"),
        (lambda: fourier.log_spectrum(np.ma.masked_array(X)), TypeError, "masked"),
        (lambda: fourier.orientation(X[0]), ValueError, "image must be real, with two axes"),
        (lambda: fourier.orientation(X[:5]), ValueError, "16 samples"),
        (lambda: fourier.orientation(X * 1j), ValueError, "complex128"),
        (lambda: fourier.orientation(X, band=(0.3, 0.2)), ValueError, "band must be two rising"),
        (lambda: fourier.orientation(X, band=(0.1, 0.7)), ValueError, "0.5"),
        (lambda: fourier.orientation(X, step=0), ValueError, "step"),
        (lambda: fourier.orientation(X, step=9), ValueError, "at most 5 degrees, not 9"),
        (lambda: fourier.disk_mask((4, 0), 0.1), ValueError, "shape must be at least 1, not 0"),
        (lambda: fourier.disk_mask(4, -0.1), ValueError, "radius must be finite"),
        (lambda: fourier.disk_mask(4, 0.2, softness=0.5, dtype=int), ValueError, "int64 cannot"),
        (lambda: fourier.disk_mask(4, 0.2, dtype=str), TypeError, "numeric type"),
        (lambda: fourier.orientation(X, band=0.2), ValueError, "band must be two rising"),
        (lambda: fourier.orientation(X, band=(0.1, 0.2, 0.3)), ValueError, "band"),
        (lambda: fourier.orientation(X * np.nan), ValueError, "image must be finite"),
        (lambda: fourier.ring_mask(4, 0.3, 0.2), ValueError, "inner must not exceed outer"),
        (lambda: fourier.ring_mask(4, 0.1, 0.2, softness=np.nan), ValueError, "softness"),
        (lambda: fourier.filter_by_mask(X, np.ones((24, 18))), ValueError, "shape (18, 24)"),
        (lambda: fourier.filter_by_mask(X, 1j * X), ValueError, "mask must be real"),
        (lambda: fourier.derivative(X, 2), ValueError, "axis must be from -2 to 1"),
        (lambda: fourier.derivative(X, None), TypeError, "axis must be an integer, not None"),
        (lambda: fourier.derivative(X, 0.5), TypeError, "axis must hold integers, not 0.5"),
        (lambda: fourier.orientation(X, step=5e-324), ValueError, "step must be from 0.001"),
        (lambda: fourier.ring_mask(4, np.ones(2), 1), TypeError, "inner must be a real number"),
        (lambda: fourier.derivative(X, order=2**40), ValueError, "order must be less than"),
        (
            lambda: fourier.derivative(X, spacing=5e-324),
            ValueError,
            "spacing more than 4.94066e-324",
        ),
        (lambda: fourier.derivative(X, order=-1), ValueError, "order must be at least 0"),
        (lambda: fourier.derivative(X, order=0.5), TypeError, "order"),
        (lambda: fourier.derivative(X, spacing=0), ValueError, "spacing"),
    ],
)
def test_errors_name_the_argument(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
