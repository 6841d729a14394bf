"""The kernels against their definitions and against what the field's libraries do."""

import itertools
import math

import numpy as np
import pytest
import scipy.ndimage as ndi
import scipy.special
from numpy.testing import assert_allclose, assert_array_equal

from faltung import kernels

SMOOTHERS = [
    lambda ndim: kernels.gaussian(1.3, ndim),
    lambda ndim: kernels.heat(0.7, 1.5, ndim),
    lambda ndim: kernels.heat(0.7, 1.5, ndim, kind="lattice"),
    lambda ndim: kernels.normalize(kernels.box(5, ndim)),
    lambda ndim: kernels.normalize(kernels.binomial(5, ndim)),
    lambda ndim: kernels.normalize(kernels.disk(2.5, ndim)),
]
DERIVATIVES = [(kernels.sobel, 4), (kernels.prewitt, 3), (kernels.scharr, 16)]


def ramp(shape, slopes):
    return sum(s * g for s, g in zip(slopes, np.indices(shape), strict=True)) + 7.0


def middle(x, k):
    """The answer of convolving `x` with `k` at the middle sample, by the definition."""
    centre = [n // 2 for n in x.shape]
    reach = [n // 2 for n in k.shape]
    window = x[tuple(slice(c - r, c + r + 1) for c, r in zip(centre, reach, strict=True))]
    return (window * np.flip(k)).sum()


# Smoothing


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("make", SMOOTHERS)
def test_smoothers_are_centred_densities(make, ndim):
    k = make(ndim)
    assert k.ndim == ndim
    assert k.dtype == np.float64
    assert all(n % 2 == 1 for n in k.shape)
    assert k.min() >= 0
    assert_allclose(k.sum(), 1, rtol=1e-14)
    for axes in itertools.permutations(range(ndim)):  # all axes alike, and symmetric
        assert_allclose(k.transpose(axes), k, rtol=1e-12)
        assert_allclose(np.flip(k, axes[0]), k, rtol=1e-12)
    assert_allclose(
        middle(ramp((21,) * ndim, range(1, ndim + 1)), k), 7 + 10 * sum(range(ndim + 1))
    )


def test_box_and_binomial():
    assert_array_equal(kernels.box((2, 3)), np.ones((2, 3)))
    assert kernels.box().shape == (3, 3)
    assert kernels.box(3, ndim=4).shape == (3, 3, 3, 3)
    assert_array_equal(kernels.binomial(5, 1), [1, 4, 6, 4, 1])
    assert_array_equal(kernels.binomial(3), [[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    line = kernels.normalize(kernels.binomial(9, 1))
    assert_allclose((line * np.arange(-4, 5) ** 2).sum(), 8 / 4)


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.7])
def test_gaussian_is_scipys(sigma, order):
    impulse = np.zeros(41)
    impulse[20] = 1
    k = kernels.gaussian(sigma, 1, order=order)
    radius = int(4 * sigma + 0.5)
    assert k.shape == (2 * radius + 1,)
    expected = ndi.gaussian_filter1d(impulse, sigma, order=order)
    assert_allclose(k, expected[20 - radius : 21 + radius], rtol=1e-9, atol=1e-14)


def test_gaussian_per_axis():
    k = kernels.gaussian((1, 0, 2), order=(1, 0, 0), truncate=3)
    assert k.shape == (7, 1, 13)
    lines = [kernels.gaussian(1, 1, order=1, truncate=3), [1.0], kernels.gaussian(2, 1, truncate=3)]
    assert_allclose(k, np.einsum("i,j,k", *lines), rtol=1e-14)
    assert kernels.gaussian(5.0, radius=(1, 2)).shape == (3, 5)
    assert_array_equal(kernels.gaussian(0, radius=1), kernels.identity())


@pytest.mark.parametrize("order", [1, 2, 3])
def test_gaussian_derivative_of_a_power(order):
    # The n-th derivative of t^n is n!, also after smoothing.
    t = np.arange(-40.0, 41.0)
    k = kernels.gaussian(4.0, 1, order=order, truncate=9)
    assert_allclose(middle(t**order, k), math.factorial(order), rtol=1e-8)


def test_gaussian_like_opencv():
    cv2 = pytest.importorskip("cv2")
    assert_allclose(
        kernels.gaussian(1.7, 1, radius=6), cv2.getGaussianKernel(13, 1.7)[:, 0], rtol=1e-9
    )


@pytest.mark.parametrize("radius", [0, 1, 2, 2.5, 5])
def test_disk(radius):
    k = kernels.disk(radius)
    reach = int(radius)
    for y, x in itertools.product(range(-reach, reach + 1), repeat=2):
        assert k[y + reach, x + reach] == (math.hypot(y, x) <= radius)
    morphology = pytest.importorskip("skimage.morphology")
    if radius == reach:
        assert_array_equal(k, morphology.disk(radius))
        assert_array_equal(kernels.disk(radius, 3), morphology.ball(radius))


# Heat


@pytest.mark.parametrize("variance", [0.5, 2.0, 9.0])
def test_heat_is_the_gaussian_of_its_time(variance):
    k = kernels.heat(variance / 4, 2.0, 1)
    assert_allclose(k, kernels.gaussian(math.sqrt(variance), 1, truncate=5), rtol=1e-13)


@pytest.mark.parametrize("variance", [0.05, 0.5, 2.0, 9.0, 400.0])
def test_heat_on_a_lattice(variance):
    k = kernels.heat(variance / 2, 1.0, 1, kind="lattice", truncate=9)
    t = np.arange(len(k)) - len(k) // 2
    assert_allclose(k, scipy.special.ive(np.abs(t), variance), rtol=1e-9, atol=1e-15)
    assert_allclose((k * t**2).sum(), variance, rtol=1e-6)


def test_heat_on_a_lattice_composes():
    first, second, both = (
        kernels.heat(t, 1.0, 1, kind="lattice", truncate=12) for t in (0.4, 1.1, 1.5)
    )
    composed = np.convolve(first, second)
    cut = (len(composed) - len(both)) // 2
    assert_allclose(composed[cut : len(composed) - cut], both, atol=1e-12)


def test_heat_solves_its_equation():
    # du/dt = D (u[i-1] - 2 u[i] + u[i+1]), integrated in small steps.
    time, diffusivity, steps = 0.8, 1.5, 20_000
    u = np.zeros(61)
    u[30] = 1
    for _ in range(steps):
        half = u + 0.5 * time / steps * diffusivity * (np.roll(u, 1) - 2 * u + np.roll(u, -1))
        u = u + time / steps * diffusivity * (np.roll(half, 1) - 2 * half + np.roll(half, -1))
    k = kernels.heat(time, diffusivity, 1, kind="lattice", truncate=12)
    assert_allclose(k, u[30 - len(k) // 2 : 31 + len(k) // 2], atol=1e-9)


def test_no_time_no_heat():
    for kind in ("sampled", "lattice"):
        assert_array_equal(kernels.heat(0.0, kind=kind), [[1]])


# Derivatives


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize(("make", "weight"), DERIVATIVES)
def test_slopes_of_a_ramp(make, weight, ndim):
    slopes = [3.0, -2.0, 5.0][:ndim]
    for axis in range(-ndim, ndim):
        k = make(axis, ndim)
        assert k.shape == (3,) * ndim
        assert k.sum() == 0
        assert middle(ramp((5,) * ndim, slopes), k) == 2 * weight ** (ndim - 1) * slopes[axis]


@pytest.mark.parametrize("axis", [0, 1])
def test_derivatives_are_the_fields(axis):
    x = np.random.default_rng(1).random((12, 15))
    here = lambda make: ndi.convolve(x, make(axis), mode="mirror")  # noqa: E731
    assert_allclose(here(kernels.sobel), ndi.sobel(x, axis, mode="mirror"), atol=1e-13)
    assert_allclose(here(kernels.prewitt), ndi.prewitt(x, axis, mode="mirror"), atol=1e-13)
    cv2 = pytest.importorskip("cv2")
    steps = (0, 1) if axis == 0 else (1, 0)
    assert_allclose(here(kernels.sobel), cv2.Sobel(x, -1, *steps, ksize=3), atol=1e-13)
    assert_allclose(here(kernels.scharr), cv2.Scharr(x, -1, *steps), atol=1e-13)


@pytest.mark.parametrize("axis", [0, 1])
def test_scikit_image_scales_them(axis):
    filters = pytest.importorskip("skimage.filters")
    x = np.random.default_rng(2).random((12, 15))
    for (make, weight), theirs in zip(
        DERIVATIVES, (filters.sobel, filters.prewitt, filters.scharr), strict=True
    ):
        mine = ndi.convolve(x, make(axis), mode="reflect") / weight
        name = theirs.__name__ + ("_h" if axis == 0 else "_v")
        assert_allclose(mine, getattr(filters, name)(x), atol=1e-13)


def test_scharr_is_rounder_than_sobel():
    # The direction of a long wave, recovered from its two slopes.
    def worst(make):
        errors = []
        for angle in np.linspace(0, np.pi / 4, 50):
            y, x = np.indices((3, 3)) - 1
            wave = np.sin(0.8 * (x * np.cos(angle) + y * np.sin(angle)))
            found = math.atan2(*((wave * np.flip(make(a))).sum() for a in (0, 1)))
            errors.append(abs(found - angle))
        return max(errors)

    assert worst(kernels.scharr) < 0.3 * worst(kernels.sobel)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_laplacian_of_a_paraboloid(ndim):
    grid = np.indices((5,) * ndim) - 2.0
    x = (grid**2).sum(0)
    assert middle(x, kernels.laplacian(ndim)) == 2 * ndim
    for connectivity in range(1, ndim + 1):
        k = kernels.laplacian(ndim, connectivity=connectivity)
        assert k.sum() == 0
        assert_array_equal(k != 0, ndi.generate_binary_structure(ndim, connectivity))
        assert_array_equal(kernels.edge(ndim, connectivity=connectivity), -k)
    impulse = np.zeros((3,) * ndim)
    impulse[(1,) * ndim] = 1
    assert_array_equal(ndi.laplace(impulse, mode="constant"), kernels.laplacian(ndim))


def test_classic_tables():
    assert_array_equal(kernels.laplacian(), [[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    assert_array_equal(kernels.edge(), [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])
    assert_array_equal(kernels.sharpen(), [[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    assert_array_equal(kernels.sobel(0), [[1, 2, 1], [0, 0, 0], [-1, -2, -1]])
    assert_array_equal(kernels.sobel(1), kernels.sobel(0).T)
    assert not np.signbit(kernels.edge(connectivity=1)).ravel()[::2].any()  # no minus zeros
    for k in (kernels.sharpen(0.3), kernels.sharpen(2, 3), kernels.emboss(), kernels.identity(3)):
        assert_allclose(k.sum(), 1)
    assert middle(ramp((5, 5), (1, 1)), kernels.emboss()) > middle(
        ramp((5, 5), (0, 0)), kernels.emboss()
    )


# Gabor


def test_gabor_of_every_bandwidth():
    widths = [kernels.gabor(0.2, bandwidth=b).shape for b in (0.5, 1, 3, 1e3, 1e300)]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("theta", [0, 0.4, np.pi / 2, 2.5])
def test_gabor_is_scikit_images(theta):
    filters = pytest.importorskip("skimage.filters")
    theirs = filters.gabor_kernel(0.15, theta, bandwidth=1.3, offset=0.2)
    assert_allclose(kernels.gabor(0.15, theta, bandwidth=1.3, phase=0.2), theirs, atol=1e-15)
    theirs = filters.gabor_kernel(0.15, theta, sigma_x=4, sigma_y=2, n_stds=4)
    assert_allclose(kernels.gabor(0.15, theta, sigma=(4, 2), truncate=4), theirs, atol=1e-15)


@pytest.mark.parametrize("theta", [0, 0.4, np.pi / 2, 2.5])
def test_gabor_answers_to_its_own_wave(theta):
    k = kernels.gabor(0.2, theta, sigma=6, truncate=5)
    spectrum = np.abs(np.fft.fft2(k, (512, 512)))
    row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
    found = np.fft.fftfreq(512)[[row, column]]
    assert_allclose(found, 0.2 * np.array([np.sin(theta), np.cos(theta)]), atol=1.5 / 512)
    assert_allclose(spectrum.max(), 1, rtol=1e-2)


# From any kernel


def test_normalize():
    k = np.array([[1.0, -3.0], [2.0, 4.0]])
    assert_allclose(kernels.normalize(k).sum(), 1)
    assert_allclose(kernels.normalize(k, "size"), k / 4)
    assert_allclose(np.abs(kernels.normalize(k, by="l1")).sum(), 1)
    assert_allclose((kernels.normalize(k, by="l2") ** 2).sum(), 1)
    assert_allclose((kernels.normalize(k * 1e300, by="l2") ** 2).sum(), 1)
    assert_allclose((kernels.normalize(k * 1e-300, by="l2") ** 2).sum(), 1)
    assert_allclose(np.abs(kernels.normalize(kernels.gabor(0.2), by="l1")).sum(), 1)
    assert kernels.normalize(np.array([1, 2])).dtype == np.float64
    assert kernels.normalize(np.array([1, 2], "f4")).dtype == np.float32
    assert kernels.normalize([1, 2], dtype="f4").dtype == np.float32


def test_softmax():
    k = np.random.default_rng(3).normal(size=(3, 4))
    p = kernels.softmax(k)
    assert_allclose(p, scipy.special.softmax(k), rtol=1e-13)
    assert_allclose(kernels.softmax(k + 1e6), p, rtol=1e-8)  # a common offset changes nothing
    assert_allclose(kernels.softmax([1e308, 1e308, -1e308]), [0.5, 0.5, 0])
    assert_allclose(kernels.softmax([0, -np.inf]), [1, 0])
    assert_allclose(kernels.softmax(k, temperature=2.0), scipy.special.softmax(k / 2), rtol=1e-13)
    assert kernels.softmax(np.float32([1, 2])).dtype == np.float32
    assert_allclose(kernels.softmax([0, math.log(3)]), [0.25, 0.75])


# Types and errors


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "i1", "i8"])
def test_dtype(dtype):
    for make in (kernels.sobel, kernels.laplacian, kernels.box, kernels.sharpen, kernels.emboss):
        k = make(dtype=dtype)
        assert k.dtype == np.dtype(dtype)
        assert_array_equal(k, make())


def test_binomial_is_exact_in_integers():
    for n in (50, 60, 67):
        expected = [math.comb(n - 1, t) for t in range(n)]
        assert kernels.binomial(n, 1, dtype=np.int64).tolist() == expected
    assert kernels.binomial((40, 30), dtype=np.uint64)[20, 15] == math.comb(39, 20) * math.comb(
        29, 15
    )


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: kernels.binomial(2**61), ValueError, "size must be less, not"),
        (lambda: kernels.box(10**30), ValueError, "size must be less than 2**62"),
        (lambda: kernels.box(np.array([1.5])), TypeError, "size"),
        (lambda: kernels.box(3, ndim=2**62), ValueError, "ndim"),
        (lambda: kernels.disk(1, ndim=65), ValueError, "ndim must be at most 64"),
        (lambda: kernels.disk(1e300), MemoryError, "radius"),
        (lambda: kernels.disk(np.ones(2)), TypeError, "radius must be a real number"),
        (lambda: kernels.gaussian(1, order=2**40), ValueError, "order must be at most 1000"),
        (lambda: kernels.gaussian(1e-300, order=2), ValueError, "weights leave float64"),
        (lambda: kernels.gaussian(10**400), ValueError, "sigma must be finite"),
        (lambda: kernels.gabor(0.1, bandwidth=5e-324), ValueError, "bandwidth"),
        (lambda: kernels.binomial(2000), ValueError, "size must be less, not 2000"),
        (lambda: kernels.binomial(700, 2), ValueError, "size must be less, not 700"),
        (lambda: kernels.binomial(70, 1, dtype=np.int64), ValueError, "int64 does not hold"),
        (lambda: kernels.gaussian(1e300), MemoryError, "truncate * sigma"),
        (lambda: kernels.heat(1e40), MemoryError, "sqrt(2 * time * diffusivity)"),
        (lambda: kernels.normalize([2.0**63], "size", dtype="i8"), ValueError, "int64 cannot"),
        (lambda: kernels.normalize([2.0**64], "size", dtype="u8"), ValueError, "uint64 cannot"),
        (lambda: kernels.normalize(np.ma.ones(3)), TypeError, "masked"),
        (lambda: kernels.softmax(np.ma.ones(3)), TypeError, "masked"),
        (lambda: kernels.box(0), ValueError, "size must be at least 1, not 0"),
        (lambda: kernels.box(2.5), TypeError, "size must be a whole number, not 2.5"),
        (lambda: kernels.box(True), TypeError, "size"),
        (lambda: kernels.box((3, 3), ndim=3), ValueError, "size must be a scalar or 3 values"),
        (lambda: kernels.box((), 2), ValueError, "size"),
        (lambda: kernels.identity(2, size=4), ValueError, "size must be odd"),
        (lambda: kernels.gaussian(-1), ValueError, "sigma must be finite and at least 0, not -1"),
        (lambda: kernels.gaussian(np.nan), ValueError, "sigma"),
        (lambda: kernels.gaussian("wide"), TypeError, "sigma must be a real number, not 'wide'"),
        (lambda: kernels.gaussian(1j), TypeError, "sigma"),
        (lambda: kernels.gaussian(1, order=-1), ValueError, "order must be at least 0, not -1"),
        (lambda: kernels.gaussian(0, order=1), ValueError, "sigma must be positive"),
        (lambda: kernels.gaussian(1, truncate=-1), ValueError, "truncate"),
        (lambda: kernels.gaussian((1, 2), radius=(1, 2, 3)), ValueError, "radius"),
        (lambda: kernels.sobel(2), ValueError, "axis must be from -2 to 1 for ndim = 2, not 2"),
        (lambda: kernels.sobel(0.0), TypeError, "axis must be a whole number, not 0.0"),
        (lambda: kernels.laplacian(2, connectivity=3), ValueError, "connectivity"),
        (lambda: kernels.heat(-1), ValueError, "time"),
        (
            lambda: kernels.heat(1, kind="cold"),
            ValueError,
            "kind is 'cold'; allowed are 'sampled', 'lattice'",
        ),
        (lambda: kernels.gabor(1e300), ValueError, "frequency must be less than 1e+300"),
        (lambda: kernels.gabor(1, sigma=1e-300), ValueError, "sigma more than 1e-300"),
        (lambda: kernels.gabor(5e-324), ValueError, "or frequency than 5e-324"),
        (lambda: kernels.sharpen(1e308), ValueError, "amount must be nearer to 0"),
        (lambda: kernels.sharpen(1e9, dtype="f2"), ValueError, "hold every weight; float16 cannot"),
        (lambda: kernels.gabor(0), ValueError, "frequency must be finite and above 0, not 0"),
        (lambda: kernels.gabor(0.1, dtype="f8"), TypeError, "complex"),
        (lambda: kernels.gaussian(1, dtype="i4"), ValueError, "int32 cannot"),
        (lambda: kernels.sobel(dtype="u1"), ValueError, "uint8 cannot"),
        (lambda: kernels.sobel(dtype="O"), TypeError, "dtype must be a numeric type, not object"),
        (lambda: kernels.normalize(kernels.sobel()), ValueError, "by='size'"),
        (lambda: kernels.normalize(np.zeros(3), by="l2"), ValueError, "by='l2'"),
        (lambda: kernels.normalize([1], by="max"), ValueError, "'max'"),
        (lambda: kernels.normalize([]), ValueError, "empty"),
        (lambda: kernels.normalize(["a"]), TypeError, "k must hold numbers"),
        (lambda: kernels.softmax([np.nan, 1]), ValueError, "finite largest weight, not nan"),
        (lambda: kernels.softmax([-np.inf]), ValueError, "finite"),
        (lambda: kernels.softmax([1j]), TypeError, "real"),
        (lambda: kernels.softmax([1.0], temperature=0), ValueError, "temperature"),
    ],
)
def test_errors_name_the_argument(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
