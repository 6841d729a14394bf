"""Diffusion against its laws, its closed forms, and a finite-difference solver."""

import math
import tracemalloc

import numpy as np
import pytest
import scipy.integrate
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import faltung
from faltung import diffusion

KINDS = ["lattice", "sampled", "band_limited"]
BOUNDARIES = ["zero", "constant", "edge", "symmetric", "mirror", "wrap"]
kinds = pytest.mark.parametrize("kind", KINDS)
boundaries = pytest.mark.parametrize("boundary", BOUNDARIES)


def samples(shape, seed=0):
    return np.random.default_rng(seed).random(shape)


def places(p):
    return np.arange(len(p)) - len(p) // 2


def solver(u, t, diffusivities, boundary, steps, cval=0.0, margin=60):
    """Finite differences in space, Runge and Kutta's four slopes in time.

    Boundaries without end are solved in a basin so wide that its rim is not felt inside.
    """
    basin = {"zero": "constant", "constant": "constant", "edge": "edge"}.get(boundary)
    outside = {"constant_values": cval} if basin == "constant" else {}
    wide = np.pad(u, margin, basin, **outside) if basin else u
    rim = {"symmetric": "symmetric", "mirror": "reflect", "wrap": "wrap"}.get(boundary, "edge")

    def slope(v):
        around = np.pad(v, 1, rim)
        inner = (slice(1, -1),) * v.ndim
        total = np.zeros_like(v)
        for axis, d in enumerate(diffusivities):
            pair = np.roll(around, 1, axis)[inner] + np.roll(around, -1, axis)[inner]
            total += d * (pair - 2 * v)
        return total

    dt = t / steps
    for _ in range(steps):
        a = slope(wide)
        b = slope(wide + dt / 2 * a)
        c = slope(wide + dt / 2 * b)
        d = slope(wide + dt * c)
        wide = wide + dt / 6 * (a + 2 * b + 2 * c + d)
    return wide[(slice(margin, -margin),) * u.ndim] if basin else wide


# The propagator


@kinds
@pytest.mark.parametrize("t", [0.0, 0.02, 0.7, 4.0, 300.0])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_it_is_a_centred_unit(kind, t, ndim):
    radius = None if ndim == 1 else 9
    p = diffusion.propagator(t, ndim=ndim, kind=kind, radius=radius)
    assert p.ndim == ndim
    assert all(n % 2 == 1 for n in p.shape)
    assert_allclose(p.sum(), 1, rtol=1e-14)
    assert_allclose(np.flip(p), p, atol=1e-15)
    assert_allclose(p.T, p, atol=1e-15)
    if kind != "band_limited":
        assert p.min() >= 0
    if t == 0:
        assert_allclose(p[tuple(n // 2 for n in p.shape)], 1, rtol=1e-12)


@pytest.mark.parametrize("s", [0.01, 0.3, 1.0, 12.0, 2000.0])
def test_lattice_is_bessels(s):
    p = diffusion.propagator(s, ndim=1)
    assert_allclose(p, scipy.special.ive(places(p), 2 * s), atol=3e-16 * math.sqrt(len(p)))
    assert 1 - scipy.special.ive(places(p), 2 * s).sum() < 1e-13  # nothing of note is cut off
    assert_allclose((p * places(p) ** 2).sum(), 2 * s, rtol=1e-11)


@pytest.mark.parametrize("s", [0.05, 0.3, 1.0, 5.0])
def test_band_limited_is_its_integral(s):
    p = diffusion.propagator(s, ndim=1, kind="band_limited", radius=200)
    for x in (0, 1, 2, 7, 60):
        exact, _ = scipy.integrate.quad(
            lambda f: 2 * math.exp(-4 * math.pi**2 * s * f * f),
            0, 0.5, weight="cos", wvar=2 * math.pi * x, epsabs=1e-14,
        )  # fmt: skip
        assert_allclose(p[200 + x], exact, atol=2e-6 if s < 0.5 else 2e-9)


def test_band_limited_needs_little_memory():
    tracemalloc.start()
    try:
        near, far = (
            diffusion.propagator(0.7, ndim=1, kind="band_limited", radius=r) for r in (300, 3000)
        )
        wide = diffusion.propagator(1e6, ndim=1, kind="band_limited")
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
    assert_allclose(far[2700:3301], near, atol=1e-5)
    assert_allclose(wide, diffusion.propagator(1e6, ndim=1, kind="sampled"))


@pytest.mark.parametrize("s", [3.0, 8.0, 40.0])
def test_the_kinds_agree_where_the_spread_is_wide(s):
    lattice, sampled, band = (diffusion.propagator(s, ndim=1, kind=k, radius=150) for k in KINDS)
    assert_allclose(sampled, band, atol=2 * math.exp(-(math.pi**2) * s) + 1e-15)
    assert_allclose(lattice, sampled, atol=0.1 * s**-1.5)
    x = places(sampled)
    assert_allclose(sampled, np.exp(-(x**2) / (4 * s)) / math.sqrt(4 * math.pi * s), atol=1e-13)


def test_axes_spacing_and_diffusivity():
    p = diffusion.propagator(0.5, (2.0, 6.0), spacing=(1.0, 0.5))
    lines = [diffusion.propagator(s, ndim=1) for s in (1.0, 12.0)]
    assert_allclose(p, np.outer(*lines), rtol=1e-13)
    assert diffusion.propagator(1.0, ndim=3, radius=(1, 2, 3)).shape == (3, 5, 7)
    assert diffusion.propagator(1.0, dtype="f4").dtype == np.float32
    # a wave of f periods per cell decays by the factor that each kind stands for
    f, s = 0.2, 1.7
    wave = np.cos(2 * np.pi * f * np.arange(40))
    factors = {
        "lattice": math.exp(-2 * s * (1 - math.cos(2 * math.pi * f))),
        "band_limited": math.exp(-4 * math.pi**2 * s * f * f),
    }
    for kind, factor in factors.items():
        p = diffusion.propagator(s, ndim=1, kind=kind, radius=None if kind == "lattice" else 800)
        assert_allclose(
            faltung.convolve(wave, p, "same", boundary="wrap"), factor * wave, atol=1e-9
        )


# Diffusing


@boundaries
@pytest.mark.parametrize("shape", [(37,), (14, 17), (6, 7, 8)])
def test_against_a_finite_difference_solver(boundary, shape):
    u = samples(shape)
    d = (0.9, 0.4, 0.6)[: len(shape)]
    margin = 60 if len(shape) < 3 else 14
    t = 1.3 if len(shape) < 3 else 0.3
    cval = 0.3 if boundary == "constant" else 0
    expected = solver(u, t, d, boundary, 120, cval=cval, margin=margin)
    got = diffusion.diffuse(u, t, d, boundary, cval=cval)
    assert_allclose(got, expected, atol=1e-6)


@given(
    st.integers(1, 40),
    st.floats(0, 50),
    st.floats(0, 50),
    st.sampled_from(["symmetric", "mirror", "wrap"]),
)
def test_two_steps_make_one(n, first, second, boundary):
    u = samples(n, n)
    twice = diffusion.diffuse(
        diffusion.diffuse(u, first, boundary=boundary), second, boundary=boundary
    )
    assert_allclose(twice, diffusion.diffuse(u, first + second, boundary=boundary), atol=1e-13)


@kinds
@pytest.mark.parametrize("shape", [(1,), (2,), (50,), (21, 30), (7, 8, 9)])
@pytest.mark.parametrize("t", [0.1, 3.0, 1000.0])
def test_mass_is_kept(kind, shape, t):
    u = samples(shape)
    for boundary in ("symmetric", "wrap"):
        after = diffusion.diffuse(u, t, boundary=boundary, kind=kind)
        assert_allclose(after.sum(), u.sum(), rtol=4e-15 * len(shape))
    if min(shape) > 1:
        halves = np.ones(shape)
        for axis, n in enumerate(shape):
            ends = [slice(None)] * len(shape)
            ends[axis] = [0, n - 1]
            halves[tuple(ends)] /= 2
        after = diffusion.diffuse(u, t, boundary="mirror", kind=kind)
        assert_allclose((after * halves).sum(), (u * halves).sum(), rtol=1e-14)
    inside = np.pad(u, 60)
    if t < 10 and len(shape) < 3:  # free water: nothing has reached the rim of the window
        assert_allclose(diffusion.diffuse(inside, t, boundary="zero").sum(), u.sum(), rtol=1e-14)


@boundaries
def test_no_value_leaves_the_range(boundary):
    u = samples((30, 40))
    for t in (0.01, 0.5, 100.0):
        after = diffusion.diffuse(
            u, t, boundary=boundary, cval=0.5 if boundary == "constant" else 0
        )
        assert after.max() <= u.max() + 1e-15
        assert after.min() >= (0 if boundary == "zero" else u.min()) - 1e-15
    assert_allclose(diffusion.diffuse(u, 0.0, boundary=boundary), u, rtol=1e-15)


@boundaries
@pytest.mark.parametrize("n", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("t", [0.4, 3.0, 40.0])
def test_long_propagators_are_folded_rightly(boundary, n, t):
    u = samples(n)
    cval = 0.7 if boundary == "constant" else 0
    long = faltung.convolve(
        u, diffusion.propagator(t, ndim=1), "same", "direct", boundary=boundary, cval=cval
    )
    assert_allclose(diffusion.diffuse(u, t, boundary=boundary, cval=cval), long, atol=1e-14)


def test_in_the_end_all_is_even():
    u = samples((20, 30))
    for boundary in ("symmetric", "wrap"):
        assert_allclose(diffusion.diffuse(u, 1e5, boundary=boundary), u.mean(), rtol=1e-12)


def test_batches_types_and_out():
    u = samples((3, 12, 15))
    stack = diffusion.diffuse(u, 1.1, (0.5, 2.0), axes=(2, 1))
    for one, after in zip(u, stack, strict=True):
        assert_allclose(after, diffusion.diffuse(one, 1.1, (2.0, 0.5)), atol=1e-14)
    for given_, due in [("f2", "f2"), ("f4", "f4"), ("u1", "f8"), ("c8", "c8"), (">f8", "f8")]:
        assert diffusion.diffuse((u * 9).astype(given_), 1.0).dtype == np.dtype(due)
    whole = diffusion.diffuse(np.full((5, 5), 100, np.uint8), 3.0, dtype=np.uint8)
    assert_array_equal(whole, np.full((5, 5), 100, np.uint8))
    out = np.empty_like(u)
    assert diffusion.diffuse(u, 1.0, out=out) is out
    assert_array_equal(out, diffusion.diffuse(u, 1.0, workers=1))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: diffusion.propagator(-1), ValueError, "t must be finite and at least 0, not -1"),
        (lambda: diffusion.propagator(1, np.inf), ValueError, "D must be finite"),
        (lambda: diffusion.propagator(1, (1, 2, 3), 2), ValueError, "D must be a scalar or 2"),
        (
            lambda: diffusion.propagator(1, spacing=0),
            ValueError,
            "spacing must be finite and above 0",
        ),
        (
            lambda: diffusion.propagator(1e300, 1e300),
            ValueError,
            "t * D / spacing**2 must be finite",
        ),
        (lambda: diffusion.propagator(1, spacing=1e-200), ValueError, "t * D / spacing**2"),
        (lambda: diffusion.propagator(1e40), MemoryError, "t * D / spacing**2"),
        (lambda: diffusion.propagator(1, kind="exact"), ValueError, "kind is 'exact'"),
        (lambda: diffusion.propagator(1, radius=-1), ValueError, "radius"),
        (lambda: diffusion.propagator(1, ndim=1, radius=1.5), TypeError, "radius"),
        (lambda: diffusion.diffuse([1, 2], "long"), TypeError, "t must be a real number"),
        (lambda: diffusion.diffuse(["salt"], 1), TypeError, "x has dtype"),
        (lambda: diffusion.diffuse([1, 2], 1, boundary="reflect"), ValueError, "reflect"),
        (lambda: diffusion.diffuse([1, 2], 1, axes=1), ValueError, "axes"),
        (lambda: diffusion.diffuse([1, 2], 1, (1, 2)), ValueError, "D must be a scalar or 1"),
        (lambda: diffusion.diffuse([], 1), ValueError, "empty"),
    ],
)
def test_errors_name_the_argument(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
