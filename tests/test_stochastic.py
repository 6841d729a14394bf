"""Convolution by chance: unbiased, with the variance of its formula, and the same on any machine."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import faltung
from faltung import _core, kernels, stochastic

BOUNDARIES = ["zero", "constant", "edge", "symmetric", "mirror", "wrap"]


def samples(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def variance(x, p, **options):
    """Of one draw: the second moment less the square of the first."""
    second = np.abs(p).sum() * faltung.convolve(x**2, np.abs(p), "same", **options)
    return second - faltung.convolve(x, p, "same", **options) ** 2


def score(x, p, count, rng, **options):
    """Deviation from the convolution, in standard deviations."""
    mean = stochastic.convolve(x, p, count, rng, **options)
    off = mean - faltung.convolve(x, p, "same", **options)
    spread = np.sqrt(np.maximum(variance(x, p, **options), 0) / count)
    sure = spread < 1e-6  # windows of one value
    assert_allclose(off[sure], 0, atol=1e-12)
    return off[~sure] / spread[~sure]


# The generator


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # the authors' own known answers for ten rounds of Philox4x32 (Random123)
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_its_known_answers(level, counter, key, expected):
    whole = [low | high << 32 for low, high in (key, counter[:2], counter[2:])]
    bits = [low | high << 32 for low, high in (expected[:2], expected[2:])]
    scaled = tuple(b * 0xFFFFFFFF >> 32 for b in bits)  # the range that is asked for
    assert _core.random_words(*whole) == scaled


@pytest.mark.parametrize("shape", [(3,), (3, 3), (40,), (31, 33)])
def test_taps_come_up_as_often_as_they_should(shape):
    # A ramp around a ring tells which tap each output drew.
    p = kernels.softmax(samples(shape, 1))
    extent = (2**20,) if len(shape) == 1 else (1024, 1024)
    x = np.arange(2.0**20).reshape(extent)
    drawn = stochastic.convolve(x, p, rng=5, boundary="wrap")
    sources = np.unravel_index(drawn.astype(np.int64), extent)
    taps = [  # of y[i] = x[i - t], centred, on the ring
        (place - source + (k - 1) // 2 + n // 2) % n - n // 2
        for place, source, n, k in zip(np.indices(extent), sources, extent, shape, strict=True)
    ]
    index = np.ravel_multi_index([t.ravel() for t in taps], shape)
    counts = np.bincount(index, minlength=p.size)
    assert scipy.stats.chisquare(counts, p.ravel() * index.size).pvalue > 1e-3
    # neighbours draw independently
    pairs = np.histogram2d(index[:-1] % 3, index[1:] % 3, bins=3)[0]
    assert scipy.stats.chi2_contingency(pairs).pvalue > 1e-3


# Unbiased, with the error of its formula


@pytest.mark.parametrize("count", [1, 2, 7, 400])
@pytest.mark.parametrize("name", ["density", "signed", "wide"])
def test_unbiased(name, count):
    k = {
        "density": kernels.softmax(samples((3, 3), 1)),
        "signed": samples((5, 4), 2),
        "wide": kernels.gaussian(6.0) * 3,
    }[name]
    z = score(samples((160, 200), 3), k, count, 11)
    assert abs(z.mean()) < 4 / math.sqrt(z.size)
    assert_allclose((z**2).mean(), 1, atol=0.05)
    assert np.abs(z).max() < (7 if count > 1 else 60)


def test_many_draws_are_normal_around_the_convolution():
    z = score(samples((64, 64), 3), samples((3, 3), 4), 5000, 12)
    assert scipy.stats.kstest(z, "norm").pvalue > 1e-3


def test_the_error_falls_as_one_over_the_root():
    x, p = samples((80, 90)), kernels.softmax(samples((3, 3), 1))
    counts = 4 ** np.arange(8)
    exact = faltung.convolve(x, p, "same")
    errors = [np.sqrt(np.mean((stochastic.convolve(x, p, int(n), 7) - exact) ** 2)) for n in counts]
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert abs(slope + 0.5) < 0.01


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(
    ("shape", "k_shape"), [((40,), (5,)), ((3, 4), (9, 6)), ((6, 7, 8), (3, 2, 3))]
)
def test_every_boundary(boundary, shape, k_shape):
    options = {"boundary": boundary}
    if boundary == "constant":
        options["cval"] = 1.5
    x, k = samples(shape), samples(k_shape, 1)
    exact = faltung.convolve(x, k, "same", **options)
    got = stochastic.convolve(x, k, 20_000, 3, **options)
    bound = np.abs(k).sum() * max(np.abs(x).max(), 1.5) / math.sqrt(20_000)
    assert np.abs(got - exact).max() < 5 * bound


# What is certain


def test_one_tap_is_a_shift():
    x = samples((9, 11))
    for count in (1, 2, 3, 10):
        for weight in (1.0, -2.5):
            k = np.zeros((3, 3))
            k[0, 2] = weight
            exact = faltung.convolve(x, k, "same", boundary="edge")
            got = stochastic.convolve(x, k, count, boundary="edge")
            assert_allclose(got, exact, rtol=1e-15)


@given(st.data())
def test_one_tap_anywhere_is_what_convolve_says(data):
    # no chance is left, so shapes, modes, axes and boundaries can be compared to the last bit
    shape = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    axes = data.draw(st.permutations(range(len(shape))))[: data.draw(st.integers(1, len(shape)))]
    k = np.zeros(data.draw(st.lists(st.integers(1, 12), min_size=len(axes), max_size=len(axes))))
    k.ravel()[data.draw(st.integers(0, k.size - 1))] = -1.0
    x = samples(shape).astype(data.draw(st.sampled_from(["f2", "f4", "f8", "c16"])))
    x = x.transpose(data.draw(st.permutations(range(x.ndim))))
    axes = tuple(axes)
    modes = ["full", "same"]
    if all(x.shape[a] >= n for a, n in zip(axes, k.shape, strict=True)):
        modes.append("valid")
    options = {"mode": data.draw(st.sampled_from(modes)), "axes": axes}
    options["boundary"] = data.draw(st.sampled_from(BOUNDARIES))
    count = data.draw(st.sampled_from([1, 2, 8]))
    exact = faltung.convolve(x, k, method="direct", **options)
    assert_array_equal(stochastic.convolve(x, k, count, 0, **options), exact)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_one_draw_is_one_of_the_neighbours(dtype):
    x = samples((70, 80)).astype(dtype)
    p = kernels.softmax(samples((3, 3), 1)).astype(dtype)
    drawn = stochastic.convolve(x, p, rng=3, boundary="mirror")
    around = np.lib.stride_tricks.sliding_window_view(np.pad(x, 1, "reflect"), (3, 3))
    assert (around == drawn[:, :, None, None]).any((2, 3)).all()


def test_taps_of_weight_zero_are_never_drawn():
    x = samples(200)
    x[100] = np.nan
    got = stochastic.convolve(x, [0.5, 0, 0.5], 50, 1)
    assert_array_equal(np.flatnonzero(np.isnan(got)), [99, 101])


# The same on any machine


def test_levels_workers_layout_and_seed(level):
    x, k = samples((90, 100, 3)), samples((5, 5), 1)
    want = stochastic.convolve(x, k, 9, 42, axes=(0, 1), workers=1)
    assert want.ravel()[:3].tobytes() == FIRST.tobytes()
    for workers in (2, 5):
        assert_array_equal(stochastic.convolve(x, k, 9, 42, axes=(0, 1), workers=workers), want)
    for other in (np.asfortranarray(x), x[::-1][::-1], x.astype(">f8")):
        assert_array_equal(stochastic.convolve(other, k, 9, 42, axes=(0, 1)), want)
    out = np.empty_like(x)
    assert stochastic.convolve(x, k, 9, 42, axes=(0, 1), out=out) is out
    assert_array_equal(out, want)
    assert (stochastic.convolve(x, k, 9, 43, axes=(0, 1)) != want).mean() > 0.99


FIRST = np.array([11.751454615567528, 0.6896488122459091, -0.0953505473234439])


def test_where_chance_comes_from():
    x, k = samples(500), samples(5, 1)
    seeded = stochastic.convolve(x, k, rng=9)
    assert_array_equal(stochastic.convolve(x, k, rng=np.random.default_rng(9)), seeded)
    assert_array_equal(stochastic.convolve(x, k, rng=np.random.SeedSequence(9)), seeded)
    rng = np.random.default_rng(9)
    assert_array_equal(stochastic.convolve(x, k, rng=rng), seeded)
    assert (stochastic.convolve(x, k, rng=rng) != seeded).any()  # it has moved on
    assert (stochastic.convolve(x, k) != stochastic.convolve(x, k)).any()


def test_entries_of_a_batch_draw_for_themselves():
    stack = stochastic.convolve(np.tile(samples(300), (2, 1)), samples(5, 1), axes=1, rng=1)
    assert (stack[0] != stack[1]).mean() > 0.5


# Types, modes, errors


def test_types_and_modes():
    x, k = samples((30, 40)), samples((3, 5), 1)
    for dtype, due in [
        ("f2", "f4"),
        ("f4", "f4"),
        ("u1", "f8"),
        ("f8", "f8"),
        ("c8", "c8"),
        ("c16", "c16"),
    ]:
        given = (9 * x).astype(dtype) if dtype != "u1" else np.abs(9 * x).astype(dtype)
        weights = k.astype("f4") if due in ("f4", "c8") else k
        assert stochastic.convolve(given, weights).dtype == np.dtype(due)
    assert stochastic.convolve([1, 2, 3], [1, 2]).dtype == np.float64
    z = x + 1j * samples((30, 40), 2)
    got = stochastic.convolve(z, k, 3000, 1)
    assert np.abs(got - faltung.convolve(z, k, "same")).max() < 1.0
    for mode, shape in (("full", (32, 44)), ("valid", (28, 36)), ("same", (30, 40))):
        got = stochastic.convolve(x, k, 3000, 1, mode=mode)
        assert got.shape == shape
        assert np.abs(got - faltung.convolve(x, k, mode)).max() < 1.0
    photo = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    once = stochastic.convolve(
        photo, kernels.softmax(k), axes=(0, 1), boundary="edge", dtype=np.uint8
    )
    assert once.dtype == np.uint8
    assert np.isin(once, photo).all()
    assert stochastic.convolve(np.ones((0, 4)), [1.0], axes=1).shape == (0, 4)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: stochastic.convolve([1.0], [1j]), ValueError, "p must be real"),
        (lambda: stochastic.convolve([1.0], [0.0, 0.0]), ValueError, "not all zero"),
        (lambda: stochastic.convolve([1.0], [np.nan, 1.0]), ValueError, "finite"),
        (lambda: stochastic.convolve([1.0], [np.inf]), ValueError, "finite"),
        (lambda: stochastic.convolve([1.0], [1.0], 0), ValueError, "samples must be at least 1"),
        (lambda: stochastic.convolve([1.0], [1.0], 2.5), TypeError, "samples"),
        (lambda: stochastic.convolve([1.0], [1.0], 2**31), ValueError, "at most 2**30"),
        (lambda: stochastic.convolve([1.0], [[1.0]]), ValueError, "axes"),
        (lambda: stochastic.convolve([1.0], []), ValueError, "empty"),
        (lambda: stochastic.convolve([1.0], [1.0], boundary="wall"), ValueError, "'wall'"),
        (lambda: stochastic.convolve(["a"], [1.0]), TypeError, "x has dtype"),
        (lambda: stochastic.convolve([1.0], [1.0], rng="dice"), TypeError, "rng must be"),
        (lambda: stochastic.convolve([1.0], [1.0], rng=-1), ValueError, "rng must be"),
    ],
)
def test_errors_name_the_argument(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_as_seed():
    # NumPy's seeds take one apart without end
    x, p = np.arange(9.0), np.ones(3) / 3
    drawn = [stochastic.convolve(x, p, rng=seed) for seed in (np.matrix([[1, 2]]), [[1, 2]])]
    np.testing.assert_array_equal(*drawn)
