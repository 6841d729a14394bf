"""The filters against SciPy, for every boundary, and against the mathematics."""

import numpy as np
import pytest
import scipy.ndimage as ndi
from numpy.testing import assert_allclose, assert_array_equal

import faltung
from faltung import filters, kernels

# Ours, theirs, what is outside.
BOUNDARIES = [
    ("zero", "constant", 0.0),
    ("constant", "constant", -2.5),
    ("edge", "nearest", 0.0),
    ("symmetric", "reflect", 0.0),
    ("mirror", "mirror", 0.0),
    ("wrap", "wrap", 0.0),
]
boundaries = pytest.mark.parametrize(("boundary", "mode", "cval"), BOUNDARIES)
SHAPES = [(50,), (23, 31), (9, 14, 11)]
shapes = pytest.mark.parametrize("shape", SHAPES)


def samples(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# Against SciPy


@boundaries
@shapes
@pytest.mark.parametrize("sigma", [0.6, 2.0, 7.0])  # 7.0: the kernel is longer than the array
def test_gaussian(shape, sigma, boundary, mode, cval):
    x = samples(shape)
    mine = filters.gaussian(x, sigma, boundary=boundary, cval=cval)
    theirs = ndi.gaussian_filter(x, sigma, mode=mode, cval=cval)
    assert_allclose(mine, theirs, atol=1e-12)


@boundaries
@pytest.mark.parametrize("order", [1, 2, (0, 1), (2, 1)])
def test_gaussian_derivatives(order, boundary, mode, cval):
    x = samples((23, 31))
    mine = filters.gaussian(x, (1.5, 2.0), order=order, boundary=boundary, cval=cval)
    k = kernels.gaussian((1.5, 2.0), order=order)
    # One pass with the whole kernel: SciPy's two passes would continue the first answer by cval.
    assert_allclose(mine, ndi.convolve(x, k, mode=mode, cval=cval), atol=1e-12)
    if cval == 0:
        assert_allclose(mine, ndi.gaussian_filter(x, (1.5, 2.0), order, mode=mode), atol=1e-12)


@boundaries
@shapes
@pytest.mark.parametrize("size", [1, 2, 3, 4, 9])
def test_box(shape, size, boundary, mode, cval):
    x = samples(shape)
    mine = filters.box(x, size, boundary=boundary, cval=cval)
    assert_allclose(mine, ndi.uniform_filter(x, size, mode=mode, cval=cval), atol=1e-12)


@boundaries
@shapes
@pytest.mark.parametrize("name", ["sobel", "prewitt"])
def test_derivatives(shape, name, boundary, mode, cval):
    x = samples(shape)
    mine, theirs = getattr(filters, name), getattr(ndi, name)
    squares = 0.0
    for axis in range(x.ndim):
        slope = mine(x, axis, boundary=boundary, cval=cval)
        k = getattr(kernels, name)(axis, x.ndim)
        assert_allclose(slope, ndi.convolve(x, k, mode=mode, cval=cval), atol=1e-12)
        if cval == 0:
            assert_allclose(slope, theirs(x, axis, mode=mode), atol=1e-12)
        squares = squares + slope**2
    assert_allclose(mine(x, boundary=boundary, cval=cval), np.sqrt(squares), atol=1e-12)


@boundaries
@shapes
def test_laplace(shape, boundary, mode, cval):
    x = samples(shape)
    mine = filters.laplace(x, boundary=boundary, cval=cval)
    assert_allclose(mine, ndi.laplace(x, mode=mode, cval=cval), atol=1e-12)


@boundaries
@shapes
def test_gaussian_gradient_magnitude_and_laplace(shape, boundary, mode, cval):
    x = samples(shape)
    if cval != 0:
        pytest.skip("SciPy continues its intermediate results by cval")
    here = {"boundary": boundary}
    mine = filters.gaussian_gradient_magnitude(x, 1.2, **here)
    assert_allclose(mine, ndi.gaussian_gradient_magnitude(x, 1.2, mode=mode), atol=1e-12)
    mine = filters.gaussian_laplace(x, 1.2, **here)
    assert_allclose(mine, ndi.gaussian_laplace(x, 1.2, mode=mode), atol=1e-12)


# Against other libraries


def test_scharr_and_magnitudes_of_scikit_image():
    theirs = pytest.importorskip("skimage.filters")
    x = samples((23, 31))
    for name, weight in (("sobel", 4), ("prewitt", 3), ("scharr", 16)):
        mine = getattr(filters, name)(x, boundary="symmetric") / weight / np.sqrt(2)
        assert_allclose(mine, getattr(theirs, name)(x), atol=1e-12)


def test_unsharp_is_scikit_images():
    theirs = pytest.importorskip("skimage.filters")
    x = samples((23, 31))
    mine = filters.unsharp(x, 1.5, 0.8, boundary="symmetric")
    assert_allclose(mine, theirs.unsharp_mask(x, 1.5, 0.8, preserve_range=True), atol=1e-12)


def test_smoothing_and_laplace_of_scikit_image():
    theirs = pytest.importorskip("skimage.filters")
    for shape in SHAPES:
        x = samples(shape)
        mine = filters.gaussian(x, 1.5, boundary="edge")  # its default there
        assert_allclose(mine, theirs.gaussian(x, 1.5), atol=1e-12)
        if x.ndim > 1:  # the opposite sign
            assert_allclose(
                -filters.laplace(x, boundary="symmetric"), theirs.laplace(x), atol=1e-12
            )


def test_opencv_has_the_same_signs_and_scales():
    cv2 = pytest.importorskip("cv2")
    x = samples((23, 31))
    assert_allclose(filters.laplace(x), cv2.Laplacian(x, -1), atol=1e-12)
    assert_allclose(filters.box(x, (5, 3)), cv2.blur(x, (3, 5)), atol=1e-12)
    assert_allclose(filters.sobel(x, 0), cv2.Sobel(x, -1, 0, 1), atol=1e-12)
    # filter2D correlates: it wants our kernels turned around
    for k in (kernels.sharpen(0.7), kernels.emboss(), kernels.edge(), kernels.sobel(1)):
        mine = faltung.convolve(x, k, "same", boundary="mirror")
        assert_allclose(mine, cv2.filter2D(x, -1, np.flip(k).copy()), atol=1e-12)


def test_photographs_like_opencv():
    cv2 = pytest.importorskip("cv2")
    photo = np.random.default_rng(5).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    mine = filters.gaussian(photo, 2.0, axes=(0, 1), dtype=np.float32)
    theirs = cv2.GaussianBlur(photo.astype("f4"), (17, 17), 2.0, borderType=cv2.BORDER_REFLECT_101)
    assert mine.dtype == np.float32
    assert_allclose(mine, theirs, rtol=1e-5)
    mine = filters.scharr(photo, 1, axes=(0, 1))
    assert_array_equal(mine, cv2.Scharr(photo, cv2.CV_64F, 1, 0, borderType=cv2.BORDER_REFLECT_101))


# Mathematics


@shapes
def test_constants(shape):
    x = np.full(shape, 3.0)
    for smooth in (filters.gaussian, filters.box, filters.sharpen, filters.unsharp):
        assert_allclose(smooth(x), x, rtol=1e-14)
    for slope in (filters.sobel, filters.prewitt, filters.scharr, filters.laplace):
        assert_allclose(slope(x), 0 * x, atol=1e-12)


def test_signs():
    y, x = np.indices((9, 9)) - 4.0
    assert filters.sobel(x, 1)[4, 4] == 8
    assert filters.prewitt(x, 1)[4, 4] == 6
    assert filters.scharr(y, 0)[4, 4] == 32
    assert_allclose(filters.gaussian(x, 0.8, order=(0, 1))[4, 4], 1, rtol=1e-2)
    spot = np.exp(-(x**2 + y**2) / 4)
    assert filters.laplace(spot)[4, 4] < 0
    assert filters.gaussian_laplace(spot, 1)[4, 4] < 0
    assert filters.sharpen(spot)[4, 4] > spot[4, 4]


@pytest.mark.parametrize("boundary", ["symmetric", "wrap"])
def test_blurs_keep_the_mass(boundary):
    x = samples((23, 31))
    for blurred in (
        filters.gaussian(x, 3, boundary=boundary),
        filters.box(x, 5, boundary=boundary),
    ):
        assert_allclose(blurred.sum(), x.sum(), atol=1e-10)


def test_two_blurs_are_one_wider_blur():
    x = samples((40, 40))
    twice = filters.gaussian(
        filters.gaussian(x, 3, truncate=8, boundary="wrap"), 4, truncate=8, boundary="wrap"
    )
    assert_allclose(twice, filters.gaussian(x, 5, truncate=8, boundary="wrap"), atol=1e-7)


def test_sharpen_subtracts_the_laplacian():
    x = samples((9, 14, 11))
    for connectivity in (1, 2, 3):
        expected = x - 0.7 * filters.laplace(x, connectivity=connectivity)
        assert_allclose(filters.sharpen(x, 0.7, connectivity=connectivity), expected, atol=1e-12)


def test_one_call_of_convolve_says_the_same():
    x = samples((23, 31))
    mine = filters.gaussian(x, 2.0, boundary="edge")
    again = faltung.convolve(x, kernels.gaussian(2.0), "same", boundary="edge")
    assert_allclose(mine, again, atol=1e-12)


# Axes


def test_axes_leave_the_others_alone():
    x = samples((6, 20, 15))
    frames = [ndi.gaussian_filter(frame, (1.0, 2.0), mode="mirror") for frame in x]
    assert_allclose(filters.gaussian(x, (1.0, 2.0), axes=(1, 2)), frames, atol=1e-12)
    assert_allclose(filters.gaussian(x, (2.0, 1.0), axes=(-1, -2)), frames, atol=1e-12)
    assert_allclose(
        filters.box(x, 5, axes=1), ndi.uniform_filter1d(x, 5, 1, mode="mirror"), atol=1e-12
    )
    edges = [np.hypot(*(ndi.sobel(f, a, mode="mirror") for a in (0, 1))) for f in x]
    assert_allclose(filters.sobel(x, axes=(1, 2)), edges, atol=1e-12)
    slopes = [ndi.sobel(f, 0, mode="mirror") for f in x]
    assert_allclose(filters.sobel(x, -2, axes=(2, 1)), slopes, atol=1e-12)
    assert_allclose(
        filters.laplace(x, axes=(1, 2)), [ndi.laplace(f, mode="mirror") for f in x], atol=1e-12
    )


# Types


def test_result_types():
    x = np.arange(100).reshape(10, 10)
    for name in filters.__all__:
        call = getattr(filters, name)
        for dtype, expected in [
            ("u1", "f8"),
            ("i8", "f8"),
            ("?", "f8"),
            ("f2", "f2"),
            ("f4", "f4"),
            (">f4", "f4"),
            ("f8", "f8"),
        ]:
            assert call(x.astype(dtype)).dtype == np.dtype(expected), (name, dtype)
        assert call(x, dtype="f4").dtype == np.float32


def test_complex_samples():
    x = samples((23, 31)) + 1j * samples((23, 31), 1)
    parts = [filters.gaussian(p, 2.0) for p in (x.real, x.imag)]
    assert_allclose(filters.gaussian(x, 2.0), parts[0] + 1j * parts[1], atol=1e-12)
    assert filters.gaussian(x.astype("c8"), 2.0).dtype == np.complex64
    parts = [filters.sobel(p) for p in (x.real, x.imag)]
    assert_allclose(filters.sobel(x), np.hypot(*parts), atol=1e-12)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8", "u8"])
def test_integers_round_and_saturate(dtype):
    x = np.zeros((12, 12), dtype)
    x[:, 6:] = np.iinfo(dtype).max if dtype in ("u1", "i2") else 200
    limits = np.iinfo(dtype)
    for name in filters.__all__:
        exact = getattr(filters, name)(x.astype("f8"))
        expected = np.clip(np.rint(exact), limits.min, min(limits.max, 2**62))
        got = getattr(filters, name)(x, dtype=dtype)
        assert got.dtype == np.dtype(dtype)
        # A half that rounding in the last place moves may go either way.
        tied = np.abs(np.abs(exact - np.floor(exact)) - 0.5) < 1e-4
        assert_array_equal(got[~tied], expected.astype(dtype)[~tied], err_msg=name)


def test_single_precision_is_accurate():
    x = samples((64, 64)).astype("f4")
    for name in filters.__all__:
        call = getattr(filters, name)
        assert_allclose(call(x), call(x.astype("f8")), atol=1e-5)


def test_nan_stays_in_its_window():
    x = samples((30, 30))
    x[15, 15] = np.nan
    hurt = np.isnan(filters.gaussian(x, 1.0))
    expected = np.zeros_like(hurt)
    expected[11:20, 11:20] = True
    assert_array_equal(hurt, expected)


def test_out():
    x = samples((23, 31))
    for name in filters.__all__:
        call = getattr(filters, name)
        out = np.empty_like(x)
        assert call(x, out=out) is out
        assert_array_equal(out, call(x))
        again = x.copy()
        call(again, out=again)  # in place
        assert_array_equal(out, again)
        with pytest.raises(ValueError, match="out"):
            call(x, out=np.empty((3, 3)))


def test_out_and_dtype_are_what_convolve_takes():
    x = samples((23, 31))
    for name in filters.__all__:
        call = getattr(filters, name)
        swapped = np.empty(x.shape, ">f8")
        assert call(x, out=swapped) is swapped
        assert_array_equal(swapped, call(x))
        closed = np.empty_like(x)
        closed.flags.writeable = False
        for error, words, options in [
            (TypeError, "out is a list", {"out": [1.0]}),
            (TypeError, "out is a MaskedArray", {"out": np.ma.zeros(x.shape)}),
            (TypeError, "out has dtype float32", {"out": x.astype("f4")}),
            (ValueError, "out is read-only", {"out": closed}),
            (TypeError, "dtype has dtype", {"dtype": "S9"}),
            (TypeError, "dtype has dtype", {"dtype": object}),
            (TypeError, "dtype has dtype", {"dtype": np.longdouble}),
            (TypeError, "dtype has dtype", {"dtype": "M8[s]"}),
        ]:
            with pytest.raises(error, match=words):
                call(x, **options)
        with pytest.raises(TypeError, match="x has dtype"):
            call(x.astype(np.longdouble))


def test_a_complex_answer_does_not_lose_its_imaginary_part():
    x = samples((9, 11)) * 1j
    for name in ("gaussian", "laplace", "gaussian_laplace", "unsharp"):
        for dtype in (float, int, bool):
            with pytest.raises(TypeError, match="the result is complex"):
                getattr(filters, name)(x, dtype=dtype)
    for name in ("sobel", "gaussian_gradient_magnitude"):  # magnitudes are real
        assert getattr(filters, name)(x).dtype == np.float64
        assert getattr(filters, name)(x, dtype="f4").dtype == np.float32
        assert getattr(filters, name)(x, dtype="F").dtype == np.complex64


def test_bools_are_rounded_by_every_filter():
    for value, expected in [(0.3, False), (0.7, True), (-2.0, False), (np.nan, False)]:
        flat = np.full((5, 6), value)
        for name in ("gaussian", "sharpen", "unsharp"):
            assert_array_equal(getattr(filters, name)(flat, dtype=bool), expected, err_msg=name)


def test_half_precision_is_computed_in_single():
    flat = np.full((7, 8), 40000, np.float16)
    assert_array_equal(filters.unsharp(flat, amount=3), flat)


def test_workers_change_nothing():
    x = samples((200, 300))
    assert_array_equal(filters.gaussian(x, 2, workers=1), filters.gaussian(x, 2, workers=2))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: filters.gaussian(x, -1), ValueError, "sigma must be finite and at least 0"),
        (
            lambda x: filters.gaussian(x, (1, 2, 3)),
            ValueError,
            "sigma must be a scalar or 2 values",
        ),
        (lambda x: filters.gaussian(x, 1, axes=2), ValueError, "axes must be from -2 to 1"),
        (lambda x: filters.gaussian(x, 1, axes=(0, -2)), ValueError, "not name an axis twice"),
        (lambda x: filters.gaussian(x, 1, axes=()), ValueError, "at least one axis"),
        (lambda x: filters.gaussian(x, 1, axes=0.5), TypeError, "axes"),
        (lambda x: filters.gaussian(x, 1, boundary="reflect"), ValueError, "reflect"),
        (lambda x: filters.box(x, 0), ValueError, "size must be at least 1, not 0"),
        (lambda x: filters.sobel(x, 2), ValueError, "axis must be from -2 to 1"),
        (lambda x: filters.sobel(x, 0, axes=1), ValueError, "axis must be one of axes = (1,)"),
        (lambda x: filters.laplace(x, connectivity=3), ValueError, "connectivity"),
        (lambda x: filters.unsharp(x, 1, np.inf), ValueError, "amount"),
        (lambda x: filters.gaussian(np.ma.masked_array(x)), TypeError, "masked"),
        (lambda x: filters.gaussian(x.astype(str)), TypeError, "x must hold numbers"),
        (lambda _: filters.gaussian(3.0), ValueError, "axes"),
    ],
)
def test_errors_name_the_argument(call, error, words):
    with pytest.raises(error) as caught:
        call(samples((5, 6)))
    assert words in str(caught.value)


def test_docstrings_are_whole():
    for name in filters.__all__:
        text = getattr(filters, name).__doc__
        assert "{common}" not in text
        assert "boundary : str" in text
