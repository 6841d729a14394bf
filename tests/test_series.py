"""Time series against their equations, SciPy, and data simulated from known models."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import faltung
from faltung import kernels, series


def samples(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def stationary(order, seed):
    """Coefficients of a model whose roots lie well inside the unit circle."""
    rng = np.random.default_rng(seed)
    roots = list(rng.uniform(-0.8, 0.8, order % 2))
    for _ in range(order // 2):
        root = rng.uniform(0.2, 0.85) * np.exp(1j * rng.uniform(0, np.pi))
        roots += [root, root.conj()]
    return -np.atleast_1d(np.poly(roots))[1:].real


# Moving averages


@pytest.mark.parametrize("boundary", ["zero", "edge", "mirror", "wrap"])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_moving_average_is_its_formula(n, centred, boundary):
    x, w = samples((2, 12)), np.abs(samples(n, 1)) + 0.1
    got = series.moving_average(x, w, centred=centred, boundary=boundary)
    shift = (n - 1) // 2 if centred else 0
    modes = {"zero": "constant", "edge": "edge", "mirror": "reflect", "wrap": "wrap"}
    around = np.pad(x, ((0, 0), (10, 10)), modes[boundary])
    for t in range(12):
        window = around[:, [10 + t - j + shift for j in range(n)]]
        assert_allclose(got[:, t], window @ w / w.sum(), rtol=1e-12)


def test_moving_averages_of_lines():
    t = np.arange(40.0)
    inside = slice(10, 30)
    for n in (2, 5, 6):
        late = series.moving_average(t, n)[inside]  # lags behind by its centre of mass
        assert_allclose(late, t[inside] - (n - 1) / 2, rtol=1e-12)
    assert_allclose(series.moving_average(t, 5, centred=True)[inside], t[inside])
    assert_allclose(series.moving_average(np.full(9, 3.0), [5, 1, 2]), 3.0)
    x = samples((4, 30, 3))
    moved = series.moving_average(np.moveaxis(x, 1, -1), 4)
    assert_allclose(series.moving_average(x, 4, axis=1), np.moveaxis(moved, -1, 1))
    assert series.moving_average(x.astype("f4"), 4).dtype == np.float32
    assert series.moving_average(np.arange(5), 2).dtype == np.float64


# Autoregression


@pytest.mark.parametrize("p", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("q", [0, 1, 4])
def test_arma_is_its_recursion(p, q):
    phi, theta, c = stationary(p, p), samples(q, 1), 0.7
    x, past, past_x = samples((3, 50)), samples((3, p), 2), samples((3, q), 3)
    y = series.arma(x, phi, theta, constant=c, past=past, past_x=past_x)
    whole_y, whole_x = np.hstack([past, y]), np.hstack([past_x, x])
    for t in range(50):
        earlier = whole_y[:, t : t + p][:, ::-1] @ phi
        noise = whole_x[:, t : t + q][:, ::-1] @ theta
        assert_allclose(y[:, t], c + earlier + x[:, t] + noise, atol=1e-11)


def test_arma_is_scipys_filter():
    phi, theta = stationary(4, 5), samples(3, 1)
    x = samples((2, 500))
    expected = scipy.signal.lfilter(np.r_[1, theta], np.r_[1, -phi], x)
    assert_allclose(series.arma(x, phi, theta), expected, atol=1e-11)
    assert_allclose(series.arma(x.T, phi, theta, axis=0), expected.T, atol=1e-11)
    assert_allclose(series.autoregressive(x, phi), series.arma(x, phi, []), atol=1e-14)


@pytest.mark.parametrize("cut", [1, 2, 30, 99])
def test_a_series_goes_on_from_its_past(cut):
    phi, theta = stationary(3, 5), samples(2, 1)
    x = samples((2, 100))
    whole = series.arma(x, phi, theta, constant=0.3)
    head, tail = x[:, :cut], x[:, cut:]
    first = series.arma(head, phi, theta, constant=0.3)
    zeros = np.zeros((2, 3))
    then = series.arma(
        tail,
        phi,
        theta,
        constant=0.3,
        past=np.hstack([zeros, first]),
        past_x=np.hstack([zeros, head]),
    )
    assert_allclose(np.hstack([first, then]), whole, atol=1e-12)


def test_it_is_a_convolution_with_its_impulse_response():
    phi = stationary(4, 3)
    impulse = np.zeros(400)
    impulse[0] = 1
    response = series.autoregressive(impulse, phi)
    x = samples(400)
    expected = faltung.convolve(x, response)[:400]
    assert_allclose(series.autoregressive(x, phi), expected, atol=1e-10)
    assert_allclose(series.autoregressive(impulse, [0.5])[:20], 0.5 ** np.arange(20))


def test_white_noise_with_a_bias_has_the_mean_of_its_model():
    phi, c = np.array([0.5, -0.3]), 2.0
    y = series.autoregressive(samples(200_000), phi, constant=c)
    assert_allclose(y[100:].mean(), c / (1 - phi.sum()), atol=0.02)
    single = series.autoregressive(samples(50).astype("f4"), phi, constant=c)
    assert single.dtype == np.float32
    assert_allclose(
        single, series.autoregressive(samples(50), phi, constant=c), rtol=1e-4, atol=1e-5
    )


# Fitting


def test_autocovariance():
    x = samples(50) + 3
    d = x - x.mean()
    expected = [(d[: 50 - k] * d[k:]).sum() / 50 for k in range(8)]
    assert_allclose(series.autocovariance(x, 7), expected, rtol=1e-10, atol=1e-13)
    assert_allclose(series.autocovariance(x, 0), [x.var()])


@pytest.mark.parametrize("order", [1, 2, 5, 12])
def test_levinson_solves_the_equations(order):
    x = np.cumsum(samples(80))
    r = series.autocovariance(x, order)
    model = series.yule_walker(x, order)
    assert_allclose(
        model.coefficients, scipy.linalg.solve(scipy.linalg.toeplitz(r[:-1]), r[1:]), atol=1e-8
    )
    assert_allclose(model.variance, r[0] - model.coefficients @ r[1:], rtol=1e-8)
    roots = np.roots(np.r_[1, -model.coefficients])
    assert np.abs(roots).max() < 1  # stationary, whatever it is fitted to


@pytest.mark.parametrize("seed", range(6))
def test_fit_of_simulated_data(seed):
    phi, c, sigma = stationary(3, seed), 1.5, 0.7
    n = 40_000
    noise = sigma * samples(n + 500, seed + 50)
    y = series.autoregressive(noise, phi, constant=c)[500:]
    model = series.yule_walker(y, 3)
    # Estimates are normal around the truth, with covariance sigma^2 / n times the inverse of R.
    spread = np.linalg.inv(scipy.linalg.toeplitz(series.autocovariance(y, 2))) * sigma**2 / n
    assert np.all(np.abs(model.coefficients - phi) < 4.5 * np.sqrt(np.diag(spread)))
    assert_allclose(model.variance, sigma**2, rtol=4.5 * math.sqrt(2 / n))
    assert_allclose(model.constant / (1 - model.coefficients.sum()), y.mean())
    more = series.yule_walker(y, 6)  # orders too many are near zero
    assert np.abs(more.coefficients[3:]).max() < 0.03
    residuals = (
        y[3:]
        - model.constant
        - sum(f * y[2 - i : -1 - i] for i, f in enumerate(model.coefficients))
    )
    r = series.autocovariance(residuals, 20)
    assert np.abs(r[1:] / r[0]).max() < 4.5 / math.sqrt(n)  # what is left is white


def test_a_series_without_noise():
    model = series.yule_walker(np.tile([1.0, -1.0], 50), 2)
    assert_allclose(model.coefficients[0], -0.99, atol=0.02)
    assert model.variance >= 0


# Differences


@given(
    st.integers(0, 3),
    st.integers(1, 4),
    st.integers(0, 20),
    st.sampled_from(["f8", "i4", "i8", "u1", "c16"]),
)
def test_integrating_undoes_differencing(order, lag, more, dtype):
    n = order * lag + more
    x = np.random.default_rng(n).integers(0, 200, (2, n)).astype(dtype)
    changes = series.difference(x, order, lag=lag)
    assert changes.shape == (2, more)
    again = series.integrate(changes, x[:, : order * lag], order, lag=lag)
    assert_array_equal(again, x)  # whole numbers: exactly
    down = series.integrate(changes.T, x[:, : order * lag].T, order, lag=lag, axis=0)
    assert_array_equal(down, x.T)


def test_difference():
    x = np.array([250, 10, 30], np.uint8)
    assert_array_equal(series.difference(x), [-240, 20])  # no wrap-around
    y = samples((3, 40))
    assert_allclose(series.difference(y, 2), np.diff(y, 2))
    t = np.arange(60)
    season = np.tile(samples(12), 5)
    assert_allclose(series.difference(season + 0.5 * t, lag=12), 6.0)
    assert_allclose(series.difference(t**3, 3), 6)
    assert series.difference(y.astype("f4")).dtype == np.float32


def test_whole_numbers_do_not_wrap_around():
    for dtype in (np.int8, np.uint8, np.int16, np.int32, np.uint32):
        ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, np.iinfo(dtype).min], dtype)
        expected = [int(ends[1]) - int(ends[0]), int(ends[0]) - int(ends[1])]
        steps = series.difference(ends)
        assert steps.dtype == np.int64
        assert steps.tolist() == expected
        assert series.integrate(steps, ends[:1]).tolist() == ends.tolist()
    sums = series.integrate(np.array([100, 100], np.int8), np.array([0], np.int8))
    assert sums.tolist() == [0, 100, 200]
    low, high = -(2**63), 2**63 - 1
    assert series.difference([0, high]).tolist() == [high]
    assert series.integrate([high], [0]).tolist() == [0, high]
    for call in (
        lambda: series.difference([low, high]),
        lambda: series.difference([high, low]),
        lambda: series.difference([0, high, 0], 2),
        lambda: series.integrate([high, 1], [0]),
        lambda: series.integrate([low, -1], [0]),
        lambda: series.integrate([2**62, 2**62, -(2**62)], [0]),
        lambda: series.difference(np.array([2**63], np.uint64)),
        lambda: series.integrate([1], np.array([2**63], np.uint64)),
    ):
        with pytest.raises(OverflowError, match="int64 does not hold"):
            call()


def test_half_precision_is_widened():
    sums = series.integrate(np.ones(5000, np.float16), np.zeros(1, np.float16))
    assert sums.dtype == np.float32
    assert sums[-1] == 5000


def test_a_complex_past_makes_a_complex_series():
    x = samples(9)
    real = series.arma(x, [0.5, -0.2], [0.3], past=[1.0, 2.0], past_x=[3.0])
    turned = series.arma(x * 0, [0.5, -0.2], [0.3], past=[3.0, -1.0], past_x=[2.0])
    both = series.arma(x, [0.5, -0.2], [0.3], past=[1.0 + 3j, 2.0 - 1j], past_x=[3.0 + 2j])
    assert_allclose(both, real + 1j * turned)


# White data


def test_standardize():
    x = samples((50, 4)) * [1, 10, 0, 1e-3] + [0, 5, 3.3, 1e3]
    z = series.standardize(x)
    assert_allclose(z.mean(0), 0, atol=1e-9)
    assert_allclose(z.std(0), [1, 1, 0, 1], rtol=1e-9)
    assert_allclose(series.standardize(x.T, 1), z.T)
    assert_allclose(series.standardize(x, (0, 1)).std(), 1)


def test_standardize_at_the_ends_of_the_range():
    z = np.array([-1, 0, 1]) * np.sqrt(1.5)
    for scale in (1e-37, 1e30):
        x = np.array([1, 2, 3], np.float32) * np.float32(scale)
        assert_allclose(series.standardize(x), z, atol=1e-5)
    hurt = series.standardize(np.array([[1.0, 2], [np.nan, 3], [3, 5]]))
    assert np.isnan(hurt[:, 0]).all()
    assert np.isfinite(hurt[:, 1]).all()


def mixed(n=400, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


@pytest.mark.parametrize("method", ["pca", "zca"])
def test_white_is_white(method):
    data = mixed()
    w = series.whiten(data, method)
    white = w(data)
    assert_allclose(np.cov(white, rowvar=False, bias=True), np.eye(6), atol=1e-9)
    assert_allclose(white.mean(0), 0, atol=1e-9)
    assert_allclose(w.undo(white), data, atol=1e-9)
    assert_allclose(w.variances, np.sort(np.linalg.eigvalsh(np.cov(data.T, bias=True)))[::-1])
    single = series.whiten(data.astype("f4"), method)
    assert single(data.astype("f4")).dtype == np.float32
    assert_allclose(w(data[0]), white[0])


def test_pca_finds_the_long_axes():
    data = mixed()
    w = series.whiten(data, components=2)
    assert w(data).shape == (400, 2)
    kept = w.undo(w(data))
    lost = ((data - kept) ** 2).sum() / len(data)
    assert_allclose(lost, w.variances[2:].sum())
    centred = data - data.mean(0)
    _, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    best = (sizes[2:] ** 2).sum() / len(data)  # Eckart and Young: no plane comes closer
    assert_allclose(lost, best)


def test_zca_moves_the_data_least():
    data = mixed()
    w = series.whiten(data, "zca")
    assert_allclose(w.matrix, w.matrix.T, atol=1e-12)
    centred = data - data.mean(0)
    moved = ((w(data) - centred) ** 2).sum()
    for seed in range(20):
        turn = np.linalg.qr(samples((6, 6), seed))[0]
        assert moved < ((w(data) @ turn.T - centred) ** 2).sum()


@pytest.mark.parametrize("method", ["pca", "zca"])
def test_directions_without_variance_are_left_out(method):
    data = mixed(200, 3) @ samples((3, 5), 4)  # rank three
    w = series.whiten(data, method)
    white = w(data)
    assert np.isfinite(white).all()
    assert np.abs(white).max() < 10
    assert np.linalg.matrix_rank(np.cov(white.T), tol=1e-6) == 3
    assert_allclose(w.undo(white), data, atol=1e-9)
    soft = series.whiten(data, method, epsilon=1.0)
    assert np.cov(soft(data).T).trace() < 3
    assert_allclose(soft.undo(soft(data)), data, atol=1e-9)


def test_patches():
    image = samples((7, 9))
    rows = series.patches(image, (3, 2))
    assert rows.shape == (5 * 8, 6)
    assert_array_equal(rows[1 * 8 + 4], image[1:4, 4:6].ravel())
    assert_array_equal(series.patches(image, (3, 2), step=(2, 3))[3 + 1], image[2:5, 3:5].ravel())
    rows[:] = 0
    assert image.any()


@pytest.mark.parametrize("method", ["pca", "zca"])
@pytest.mark.parametrize(
    ("extent", "shape"), [((40,), (5,)), ((20, 24), (4, 3)), ((12, 13, 3), (3, 4, 3))]
)
def test_whitening_patches_is_a_convolution(method, extent, shape):
    image = kernels.gaussian(1.0, len(extent)).sum() * np.cumsum(samples(extent), 0)
    rows = series.patches(image, shape)
    w = series.whiten(rows, method)
    maps = w.convolve(image, shape)
    windows = tuple(n - k + 1 for n, k in zip(extent, shape, strict=True))
    assert maps.shape == (len(w.matrix), *windows)
    assert_allclose(maps.reshape(len(w.matrix), -1), w(rows).T, atol=1e-9)
    assert w.kernels(shape).shape == (len(w.matrix), *shape)


X = np.arange(12.0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: series.moving_average(X, 0), ValueError, "weights must be at least 1"),
        (lambda: series.moving_average(X, []), ValueError, "weights"),
        (lambda: series.moving_average(X, [1, -1]), ValueError, "their sum must not be zero"),
        (lambda: series.moving_average(X, [[1]]), ValueError, "weights must be a line"),
        (lambda: series.moving_average(X, 2, axis=None), TypeError, "axis must be an integer"),
        (lambda: series.autoregressive(X, ["a"]), TypeError, "coefficients has dtype"),
        (lambda: series.autoregressive(X, [[1]]), ValueError, "coefficients must be a line"),
        (lambda: series.moving_average(X, [1j, 1]), TypeError, "weights must be real"),
        (lambda: series.moving_average(X, np.ma.ones(3)), TypeError, "weights is a masked array"),
        (lambda: series.arma(X, [0.5j], ()), TypeError, "ar must be real"),
        (lambda: series.yule_walker([1, np.nan, 3], 1), ValueError, "x must be finite"),
        (lambda: series.yule_walker(np.full(1001, 0.1), 1), ValueError, "x must vary"),
        (lambda: series.moving_average(X, 2, axis=1), ValueError, "axis must be from -1 to 0"),
        (lambda: series.moving_average([], 2), ValueError, "x must not be empty"),
        (lambda: series.autoregressive(X, [np.nan]), ValueError, "finite"),
        (lambda: series.autoregressive(X, [0.1, 0.1], past=[1.0]), ValueError, "past must hold 2"),
        (
            lambda: series.autoregressive(np.ones((3, 4)), [0.1], past=np.ones((2, 1))),
            ValueError,
            "past must fit x",
        ),
        (lambda: series.autoregressive(X, [0.1], constant=np.inf), ValueError, "constant"),
        (lambda: series.arma(X, [], [0.1, 0.2], past_x=[1.0]), ValueError, "past_x must hold 2"),
        (lambda: series.autocovariance(X, 12), ValueError, "less than the 12 values"),
        (lambda: series.autocovariance(np.ones((2, 2)), 1), ValueError, "one real series"),
        (lambda: series.yule_walker(X, 0), ValueError, "order must be at least 1"),
        (lambda: series.yule_walker(X, 12), ValueError, "less than the 12 values"),
        (lambda: series.yule_walker(np.ones(9), 1), ValueError, "x must vary"),
        (lambda: series.difference(X, 13), ValueError, "at least order * lag = 13"),
        (lambda: series.difference(X, lag=0), ValueError, "lag must be at least 1"),
        (lambda: series.integrate(X, [1.0, 2.0]), ValueError, "start must have shape (1,)"),
        (lambda: series.standardize(np.ones((0, 2))), ValueError, "empty"),
        (lambda: series.whiten(X), ValueError, "data must be real, a row"),
        (lambda: series.whiten(np.ones((5, 2))), ValueError, "data must vary"),
        (lambda: series.whiten([[1.0, np.nan], [2, 3]]), ValueError, "data must be finite"),
        (lambda: series.whiten(mixed(), "ica"), ValueError, "method is 'ica'"),
        (lambda: series.whiten(mixed(), components=7), ValueError, "at most the 6 features"),
        (lambda: series.whiten(mixed(), epsilon=-1), ValueError, "epsilon"),
        (lambda: series.whiten(mixed())(X), ValueError, "data must have 6"),
        (lambda: series.whiten(mixed()).undo(X), ValueError, "white must have 6"),
        (lambda: series.whiten(mixed()).kernels((2, 2)), ValueError, "shape must hold 6 samples"),
        (lambda: series.whiten(mixed()).convolve(X, (2, 3)), ValueError, "image must have an axis"),
        (lambda: series.patches(X, (13,)), ValueError, "shape must fit into image"),
        (lambda: series.patches(X, 3, step=0), ValueError, "step must be positive"),
        (lambda: series.patches(X, 2.5), TypeError, "shape"),
    ],
)
def test_errors_name_the_argument(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
